//! `analysis`: at most so many findings, new findings and secrets.

use std::collections::BTreeMap;

use schemas::policy::Analysis;
use schemas::predicate::analysis::Levels;

use super::Answer;
use super::suites::{Suites, each_suite};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{AnalysisFacts, Evidence};

/// The newest analysis of every suite decides. What the policy does not name has no limit.
pub fn evaluate(gate: &Analysis, context: &Context) -> Result<Answer, Missing> {
    let suites = Suites {
        kind: "analysis",
        named: &gate.suites,
        max_age: gate.max_age.as_ref(),
        found: context.asked()?.map(|known| &known.analyses),
    };
    each_suite(&suites, context, |evidence| judge(gate, evidence))
}

fn judge(gate: &Analysis, evidence: &Evidence<AnalysisFacts>) -> Answer {
    let facts = &evidence.facts;
    let again = "mend the findings and record the analysis again";
    let mut over = over(&gate.max, &facts.levels, "");
    if let Some(new) = &facts.new {
        over.extend(self::over(&gate.max_new, new, "new "));
    }
    match (gate.max_secrets, facts.secrets) {
        (Some(max), Some(found)) if found > max => {
            over.push(format!("{found} secrets, policy allows {max}"));
        }
        _ => {}
    }
    if !over.is_empty() {
        return Answer::fail(over.join(", ")).next(again);
    }
    if !gate.max_new.is_empty() && facts.new.is_none() {
        return Answer::indeterminate("the report does not tell which findings are new")
            .next("compare it with the analysis before: SARIF's baselineState");
    }
    if gate.max_secrets.is_some() && facts.secrets.is_none() {
        return Answer::indeterminate("the report does not tell whether it looked for secrets")
            .next("record the report of a secret scanner");
    }
    let Levels { error, warning, note, .. } = facts.levels;
    Answer::pass(format!("{error} error, {warning} warning, {note} note"))
}

fn over(max: &BTreeMap<String, u64>, found: &Levels, what: &str) -> Vec<String> {
    let over = |(level, max): (&String, &u64)| {
        let found = level_count(found, level)?;
        (found > *max).then(|| format!("{found} {what}{level}, policy allows {max}"))
    };
    max.iter().filter_map(over).collect()
}

pub fn level_count(levels: &Levels, level: &str) -> Option<u64> {
    match level {
        "error" => Some(levels.error),
        "warning" => Some(levels.warning),
        "note" => Some(levels.note),
        "none" => Some(levels.none),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests;
