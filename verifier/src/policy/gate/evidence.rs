//! `evidence`: events of one kind about the artifact; the newest per suite decides.

use std::collections::{BTreeMap, BTreeSet};

use schemas::policy::{Evidence as Gate, EvidenceKind};
use schemas::predicate::analysis::Levels;
use schemas::predicate::measurement::Metric;
use schemas::predicate::report::Binding;
use schemas::predicate::review::ReviewOutcome;
use schemas::predicate::test::TestResult;

use super::{Answer, commits, join, recorded_since, staleness, unreadable};
use crate::decimal::Decimal;
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{AnalysisFacts, Evidence, ReviewFacts, TestFacts};

pub fn evaluate(gate: &Gate, context: &Context) -> Result<Answer, Missing> {
    let known = context.asked()?;
    match gate.kind {
        EvidenceKind::Test => {
            by_suite(gate, context, "test", known.map(|known| &known.tests), judge_test)
        }
        EvidenceKind::Analysis => {
            by_suite(gate, context, "analysis", known.map(|known| &known.analyses), judge_analysis)
        }
        EvidenceKind::Measurement => {
            let metric = gate.metric.as_deref().unwrap_or_default();
            let found = known.and_then(|known| known.metrics.get(metric));
            one(gate, context, "measurement", metric, found, judge_metric)
        }
        EvidenceKind::Sbom => {
            let found = known.and_then(|known| known.sbom.as_ref());
            one(gate, context, "sbom", "bill of materials", found, |_, it| {
                Answer::pass(format!("{} recorded", it.facts.predicate_type))
            })
        }
        EvidenceKind::Review => reviews(gate, context),
    }
}

/// Every suite that the gate names, or every suite that there is, and at least one.
pub fn by_suite<T>(
    gate: &Gate,
    context: &Context,
    kind: &str,
    found: Option<&BTreeMap<String, Evidence<T>>>,
    judge: impl Fn(&Gate, &Evidence<T>) -> Answer,
) -> Result<Answer, Missing> {
    let empty = BTreeMap::new();
    let found = found.unwrap_or(&empty);
    let all: Vec<String> = found.keys().cloned().collect();
    let suites = if gate.suites.is_empty() { &all } else { &gate.suites };
    if let Some(answer) = unreadable(kind, recorded_since(suites, found), context)? {
        return Ok(answer);
    }
    if suites.is_empty() {
        return Ok(missing(kind, kind));
    }
    let answer = |suite: &String| {
        let what = if suite.is_empty() { kind.to_owned() } else { format!("{kind} {suite}") };
        let Some(evidence) = found.get(suite) else {
            return missing(kind, &what);
        };
        staleness(evidence, &what, gate.max_age.as_ref(), context)
            .unwrap_or_else(|| prefixed(suite, judge(gate, evidence)).on([evidence.entry]))
    };
    Ok(join(suites.iter().map(answer).collect()))
}

fn prefixed(suite: &str, answer: Answer) -> Answer {
    match suite {
        "" => answer,
        suite => Answer { reason: format!("{suite}: {}", answer.reason), ..answer },
    }
}

fn one<T>(
    gate: &Gate,
    context: &Context,
    kind: &str,
    what: &str,
    found: Option<&Evidence<T>>,
    judge: impl Fn(&Gate, &Evidence<T>) -> Answer,
) -> Result<Answer, Missing> {
    let newest = found.map_or(0, |evidence| evidence.entry);
    if let Some(answer) = unreadable(kind, newest, context)? {
        return Ok(answer);
    }
    let Some(evidence) = found else {
        return Ok(missing(kind, what));
    };
    Ok(staleness(evidence, what, gate.max_age.as_ref(), context)
        .unwrap_or_else(|| judge(gate, evidence).on([evidence.entry])))
}

fn missing(kind: &str, what: &str) -> Answer {
    Answer::waiting(format!("no {what} is recorded"))
        .next(format!("record it: attestry record {kind}"))
}

/// Says in every reason where only the signer claims what a report is about.
fn unbound<T>(evidence: &Evidence<T>) -> &'static str {
    match evidence.binding {
        Some(Binding::Unbound) => ", report names no artifact",
        Some(Binding::Subject) | None => "",
    }
}

fn judge_test(_: &Gate, evidence: &Evidence<TestFacts>) -> Answer {
    let facts = &evidence.facts;
    let count = |name: &str| facts.counts.get(name).copied().unwrap_or(0);
    let counts = format!("{} passed, {} failed", count("passed"), count("failed"));
    match facts.result {
        // Whoever says both has not looked: the evidence says no.
        TestResult::Passed if count("failed") > 0 || count("errors") > 0 => {
            Answer::fail(format!("{counts}, and yet it says passed{}", unbound(evidence)))
                .next("mend what fails and record the tests again")
        }
        TestResult::Passed => Answer::pass(format!("{counts}{}", unbound(evidence))),
        TestResult::Warned => Answer::fail(format!("{counts}, with warnings{}", unbound(evidence)))
            .next("mend what warns and record the tests again"),
        TestResult::Failed => Answer::fail(format!("{counts}{}", unbound(evidence)))
            .next("mend what fails and record the tests again"),
    }
}

