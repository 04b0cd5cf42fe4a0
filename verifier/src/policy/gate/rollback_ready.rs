//! `rollback-ready`: what one would go back to is known, still there, and was gone back to once.

use schemas::policy::RollbackReady;
use schemas::predicate::rehearsal::RehearsalOf;

use super::{Answer, for_people, join, rehearsed};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{Beside, EnvironmentSlice, Running};

pub fn evaluate(gate: &RollbackReady, context: &Context) -> Result<Answer, Missing> {
    let place = &context.ask.environment.name;
    let slice = context.environment()?;
    let Some((slice, ways)) = slice.and_then(|slice| Some((slice, ways_back(slice, context)?)))
    else {
        let reason = format!("nothing else has run in {place}");
        return Ok(match gate.first {
            true => Answer::pass(format!("{reason}: this is the first")),
            false => Answer::waiting(format!("{reason}, so there is nothing to go back to"))
                .next("deploy what was granted before, or let first releases through"),
        });
    };
    let answers = ways.iter().map(|back| ready(gate, slice, back, context));
    Ok(join(answers.collect::<Result<_, _>>()?))
}

fn ready(
    gate: &RollbackReady,
    slice: &EnvironmentSlice,
    back: &Beside,
    context: &Context,
) -> Result<Answer, Missing> {
    let place = &context.ask.environment.name;
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
    let rehearsal = known.zip(gate.rehearsed_in.as_ref());
    let rehearsal = rehearsal
        .and_then(|(known, place)| known.rehearsals.get(place)?.get(&RehearsalOf::Rollback));
    let (place, max_age) = (gate.rehearsed_in.as_ref(), gate.max_age.as_ref());
    Ok(rehearsed::judge(place, max_age, rehearsal, &shown, context).on([back.entry]))
}

/// What runs now, or where that is what is asked about what ran before it: one artifact, or several
/// that ran together.
fn ways_back(slice: &EnvironmentSlice, context: &Context) -> Option<Vec<Beside>> {
    let others = |running: &Option<Running>| {
        let all = running.iter().flat_map(Running::all);
        let others: Vec<Beside> = all.filter(|it| !context.all.contains(&it.artifact)).collect();
        (!others.is_empty()).then_some(others)
    };
    others(&slice.deployed).or_else(|| others(&slice.previous))
}

/// An answer where nobody has seen it lately.
fn unseen(
    gate: &RollbackReady,
    slice: &EnvironmentSlice,
    back: &Beside,
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

#[cfg(test)]
pub(super) mod tests;
