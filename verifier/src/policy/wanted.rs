//! Whose answer an `approvals` gate still waits for: a hint for people, and no part of a verdict.

use std::collections::BTreeSet;

use schemas::id::IdentityName;
use schemas::policy::{Approvals, Excluded};

use crate::projection::slice::{ApprovalGiven, Request};
use crate::threshold;

/// Whose approval would bring a gate nearer, as far as the log says whose work it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The roles in which one still counts; none where somebody objects.
    pub roles: Vec<String>,
    /// Theirs would not count, or counts already.
    pub not: BTreeSet<IdentityName>,
    /// Who has answered in a role, and can add nothing in that one.
    pub given: BTreeSet<(IdentityName, String)>,
}

impl Wanted {
    /// True where somebody's answer would count, by the roles that they have.
    pub fn may(&self, name: &IdentityName, has_role: impl Fn(&str) -> bool) -> bool {
        let given = |role: &String| self.given.contains(&(name.clone(), role.clone()));
        !self.not.contains(name) && self.roles.iter().any(|role| !given(role) && has_role(role))
    }

    /// Before anybody could be told apart: anyone in the gate's roles, but for those who are known
    /// not to count.
    pub(super) fn anyone(
        gate: &Approvals,
        request: Option<&Request>,
        excluded: impl IntoIterator<Item = IdentityName>,
    ) -> Wanted {
        let requester = request.filter(|_| gate.not.contains(&Excluded::Requester));
        let requester = requester.map(|request| request.requester.identity.clone());
        let not = excluded.into_iter().chain(requester).collect();
        Wanted { roles: gate.roles.clone(), not, given: BTreeSet::new() }
    }

    /// After these have counted: another person of any role, as long as more people are missing than
    /// are missing in roles; then people of those roles alone.
    pub(super) fn beside(
        gate: &Approvals,
        counted: &[&ApprovalGiven],
        excluded: impl IntoIterator<Item = IdentityName>,
    ) -> Wanted {
        let people = |role: Option<&str>| {
            let of_role = counted.iter().filter(|it| role.is_none_or(|role| it.role == role));
            threshold::count_identities(of_role.map(|it| (&it.signer.identity, &it.signer.key)))
        };
        let missing = (gate.count as usize).saturating_sub(people(None));
        let lacks = |(role, least): (&String, &u32)| {
            let lacks = (*least as usize).saturating_sub(people(Some(role)));
            (lacks > 0).then(|| (role.clone(), lacks))
        };
        let lacking: Vec<(String, usize)> = gate.each.iter().filter_map(lacks).collect();
        let in_roles: usize = lacking.iter().map(|(_, lacks)| lacks).sum();
        let roles = match missing > in_roles {
            true => gate.roles.clone(),
            false => lacking.into_iter().map(|(role, _)| role).collect(),
        };
        let mut not: BTreeSet<IdentityName> = excluded.into_iter().collect();
        let mut given = BTreeSet::new();
        for it in counted {
            // Whoever counts in one role can still count in another, which brings in nobody new.
            match missing < in_roles {
                true => given.insert((it.signer.identity.clone(), it.role.clone())),
                false => not.insert(it.signer.identity.clone()),
            };
        }
        Wanted { roles, not, given }
    }
}

#[cfg(test)]
mod tests;
