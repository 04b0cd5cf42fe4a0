//! `approvals`: signed answers by distinct people who hold a role, and who are not the author or
//! the requester.

use std::collections::BTreeSet;

use schemas::id::{EntryIndex, IdentityName};
use schemas::policy::{Approvals, Excluded};
use schemas::predicate::approval::ApprovalOutcome;

use super::{Answer, commits};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{ApprovalGiven, Request};
use crate::threshold;

pub fn evaluate(gate: &Approvals, context: &Context) -> Result<Answer, Missing> {
    let roles = gate.roles.join(" or ");
    let slice = context.environment()?;
    let request = context
        .ask
        .request
        .and_then(|index| slice?.requests.get(&index))
        .filter(|it| it.artifact == *context.ask.artifact && !it.is_expired(context.at));
    let Some(request) = request else {
        let reason = format!("0 of {}, nothing is requested yet", gate.count);
        return Ok(Answer::waiting(reason).next("ask for it: attestry promote"));
    };
    let excluded = match excluded(gate, request, context)? {
        Ok(excluded) => excluded,
        Err(answer) => return Ok(answer),
    };
    let mut counted: Vec<&ApprovalGiven> = Vec::new();
    let mut remarks: Vec<String> = Vec::new();
    for approval in &request.approvals {
        match standing(gate, approval, &excluded, context) {
            Standing::Rejects => return Ok(rejected(approval)),
            Standing::Counts => counted.push(approval),
            Standing::Not(why) => {
                remarks.push(format!("{}{NOT}{why}", approval.signer.identity));
            }
        }
    }
    let count = threshold::count_identities(
        counted.iter().map(|approval| (&approval.signer.identity, &approval.signer.key)),
    );
    let looked: Vec<EntryIndex> = request.approvals.iter().map(|it| it.entry).collect();
    let names: Vec<String> =
        counted.iter().map(|it| format!("{} ({})", it.signer.identity, it.role)).collect();
    let mut reason = format!("{count} of {}", gate.count);
    if !names.is_empty() {
        reason.push_str(&format!(": {}", names.join(", ")));
    }
    for remark in remarks {
        reason.push_str(&format!("; {remark}"));
    }
    let enough = count >= gate.count as usize;
    let answer = if enough { Answer::pass(reason) } else { Answer::waiting(reason) };
    let next = format!("approval by another {roles}: attestry approve");
    let answer = if enough { answer } else { answer.next(next) };
    let relied = counted.iter().map(|it| (it.entry, it.signer.key));
    context.relied.borrow_mut().extend(relied);
    Ok(answer.on(looked))
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
    if context.trust.is_tainted(&approval.signer.key, approval.entry)
        || context.trust.is_admin(identity)
    {
        return not("the key is compromised, or its holder is an admin");
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
    if approval.policy != context.policy.statement {
        return not("the policy has changed since");
    }
    match excluded.iter().find(|(name, _)| name == identity) {
        Some((_, why)) => not(why),
        None => Standing::Counts,
    }
}

/// The identities that do not count, with why; or an answer where they cannot be told.
fn excluded(
    gate: &Approvals,
    request: &Request,
    context: &Context,
) -> Result<Result<Vec<(IdentityName, String)>, Answer>, Missing> {
    let mut excluded = Vec::new();
    for group in &gate.not {
        match group {
            Excluded::Requester => {
                let name = request.requester.identity.clone();
                excluded.push((name, "asked for it".to_owned()));
            }
            Excluded::Author => match authors(context)? {
                Ok(authors) => excluded.extend(authors),
                Err(answer) => return Ok(Err(answer)),
            },
        }
    }
    Ok(Ok(excluded))
}

/// The authors of every source commit of the newest build, as their reviews name them.
fn authors(context: &Context) -> Result<Result<Vec<(IdentityName, String)>, Answer>, Missing> {
    let (_, commits) = match commits(context)? {
        Ok(found) => found,
        Err(answer) => {
            let reason = format!("{}, so the author is unknown", answer.reason);
            return Ok(Err(Answer { reason, ..answer }));
        }
    };
    let mut found = BTreeSet::new();
    for digest in commits {
        let commit = digest.short();
        let review = context.artifact(digest)?.and_then(|known| known.review.as_ref());
        let Some(review) = review.filter(|it| context.counts(it.entry, &it.signers)) else {
            let next = format!("record the review: attestry record review --subject {}", digest);
            let reason = format!("no review of {commit} is recorded, so its author is unknown");
            return Ok(Err(Answer::waiting(reason).next(next)));
        };
        for author in &review.facts.authors {
            let Some(identity) = context.trust.by_alias(author) else {
                let reason = format!("author {author} of {commit} is no known identity");
                let next =
                    format!("give an identity this alias: attestry identity add --alias {author}");
                return Ok(Err(Answer::indeterminate(reason).next(next).on([review.entry])));
            };
            found.insert((identity.clone(), format!("wrote {commit}")));
        }
    }
    Ok(Ok(found.into_iter().collect()))
}

#[cfg(test)]
mod tests;
