//! `approvals`: signed answers by distinct people who hold a role, and who are not those whose work
//! or wish it is.

mod excluded;

use schemas::id::{EntryIndex, IdentityName};
use schemas::policy::Approvals;
use schemas::predicate::approval::ApprovalOutcome;

use super::Answer;
use crate::policy::Context;
use crate::policy::wanted::Wanted;
use crate::projection::Missing;
use crate::projection::slice::{ApprovalGiven, Request};
use crate::threshold;

pub fn evaluate(gate: &Approvals, context: &Context) -> Result<Answer, Missing> {
    let Some(request) = context.request()? else {
        let known = excluded::people(gate, None, context)?.unwrap_or_default();
        context.wants(Wanted::anyone(gate, None, names(known)));
        let reason = format!("0 of {}, nothing is requested yet", gate.count);
        return Ok(Answer::waiting(reason).next("ask for it: attestry promote"));
    };
    let excluded = match excluded::people(gate, Some(request), context)? {
        Ok(excluded) => excluded,
        Err(answer) => {
            context.wants(Wanted::anyone(gate, Some(request), answered(request, context)));
            return Ok(answer);
        }
    };
    let mut counted: Vec<&ApprovalGiven> = Vec::new();
    let mut remarks: Vec<String> = Vec::new();
    for approval in &request.approvals {
        match standing(gate, approval, &excluded, context) {
            Standing::Rejects => {
                context.wants(Wanted::default());
                return Ok(rejected(approval));
            }
            Standing::Counts => counted.push(approval),
            Standing::Not(why) => {
                remarks.push(format!("{}{NOT}{why}", approval.signer.identity));
            }
        }
    }
    let looked: Vec<EntryIndex> = request.approvals.iter().map(|it| it.entry).collect();
    let relied = counted.iter().map(|it| (it.entry, it.signer.key));
    context.relied.borrow_mut().extend(relied);
    let answer = answer(gate, &counted, &remarks);
    if !answer.verdict.admits() {
        context.wants(Wanted::beside(gate, &counted, names(excluded)));
    }
    Ok(answer.on(looked))
}

fn names(people: excluded::People) -> impl Iterator<Item = IdentityName> {
    people.into_iter().map(|(name, _)| name)
}

/// Those whose answer stands, whether or not it will count.
fn answered(request: &Request, context: &Context) -> Vec<IdentityName> {
    let stands =
        |it: &&ApprovalGiven| it.policy == context.policy.statement && it.expires_at > context.at;
    let given = request.approvals.iter().filter(stands);
    given.map(|it| it.signer.identity.clone()).collect()
}

/// Counts distinct people, all together and for each role that must be there.
fn answer(gate: &Approvals, counted: &[&ApprovalGiven], remarks: &[String]) -> Answer {
    let people = |role: Option<&str>| {
        let of_role = counted.iter().filter(|it| role.is_none_or(|role| it.role == role));
        threshold::count_identities(of_role.map(|it| (&it.signer.identity, &it.signer.key)))
    };
    let count = people(None);
    let names: Vec<String> =
        counted.iter().map(|it| format!("{} ({})", it.signer.identity, it.role)).collect();
    let mut reason = format!("{count} of {}", gate.count);
    if !names.is_empty() {
        reason.push_str(&format!(": {}", names.join(", ")));
    }
    let mut missing = Vec::new();
    for (role, least) in &gate.each {
        let found = people(Some(role));
        if found < *least as usize {
            reason.push_str(&format!("; {found} of {least} {role}"));
            missing.push(role.as_str());
        }
    }
    for remark in remarks {
        reason.push_str(&format!("; {remark}"));
    }
    if count >= gate.count as usize && missing.is_empty() {
        return Answer::pass(reason);
    }
    let roles = match missing.is_empty() {
        true => gate.roles.join(" or "),
        false => missing.join(" and "),
    };
    Answer::waiting(reason).next(format!("approval by another {roles}: attestry approve"))
}

/// What stands between a name and why its answer does not count.
const NOT: &str = " does not count: ";

/// Why somebody's answer in a role does not count, where the reason of this gate says so.
///
/// A request that was decided has left the state; the gates of its decision stay.
pub fn why_not<'a>(reason: &'a str, identity: &IdentityName, role: &str) -> Option<&'a str> {
    let (counted, remarks) = reason.split_once("; ")?;
    if counted.contains(&format!(" {identity} ({role})")) {
        return None;
    }
    let about = |remark: &'a str| remark.strip_prefix(identity.as_str())?.strip_prefix(NOT);
    remarks.split("; ").find_map(about)
}

fn rejected(approval: &ApprovalGiven) -> Answer {
    let who = format!("{} ({})", approval.signer.identity, approval.role);
    Answer::fail(format!("rejected by {who}: {}", approval.reason))
        .next("settle it with them and ask again")
        .on([approval.entry])
}

enum Standing {
    Counts,
    Rejects,
    Not(String),
}

/// Whether an approval counts now: role then and now, expiry, age, meaning, policy, person.
fn standing(
    gate: &Approvals,
    approval: &ApprovalGiven,
    excluded: &[(IdentityName, String)],
    context: &Context,
) -> Standing {
    let identity = &approval.signer.identity;
    let name = &context.ask.environment.name;
    let not = |why: &str| Standing::Not(why.to_owned());
    if !gate.roles.contains(&approval.role) {
        return not(&format!("the policy does not ask for {}", approval.role));
    }
    if !context.trust.has_role(identity, &approval.role, context.project, Some(name)) {
        return not(&format!("no longer {}", approval.role));
    }
    if context.trust.is_tainted(&approval.signer.key, approval.entry) {
        return not("the key is compromised");
    }
    if context.trust.is_admin(identity) {
        return not("the key's holder is an admin");
    }
    if approval.expires_at <= context.at {
        return not("it has expired");
    }
    if gate.within.as_ref().is_some_and(|within| context.at.since(approval.time) > within.ms()) {
        return not("it is too old");
    }
    // An objection stands whatever was meant by it, and whatever the policy has become since.
    if approval.outcome == ApprovalOutcome::Rejected {
        return Standing::Rejects;
    }
    if gate.meaning.as_ref().is_some_and(|meaning| *meaning != approval.meaning) {
        return not(&format!("it means {}", approval.meaning));
    }
    if !gate.signing.is_empty() && !gate.signing.contains(&approval.signing_mode) {
        return not(&format!("signed by {}", approval.signing_mode.name()));
    }
    if !gate.groups.is_empty() && !in_groups(gate, identity, context) {
        return not(&format!("not of {}", gate.groups.join(" or ")));
    }
    if approval.policy != context.policy.statement {
        return not("the policy has changed since");
    }
    match excluded.iter().find(|(name, _)| name == identity) {
        Some((_, why)) => not(why),
        None => Standing::Counts,
    }
}

fn in_groups(gate: &Approvals, identity: &IdentityName, context: &Context) -> bool {
    let groups = &context.policy.document.groups;
    let has = |name| groups.get(name).is_some_and(|people| people.contains(identity));
    gate.groups.iter().any(has)
}

#[cfg(test)]
pub(super) mod tests;
