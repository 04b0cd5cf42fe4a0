//! What stands beside a gate: its id, why, when, limit, and who may waive it.

use schemas::policy::{GateRule, WaiverRule, When};
use schemas::trust::role;

use super::approvals::role_trouble;
use super::words::{check_list, name_trouble};
use super::{Complaints, is_hidden};

/// Longest `why` of a gate, in characters: it stands in every verdict and in table cells.
const WHY_CHARS_MAX: usize = 500;

/// Longest time that a waiver may hold: who accepts a risk for ever has changed the policy.
const WAIVER_MS_MAX: i64 = 366 * 86_400_000;

pub(super) fn check(at: &str, rule: &GateRule, before: &[GateRule], complaints: &mut Complaints) {
    let (id, labels) = (&rule.id, &rule.labels);
    if !is_gate_id(id) {
        let message = "not a gate id; write lower-case letters, digits, `.`, `_` and `-`, 1 to 63 \
                       of them, the first a letter or digit";
        complaints.add(format!("{at}.id"), message);
    } else if before.iter().any(|other| other.id == *id) {
        let message =
            format!("a second gate with id `{id}`; give this one its own, such as `id: {id}-2`");
        complaints.add(format!("{at}.id"), message);
    }
    if let Some(message) = labels.why.as_deref().and_then(why_trouble) {
        complaints.add(format!("{at}.why"), message);
    }
    if let Some(when) = &labels.when {
        check_when(&format!("{at}.when"), when, complaints);
    }
    if let Some(waiver) = &labels.waiver {
        check_waiver(&format!("{at}.waiver"), waiver, complaints);
    }
    if let Some(word) = &labels.escalate {
        let at = format!("{at}.escalate");
        if !role::is_word(word) {
            complaints.add(at, "not a role; write one such as `escalate: release-manager`");
        } else if labels.limit.is_none() {
            let message = "nothing says when; write a `limit` beside it, such as `limit: 4h`";
            complaints.add(at, message);
        }
    }
}

fn check_when(at: &str, when: &When, complaints: &mut Complaints) {
    if when.is_empty() {
        let message = "no condition; write one, such as `when: { class: [high] }`, or leave it out";
        complaints.add(at, message);
    }
    for (field, words) in when.words() {
        check_list(&format!("{at}.{field}"), words, complaints, name_trouble);
    }
    for (field, globs) in when.globs() {
        check_list(&format!("{at}.{field}"), globs, complaints, glob_trouble);
    }
}

fn glob_trouble(glob: &str) -> Option<String> {
    if glob.starts_with('/') || glob.starts_with("./") {
        return Some(
            "paths begin at the top of the repository; leave out the beginning".to_owned(),
        );
    }
    if glob.contains(['[', ']', '{', '}', '!', '\\']) {
        return Some("only `*`, `**` and `?` mean something here; write two globs".to_owned());
    }
    name_trouble(glob)
}

fn check_waiver(at: &str, waiver: &WaiverRule, complaints: &mut Complaints) {
    if waiver.by.is_empty() {
        let message = "names no role, so nobody could waive it; write for example \
                       `waiver: { by: [risk-owner], max: 7d }`, or leave it out";
        complaints.add(format!("{at}.by"), message);
    }
    check_list(&format!("{at}.by"), &waiver.by, complaints, role_trouble);
    if waiver.max.ms() > WAIVER_MS_MAX {
        complaints.add(format!("{at}.max"), "longer than a year; write at most 366d");
    }
}

