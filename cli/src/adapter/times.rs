//! Times that people write by hand: read in any spelling of RFC 3339, written in our own.
//!
//! A predicate has one spelling of a time, to the millisecond. A file that says
//! `2026-11-30T17:00:00Z` means the same, so only that member is written anew.

use std::borrow::Cow;

use schemas::id::Time;
use schemas::kind::EventKind;
use verifier::json::Value;

/// The members of a kind that are times and that people write.
pub fn members(kind: EventKind) -> &'static [&'static str] {
    use EventKind as K;
    match kind {
        K::Canary => &["startedAt", "finishedAt"],
        K::Deployment | K::Rehearsal | K::Rollback => &["finishedAt"],
        K::Freeze => &["from", "until"],
        K::Incident => &["at"],
        K::Measurement => &["measuredAt"],
        K::Observation => &["takenAt"],
        K::Review => &["reviewedAt"],
        K::Waiver => &["expiresAt", "reviewAt"],
        // We write their times ourselves, or they have none.
        K::Analysis
        | K::Approval
        | K::Configuration
        | K::Decision
        | K::Export
        | K::Heads
        | K::Migration
        | K::Note
        | K::Policy
        | K::PromotionRequest
        | K::Trust => &[],
        // Other people's predicates stay as they are.
        K::Build | K::Other | K::Sbom | K::Test | K::Vex | K::Vulnerabilities => &[],
    }
}

/// The text of an object, with its times in our spelling; every other byte stays.
///
/// What is no time stays too: it is refused with the whole predicate.
pub fn respelt(text: &str, root: &Value<'_>, kind: EventKind) -> String {
    let mut out = text.to_owned();
    let mut found: Vec<(usize, &str, Time)> = members(kind)
        .iter()
        .filter_map(|member| match root.get(member)? {
            Value::String(Cow::Borrowed(written)) => {
                Some((place(text, written)?, *written, Time::parse_rfc3339(written)?))
            }
            _ => None,
        })
        .collect();
    // From the end on, so that the places before stay true.
    found.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    for (at, written, time) in found {
        out.replace_range(at..at + written.len(), &time.to_string());
    }
    out
}

/// Where a part of the text begins, which was borrowed from it.
fn place(text: &str, part: &str) -> Option<usize> {
    let at = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    (text.get(at..at.checked_add(part.len())?)? == part).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: EventKind, text: &str, expected: &str) {
        let root = verifier::json::parse(text.as_bytes()).unwrap();
        assert_eq!(respelt(text, &root, kind), expected);
    }

    #[test]
    fn times_are_written_in_our_spelling_and_nothing_else_is() {
        check(
            EventKind::Incident,
            r#"{ "summary": "at 2026-11-30T17:00:00Z", "at": "2026-11-30T17:00:00Z", "n": 1.50 }"#,
            r#"{ "summary": "at 2026-11-30T17:00:00Z", "at": "2026-11-30T17:00:00.000Z", "n": 1.50 }"#,
        );
        check(
            EventKind::Canary,
            r#"{"finishedAt":"2026-11-30T18:00:00+01:00","startedAt":"2026-11-30T16:00:00.25Z"}"#,
            r#"{"finishedAt":"2026-11-30T17:00:00.000Z","startedAt":"2026-11-30T16:00:00.250Z"}"#,
        );
    }

    #[test]
    fn what_is_no_time_stays() {
        for text in [
            r#"{"at":"yesterday"}"#,
            r#"{"at":7}"#,
            r#"{"at":{"at":"2026-11-30T17:00:00Z"}}"#,
            r#"{"finishedAt":"2026-11-30T17:00:00Z"}"#,
        ] {
            check(EventKind::Incident, text, text);
        }
    }
}