fn judge_analysis(gate: &Gate, evidence: &Evidence<AnalysisFacts>) -> Answer {
    let levels = &evidence.facts.levels;
    let over: Vec<String> = gate
        .levels
        .iter()
        .filter_map(|(level, max)| {
            let found = level_count(levels, level)?;
            (found > *max).then(|| format!("{found} {level}, policy allows {max}"))
        })
        .collect();
    if over.is_empty() {
        let Levels { error, warning, note, .. } = levels;
        let counts = format!("{error} error, {warning} warning, {note} note");
        return Answer::pass(format!("{counts}{}", unbound(evidence)));
    }
    Answer::fail(format!("{}{}", over.join(", "), unbound(evidence)))
        .next("mend the findings and record the analysis again")
}

fn level_count(levels: &Levels, level: &str) -> Option<u64> {
    match level {
        "error" => Some(levels.error),
        "warning" => Some(levels.warning),
        "note" => Some(levels.note),
        "none" => Some(levels.none),
        _ => None,
    }
}

fn judge_metric(gate: &Gate, evidence: &Evidence<Metric>) -> Answer {
    let metric = &evidence.facts;
    let read = |text: &str| text.parse::<Decimal>().ok();
    let limit = |text: &Option<schemas::predicate::DecimalText>| {
        text.as_ref().map(|text| (text.to_string(), read(text.as_str())))
    };
    let Some(value) = read(metric.value.as_str()) else {
        return Answer::indeterminate(format!("{} is no number", metric.name))
            .next("record it again as a number");
    };
    let unit = metric.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let shown = format!("{} is {}{unit}", metric.name, metric.value);
    let next = format!("bring {} within its limit and record it again", metric.name);
    for (limit, below) in [(limit(&gate.min), true), (limit(&gate.max), false)] {
        match limit {
            Some((_, None)) => {
                return Answer::indeterminate("the policy's limit is no number")
                    .next("write a number in the policy");
            }
            Some((text, Some(limit))) if below && value < limit => {
                return Answer::fail(format!("{shown}, policy asks for at least {text}"))
                    .next(next);
            }
            Some((text, Some(limit))) if !below && value > limit => {
                return Answer::fail(format!("{shown}, policy allows at most {text}")).next(next);
            }
            Some(_) | None => {}
        }
    }
    Answer::pass(format!("{shown}{}", unbound(evidence)))
}

/// Every source commit of the newest build has an approving review by somebody else.
fn reviews(gate: &Gate, context: &Context) -> Result<Answer, Missing> {
    let (build, commits) = match commits(context)? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    let mut answers = Vec::new();
    for commit in commits {
        let review = context.artifact(commit)?.and_then(|known| known.review.as_ref());
        let what = format!("review of {}", commit.short());
        let judge = |_: &Gate, it: &Evidence<ReviewFacts>| judge_review(context, it);
        answers.push(one(gate, context, "review", &what, review, judge)?);
    }
    Ok(join(answers).on([build]))
}

fn judge_review(context: &Context, evidence: &Evidence<ReviewFacts>) -> Answer {
    match evidence.facts.outcome {
        ReviewOutcome::Approved => by_another(context, &evidence.facts),
        ReviewOutcome::ChangesRequested => {
            Answer::fail("the review asks for changes").next("make the changes, have it reviewed")
        }
        ReviewOutcome::Commented => {
            Answer::waiting("the review only comments").next("have the change approved")
        }
    }
}

/// Whoever approves a change has not written it; and who is who, only identities can tell.
fn by_another(context: &Context, review: &ReviewFacts) -> Answer {
    let mut authors = BTreeSet::new();
    for author in &review.authors {
        match context.trust.by_alias(author) {
            Some(identity) => authors.insert(identity),
            None => return nobody_known("author", author),
        };
    }
    let identity = |name: &&String| context.trust.by_alias(name);
    let is_another = |name: &&String| identity(name).is_some_and(|it| !authors.contains(it));
    let others: Vec<&str> =
        review.reviewers.iter().filter(is_another).map(String::as_str).collect();
    if !others.is_empty() {
        return Answer::pass(format!("approved by {}", others.join(", ")));
    }
    match review.reviewers.iter().find(|name| identity(name).is_none()) {
        Some(unknown) => nobody_known("reviewer", unknown),
        None => Answer::waiting("approved by nobody but its author")
            .next("have somebody else review it and record the review"),
    }
}

fn nobody_known(what: &str, name: &str) -> Answer {
    Answer::indeterminate(format!("{what} {name} is no known identity"))
        .next(format!("give an identity this alias: attestry identity add --alias {name}"))
}

#[cfg(test)]
mod tests;
