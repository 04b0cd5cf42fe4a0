//! How findings are told: grouped by code, counted, the first of each group in full.

use std::collections::BTreeMap;

use schemas::report::{Class, Code, Finding};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{paragraph, wrap};

/// Most findings of one code that are written out; `--json` has them all.
const SHOWN_MAX: usize = 3;

/// The findings that change the answer, most urgent first.
pub fn findings(list: &[Finding]) -> String {
    // The verifier lists causes before what follows from them: the first of a code decides.
    let mut groups: BTreeMap<(u8, usize), Vec<&Finding>> = BTreeMap::new();
    let mut places: BTreeMap<Code, usize> = BTreeMap::new();
    for finding in list {
        let next = places.len();
        let place = *places.entry(finding.code).or_insert(next);
        let group = groups.entry((rank(finding.class), place)).or_default();
        group.push(finding);
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut text = "\n  findings\n".to_owned();
    for group in groups.values() {
        let code = group[0].code;
        let head = format!("{} · {} · {}", code.name(), group.len(), code.meaning());
        text.push_str(&paragraph(4, &head));
        for finding in group.iter().take(SHOWN_MAX) {
            let entry = finding.index.map_or(String::new(), |index| format!("entry {index}: "));
            for (number, line) in wrap(&format!("{entry}{}", finding.detail), 72).iter().enumerate()
            {
                let indent = if number == 0 { 8 } else { 10 };
                text.push_str(&format!("{:indent$}{line}\n", ""));
            }
        }
        if group.len() > SHOWN_MAX {
            let more = group.len() - SHOWN_MAX;
            text.push_str(&format!("{:8}and {more} more: --json lists them\n", ""));
        }
    }
    text
}

fn rank(class: Class) -> u8 {
    match class {
        Class::Integrity => 0,
        Class::Rule => 1,
        Class::Unknown => 2,
        Class::Note => 3,
    }
}

/// The last line: does it hold?
pub fn conclusion(list: &[Finding], what: &str) -> String {
    let worst = list.iter().min_by_key(|finding| rank(finding.class));
    let exceptions = list.iter().filter(|finding| finding.class == Class::Rule).count();
    match (Exit::of_findings(list), worst) {
        (Exit::Integrity, Some(worst)) => format!("integrity broken [{}]", worst.code.name()),
        (Exit::No, _) if exceptions == 1 => format!("{what} holds, with 1 exception"),
        (Exit::No, _) => format!("{what} holds, with {exceptions} exceptions"),
        (Exit::Unknown, _) => format!("{what}: not everything could be told"),
        _ => format!("{what} holds"),
    }
}

/// All findings and the answer, for machines.
pub fn to_json(list: &[Finding]) -> Value {
    let exit = Exit::of_findings(list);
    json!({ "holds": exit == Exit::Done, "exit": exit.code(), "findings": list })
}

/// One JSON object of two.
pub fn joined(mut first: Value, second: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut first, second) {
        members.extend(more);
    }
    first
}

/// What the pin's witnesses say of the checkpoint.
pub fn witnesses(pin: &verifier::pin::Pin, findings: &[Finding]) -> &'static str {
    let missed = findings.iter().any(|finding| finding.code == Code::QuorumMissed);
    match (pin.quorum(), missed) {
        (None, _) => "none asked for: the pin names none",
        (Some(_), true) => "not as many as the pin asks for",
        (Some(_), false) => "as many as the pin asks for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_grouped_and_the_worst_comes_first() {
        let mut list: Vec<Finding> = (0..5)
            .map(|index| {
                Finding::new(Code::DeployedWithoutGrant, Some(index), "sha256:ab in p/prod")
            })
            .collect();
        assert_eq!(conclusion(&list, "the pack"), "the pack holds, with 5 exceptions");
        list.push(Finding::new(Code::ThreadGap, Some(9), "position 7 is missing"));
        let text = findings(&list);
        let gap = text.find("thread-gap").unwrap();
        assert!(gap < text.find("deployed-without-grant").unwrap(), "{text}");
        assert!(text.contains("and 2 more"), "{text}");
        assert!(text.lines().all(|line| crate::output::columns(line) <= 80), "{text}");
        assert_eq!(conclusion(&list, "the pack"), "integrity broken [thread-gap]");
        assert_eq!(conclusion(&[], "the log"), "the log holds");
    }
}
