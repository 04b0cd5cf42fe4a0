//! Waivers: whether somebody's accepted risk stands in for what a gate says, and the list of them.

use schemas::id::{EntryIndex, EnvironmentName, Hash, Project, Time};
use schemas::predicate::decision::Outcome;
use schemas::report::{GateVerdict, Verdict};

use super::Context;
use super::gate::Answer;
use super::version::Range;
use crate::projection::Missing;
use crate::projection::slice::{Request, WaiverKept, Waivers};

/// Most characters of a waiver's reason that a verdict repeats.
const REASON_CHARS_MAX: usize = 200;

/// Most waivers that do not count which a reason names.
const REMARKS_MAX: usize = 3;

/// What the policy says of waiving one gate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    /// The roles that may accept the risk.
    pub by: &'a [String],
    /// From the waiver's entry to its end, at most.
    pub max_ms: i64,
}

/// Lets a waiver stand in for a gate's fail or waiting. What nobody could tell is never waived:
/// whoever accepts a risk must know which.
pub(super) fn apply(
    gate: &str,
    answer: Answer,
    terms: Option<Terms>,
    context: &Context,
) -> Result<Answer, Missing> {
    let (Some(terms), Verdict::Fail | Verdict::Waiting) = (terms, answer.verdict) else {
        return Ok(answer);
    };
    let environment = context.environment()?;
    let here = environment.iter().flat_map(|slice| slice.waivers.values());
    let control = &context.state.control().waivers;
    let beyond = control.get(context.project).into_iter().flat_map(Waivers::values);
    let request = context.request()?;
    let (mut best, mut remarks): (Option<&WaiverKept>, Vec<String>) = (None, Vec::new());
    for waiver in here.chain(beyond).filter(|waiver| waiver.gate == gate) {
        if !covers(waiver, context)? {
            continue;
        }
        match why_not(waiver, terms, request, context) {
            Some(why) => remarks.push(format!("the waiver by {} {why}", waiver.signer.identity)),
            // Of several the one that holds longest, and of those the first.
            None if best.is_none_or(|best| waiver.expires_at > best.expires_at) => {
                best = Some(waiver);
            }
            None => {}
        }
    }
    Ok(match best {
        Some(waiver) => waived(waiver, answer, context),
        None => remarked(answer, &remarks),
    })
}

/// True where the artifact is in the waiver's scope.
fn covers(waiver: &WaiverKept, context: &Context) -> Result<bool, Missing> {
    if let Some(artifact) = &waiver.artifact {
        return Ok(artifact == context.ask.artifact);
    }
    let Some(versions) = &waiver.versions else { return Ok(true) };
    let version = context.asked()?.and_then(|known| known.version.as_deref());
    let range = versions.parse::<Range>();
    Ok(range.is_ok_and(|range| version.is_some_and(|version| range.holds_text(version))))
}

/// Why a waiver for this gate and artifact does not count now.
fn why_not(
    waiver: &WaiverKept,
    terms: Terms,
    request: Option<&Request>,
    context: &Context,
) -> Option<String> {
    let (identity, name) = (&waiver.signer.identity, &context.ask.environment.name);
    if waiver.expires_at <= context.at {
        return Some(format!("expired at {}", waiver.expires_at));
    }
    if !terms.by.contains(&waiver.role) {
        return Some(format!("is by {}, which the policy does not let waive", waiver.role));
    }
    if !context.trust.has_role(identity, &waiver.role, context.project, Some(name)) {
        return Some(format!("does not count: no longer {}", waiver.role));
    }
    if context.trust.is_tainted(&waiver.signer.key, waiver.entry) {
        return Some("does not count: the key is compromised".to_owned());
    }
    if context.trust.is_admin(identity) {
        return Some("does not count: the key's holder is an admin".to_owned());
    }
    if waiver.expires_at.since(waiver.time) > terms.max_ms {
        return Some("is for longer than the policy allows".to_owned());
    }
    let asked = request.is_some_and(|request| request.requester.identity == *identity);
    asked.then(|| "does not count: they asked for the promotion".to_owned())
}

fn waived(waiver: &WaiverKept, answer: Answer, context: &Context) -> Answer {
    let WaiverKept { signer, role, expires_at, .. } = waiver;
    let reason: String = waiver.reason.chars().take(REASON_CHARS_MAX).collect();
    let cut = if reason.len() < waiver.reason.len() { "…" } else { "" };
    let shown = format!(
        "waived until {expires_at} by {} ({role}): \"{reason}{cut}\"; {}",
        signer.identity, answer.reason
    );
    context.relied.borrow_mut().push((waiver.entry, signer.key));
    let waived = Answer::new(Verdict::Waived, shown).on(answer.entries).on([waiver.entry]);
    waived.until(*expires_at)
}

fn remarked(answer: Answer, remarks: &[String]) -> Answer {
    let mut reason = answer.reason;
    for remark in remarks.iter().take(REMARKS_MAX) {
        reason = format!("{reason}; {remark}");
    }
    if remarks.len() > REMARKS_MAX {
        reason = format!("{reason}; and {} more waivers do not", remarks.len() - REMARKS_MAX);
    }
    Answer { reason, ..answer }
}

/// A waiver in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub project: Project,
    /// Absent: every environment.
    pub environment: Option<EnvironmentName>,
    pub statement: Hash,
    pub waiver: WaiverKept,
    pub standing: Standing,
    /// The decisions that rest on it, of what is granted now.
    pub relied: Vec<EntryIndex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Over, and yet something is granted by it.
    ExpiredRelied,
    /// In force, and over soon.
    Expiring,
    Open,
    Expired,
}

/// What waivers there are in a place: an environment, or a project beside its environments.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub project: &'a Project,
    pub environment: Option<&'a EnvironmentName>,
    pub waivers: &'a Waivers,
}

/// A decision by which something is granted now.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    pub entry: EntryIndex,
    pub outcome: Outcome,
    pub gates: &'a [GateVerdict],
}

/// Lists waivers, what is worst first and then by their ends.
pub fn list(places: &[Place], decisions: &[InForce], at: Time, soon_ms: i64) -> Vec<Listed> {
    let of = |place: &Place| {
        let (project, environment) = (place.project.clone(), place.environment.cloned());
        let listed = move |(statement, waiver): (&Hash, &WaiverKept)| {
            let relied: Vec<EntryIndex> = decisions
                .iter()
                .filter(|it| it.outcome == Outcome::Granted && rests_on(it.gates, waiver))
                .map(|it| it.entry)
                .collect();
            let standing = match (waiver.expires_at <= at, relied.is_empty()) {
                (true, false) => Standing::ExpiredRelied,
                (true, true) => Standing::Expired,
                (false, _) if waiver.expires_at.since(at) <= soon_ms => Standing::Expiring,
                (false, _) => Standing::Open,
            };
            let (project, environment) = (project.clone(), environment.clone());
            let (statement, waiver) = (*statement, waiver.clone());
            Listed { project, environment, statement, waiver, standing, relied }
        };
        place.waivers.iter().map(listed).collect::<Vec<_>>()
    };
    let mut all: Vec<Listed> = places.iter().flat_map(of).collect();
    all.sort_by_key(|it| (it.standing, it.waiver.expires_at, it.waiver.entry));
    all
}

fn rests_on(gates: &[GateVerdict], waiver: &WaiverKept) -> bool {
    let rests = |it: &GateVerdict| {
        it.verdict == Verdict::Waived && it.id == waiver.gate && it.entries.contains(&waiver.entry)
    };
    gates.iter().any(rests)
}

#[cfg(test)]
mod tests;
