//! What waits for whom: the gates of open requests that do not admit, and reviews that are due.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, Environment, IdentityName, Project, Time};
use schemas::policy::GateRule;
use schemas::predicate::decision::Outcome;
use schemas::report::GateVerdict;
use schemas::trust::role;

use crate::policy::supply::{self, NAMED_MAX};
use crate::policy::{Ask, overdue, path};
use crate::projection::Missing;
use crate::projection::slice::{EnvironmentSlice, PolicyInForce, Request, ReviewDue};
use crate::trust::Trust;
use crate::view::{Named, View};

/// Whose things are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    Everybody,
    /// What somebody in this role can supply, and what is overdue and goes to it.
    Role(&'a str),
    /// The same for the roles that somebody has.
    Identity(&'a IdentityName),
}

/// One thing that somebody is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub environment: Environment,
    pub request: EntryIndex,
    pub artifact: Named,
    /// Further artifacts that stand or fall with it.
    pub with: Vec<Named>,
    /// Who asked; of a review it is not kept.
    pub requester: Option<IdentityName>,
    /// When it was asked for, or granted where a review is due.
    pub since: Time,
    pub what: What,
    /// In which roles it can be supplied; none where only time helps.
    pub roles: Vec<String>,
    /// Who has one of them, and whose answer would count as far as the log says; a hint, and only some
    /// of many.
    pub people: Vec<IdentityName>,
    pub late: Option<Late>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Gate(GateVerdict),
    /// Nothing but that somebody evaluates it again: this is what would come out.
    Decision(Outcome),
    /// The review of an emergency, granted by this entry.
    Review {
        granted: EntryIndex,
        due: Time,
    },
    /// What the gates say cannot be told here.
    Unknown,
}

/// It should have been there by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    pub since: Time,
    /// The role next in line, where the policy names one, and who has it.
    pub role: Option<String>,
    pub people: Vec<IdentityName>,
}

/// Lists what waits in these projects: what is overdue first, then by request.
pub fn inbox(view: &View<'_>, projects: &[Project], whose: Whose) -> Result<Vec<Item>, Missing> {
    let mut items = Vec::new();
    for project in projects {
        let (Some(policy), Some(trust)) = (view.state.policy(project), view.state.trust()) else {
            continue;
        };
        for rule in &policy.document.environments {
            let environment = Environment { project: project.clone(), name: rule.name.clone() };
            let desk = Desk { view, policy, trust, environment };
            desk.look(whose, &mut items)?;
        }
    }
    let mut worst: BTreeMap<EntryIndex, Time> = BTreeMap::new();
    for (request, late) in items.iter().filter_map(|it| Some((it.request, it.late.as_ref()?))) {
        let since = worst.entry(request).or_insert(late.since);
        *since = late.since.min(*since);
    }
    let place = |it: &Item| {
        let worst = worst.get(&it.request).copied().unwrap_or(Time(i64::MAX));
        (worst, it.request, it.late.is_none())
    };
    items.sort_by_key(place);
    Ok(items)
}

/// Where the things of one environment are looked at.
struct Desk<'a> {
    view: &'a View<'a>,
    policy: &'a PolicyInForce,
    trust: &'a Trust,
    environment: Environment,
}

