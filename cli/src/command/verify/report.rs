//! How findings are told: grouped by code, counted, the first of each group in full.

use std::collections::BTreeMap;

use schemas::id::Time;
use schemas::report::{Class, Code, Finding};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{fold, minute, paragraph, span};

/// Most findings of one code that are written out; `--json` has them all.
const SHOWN_MAX: usize = 3;

/// The findings, most urgent first; what a broken log or pack entails stands apart.
pub fn findings(list: &[Finding]) -> String {
    let (causes, follow): (Vec<&Finding>, Vec<&Finding>) =
        list.iter().partition(|finding| !may_follow(finding, list));
    let mut text = String::new();
    for (title, list) in
        [("findings", causes), ("what may only follow from the first of these", follow)]
    {
        if !list.is_empty() {
            text.push_str(&format!("\n  {title}\n{}", groups(&list)));
        }
    }
    text
}

/// True where something was broken before that this was computed from.
///
/// Ends of threads, heads, roots and tables are made of entries, and rules are asked of the state
/// that entries leave: with one of them broken, these fail too.
fn may_follow(finding: &Finding, list: &[Finding]) -> bool {
    use Code as C;
    let computed = |code| {
        matches!(code, C::HeadUnproven | C::HeadsMismatch | C::RootMismatch | C::DerivedMismatch)
    };
    let broken = |it: &&Finding| it.class == Class::Integrity && !computed(it.code);
    let Some(first) = list.iter().find(broken) else {
        return false;
    };
    match finding.class {
        Class::Integrity => computed(finding.code),
        Class::Rule | Class::Unknown => {
            first.index.is_some() && finding.index.is_some() && first.index <= finding.index
        }
        Class::Note => false,
    }
}

