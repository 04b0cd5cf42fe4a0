//! Plain JSON with numbers: what a load test, a coverage tool or a script measured.
//!
//! Two shapes: `{"metrics": [{"name", "value", "unit", "baseline", "samples"}]}`, or a flat map
//! `{"coverage.line": 83.2}`; either may say `measuredAt`. Numbers keep the digits that were
//! written and never pass through a binary fraction: 83.2 stays 83.2.

use std::collections::{BTreeMap, HashSet};

use schemas::id::Time;
use schemas::predicate::DecimalText;
use schemas::predicate::measurement::Metric;
use verifier::json::Value;

use super::document::shape;
use super::error::shown;
use super::{AdapterError, Body, Reading, count};

const NAME_BYTES_MAX: usize = 255;

/// Reads the object.
pub fn read(root: &Value<'_>) -> Result<Reading, AdapterError> {
    let metrics: Result<Vec<Metric>, AdapterError> = match root.get("metrics") {
        Some(Value::Array(metrics)) => {
            only_members("", root, &["metrics", "measuredAt"])?;
            metrics.iter().enumerate().map(|(index, metric)| listed(index, metric)).collect()
        }
        _ => {
            let members = root.as_object().unwrap_or_default().iter();
            members.filter(|(name, _)| name != "measuredAt").map(|(n, v)| flat(n, v)).collect()
        }
    };
    let metrics = metrics?;
    if metrics.is_empty() {
        return Err(AdapterError::NothingInside { what: "metric" });
    }
    let mut names = HashSet::new();
    if let Some(twice) = metrics.iter().find(|metric| !names.insert(metric.name.as_str())) {
        return Err(AdapterError::MetricTwice { name: shown(&twice.name) });
    }
    let measured_at = measured_at(root)?;
    Ok(Reading {
        format: "json",
        format_name: "JSON",
        named: Vec::new(),
        named_where: None,
        tool: None,
        counts: BTreeMap::from([count("metrics", metrics.len())]),
        finished_at: measured_at,
        warnings: Vec::new(),
        summary: values(&metrics),
        body: Body::Measurement { metrics, measured_at },
    })
}

/// The first values, and how many there are more: `coverage.line 87.25 %, and 3 more`.
pub fn values(metrics: &[Metric]) -> String {
    const SHOWN: usize = 3;
    let value = |it: &Metric| {
        let unit = it.unit.as_deref().map_or(String::new(), |unit| format!(" {unit}"));
        format!("{} {}{unit}", it.name, it.value)
    };
    let mut texts: Vec<String> = metrics.iter().take(SHOWN).map(value).collect();
    if metrics.len() > SHOWN {
        texts.push(format!("and {} more", metrics.len() - SHOWN));
    }
    texts.join(", ")
}

fn measured_at(root: &Value<'_>) -> Result<Option<Time>, AdapterError> {
    let Some(value) = root.get("measuredAt") else {
        return Ok(None);
    };
    match value.as_str().and_then(Time::parse_rfc3339) {
        Some(time) => Ok(Some(time)),
        None => Err(shape("measuredAt".to_owned(), "a time with its zone", value)),
    }
}

/// Reads one entry of `metrics`; unknown members are refused, as in every kind of our own.
fn listed(index: usize, metric: &Value<'_>) -> Result<Metric, AdapterError> {
    let at = |name: &str| format!("metrics[{index}]{name}");
    if metric.as_object().is_none() {
        return Err(shape(at(""), "an object", metric));
    }
    only_members(&at("."), metric, &["name", "value", "unit", "baseline", "samples"])?;
    let name = match metric.get("name") {
        Some(Value::String(name)) => checked_name(name)?,
        other => return Err(shape(at(".name"), "a text", other.unwrap_or(&Value::Null))),
    };
    let value = metric.get("value").unwrap_or(&Value::Null);
    let baseline = metric.get("baseline").map(|value| number(&name, value, at(".baseline")));
    let unit = match metric.get("unit") {
        None => None,
        Some(Value::String(unit)) => Some(unit.to_string()),
        Some(other) => return Err(shape(at(".unit"), "a text", other)),
    };
    let samples = match metric.get("samples") {
        None => None,
        Some(found) => {
            Some(found.as_u64().ok_or_else(|| shape(at(".samples"), "a whole number", found))?)
        }
    };
    let value = number(&name, value, at(".value"))?;
    Ok(Metric { value, baseline: baseline.transpose()?, unit, samples, name })
}

