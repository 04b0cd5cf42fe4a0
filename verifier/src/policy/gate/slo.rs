//! `slo`: error budget that is left, and how fast it burns, of what runs there now.

use schemas::id::Digest;
use schemas::policy::Slo;
use schemas::predicate::DecimalText;
use schemas::predicate::measurement::Metric;

use super::{Answer, join, staleness};
use crate::decimal::Decimal;
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::Evidence;

/// Where nothing was ever deployed, nothing has burnt anything.
pub fn evaluate(gate: &Slo, context: &Context) -> Result<Answer, Missing> {
    let place = &context.ask.environment.name;
    let running = context.environment()?.and_then(|slice| slice.deployed.as_ref());
    let Some(running) = running else {
        return Ok(Answer::pass(format!("nothing is deployed in {place} yet")));
    };
    let mut answers = Vec::new();
    for it in running.all() {
        let several = !running.beside.is_empty();
        answers.extend(of_one(gate, &it.artifact, several, context)?);
    }
    Ok(join(answers))
}

/// What is known of one artifact; where several run, each reason says of which.
fn of_one(
    gate: &Slo,
    artifact: &Digest,
    several: bool,
    context: &Context,
) -> Result<Vec<Answer>, Missing> {
    let known = context.artifact(artifact)?;
    let name = |suffix: &str| match &gate.objective {
        Some(objective) => format!("slo.{objective}.{suffix}"),
        None => format!("slo.{suffix}"),
    };
    let limits = [
        (name("budget-left"), gate.min_budget_left.as_ref(), Side::AtLeast),
        (name("burn-rate"), gate.max_burn_rate.as_ref(), Side::AtMost),
    ];
    let answers = limits.into_iter().filter_map(|(name, limit, side)| {
        let found = known.and_then(|known| known.metrics.get(&name));
        let answer = one(gate, context, &name, limit?, side, found);
        let reason = match several {
            true => format!("{}: {}", artifact.short(), answer.reason),
            false => answer.reason,
        };
        Some(Answer { reason, ..answer })
    });
    Ok(answers.collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    AtLeast,
    AtMost,
}

fn one(
    gate: &Slo,
    context: &Context,
    name: &str,
    limit: &DecimalText,
    side: Side,
    found: Option<&Evidence<Metric>>,
) -> Answer {
    let next = format!("record {name} of what runs there: attestry record measurement");
    let Some(found) = found else {
        return Answer::waiting(format!("no {name} of what runs there is recorded")).next(next);
    };
    if let Some(answer) = staleness(found, name, Some(&gate.max_age), context) {
        return answer;
    }
    let read = |text: &DecimalText| text.as_str().parse::<Decimal>().ok();
    let (value, bound) = (read(&found.facts.value), read(limit));
    let (Some(value), Some(bound)) = (value, bound) else {
        return Answer::indeterminate(format!("{name} or its limit is no number"))
            .next(next)
            .on([found.entry]);
    };
    let shown = format!("{name} is {}", found.facts.value);
    let answer = match side {
        Side::AtLeast if value < bound => {
            Answer::fail(format!("{shown}, policy asks for at least {limit}"))
                .next("wait until the budget has recovered")
        }
        Side::AtMost if value > bound => {
            Answer::fail(format!("{shown}, policy allows at most {limit}"))
                .next("mend what burns the budget")
        }
        Side::AtLeast | Side::AtMost => Answer::pass(shown),
    };
    answer.on([found.entry])
}

#[cfg(test)]
pub(super) mod tests;
