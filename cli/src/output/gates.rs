//! The verdicts of gates, one block each: verdict, gate, reason, entries, next step.

use std::fmt::Write as _;

use schemas::id::EntryIndex;
use schemas::report::{GateVerdict, Verdict};
use serde_json::{Value, json};

use super::{WIDTH, columns, indexes, minute, wrap};

/// Writes every gate, then what is needed still.
pub fn render(gates: &[GateVerdict]) -> String {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let verdicts = width(&mut gates.iter().map(|gate| gate.verdict.name().len()));
    let ids = width(&mut gates.iter().map(|gate| columns(&gate.id))).min(24);
    let mut out = String::new();
    for gate in gates {
        let head = format!("  {:verdicts$}  {:ids$}  ", gate.verdict.name(), gate.id);
        push_gate(&mut out, &head, verdicts + ids + 6, gate);
    }
    out
}

fn push_gate(out: &mut String, head: &str, indent: usize, gate: &GateVerdict) {
    let room = WIDTH.saturating_sub(indent).max(30);
    let mut lines = wrap(&gate.reason, room);
    let entries = entries(&gate.entries);
    push_right(&mut lines, &entries, room);
    let until = gate.until.filter(|_| !gate.verdict.admits());
    if let Some(until) = until {
        push_right(&mut lines, &format!("until {} UTC", minute(until)), room);
    }
    for (number, line) in lines.iter().enumerate() {
        match number {
            0 => _ = writeln!(out, "{head}{line}"),
            _ => _ = writeln!(out, "{:indent$}{line}", ""),
        }
    }
    // The time stands there already.
    let waits = |next: &str| until.is_some_and(|until| next == format!("wait until {until}"));
    if let Some(next) = gate.next.as_ref().filter(|next| !gate.verdict.admits() && !waits(next)) {
        for (number, line) in wrap(next, room - 3).iter().enumerate() {
            let arrow = if number == 0 { "->" } else { "  " };
            let _ = writeln!(out, "{:indent$}{arrow} {line}", "");
        }
    }
}

/// Puts a short text at the right end of the last line, or on a line of its own.
fn push_right(lines: &mut Vec<String>, text: &str, room: usize) {
    if text.is_empty() {
        return;
    }
    if let Some(last) = lines.last_mut()
        && columns(last) + columns(text) + 2 <= room
    {
        let gap = room - columns(last) - columns(text);
        let _ = write!(last, "{:gap$}{text}", "");
    } else {
        lines.push(text.to_owned());
    }
}

fn entries(list: &[EntryIndex]) -> String {
    match list {
        [] => String::new(),
        [one] => format!("entry {one}"),
        more => format!("entries {}", indexes(more)),
    }
}

/// The sentence below the gates.
pub fn conclusion(gates: &[GateVerdict]) -> String {
    let of = |verdict: Verdict| gates.iter().filter(|gate| gate.verdict == verdict).count();
    let (fail, unknown, wait) =
        (of(Verdict::Fail), of(Verdict::Indeterminate), of(Verdict::Waiting));
    let part = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 gate {one}")),
        more => Some(format!("{more} gates {many}")),
    };
    let parts: Vec<String> = [
        part(fail, "fails", "fail"),
        part(unknown, "cannot be told", "cannot be told"),
        part(wait, "waits", "wait"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match parts.as_slice() {
        [] => "admitted: every gate passes".to_owned(),
        parts => format!("not admitted: {}", parts.join(", ")),
    }
}

pub fn to_json(gates: &[GateVerdict]) -> Value {
    json!(gates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(
        id: &str,
        verdict: Verdict,
        reason: &str,
        next: Option<&str>,
        entries: &[u64],
    ) -> GateVerdict {
        GateVerdict {
            id: id.to_owned(),
            gate: id.to_owned(),
            verdict,
            reason: reason.to_owned(),
            next: next.map(str::to_owned),
            entries: entries.to_vec(),
            until: None,
        }
    }

    #[test]
    fn gates_are_columns_within_80() {
        let gates = [
            gate("provenance", Verdict::Pass, "built by us", None, &[1170]),
            gate(
                "approvals",
                Verdict::Waiting,
                "1 of 2: bob (release-approver); alice does not count: she wrote 4be1f0a",
                Some("security, or another release-approver"),
                &[1190, 1191],
            ),
        ];
        let text = render(&gates);
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        assert!(text.starts_with("  pass     provenance  built by us"), "{text}");
        assert!(text.contains("entries 1190-1191"), "{text}");
        assert!(text.contains("-> security, or another"), "{text}");
        assert_eq!(conclusion(&gates), "not admitted: 1 gate waits");
        assert_eq!(verifier::view::open_names(&gates), "approvals");
    }

    #[test]
    fn a_time_is_said_once() {
        let until: schemas::id::Time = "2026-11-20T20:14:00.123Z".parse().unwrap();
        let next = format!("wait until {until}");
        let mut soak = gate("soak", Verdict::Waiting, "19 h of 24 h in staging", Some(&next), &[9]);
        soak.until = Some(until);
        let text = render(&[soak]);
        assert!(
            text.contains("until 2026-11-20 20:14 UTC") && !text.contains("wait until"),
            "{text}"
        );
    }
}