fn groups(list: &[&Finding]) -> String {
    // The verifier lists causes before what follows from them: the first of a code decides.
    let mut groups: BTreeMap<(u8, usize), Vec<&Finding>> = BTreeMap::new();
    let mut places: BTreeMap<Code, usize> = BTreeMap::new();
    for finding in list {
        let next = places.len();
        let place = *places.entry(finding.code).or_insert(next);
        let group = groups.entry((rank(finding.class), place)).or_default();
        group.push(finding);
    }
    let mut text = String::new();
    for group in groups.values() {
        let code = group[0].code;
        let head = format!("{} · {} · {}", code.name(), group.len(), code.meaning());
        text.push_str(&paragraph(4, &head));
        for finding in group.iter().take(SHOWN_MAX) {
            let entry = finding.index.map_or(String::new(), |index| format!("entry {index}: "));
            for (number, line) in fold(&format!("{entry}{}", finding.detail), 70).iter().enumerate()
            {
                // A SHA-256 digest is one word of 71 columns.
                let indent = if number == 0 { 8 } else { 9 };
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

/// The finding to look at first.
fn cause(list: &[Finding]) -> Option<&Finding> {
    list.iter().min_by_key(|finding| (rank(finding.class), may_follow(finding, list)))
}

/// The last line: does it hold?
pub fn conclusion(list: &[Finding], what: &str) -> String {
    let worst = cause(list);
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
    let broken = cause(list).filter(|finding| finding.class == Class::Integrity);
    json!({
        "holds": exit == Exit::Done, "exit": exit.code(),
        "cause": broken.map(|finding| finding.code), "findings": list,
    })
}

/// One JSON object of two.
pub fn joined(mut first: Value, second: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut first, second) {
        members.extend(more);
    }
    first
}

/// What the witnesses that are asked for say of the checkpoint.
pub fn witnesses(pin: &verifier::pin::Pin, findings: &[Finding]) -> &'static str {
    let missed = findings.iter().any(|finding| finding.code == Code::QuorumMissed);
    match (pin.quorum(), missed) {
        (None, _) => "none asked for: the pin names none",
        (Some(_), true) => "not as many as are asked for",
        (Some(_), false) => "as many as are asked for",
    }
}

/// What bounds the times that entries have: the ledger's word, or when witnesses had seen them.
pub fn time(existed_by: Option<Time>, newest: Option<Time>) -> String {
    let Some(by) = existed_by else {
        return "the ledger's word: no witness bounds it".to_owned();
    };
    let bound = format!("bounded by cosignatures: all of it existed by {} UTC", minute(by));
    match newest {
        None => bound,
        Some(newest) if newest <= by => {
            format!("{bound}, {} after its newest entry", span(by.since(newest)))
        }
        // Witnesses count whole seconds.
        Some(newest) if newest.since(by) < 1000 => format!("{bound}, with its newest entry"),
        Some(newest) => {
            let ahead = span(newest.since(by));
            format!("{bound}, yet its newest entry says {ahead} later: a clock is wrong")
        }
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
        let digest = format!("sha256:{} in p/prod", "ab".repeat(32));
        list[0].detail = digest;
        let text = findings(&list);
        assert!(text.lines().all(|line| crate::output::columns(line) <= 80), "{text}");
        list.push(Finding::new(Code::ThreadGap, Some(9), "position 7 is missing"));
        let text = findings(&list);
        let gap = text.find("thread-gap").unwrap();
        assert!(gap < text.find("deployed-without-grant").unwrap(), "{text}");
        assert!(text.contains("and 2 more"), "{text}");
        assert!(text.lines().all(|line| crate::output::columns(line) <= 80), "{text}");
        assert_eq!(conclusion(&list, "the pack"), "integrity broken [thread-gap]");
        assert_eq!(conclusion(&[], "the log"), "the log holds");
    }

    #[test]
    fn times_are_bounded_where_witnesses_say_so() {
        let at = |secs: i64, ms: i64| Some(Time(secs * 1000 + ms));
        let by = |secs: i64| Some(Time(1_795_000_000_000 + secs * 1000));
        let check = |existed_by, newest, expected: &str| {
            let said = time(existed_by, newest);
            assert!(said.ends_with(expected), "{said}");
        };
        check(None, by(0), "no witness bounds it");
        check(by(0), None, "existed by 2026-11-18 11:06 UTC");
        check(by(90), by(0), "UTC, 1 min after its newest entry");
        check(by(0), at(1_795_000_000, 999), "with its newest entry");
        check(by(0), by(3600), "its newest entry says 1 h later: a clock is wrong");
    }

    #[test]
    fn what_follows_from_a_forged_entry_stands_apart() {
        let at = |code, index| Finding::new(code, index, "x");
        let check = |list: &[Finding], expected: (&str, &[&str])| {
            let text = findings(list);
            let mut parts = text.split("what may only follow");
            let (causes, follow) = (parts.next().unwrap(), parts.next().unwrap_or_default());
            assert!(causes.contains(&format!("{} · ", expected.0)), "{text}");
            for code in expected.1 {
                let line = format!("{code} · ");
                assert!(follow.contains(&line) && !causes.contains(&line), "{text}");
            }
            assert_eq!(follow.matches(" · ").count(), 2 * expected.1.len(), "{text}");
            assert_eq!(to_json(list)["cause"], expected.0);
        };
        let head = at(Code::HeadUnproven, Some(40));
        let derived = at(Code::DerivedMismatch, None);
        let denied = at(Code::DeployedWithoutGrant, Some(33));
        let early = at(Code::DeployedWithoutGrant, Some(3));
        let proof = at(Code::ProofInvalid, Some(32));
        check(
            &[proof.clone(), head.clone(), derived.clone()],
            ("proof-invalid", &["head-unproven", "derived-mismatch"]),
        );
        check(&[head.clone(), proof.clone()], ("proof-invalid", &["head-unproven"]));
        check(&[proof.clone(), denied.clone()], ("proof-invalid", &["deployed-without-grant"]));
        check(&[proof, early], ("proof-invalid", &[]));
        // With nothing else broken, these are the cause.
        check(&[head, derived, denied], ("head-unproven", &[]));
    }
}