impl Desk<'_> {
    fn look(&self, whose: Whose, items: &mut Vec<Item>) -> Result<(), Missing> {
        let Some(slice) = self.view.environment(&self.environment)? else { return Ok(()) };
        for (index, request) in &slice.requests {
            // Nobody waits for what is over, although no event has said so yet.
            if !request.is_expired(self.view.at) {
                self.request(*index, request, whose, items)?;
            }
        }
        self.reviews(slice, whose, items)
    }

    fn request(
        &self,
        index: EntryIndex,
        request: &Request,
        whose: Whose,
        items: &mut Vec<Item>,
    ) -> Result<(), Missing> {
        let artifact = &request.artifact;
        let ask = Ask { environment: &self.environment, artifact, request: Some(index) };
        let evaluation = self.view.evaluate(&ask)?;
        let item = Item {
            environment: self.environment.clone(),
            request: index,
            artifact: self.view.named(artifact, &self.environment.project)?,
            with: self.all(&request.with)?,
            requester: Some(request.requester.identity.clone()),
            since: request.time,
            what: What::Unknown,
            roles: Vec::new(),
            people: Vec::new(),
            late: None,
        };
        let Some(evaluation) = evaluation else {
            if whose == Whose::Everybody {
                items.push(item);
            }
            return Ok(());
        };
        if let Some(outcome) = evaluation.outcome() {
            let may = |it: &IdentityName| self.has_role(it, role::SERVICE);
            let roles = vec![role::SERVICE.to_owned()];
            let decided = Item { what: What::Decision(outcome), roles, ..item };
            self.add(decided, may, whose, items);
            return Ok(());
        }
        let rule = self.policy.document.environment(&self.environment.name);
        let late = overdue::of_request(rule, request, &evaluation.gates, self.view.at);
        let rules = rule.and_then(|rule| path::gates(rule, request.path)).unwrap_or_default();
        for gate in evaluation.open_gates() {
            let rule = rules.iter().find(|rule| rule.id == gate.id);
            let late = late.iter().find(|it| it.gate == gate.id);
            let wanted = evaluation.wanted.get(&gate.id);
            let open = Item {
                what: What::Gate(gate.clone()),
                roles: rule
                    .map(|rule| supply::roles(&rule.gate, wanted, &self.environment))
                    .unwrap_or_default(),
                late: late.map(|it| self.late(it)),
                ..item.clone()
            };
            let can = |rule: &GateRule, it: &IdentityName| {
                self.asked(request).may_supply(&rule.gate, wanted, it)
            };
            let may = |it: &IdentityName| rule.is_some_and(|rule| can(rule, it));
            self.add(open, may, whose, items);
        }
        Ok(())
    }

    fn all(&self, artifacts: &[Digest]) -> Result<Vec<Named>, Missing> {
        let project = &self.environment.project;
        artifacts.iter().map(|it| self.view.named(it, project)).collect()
    }

    fn reviews(
        &self,
        slice: &EnvironmentSlice,
        whose: Whose,
        items: &mut Vec<Item>,
    ) -> Result<(), Missing> {
        for (index, due) in &slice.reviews_due {
            let late = self.view.at >= due.due_at;
            let item = Item {
                environment: self.environment.clone(),
                request: *index,
                artifact: self.view.named(&due.artifact, &self.environment.project)?,
                with: self.all(&due.with)?,
                requester: None,
                since: due.granted_at,
                what: What::Review { granted: due.granted, due: due.due_at },
                roles: due.roles.clone(),
                people: Vec::new(),
                late: late.then(|| Late { since: due.due_at, role: None, people: Vec::new() }),
            };
            self.add(item, |it| self.may_review(due, it), whose, items);
        }
        Ok(())
    }

    /// Adds what is asked for, with the people who can supply it.
    fn add(
        &self,
        item: Item,
        may: impl Fn(&IdentityName) -> bool,
        whose: Whose,
        items: &mut Vec<Item>,
    ) {
        let next = item.late.as_ref().and_then(|late| late.role.as_deref());
        let wanted = match whose {
            Whose::Everybody => true,
            // A review that names no role is for any that approves.
            Whose::Role(role) => {
                let any = matches!(item.what, What::Review { .. }) && item.roles.is_empty();
                next == Some(role)
                    || item.roles.iter().any(|it| it == role)
                    || (any && role::is_approval(role))
            }
            Whose::Identity(identity) => {
                may(identity) || next.is_some_and(|role| self.has_role(identity, role))
            }
        };
        if wanted {
            let people = self.people(may);
            items.push(Item { people, ..item });
        }
    }

    fn people(&self, may: impl Fn(&IdentityName) -> bool) -> Vec<IdentityName> {
        let identities = self.trust.document.identities.iter().map(|it| &it.name);
        identities.filter(|it| may(it)).take(NAMED_MAX).cloned().collect()
    }

    fn late(&self, overdue: &overdue::Overdue) -> Late {
        let role = overdue.role.clone();
        let people = self.people(|it| role.as_ref().is_some_and(|role| self.has_role(it, role)));
        Late { since: overdue.since, role, people }
    }

    fn has_role(&self, identity: &IdentityName, role: &str) -> bool {
        let Environment { project, name } = &self.environment;
        self.trust.has_role(identity, role, project, Some(name))
    }

    /// What is asked of whoever can answer.
    fn asked<'a>(&'a self, request: &'a Request) -> supply::Asked<'a> {
        supply::Asked {
            policy: &self.policy.document,
            trust: self.trust,
            environment: &self.environment,
            way: request.path,
            request: Some(request),
        }
    }

    fn may_review(&self, due: &ReviewDue, identity: &IdentityName) -> bool {
        let Environment { project, name } = &self.environment;
        let holds = |role: &String| self.trust.has_role(identity, role, project, Some(name));
        let any = || {
            let grants = self.trust.document.grants.iter().filter(|it| it.identity == *identity);
            grants.map(|it| &it.role).any(|role| role::is_approval(role) && holds(role))
        };
        !due.involved.contains(identity)
            && !self.trust.is_admin(identity)
            && (due.roles.iter().any(holds) || (due.roles.is_empty() && any()))
    }
}

#[cfg(test)]
mod tests;
