//! k6's end-of-test summary: `handleSummary` data or `--summary-export`, as measurements.
//!
//! Each statistic of a metric is a number of its own: `http_req_duration.p(95)`.

use std::collections::BTreeMap;

use schemas::predicate::measurement::Metric;
use schemas::predicate::report::Tool;
use verifier::json::Value;

use super::document::{shape, text};
use super::error::shown;
use super::measurement::{number, values};
use super::warnings::Warnings;
use super::{AdapterError, Body, Reading, count};

/// Most numbers of one measurement.
const NUMBERS_MAX: usize = 256;

/// Reads the summary.
pub fn read(root: &Value<'_>, mut warnings: Warnings) -> Result<Reading, AdapterError> {
    let found = root.get("metrics").unwrap_or(&Value::Null);
    let Some(members) = found.as_object() else {
        return Err(shape("metrics".to_owned(), "an object", found));
    };
    let (mut metrics, mut failed) = (Vec::new(), 0);
    for (name, metric) in members {
        let at = format!("metrics.{}", shown(name));
        let unit = match text(metric, "contains") {
            Some("time") => Some("ms"),
            Some("data") => Some("B"),
            _ => None,
        };
        let numbers = metric.get("values").unwrap_or(&Value::Null);
        let Some(numbers) = numbers.as_object() else {
            return Err(shape(format!("{at}.values"), "an object", numbers));
        };
        for (statistic, value) in numbers {
            let name = format!("{name}.{statistic}");
            // JavaScript writes the smallest numbers with an exponent.
            if matches!(value, Value::Number(text) if text.contains(['e', 'E'])) {
                warnings.push(format!("{} has an exponent, and is left out", shown(&name)));
                continue;
            }
            let value = number(&name, value, format!("{at}.{}", shown(statistic)))?;
            let unit = unit.map(str::to_owned);
            metrics.push(Metric { name, value, unit, baseline: None, samples: None });
        }
        failed += thresholds(metric).filter(|ok| !ok).count();
    }
    if metrics.is_empty() {
        return Err(AdapterError::NothingInside { what: "metric" });
    }
    if metrics.len() > NUMBERS_MAX {
        warnings.push(format!("of {} numbers the first {NUMBERS_MAX} are kept", metrics.len()));
        metrics.truncate(NUMBERS_MAX);
    }
    warnings.push_count(
        failed as u64,
        "threshold of k6 was crossed: limits are for the policy to say",
        "thresholds of k6 were crossed: limits are for the policy to say",
    );
    Ok(Reading {
        format: "k6",
        format_name: "k6",
        summary: values(&metrics),
        counts: BTreeMap::from([
            count("metrics", metrics.len()),
            count("thresholdsCrossed", failed),
        ]),
        body: Body::Measurement { metrics, measured_at: None },
        named: Vec::new(),
        named_where: None,
        tool: Some(Tool { name: "k6".to_owned(), version: None }),
        finished_at: None,
        warnings: warnings.into_lines(),
    })
}

/// Whether each threshold of a metric held.
fn thresholds<'v>(metric: &'v Value<'_>) -> impl Iterator<Item = bool> + 'v {
    let found = metric.get("thresholds").and_then(Value::as_object).unwrap_or_default();
    found.iter().filter_map(|(_, it)| match it.get("ok") {
        Some(Value::Bool(ok)) => Some(*ok),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use super::*;
    use crate::adapter;

    fn check(metrics: &str, expected: &str) {
        let text = format!(r#"{{"state":{{"testRunDurationMs":1}},"metrics":{{{metrics}}}}}"#);
        let found = match adapter::read(text.as_bytes(), EventKind::Measurement) {
            Ok(reading) => format!("{} {}", reading.summary, reading.warnings.len()),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{metrics}");
    }

    #[test]
    fn each_statistic_is_a_number() {
        let trend = r#""http_req_duration":{"type":"trend","contains":"time",
            "values":{"p(95)":30.0256841},"thresholds":{"p(95)<1000":{"ok":true}}}"#;
        check(trend, "http_req_duration.p(95) 30.0256841 ms 0");
        let crossed = trend.replace("true", "false");
        check(&crossed, "http_req_duration.p(95) 30.0256841 ms 1");
        let rate =
            r#""http_req_failed":{"type":"rate","contains":"default","values":{"rate":0.4}}"#;
        check(rate, "http_req_failed.rate 0.4 0");
        check("", "report-empty");
        check(r#""a":{"values":{"rate":"x"}}"#, "metric-number");
        check(r#""a":{"values":[]}"#, "report-shape");
    }

    #[test]
    fn the_public_summary_is_read() {
        let Some(bytes) = crate::adapter::corpus::file("rollout/k6-simple.json") else { return };
        let reading = adapter::read(&bytes, EventKind::Measurement).unwrap();
        let Body::Measurement { metrics, .. } = reading.body else { panic!() };
        let of = |name: &str| metrics.iter().find(|it| it.name == name).unwrap();
        assert_eq!(of("http_req_duration.p(95)").value.as_str(), "30.0256841");
        assert_eq!(of("http_req_failed.rate").value.as_str(), "0.39749430523917995");
    }
}
