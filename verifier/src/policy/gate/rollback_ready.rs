//! `rollback-ready`: what one would go back to is known, still there, and was gone back to once.

use schemas::policy::RollbackReady;
use schemas::predicate::rehearsal::{RehearsalOf, RehearsalResult};

use super::{Answer, for_people, staleness};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{ArtifactInProject, EnvironmentSlice, Running};

pub fn evaluate(gate: &RollbackReady, context: &Context) -> Result<Answer, Missing> {
    let place = &context.ask.environment.name;
    let slice = context.environment()?;
    let Some((slice, back)) = slice.and_then(|slice| Some((slice, way_back(slice, context)?)))
    else {
        let reason = format!("nothing else has run in {place}");
        return Ok(match gate.first {
            true => Answer::pass(format!("{reason}: this is the first")),
            false => Answer::waiting(format!("{reason}, so there is nothing to go back to"))
                .next("deploy what was granted before, or let first releases through"),
        });
    };
    let known = context.artifact(&back.artifact)?;
    let here = known.and_then(|known| known.places.get(place));
    let granted = here.is_some_and(|here| {
        here.is_granted() || here.deployed.as_ref().is_some_and(|it| it.granted)
    });
    let shown = format!("back to {}", back.artifact.short());
    if !granted {
        return Ok(Answer::waiting(format!("{shown}, which was never granted in {place}"))
            .next(format!("have it granted in {place}"))
            .on([back.entry]));
    }
    if let Some(answer) = unseen(gate, slice, back, &shown, context) {
        return Ok(answer.on([back.entry]));
    }
    Ok(rehearsed(gate, known, shown, context).on([back.entry]))
}

/// What runs now, or where that is the artifact itself what ran before it.
fn way_back<'a>(slice: &'a EnvironmentSlice, context: &Context) -> Option<&'a Running> {
    let other = |it: &&Running| it.artifact != *context.ask.artifact;
    slice.deployed.as_ref().filter(other).or(slice.previous.as_ref().filter(other))
}

/// An answer where nobody has seen it lately.
fn unseen(
    gate: &RollbackReady,
    slice: &EnvironmentSlice,
    back: &Running,
    shown: &str,
    context: &Context,
) -> Option<Answer> {
    let within = gate.seen_within.as_ref()?;
    let place = &context.ask.environment.name;
    let next = format!("look at {place} again: attestry observe {place}");
    let Some(observed) = &slice.observed else {
        return Some(Answer::waiting(format!("{shown}, which nobody has seen")).next(next));
    };
    let sees = observed.artifacts.iter().any(|it| it.digest == back.artifact);
    let age = context.at.since(observed.taken_at.min(observed.time));
    let reason = if !context.counts_one(observed.entry, &observed.signer) {
        format!("{shown}, seen by a key that is compromised")
    } else if age > within.ms() {
        format!("{shown}; {place} was seen {} ago, policy allows {within}", for_people(age))
    } else if !sees {
        format!("{shown}, which is not seen in {place}")
    } else {
        return None;
    };
    Some(Answer::waiting(reason).next(next).on([observed.entry]))
}

fn rehearsed(
    gate: &RollbackReady,
    known: Option<&ArtifactInProject>,
    shown: String,
    context: &Context,
) -> Answer {
    let Some(place) = &gate.rehearsed_in else {
        return Answer::pass(shown);
    };
    let next = format!("rehearse it in {place} and record it: attestry record rehearsal");
    let here = known.and_then(|known| known.rehearsals.get(place));
    let Some(found) = here.and_then(|here| here.get(&RehearsalOf::Rollback)) else {
        return Answer::waiting(format!("{shown}; not rehearsed in {place}")).next(next);
    };
    let what = format!("rehearsal in {place}");
    if let Some(answer) = staleness(found, &what, gate.max_age.as_ref(), context) {
        return answer;
    }
    let answer = match found.facts {
        RehearsalResult::Passed => Answer::pass(format!("{shown}, rehearsed in {place}")),
        RehearsalResult::Failed => {
            Answer::fail(format!("{shown}; its rehearsal in {place} failed")).next(next)
        }
    };
    answer.on([found.entry])
}

#[cfg(test)]
pub(super) mod tests;