/// True for `[a-z0-9][a-z0-9._-]{0,62}`.
fn is_gate_id(id: &str) -> bool {
    let start = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&id.len())
        && id.bytes().next().is_some_and(start)
        && id.bytes().all(|byte| start(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

fn why_trouble(why: &str) -> Option<String> {
    let count = why.chars().count();
    if why.trim().is_empty() {
        return Some("`why` is empty; write the reason or leave it out".to_owned());
    }
    if count > WHY_CHARS_MAX {
        return Some(format!("{count} characters; write at most {WHY_CHARS_MAX}"));
    }
    let hidden = why.chars().find(|c| is_hidden(*c) && *c != '\n')?;
    Some(format!("holds the invisible {}; leave it out", hidden.escape_unicode()))
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check;

    #[test]
    fn gates_have_ids_and_reasons() {
        let sbom = r#""evidence":{"kind":"sbom"}"#;
        let gates = |list: &str| format!(r#"[{{"name":"a","gates":[{list}]}}]"#);
        let labelled = |labels: &str| gates(&format!("{{{labels},{sbom}}}"));
        let id = "environments[0].gates[0].id";
        check(&labelled(r#""id":"a.b_c-1""#), &[]);
        for bad in ["", "-a", "A", "a b", "é", &"a".repeat(64)] {
            check(&labelled(&format!(r#""id":"{bad}""#)), &[(id, "not a gate id")]);
        }
        let twice = gates(&format!("{{{sbom}}},{{{sbom}}}"));
        check(&twice, &[("environments[0].gates[1].id", "`id: evidence-2`")]);
        let numbered: Vec<String> = (0..65).map(|i| format!(r#"{{"id":"g{i}",{sbom}}}"#)).collect();
        check(&gates(&numbered.join(",")), &[("environments[0].gates", "65 gates")]);
        let why = "environments[0].gates[0].why";
        check(&labelled(&format!(r#""why":"{}""#, "é".repeat(500))), &[]);
        check(&labelled(r#""why":"two\nlines""#), &[]);
        check(&labelled(&format!(r#""why":"{}""#, "é".repeat(501))), &[(why, "at most 500")]);
        check(&labelled(r#""why":" ""#), &[(why, "empty")]);
        check(&labelled(r#""why":"a\u202eb""#), &[(why, "\\u{202e}")]);
        check(&labelled(r#""why":"a\u001bb""#), &[(why, "\\u{1b}")]);
    }

    #[test]
    fn what_stands_beside_a_gate_means_something() {
        let beside = |labels: &str, expected: &[(&str, &str)]| {
            let at: Vec<(String, &str)> = expected
                .iter()
                .map(|(path, part)| (format!("environments[0].gates[0].{path}"), *part))
                .collect();
            let at: Vec<(&str, &str)> = at.iter().map(|(path, part)| (&path[..], *part)).collect();
            let gate = format!(r#"{{{labels},"evidence":{{"kind":"sbom"}}}}"#);
            check(&format!(r#"[{{"name":"a","gates":[{gate}]}}]"#), &at);
        };
        beside(r#""when":{"class":["high"],"paths":["**/db/*"]},"fails":"wait""#, &[]);
        beside(r#""when":{}"#, &[("when", "no condition")]);
        beside(r#""when":{"class":[""]}"#, &[("when.class[0]", "empty")]);
        beside(r#""when":{"labels":["a","a"]}"#, &[("when.labels[1]", "twice")]);
        beside(r#""when":{"paths":["/db"]}"#, &[("when.paths[0]", "top of the repository")]);
        beside(r#""when":{"paths_outside":["{a,b}"]}"#, &[("when.paths_outside[0]", "two globs")]);
        beside(r#""limit":"4h","escalate":"lead""#, &[]);
        beside(r#""escalate":"lead""#, &[("escalate", "`limit: 4h`")]);
        beside(r#""limit":"4h","escalate":"The Lead""#, &[("escalate", "not a role")]);
        beside(r#""waiver":{"by":["risk-owner"],"max":"366d"}"#, &[]);
        beside(r#""waiver":{"by":[],"max":"7d"}"#, &[("waiver.by", "nobody could waive")]);
        beside(r#""waiver":{"by":["admin"],"max":"7d"}"#, &[("waiver.by[0]", "approves nothing")]);
        beside(r#""waiver":{"by":["a"],"max":"367d"}"#, &[("waiver.max", "a year")]);
    }
}
