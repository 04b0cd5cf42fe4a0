//! `canary`: a canary of the artifact has a verdict, and it is a pass.

use schemas::policy::Canary;
use schemas::predicate::canary::CanaryVerdict;

use super::{Answer, for_people, staleness};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{CanaryFacts, Evidence};

/// The newest canary decides. One that still runs is waited for, whatever an earlier one said.
pub fn evaluate(gate: &Canary, context: &Context) -> Result<Answer, Missing> {
    let name = gate.environment.as_ref().unwrap_or(&context.ask.environment.name);
    let here = context.asked()?.and_then(|known| known.canaries.get(name));
    let Some(newest) = here.map(|here| &here.newest) else {
        return Ok(Answer::waiting(format!("no canary in {name} is recorded"))
            .next("run one and record it: attestry record canary"));
    };
    let what = format!("canary in {name}");
    Ok(staleness(newest, &what, gate.max_age.as_ref(), context)
        .unwrap_or_else(|| judge(gate, newest, name.as_str()).on([newest.entry])))
}

fn judge(gate: &Canary, canary: &Evidence<CanaryFacts>, place: &str) -> Answer {
    let facts = &canary.facts;
    let again = "run it again and record it: attestry record canary";
    match facts.verdict {
        CanaryVerdict::Running => {
            return Answer::waiting(format!("a canary runs in {place} since {}", facts.started_at))
                .next("record its verdict when it ends");
        }
        CanaryVerdict::Inconclusive => {
            return Answer::waiting(format!("the canary in {place} could not tell")).next(again);
        }
        CanaryVerdict::Failed => {
            return Answer::fail(format!("the canary in {place} failed"))
                .next("mend what it found, and build again");
        }
        CanaryVerdict::Passed => {}
    }
    let ran = facts.finished_at.map_or(0, |end| end.since(facts.started_at));
    let samples = facts.samples.unwrap_or(0);
    let shown = format!("passed in {place} after {}, {samples} samples", for_people(ran));
    if let Some(min) = gate.min_duration.as_ref().filter(|min| ran < min.ms()) {
        return Answer::waiting(format!("{shown}; the policy asks for {min}")).next(again);
    }
    match gate.min_samples.filter(|min| samples < *min) {
        Some(min) => {
            Answer::waiting(format!("{shown}; the policy asks for {min} samples")).next(again)
        }
        None => Answer::pass(shown),
    }
}

#[cfg(test)]
pub(super) mod tests;
