//! Plain JSON with a predicate's own fields, for whatever no tool has a format for.
//!
//! The text is checked to be one object with one meaning and handed on as it was written, but for
//! the spelling of times and numbers; what its members must be is checked with the whole predicate.
//! Here only the members are asked for without which the file is surely something else, so that a
//! foreign report gets an answer that names the formats.

use std::collections::BTreeMap;

use schemas::kind::EventKind;
use verifier::json::Value;

use super::{AdapterError, Body, Reading, count, spelling};
use crate::output::cut;

/// Most characters of one of somebody's words in a summary.
const SHOWN_MAX: usize = 60;

/// Takes the object over.
pub fn read(text: &[u8], root: &Value<'_>, kind: EventKind) -> Result<Reading, AdapterError> {
    let members = root.as_object().unwrap_or_default();
    if kind == EventKind::Sbom {
        // The document is the predicate: one in no known format is no bill of materials.
        return Err(AdapterError::UnknownJson { kind });
    }
    let has = |member: &&'static str| members.iter().any(|(name, _)| name == *member);
    let required = required(kind);
    if let Some(member) = required.iter().copied().find(|member| !has(member)) {
        return match required.iter().any(has) {
            true => Err(AdapterError::FieldMissing { kind, member }),
            false => Err(AdapterError::UnknownJson { kind }),
        };
    }
    if let Some(member) = reserved(kind).iter().copied().find(has) {
        return Err(AdapterError::FieldReserved { member });
    }
    if members.is_empty() {
        return Err(AdapterError::NothingInside { what: "field" });
    }
    let text = spelling::respelt(str::from_utf8(text).unwrap_or_default(), root, kind);
    let text = text.trim_ascii().to_owned();
    Ok(Reading {
        format: "json",
        format_name: "JSON",
        body: Body::Fields(text),
        named: Vec::new(),
        named_where: None,
        tool: None,
        counts: BTreeMap::from([count("fields", members.len())]),
        finished_at: None,
        warnings: Vec::new(),
        summary: summary(root, kind).unwrap_or_else(|| fields(members.len())),
    })
}

/// What a file of this kind says first; what says nothing of it is refused with the whole predicate.
fn summary(root: &Value<'_>, kind: EventKind) -> Option<String> {
    let text = |path: &[&str]| Some(cut(root.find(path)?.as_str()?, SHOWN_MAX));
    match kind {
        EventKind::Build => Some(format!("by {}", text(&["runDetails", "builder", "id"])?)),
        EventKind::Canary => text(&["verdict"]),
        EventKind::Configuration => text(&["state"]),
        EventKind::Incident => {
            let (id, status) = (text(&["id"])?, text(&["status"])?);
            let severity = text(&["severity"]).map_or(String::new(), |it| format!(", {it}"));
            Some(format!("{id} {status}{severity}"))
        }
        EventKind::Review => review(root),
        _ => None,
    }
}

fn fields(count: usize) -> String {
    format!("{count} field{}", if count == 1 { "" } else { "s" })
}

/// `approved by bob, written by alice`.
fn review(root: &Value<'_>) -> Option<String> {
    let names = |member: &str| match root.get(member) {
        Some(Value::Array(names)) if !names.is_empty() => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" and ")
        }
        _ => "nobody".to_owned(),
    };
    let outcome = match root.get("outcome").and_then(Value::as_str) {
        Some("approved") => "approved",
        Some("changes-requested") => "changes requested",
        Some("commented") => "commented",
        _ => return None,
    };
    Some(format!("{outcome} by {}, written by {}", names("reviewers"), names("authors")))
}

/// The members without which a file is nothing of the kind.
fn required(kind: EventKind) -> &'static [&'static str] {
    use EventKind as K;
    match kind {
        K::Analysis => &["levels", "suppressed"],
        K::Build => &["buildDefinition", "runDetails"],
        K::Canary => &["verdict", "startedAt"],
        K::Configuration => &["state", "digest"],
        K::Deployment => &["environment", "result"],
        K::Freeze => &["from", "until", "reason"],
        K::Incident => &["id", "status"],
        K::Measurement => &["metrics"],
        K::Migration => &["reversible"],
        K::Note => &["text"],
        K::Observation => &["artifacts"],
        K::Rehearsal => &["of", "result"],
        K::Review => &["authors", "outcome"],
        K::Rollback => &["from", "reason"],
        K::Test => &["result"],
        K::Vex => &["statements"],
        K::Vulnerabilities => &["scanner"],
        K::Waiver => &["gate", "reason"],
        K::Approval
        | K::Decision
        | K::Export
        | K::Heads
        | K::Other
        | K::Policy
        | K::PromotionRequest
        | K::Sbom
        | K::Trust => &[],
    }
}

