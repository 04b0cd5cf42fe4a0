//! `vulnerabilities`: at most so many of each severity, in the scanner's own words, less those that
//! somebody has said do not matter.

mod excuse;

use std::collections::BTreeMap;

use schemas::policy::{SeverityWord, Vulnerabilities};
use schemas::predicate::report::Binding;

use super::{Answer, for_people, join, recorded_since, staleness, unreadable};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{Evidence, ScanFacts};
use excuse::Excuses;

/// Most vulnerabilities that a reason names.
const SHOWN_MAX: usize = 3;

/// The newest scan of every suite decides. A severity that the policy does not name has no limit.
pub fn evaluate(gate: &Vulnerabilities, context: &Context) -> Result<Answer, Missing> {
    let known = context.asked()?;
    let empty = BTreeMap::new();
    let scans = known.map_or(&empty, |known| &known.scans);
    let all: Vec<String> = scans.keys().cloned().collect();
    let suites = if gate.suites.is_empty() { &all } else { &gate.suites };
    if let Some(answer) = unreadable("vulnerabilities", recorded_since(suites, scans), context)? {
        return Ok(answer);
    }
    let next = "record a scan: attestry record scan";
    if suites.is_empty() {
        return Ok(Answer::waiting("no scan is recorded").next(next));
    }
    let excuses = Excuses::of(gate, known, context);
    let answer = |suite: &String| {
        let what = if suite.is_empty() { "scan".to_owned() } else { format!("scan {suite}") };
        let Some(scan) = scans.get(suite) else {
            return Answer::waiting(format!("no {what} is recorded")).next(next);
        };
        staleness(scan, &what, gate.max_age.as_ref(), context)
            .or_else(|| unfit(gate, scan, &what))
            .unwrap_or_else(|| judge(gate, scan, &excuses).on([scan.entry]))
    };
    Ok(join(suites.iter().map(answer).collect()))
}

/// An answer where another scanner looked, or one that knew too little.
fn unfit(gate: &Vulnerabilities, scan: &Evidence<ScanFacts>, what: &str) -> Option<Answer> {
    let facts = &scan.facts;
    let entry = [scan.entry];
    if !gate.scanners.is_empty() && !gate.scanners.contains(&facts.scanner) {
        let reason = format!("{what} is by {}, which the policy does not list", facts.scanner);
        let next = format!("scan with {}", gate.scanners.join(" or "));
        return Some(Answer::waiting(reason).next(next).on(entry));
    }
    let limit = gate.max_database_age.as_ref()?;
    let next = "renew the scanner's database, scan again and record it";
    let Some(renewed) = facts.database_at else {
        let reason = format!("{what} does not say how old its database was");
        return Some(Answer::indeterminate(reason).next(next).on(entry));
    };
    let age = scan.since().since(renewed);
    let reason =
        format!("the database of {what} was {} old, policy allows {limit}", for_people(age));
    (age > limit.ms()).then(|| Answer::waiting(reason).next(next).on(entry))
}

fn judge(gate: &Vulnerabilities, scan: &Evidence<ScanFacts>, excuses: &Excuses) -> Answer {
    let facts = &scan.facts;
    let excused = excuses.of_scan(gate, facts);
    let counts = if gate.fixable_only { &facts.fixable } else { &facts.counts };
    // What is excused is named, so it is among what was counted.
    let left = |severity: SeverityWord| {
        let found = counts.get(&severity).copied().unwrap_or(0);
        found.saturating_sub(excused.counts.get(&severity).copied().unwrap_or(0))
    };
    let over: Vec<SeverityWord> = gate
        .max
        .iter()
        .filter(|(severity, max)| left(**severity) > **max)
        .map(|(severity, _)| *severity)
        .collect();
    if !over.is_empty() {
        let named = facts.worst.iter().enumerate().filter(|(nth, it)| {
            let counted = !gate.fixable_only || it.fixed_in.is_some();
            over.contains(&it.severity) && counted && !excused.named.contains(nth)
        });
        let named: Vec<String> = named
            .take(SHOWN_MAX)
            .map(|(_, it)| match &it.package {
                Some(package) => format!("{package} {}", it.id),
                None => it.id.clone(),
            })
            .collect();
        let limits: Vec<String> = over
            .iter()
            .map(|severity| {
                let max = gate.max.get(severity).copied().unwrap_or(0);
                format!("{} {}, policy allows {max}", left(*severity), severity.name())
            })
            .collect();
        let reason = format!("{}: {}{}", limits.join("; "), named.join(", "), excused.remark());
        return Answer::fail(reason)
            .next("mend them, build again and record the scan of the new artifact")
            .on(excused.entries);
    }
    if let Some((word, count)) = facts.unknown.iter().next() {
        let word = if word.is_empty() { "no severity".to_owned() } else { format!("{word:?}") };
        return Answer::indeterminate(format!("{count} rated {word}, which is no known severity"))
            .next("have the scanner rate them, and record its report again");
    }
    let shown = [SeverityWord::Critical, SeverityWord::High, SeverityWord::Medium]
        .map(|severity| format!("{} {}", left(severity), severity.name()))
        .join(", ");
    let unbound = match scan.binding {
        Some(Binding::Unbound) => ", report names no artifact",
        Some(Binding::Subject) | None => "",
    };
    Answer::pass(format!("{shown}{}{unbound}", excused.remark())).on(excused.entries)
}

#[cfg(test)]
pub(super) mod tests;
