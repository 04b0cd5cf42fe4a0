//! `measurement`: a number against a limit, or against the version that runs there now.

use std::cmp::Ordering;

use schemas::id::Digest;
use schemas::policy::Measurement;
use schemas::predicate::DecimalText;
use schemas::predicate::measurement::Metric;

use super::{Answer, join, staleness, unreadable};
use crate::decimal::{Decimal, change_in_percent};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{Evidence, Running};

pub fn evaluate(gate: &Measurement, context: &Context) -> Result<Answer, Missing> {
    let found = context.asked()?.and_then(|known| known.metrics.get(&gate.metric));
    if let Some(answer) = unreadable("measurement", found.map_or(0, |it| it.entry), context)? {
        return Ok(answer);
    }
    let again = format!("measure {} and record it: attestry record measurement", gate.metric);
    let Some(evidence) = found else {
        return Ok(Answer::waiting(format!("no {} is recorded", gate.metric)).next(again));
    };
    if let Some(answer) = staleness(evidence, &gate.metric, gate.max_age.as_ref(), context) {
        return Ok(answer);
    }
    let metric = &evidence.facts;
    let (answer, value) = match sound(gate, metric, &again) {
        Ok(value) => (against_limits(gate, metric, &value), value),
        Err(answer) => return Ok(answer.on([evidence.entry])),
    };
    let mut answers = vec![answer.on([evidence.entry])];
    if gate.max_increase_percent.is_some() || gate.max_decrease_percent.is_some() {
        answers.push(against_running(gate, evidence, &value, context)?);
    }
    Ok(join(answers))
}

/// The value, where it is what the gate asks about: the unit, enough samples, a number.
fn sound(gate: &Measurement, metric: &Metric, again: &str) -> Result<Decimal, Answer> {
    let name = &metric.name;
    if gate.unit.is_some() && gate.unit != metric.unit {
        let found = metric.unit.as_deref().unwrap_or("no unit");
        let asked = gate.unit.as_deref().unwrap_or_default();
        let reason = format!("{name} is in {found}, policy asks for {asked}");
        return Err(Answer::indeterminate(reason).next(format!("record it in {asked}")));
    }
    match (gate.min_samples, metric.samples) {
        (None, _) => {}
        (Some(min), None) => {
            let reason = format!("{name} does not say its samples, policy asks for {min}");
            return Err(Answer::indeterminate(reason).next("record it with its samples"));
        }
        (Some(min), Some(samples)) if samples < min => {
            let reason = format!("{name} rests on {samples} samples, policy asks for {min}");
            return Err(Answer::waiting(reason).next(again));
        }
        (Some(_), Some(_)) => {}
    }
    metric.value.as_str().parse().map_err(|_| {
        Answer::indeterminate(format!("{name} is no number")).next("record it again as a number")
    })
}

fn against_limits(gate: &Measurement, metric: &Metric, value: &Decimal) -> Answer {
    let unit = metric.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let shown = format!("{} is {}{unit}", metric.name, metric.value);
    let next = format!("bring {} within its limit and record it again", metric.name);
    let limits = [
        (&gate.min, Ordering::Less, "policy asks for at least"),
        (&gate.max, Ordering::Greater, "policy allows at most"),
    ];
    for (text, wrong, words) in limits {
        let Some(text) = text else { continue };
        match text.as_str().parse::<Decimal>() {
            Err(_) => return no_number(),
            Ok(limit) if value.cmp(&limit) == wrong => {
                return Answer::fail(format!("{shown}, {words} {text}")).next(next);
            }
            Ok(_) => {}
        }
    }
    Answer::pass(shown)
}

fn no_number() -> Answer {
    Answer::indeterminate("the policy's limit is no number").next("write a number in the policy")
}

/// Against the same metric of what the target environment runs now.
fn against_running(
    gate: &Measurement,
    evidence: &Evidence<Metric>,
    value: &Decimal,
    context: &Context,
) -> Result<Answer, Missing> {
    let name = &context.ask.environment.name;
    let Some(running) = context.environment()?.and_then(|slice| slice.deployed.as_ref()) else {
        return Ok(Answer::pass(format!("nothing ran in {name} to compare with")));
    };
    if running.holds(context.ask.artifact) {
        let digest = context.ask.artifact.short();
        return Ok(Answer::pass(format!("{digest} itself runs in {name}")));
    }
    let Some(running) = counterpart(running, context)? else {
        let reason = format!("several artifacts run in {name}, and not one has this one's name");
        return Ok(Answer::indeterminate(reason).next("build it with the name of what it replaces"));
    };
    let digest = running.short();
    let known = context.artifact(&running)?;
    let base = known.and_then(|known| known.metrics.get(&gate.metric));
    let base = base.filter(|it| context.counts(it.entry, &it.signers));
    let Some(base) = base else {
        let reason = format!("{} of {digest}, which runs in {name}, is not recorded", gate.metric);
        return Ok(Answer::waiting(reason).next(format!("measure {digest} and record it")));
    };
    if base.facts.unit != evidence.facts.unit {
        let reason = format!("{} of {digest} is in another unit", gate.metric);
        return Ok(Answer::indeterminate(reason).next("record both in one unit").on([base.entry]));
    }
    Ok(change(gate, &evidence.facts, value, &base.facts, &digest).on([base.entry]))
}

/// What runs there in the artifact's place: of several the one of the same name.
fn counterpart(running: &Running, context: &Context) -> Result<Option<Digest>, Missing> {
    if running.beside.is_empty() {
        return Ok(Some(running.artifact.clone()));
    }
    let Some(name) = context.asked()?.and_then(|known| known.name.as_ref()) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for it in running.all() {
        let known = context.artifact(&it.artifact)?;
        if known.and_then(|known| known.name.as_ref()) == Some(name) {
            found.push(it.artifact);
        }
    }
    Ok(found.pop().filter(|_| found.is_empty()))
}

fn change(
    gate: &Measurement,
    metric: &Metric,
    value: &Decimal,
    base: &Metric,
    digest: &str,
) -> Answer {
    let shown = format!("{} of {digest} is {}", metric.name, base.value);
    let negative = |text: &DecimalText| match text.as_str().strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None => format!("-{text}"),
    };
    let limits = [
        (gate.max_increase_percent.as_ref().map(ToString::to_string), Ordering::Greater, "above"),
        (gate.max_decrease_percent.as_ref().map(negative), Ordering::Less, "below"),
    ];
    for (percent, wrong, word) in limits {
        let Some(text) = percent else { continue };
        let numbers = base.value.as_str().parse().ok().zip(text.parse::<Decimal>().ok());
        match numbers.and_then(|(base, percent)| change_in_percent(value, &base, &percent)) {
            None => {
                let reason = format!("{shown}, and nothing is a percentage of that");
                return Answer::indeterminate(reason).next("write `min` or `max` in the policy");
            }
            Some(found) if found == wrong => {
                let percent = text.trim_start_matches('-');
                let reason = format!(
                    "{} is {}, more than {percent} % {word} {} of {digest}",
                    metric.name, metric.value, base.value
                );
                let next = format!("bring {} near that of {digest}", metric.name);
                return Answer::fail(reason).next(next);
            }
            Some(_) => {}
        }
    }
    Answer::pass(shown)
}

#[cfg(test)]
pub(super) mod tests;