/// The members that are never taken from a file, since we write them ourselves: the ones that tie
/// a statement to its ledger, and the note about the very report.
fn reserved(kind: EventKind) -> &'static [&'static str] {
    use EventKind as K;
    match kind {
        K::Analysis | K::Canary | K::Measurement | K::Observation | K::Rehearsal => {
            &["ledger", "project", "nonce", "report"]
        }
        K::Test | K::Vulnerabilities => &["attestry_report"],
        K::Decision => &["attestry_decision"],
        K::Approval
        | K::Configuration
        | K::Deployment
        | K::Export
        | K::Freeze
        | K::Heads
        | K::Incident
        | K::Migration
        | K::Note
        | K::Policy
        | K::PromotionRequest
        | K::Review
        | K::Rollback
        | K::Trust
        | K::Waiver => &["ledger", "project", "nonce"],
        K::Build | K::Other | K::Sbom | K::Vex => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter;

    fn check(text: &str, kind: EventKind, expected: &str) {
        let found = match adapter::read(text.as_bytes(), kind) {
            Ok(Reading { body: Body::Fields(fields), .. }) => fields,
            Ok(other) => format!("{other:?}"),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_text_is_kept() {
        let review = r#"{ "authors":["a\u00e4"], "reviewers":[], "outcome":"approved" }"#;
        check(&format!("\n{review}\n"), EventKind::Review, review);
        check(r#"{"n":1.0e400}"#, EventKind::Other, r#"{"n":1.0e400}"#);
        check(r#"{"bomFormat":"x"}"#, EventKind::Other, r#"{"bomFormat":"x"}"#);
    }

    #[test]
    fn times_may_be_spelt_as_in_rfc_3339() {
        let incident = r#"{"id":"INC-1","status":"opened","at":"2026-11-30T17:00:00Z"}"#;
        let expected = r#"{"id":"INC-1","status":"opened","at":"2026-11-30T17:00:00.000Z"}"#;
        check(incident, EventKind::Incident, expected);
        check(&format!("\n {incident}\n"), EventKind::Incident, expected);
    }

    #[test]
    fn numbers_of_canaries_may_be_numbers() {
        let canary = |error: &str| {
            format!(
                r#"{{"verdict":"passed","startedAt":"2026-11-30T17:00:00.000Z","metrics":[{{"value":{error}}}]}}"#
            )
        };
        check(&canary("0.40"), EventKind::Canary, &canary(r#""0.40""#));
        check(&canary("4e-1"), EventKind::Canary, &canary("4e-1"));
    }

    #[test]
    fn summaries_say_what_the_file_says_first() {
        for (kind, text, expected) in [
            (
                EventKind::Incident,
                r#"{"id":"INC-1","status":"opened","severity":"sev2"}"#,
                "INC-1 opened, sev2",
            ),
            (EventKind::Incident, r#"{"id":7,"status":"opened"}"#, "2 fields"),
            (
                EventKind::Build,
                r#"{"buildDefinition":{},"runDetails":{"builder":{"id":"https://ci.example"}}}"#,
                "by https://ci.example",
            ),
            (EventKind::Build, r#"{"buildDefinition":{},"runDetails":{}}"#, "2 fields"),
            (EventKind::Canary, r#"{"verdict":"passed","startedAt":""}"#, "passed"),
        ] {
            assert_eq!(adapter::read(text.as_bytes(), kind).unwrap().summary, expected, "{text}");
        }
    }

    #[test]
    fn foreign_and_incomplete_files_are_told_apart() {
        check(r#"{"matches":[]}"#, EventKind::Vulnerabilities, "format-unknown");
        check(r#"{"spdxVersion":"SPDX-2.3"}"#, EventKind::Sbom, "format-unknown");
        check("{}", EventKind::Review, "format-unknown");
        check("{}", EventKind::Other, "report-empty");
        check(r#"{"outcome":"approved"}"#, EventKind::Review, "field-missing");
        check(r#"{"text":"x","nonce":"y"}"#, EventKind::Note, "field-reserved");
        check(r#"{"result":"PASSED","attestry_report":{}}"#, EventKind::Test, "field-reserved");
    }
}