fn flat(name: &str, value: &Value<'_>) -> Result<Metric, AdapterError> {
    let name = checked_name(name)?;
    let value = match value {
        Value::Number(_) => number(&name, value, name.clone())?,
        other => return Err(shape(shown(&name), "a number", other)),
    };
    Ok(Metric { name, value, unit: None, baseline: None, samples: None })
}

fn checked_name(name: &str) -> Result<String, AdapterError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
    match fits && name.trim() == name {
        true => Ok(name.to_owned()),
        false => Err(AdapterError::MetricName { name: shown(name) }),
    }
}

/// Reads a number, or a text that holds one.
pub fn number(name: &str, value: &Value<'_>, at: String) -> Result<DecimalText, AdapterError> {
    let text = match value {
        Value::Number(text) => text,
        Value::String(text) => text.as_ref(),
        other => return Err(shape(at, "a number", other)),
    };
    let malformed = |_| AdapterError::MetricNumber { name: shown(name), found: shown(text) };
    text.parse().map_err(malformed)
}

fn only_members(at: &str, object: &Value<'_>, known: &[&str]) -> Result<(), AdapterError> {
    let mut members = object.as_object().unwrap_or_default().iter();
    match members.find(|(name, _)| !known.contains(&name.as_ref())) {
        None => Ok(()),
        Some((name, value)) => Err(shape(format!("{at}{}", shown(name)), "no such member", value)),
    }
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use super::*;
    use crate::adapter;

    fn check(text: &str, expected: &str) {
        let found = match adapter::read(text.as_bytes(), EventKind::Measurement) {
            Ok(Reading { body: Body::Measurement { metrics, measured_at }, .. }) => {
                let metrics: Vec<String> = metrics
                    .iter()
                    .map(|metric| {
                        format!("{}={:?}/{:?}", metric.name, metric.value, metric.baseline)
                    })
                    .collect();
                format!("{} {measured_at:?}", metrics.join(" "))
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn numbers_keep_their_digits() {
        check(
            r#"{"coverage.line": 83.20, "p99": 12}"#,
            "coverage.line=83.20/None p99=12/None None",
        );
        check(
            r#"{"a": 0.10000000000000000000000000001}"#,
            "a=0.10000000000000000000000000001/None None",
        );
        check(
            r#"{"metrics":[{"name":"a","value":"1.0","baseline":-2,"unit":"ms","samples":3}],
                "measuredAt":"2026-01-01T00:00:00+01:00"}"#,
            "a=1.0/Some(-2) Some(2025-12-31T23:00:00.000Z)",
        );
        check(r#"{"metrics": 5}"#, "metrics=5/None None");
    }

    #[test]
    fn refused() {
        for (text, code) in [
            ("{}", "report-empty"),
            (r#"{"metrics":[]}"#, "report-empty"),
            (r#"{"measuredAt":"2026-01-01T00:00:00Z"}"#, "report-empty"),
            (r#"{"a":1e3}"#, "metric-number"),
            (r#"{"a":11111111111111111111111111111111111111111}"#, "metric-number"),
            (r#"{"metrics":[{"name":"a","value":"x"}]}"#, "metric-number"),
            (r#"{"metrics":[{"name":"a","value":1},{"name":"a","value":2}]}"#, "metric-twice"),
            (r#"{"a":1,"a":1}"#, "json-malformed"),
            (r#"{"":1}"#, "metric-name"),
            (r#"{" a":1}"#, "metric-name"),
            (r#"{"a\n":1}"#, "metric-name"),
            (r#"{"a":"1"}"#, "report-shape"),
            (r#"{"a":{"b":1}}"#, "report-shape"),
            (r#"{"a":null}"#, "report-shape"),
            (r#"{"a":01}"#, "json-malformed"),
            (r#"{"a":NaN}"#, "json-malformed"),
            (r#"{"a":1,"measuredAt":"2026-01-01T00:00:00"}"#, "report-shape"),
            (r#"{"metrics":[{"value":1}]}"#, "report-shape"),
            (r#"{"metrics":[{"name":"a"}]}"#, "report-shape"),
            (r#"{"metrics":[{"name":"a","value":1,"Unit":"ms"}]}"#, "report-shape"),
            (r#"{"metrics":[{"name":"a","value":1,"samples":1.5}]}"#, "report-shape"),
            (r#"{"metrics":[{"name":"a","value":1,"baseline":null}]}"#, "report-shape"),
            (r#"{"metrics":[7]}"#, "report-shape"),
            (r#"{"metrics":[],"a":1}"#, "report-shape"),
        ] {
            check(text, code);
        }
    }
}
