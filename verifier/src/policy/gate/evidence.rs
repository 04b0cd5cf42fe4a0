//! `evidence`: events of one kind about the artifact; the newest per suite decides.

use schemas::policy::{Evidence as Gate, EvidenceKind};
use schemas::predicate::measurement::Metric;
use schemas::predicate::report::Binding;

use super::analysis::level_count;
use super::suites::{Suites, each_suite, missing};
use super::{Answer, reviews, staleness, test_runs, unreadable};
use crate::decimal::Decimal;
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{AnalysisFacts, Evidence};

pub fn evaluate(gate: &Gate, context: &Context) -> Result<Answer, Missing> {
    let known = context.asked()?;
    match gate.kind {
        EvidenceKind::Test => {
            let suites = suites(gate, "test", known.map(|known| &known.tests));
            let judge = |it: &Evidence<_>| test_runs::judge(gate, it, context.at);
            by_role(gate, context, judge, |judge| each_suite(&suites, context, judge))
        }
        EvidenceKind::Analysis => {
            let suites = suites(gate, "analysis", known.map(|known| &known.analyses));
            let judge = |it: &Evidence<_>| judge_analysis(gate, it);
            by_role(gate, context, judge, |judge| each_suite(&suites, context, judge))
        }
        EvidenceKind::Measurement => {
            let metric = gate.metric.as_deref().unwrap_or_default();
            let found = known.and_then(|known| known.metrics.get(metric));
            let judge = |it: &Evidence<_>| judge_metric(gate, it);
            let of = |judge: &dyn Fn(&Evidence<_>) -> Answer| {
                one(gate, context, "measurement", metric, found, judge)
            };
            by_role(gate, context, judge, of)
        }
        EvidenceKind::Sbom => {
            let found = known.and_then(|known| known.sbom.as_ref());
            let judge = |it: &Evidence<crate::projection::slice::SbomFacts>| {
                Answer::pass(format!("{} recorded", it.facts.predicate_type))
            };
            let of = |judge: &dyn Fn(&Evidence<_>) -> Answer| {
                one(gate, context, "sbom", "bill of materials", found, judge)
            };
            by_role(gate, context, judge, of)
        }
        EvidenceKind::Review => {
            let objection = |it: &Evidence<_>| signer_objection(gate, it, context);
            reviews::each_review(gate.max_age.as_ref(), context, objection)
        }
    }
}

/// Judges evidence only where somebody with a role that the gate asks for has signed it.
fn by_role<T>(
    gate: &Gate,
    context: &Context,
    judge: impl Fn(&Evidence<T>) -> Answer,
    of: impl Fn(&dyn Fn(&Evidence<T>) -> Answer) -> Result<Answer, Missing>,
) -> Result<Answer, Missing> {
    of(&|evidence| signer_objection(gate, evidence, context).unwrap_or_else(|| judge(evidence)))
}

/// The answer where nobody who signed holds one of the roles that the gate asks for.
fn signer_objection<T>(gate: &Gate, evidence: &Evidence<T>, context: &Context) -> Option<Answer> {
    if gate.signed_by.is_empty() {
        return None;
    }
    let name = &context.ask.environment.name;
    let holds = |signer: &crate::projection::slice::Signer| {
        !context.trust.is_tainted(&signer.key, signer.signed_at(evidence.entry))
            && gate.signed_by.iter().any(|role| {
                context.trust.has_role(&signer.identity, role, context.project, Some(name))
            })
    };
    if evidence.signers.iter().any(holds) {
        return None;
    }
    let names: Vec<&str> = evidence.signers.iter().map(|it| it.identity.as_str()).collect();
    let (names, roles) = (names.join(", "), gate.signed_by.join(" or "));
    let reason = format!("signed by {names}, policy asks for {roles}");
    Some(Answer::waiting(reason).next(format!("have it recorded by {roles}")))
}

fn suites<'a, T>(
    gate: &'a Gate,
    kind: &'static str,
    found: Option<&'a std::collections::BTreeMap<String, Evidence<T>>>,
) -> Suites<'a, T> {
    Suites { kind, named: &gate.suites, max_age: gate.max_age.as_ref(), found }
}

fn one<T>(
    gate: &Gate,
    context: &Context,
    kind: &str,
    what: &str,
    found: Option<&Evidence<T>>,
    judge: impl Fn(&Evidence<T>) -> Answer,
) -> Result<Answer, Missing> {
    let newest = found.map_or(0, |evidence| evidence.entry);
    if let Some(answer) = unreadable(kind, newest, context)? {
        return Ok(answer);
    }
    let Some(evidence) = found else {
        return Ok(missing(kind, what));
    };
    Ok(staleness(evidence, what, gate.max_age.as_ref(), context)
        .unwrap_or_else(|| judge(evidence).on([evidence.entry])))
}

/// Says in every reason where only the signer claims what a report is about.
pub fn unbound<T>(evidence: &Evidence<T>) -> &'static str {
    match evidence.binding {
        Some(Binding::Unbound) => ", report names no artifact",
        Some(Binding::Subject) | None => "",
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
        let schemas::predicate::analysis::Levels { error, warning, note, .. } = levels;
        let counts = format!("{error} error, {warning} warning, {note} note");
        return Answer::pass(format!("{counts}{}", unbound(evidence)));
    }
    Answer::fail(format!("{}{}", over.join(", "), unbound(evidence)))
        .next("mend the findings and record the analysis again")
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

#[cfg(test)]
pub(super) mod tests;
