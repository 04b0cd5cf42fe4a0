//! Argo Rollouts' AnalysisRun, as `kubectl get analysisrun NAME -o json` prints it: a canary with
//! its verdict.
//!
//! `Error` is a provider that could not be asked often enough: nobody could tell, so it is no
//! failure of the artifact and no pass either.

use std::collections::BTreeMap;

use schemas::id::Time;
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::measurement::Metric;
use schemas::predicate::report::Tool;
use verifier::json::Value;

use super::document::{list, shape, text};
use super::error::shown;
use super::warnings::Warnings;
use super::{AdapterError, Body, Reading, count};

/// Reads the resource.
pub fn read(root: &Value<'_>, mut warnings: Warnings) -> Result<Reading, AdapterError> {
    let status = root.get("status").unwrap_or(&Value::Null);
    let phase = text(status, "phase");
    let verdict = match phase {
        Some("Successful") => CanaryVerdict::Passed,
        Some("Failed") => CanaryVerdict::Failed,
        Some("Inconclusive" | "Error") => CanaryVerdict::Inconclusive,
        Some("Running" | "Pending") => CanaryVerdict::Running,
        _ => {
            let found = status.get("phase").unwrap_or(&Value::Null);
            return Err(shape("status.phase".to_owned(), "a phase of an AnalysisRun", found));
        }
    };
    let results = list(status, "metricResults", "status.")?;
    let mut run = Run::default();
    for (nth, result) in results.iter().enumerate() {
        run.result(result, &format!("status.metricResults[{nth}]."), &mut warnings)?;
    }
    let created = root.get("metadata").and_then(|it| text(it, "creationTimestamp"));
    let started = text(status, "startedAt").or(created).and_then(Time::parse_rfc3339);
    let Some(started_at) = started else {
        return Err(shape("status.startedAt".to_owned(), "a time", &Value::Null));
    };
    let completed = text(status, "completedAt").and_then(Time::parse_rfc3339);
    // Older versions say only when each look at a metric ended.
    let finished_at = completed.or(run.finished).filter(|_| verdict.is_final());
    if verdict.is_final() && finished_at.is_none() {
        return Err(shape("status.completedAt".to_owned(), "a time", &Value::Null));
    }
    let phase = shown(phase.unwrap_or_default());
    Ok(Reading {
        format: "argo-analysisrun",
        format_name: "Argo Rollouts",
        summary: format!("{}: {phase}, {} looks", verdict.name(), run.looks),
        counts: BTreeMap::from([
            count("looks", run.looks as usize),
            count("failed", run.failed as usize),
            count("inconclusive", run.inconclusive as usize),
            count("errors", run.errors as usize),
        ]),
        body: Body::Canary {
            verdict,
            started_at,
            finished_at,
            windows: Some(run.looks),
            metrics: run.metrics,
        },
        named: Vec::new(),
        named_where: None,
        tool: Some(Tool { name: "argo-rollouts".to_owned(), version: None }),
        finished_at,
        warnings: warnings.into_lines(),
    })
}

#[derive(Default)]
struct Run {
    looks: u64,
    failed: u64,
    inconclusive: u64,
    errors: u64,
    finished: Option<Time>,
    /// The last value of each metric that is one number.
    metrics: Vec<Metric>,
}

impl Run {
    fn result(
        &mut self,
        result: &Value<'_>,
        at: &str,
        warnings: &mut Warnings,
    ) -> Result<(), AdapterError> {
        let number = |name: &str| result.get(name).and_then(Value::as_u64).unwrap_or(0);
        self.looks += number("count");
        self.failed += number("failed");
        self.inconclusive += number("inconclusive");
        self.errors += number("error");
        let looks = list(result, "measurements", at)?;
        let ends = looks.iter().filter_map(|look| Time::parse_rfc3339(text(look, "finishedAt")?));
        self.finished = self.finished.max(ends.max());
        let name = text(result, "name").unwrap_or_default();
        let last = looks.last().and_then(|look| text(look, "value"));
        // Several values stand in brackets.
        let value = last.map(|it| it.trim_matches(['[', ']'])).and_then(|it| it.parse().ok());
        match value {
            Some(value) if !name.is_empty() && name.len() <= 200 => {
                let name = name.to_owned();
                self.metrics.push(Metric {
                    name,
                    value,
                    unit: None,
                    baseline: None,
                    samples: None,
                });
            }
            Some(_) | None if last.is_some() => {
                warnings.push(format!("the value of metric {:?} is not one number", shown(name)));
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use super::*;
    use crate::adapter;

    /// The status of an AnalysisRun, as Argo's own test data have it, in JSON.
    fn run(phase: &str, results: &str) -> String {
        format!(
            r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"AnalysisRun",
            "metadata":{{"creationTimestamp":"2020-09-22T09:10:04Z"}},
            "status":{{"phase":"{phase}","metricResults":[{results}]}}}}"#
        )
    }

    const LOOK: &str = r#"{"count":2,"failed":1,"name":"web","phase":"Failed","measurements":[
        {"startedAt":"2020-09-22T09:10:04Z","finishedAt":"2020-09-22T09:10:05Z","value":"true"},
        {"startedAt":"2020-09-22T09:10:14Z","finishedAt":"2020-09-22T09:10:15Z","value":"[0.97]"}]}"#;

    fn check(text: &str, expected: &str) {
        let found = match adapter::read(text.as_bytes(), EventKind::Canary) {
            Ok(reading) => reading.summary,
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_phase_is_a_verdict() {
        check(&run("Successful", LOOK), "passed: Successful, 2 looks");
        check(&run("Failed", LOOK), "failed: Failed, 2 looks");
        check(&run("Inconclusive", LOOK), "inconclusive: Inconclusive, 2 looks");
        check(&run("Error", LOOK), "inconclusive: Error, 2 looks");
        check(&run("Running", ""), "running: Running, 0 looks");
        check(&run("Pending", ""), "running: Pending, 0 looks");
        check(&run("Odd", LOOK), "report-shape");
        check(&run("Successful", ""), "report-shape");
        let wrong = adapter::read(run("Failed", LOOK).as_bytes(), EventKind::Test);
        assert_eq!(wrong.unwrap_err().code(), "wrong-kind");
    }

    #[test]
    fn a_run_ends_with_its_last_look() {
        let reading = adapter::read(run("Failed", LOOK).as_bytes(), EventKind::Canary).unwrap();
        let Body::Canary { started_at, finished_at, windows, metrics, .. } = reading.body else {
            panic!("{reading:?}")
        };
        assert_eq!(started_at.to_string(), "2020-09-22T09:10:04.000Z");
        assert_eq!(finished_at.unwrap().to_string(), "2020-09-22T09:10:15.000Z");
        assert_eq!(windows, Some(2));
        assert_eq!((metrics[0].name.as_str(), metrics[0].value.as_str()), ("web", "0.97"));
    }
}
