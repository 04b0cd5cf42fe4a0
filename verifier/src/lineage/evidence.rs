//! The newest evidence of an artifact, a line each.

use std::collections::BTreeMap;

use schemas::predicate::test::TestResult;

use super::Node;
use super::compromised::Compromises;
use crate::projection::slice::{ArtifactInProject, Evidence};

/// The newest evidence of each suite.
pub fn evidence(known: &ArtifactInProject, compromises: Compromises<'_>) -> Option<Node> {
    let mut node = Node::new("evidence", None);
    let suite = |word: &str, name: &str| match name {
        "" => word.to_owned(),
        name => format!("{word} {name}"),
    };
    for (name, test) in &known.tests {
        let result = match test.facts.result {
            TestResult::Passed => "passed",
            TestResult::Warned => "passed with warnings",
            TestResult::Failed => "failed",
        };
        let counts = counts(&test.facts.counts);
        let text = format!("{}: {result}{counts}", suite("test", name));
        node.add(said(text, test, compromises));
    }
    for (name, scan) in &known.scans {
        let counts: Vec<String> = scan
            .facts
            .counts
            .iter()
            .map(|(word, count)| format!("{count} {}", word.name()))
            .collect();
        let found = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
        let text = format!("{}: {found} ({})", suite("scan", name), scan.facts.scanner);
        node.add(said(text, scan, compromises));
    }
    for (name, analysis) in &known.analyses {
        let levels = &analysis.facts.levels;
        let errors = plural(levels.error, "error", "errors");
        let text = format!("{errors}, {}", plural(levels.warning, "warning", "warnings"));
        let text = format!("{}: {text}", suite("analysis", name));
        node.add(said(text, analysis, compromises));
    }
    for (name, metric) in &known.metrics {
        let unit = metric.facts.unit.as_deref().map_or(String::new(), |unit| format!(" {unit}"));
        let text = format!("{name}: {}{unit}", metric.facts.value);
        node.add(said(text, metric, compromises));
    }
    if let Some(sbom) = &known.sbom {
        node.add(said("bill of materials", sbom, compromises));
    }
    for (kind, entry) in &known.unreadable {
        node.add(Node::new(format!("{kind}: cannot be read"), Some(*entry)));
    }
    (!node.children.is_empty()).then_some(node)
}

/// A line of evidence, marked where its key is compromised.
fn said<T>(text: impl Into<String>, of: &Evidence<T>, compromises: Compromises<'_>) -> Node {
    let mut node = Node::new(text, Some(of.entry));
    node.children.extend(compromises.of_evidence(of));
    node
}

/// What a tool counted: `2 passed, 0 failed, 1 skipped`, then words of its own.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    const FIRST: [&str; 4] = ["passed", "failed", "errors", "skipped"];
    let known = FIRST.iter().filter_map(|word| Some((*word, *counts.get(*word)?)));
    let own = counts.iter().map(|(word, count)| (word.as_str(), *count));
    let own = own.filter(|(word, _)| !FIRST.contains(word) && *word != "tests");
    let said = known.chain(own).filter(|(word, count)| *word != "errors" || *count > 0);
    let parts: Vec<String> = said
        .map(|(word, count)| match word {
            "errors" => plural(count, "error", "errors"),
            word => format!("{count} {word}"),
        })
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Writes `1 error`, `2 errors`, `8,120 errors`.
fn plural(number: u64, one: &str, many: &str) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{out} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_for_people() {
        for (number, expected) in [(0, "0 errors"), (1, "1 error"), (8120, "8,120 errors")] {
            assert_eq!(plural(number, "error", "errors"), expected);
        }
    }
}
