//! What people write by hand and a predicate spells in one way only: times and exact numbers.
//!
//! A predicate has one spelling of a time, to the millisecond, and has a number that a gate may compare
//! as text, since readers of JSON make binary fractions of the others. A file that says
//! `2026-11-30T17:00:00Z` or `0.4` means the same, so only those members are written anew: digit by
//! digit, since a number is never read as one.

use std::borrow::Cow;

use schemas::id::Time;
use schemas::kind::EventKind;
use schemas::predicate::DecimalText;
use verifier::json::Value;

use super::times;

/// A part of the text, and what stands in its place.
struct Respelt<'a> {
    part: &'a str,
    by: String,
}

/// The text of an object, with its times and numbers in our spelling; every other byte stays.
///
/// What is no time, or no number that can be kept exactly, stays too: it is refused with the whole
/// predicate.
pub fn respelt(text: &str, root: &Value<'_>, kind: EventKind) -> String {
    let mut out = text.to_owned();
    let parts = times_of(root, kind).chain(numbers_of(root, kind));
    let mut places: Vec<(usize, Respelt<'_>)> =
        parts.filter_map(|it| Some((place(text, it.part)?, it))).collect();
    // From the end on, so that the places before stay true.
    places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, it) in places {
        out.replace_range(at..at + it.part.len(), &it.by);
    }
    out
}

fn times_of<'v>(root: &'v Value<'_>, kind: EventKind) -> impl Iterator<Item = Respelt<'v>> {
    times::members(kind).iter().filter_map(move |member| match root.get(member)? {
        Value::String(Cow::Borrowed(part)) => {
            Some(Respelt { part, by: Time::parse_rfc3339(part)?.to_string() })
        }
        _ => None,
    })
}

/// The numbers of a canary's metrics that stand there as JSON numbers.
fn numbers_of<'v>(root: &'v Value<'_>, kind: EventKind) -> impl Iterator<Item = Respelt<'v>> {
    // Measurements have a reader of their own; no other kind that people write has such numbers.
    let metrics = root.get("metrics").filter(|_| kind == EventKind::Canary);
    let metrics = metrics.and_then(Value::as_array).unwrap_or_default();
    let numbers = metrics.iter().flat_map(|it| ["value", "baseline"].map(|name| it.get(name)));
    numbers.flatten().filter_map(|number| match number {
        Value::Number(part) => part
            .parse::<DecimalText>()
            .ok()
            .map(|exact| Respelt { part, by: format!("\"{exact}\"") }),
        _ => None,
    })
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

    #[test]
    fn numbers_of_a_canary_are_kept_digit_by_digit() {
        let canary = |metrics: &str| format!(r#"{{"verdict":"passed", "metrics":{metrics}}}"#);
        let check = |written: &str, expected: &str| {
            check(EventKind::Canary, &canary(written), &canary(expected));
        };
        check(
            r#"[{"name":"errors", "value": 0.10, "baseline":-0.05},{"value":12,"samples":3}]"#,
            r#"[{"name":"errors", "value": "0.10", "baseline":"-0.05"},{"value":"12","samples":3}]"#,
        );
        // No binary fraction has these digits.
        check(
            r#"[{"value":0.1000000000000000000000000000000001}]"#,
            r#"[{"value":"0.1000000000000000000000000000000001"}]"#,
        );
        for stays in [
            r#"[{"value":"0.1"}]"#,
            r#"[{"value":1e3}]"#,
            r#"[{"value":1E-2}]"#,
            r#"[{"value":11111111111111111111111111111111111111111111111111111111111111111}]"#,
            r#"[{"value":null}]"#,
            r#"[{"value":[1]}]"#,
            r#"[{"limit":1.5}]"#,
            r#"[1.5]"#,
            r#"{"value":1.5}"#,
        ] {
            check(stays, stays);
        }
        let note = r#"{"text":"x","metrics":[{"value":1.5}]}"#;
        self::check(EventKind::Note, note, note);
    }
}
