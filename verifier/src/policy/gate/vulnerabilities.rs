//! `vulnerabilities`: at most so many of each severity, in the scanner's own words.

use schemas::policy::{SeverityWord, Vulnerabilities};
use schemas::predicate::report::Binding;

use super::{Answer, join, recorded_since, staleness, unreadable};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{Evidence, ScanFacts};

/// Most vulnerabilities that a reason names.
const SHOWN_MAX: usize = 3;

/// The newest scan of every suite decides. A severity that the policy does not name has no limit.
pub fn evaluate(gate: &Vulnerabilities, context: &Context) -> Result<Answer, Missing> {
    let empty = std::collections::BTreeMap::new();
    let scans = context.asked()?.map_or(&empty, |known| &known.scans);
    let all: Vec<String> = scans.keys().cloned().collect();
    let suites = if gate.suites.is_empty() { &all } else { &gate.suites };
    if let Some(answer) = unreadable("vulnerabilities", recorded_since(suites, scans), context)? {
        return Ok(answer);
    }
    let next = "record a scan: attestry record scan";
    if suites.is_empty() {
        return Ok(Answer::waiting("no scan is recorded").next(next));
    }
    let answer = |suite: &String| {
        let what = if suite.is_empty() { "scan".to_owned() } else { format!("scan {suite}") };
        let Some(scan) = scans.get(suite) else {
            return Answer::waiting(format!("no {what} is recorded")).next(next);
        };
        staleness(scan, &what, gate.max_age.as_ref(), context)
            .unwrap_or_else(|| judge(gate, scan).on([scan.entry]))
    };
    Ok(join(suites.iter().map(answer).collect()))
}

fn judge(gate: &Vulnerabilities, scan: &Evidence<ScanFacts>) -> Answer {
    let facts = &scan.facts;
    let count = |severity| facts.counts.get(&severity).copied().unwrap_or(0);
    let over: Vec<SeverityWord> = gate
        .max
        .iter()
        .filter(|(severity, max)| count(**severity) > **max)
        .map(|(severity, _)| *severity)
        .collect();
    if !over.is_empty() {
        return too_many(gate, facts, &over);
    }
    if let Some((word, count)) = facts.unknown.iter().next() {
        let word = if word.is_empty() { "no severity".to_owned() } else { format!("{word:?}") };
        return Answer::indeterminate(format!("{count} rated {word}, which is no known severity"))
            .next("have the scanner rate them, and record its report again");
    }
    let counts = [SeverityWord::Critical, SeverityWord::High, SeverityWord::Medium]
        .map(|severity| format!("{} {}", count(severity), severity.name()))
        .join(", ");
    match scan.binding {
        Some(Binding::Unbound) => Answer::pass(format!("{counts}, report names no artifact")),
        Some(Binding::Subject) | None => Answer::pass(counts),
    }
}

fn too_many(gate: &Vulnerabilities, facts: &ScanFacts, over: &[SeverityWord]) -> Answer {
    let limits: Vec<String> = over
        .iter()
        .map(|severity| {
            let found = facts.counts.get(severity).copied().unwrap_or(0);
            let max = gate.max.get(severity).copied().unwrap_or(0);
            format!("{found} {}, policy allows {max}", severity.name())
        })
        .collect();
    let named: Vec<String> = facts
        .worst
        .iter()
        .filter(|it| over.contains(&it.severity))
        .take(SHOWN_MAX)
        .map(|it| match &it.package {
            Some(package) => format!("{package} {}", it.id),
            None => it.id.clone(),
        })
        .collect();
    Answer::fail(format!("{}: {}", limits.join("; "), named.join(", ")))
        .next("mend them, build again and record the scan of the new artifact")
}

#[cfg(test)]
mod tests;
