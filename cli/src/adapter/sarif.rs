//! SARIF 2.1.0: static analysis, counted by level.
//!
//! Read leniently, for real tools break the schema: only what the counts rest on is checked, and
//! the rest is warned of. Two things are never lenient. A log without runs, a run without results
//! list and a run that says that it failed prove nothing, and are refused. And where a reading is
//! open, the stricter one counts: an unknown level is an error.
//!
//! Hashes in a SARIF log are those of source files, and its revisions are of the sources too, so
//! that a log names no artifact.

mod rule;
mod secret;

use std::collections::BTreeMap;

use schemas::id::Time;
use schemas::predicate::analysis::Levels;
use schemas::predicate::report::Tool;
use verifier::json::Value;

use super::document::{list, shape, text};
use super::error::shown;
use super::warnings::Warnings;
use super::{AdapterError, Body, Reading, count};
use rule::{Level, Rules};
use secret::Looked;

const VERSION: &str = "2.1.0";

/// The members of a run (3.14); others are warned of.
const RUN_MEMBERS: [&str; 28] = [
    "addresses",
    "artifacts",
    "automationDetails",
    "baselineGuid",
    "columnKind",
    "conversion",
    "defaultEncoding",
    "defaultSourceLanguage",
    "externalPropertyFileReferences",
    "graphs",
    "invocations",
    "language",
    "logicalLocations",
    "newlineSequences",
    "originalUriBaseIds",
    "policies",
    "properties",
    "redactionTokens",
    "results",
    "runAggregates",
    "specialLocations",
    "taxonomies",
    "threadFlowLocations",
    "tool",
    "translations",
    "versionControlProvenance",
    "webRequests",
    "webResponses",
];

/// Reads the log.
pub fn read(log: &Value<'_>, warnings: Warnings) -> Result<Reading, AdapterError> {
    match log.get("version") {
        Some(Value::String(version)) if version == VERSION => {}
        Some(Value::String(version)) => {
            return Err(AdapterError::SarifVersion { found: shown(version) });
        }
        other => {
            return Err(shape("version".into(), "the text 2.1.0", other.unwrap_or(&Value::Null)));
        }
    }
    let runs = list(log, "runs", "")?;
    if runs.is_empty() {
        return Err(AdapterError::NothingInside { what: "run" });
    }
    let mut tally = Tally { warnings, ..Tally::default() };
    for (position, run) in runs.iter().enumerate() {
        tally.run(position, run)?;
    }
    Ok(tally.finish(runs))
}

/// What was counted over all runs.
#[derive(Default)]
struct Tally {
    levels: Levels,
    /// Of these the ones that an earlier run did not have.
    new: Levels,
    /// A run says that it was compared with an earlier one.
    compared: bool,
    /// Secrets among what is counted; none where no run tells.
    secrets: Option<u64>,
    results: u64,
    suppressed: u64,
    absent: u64,
    without_message: u64,
    /// Descriptions of rules that lack the plain text which the schema asks for.
    without_text: u64,
    contradicting: u64,
    warnings: Warnings,
}

impl Tally {
    fn run(&mut self, position: usize, run: &Value<'_>) -> Result<(), AdapterError> {
        let at = format!("runs[{position}].");
        self.invocations(position, list(run, "invocations", &at)?)?;
        for (name, _) in run.as_object().unwrap_or_default() {
            if !RUN_MEMBERS.contains(&name.as_ref()) {
                let name = shown(name);
                self.warnings.push(format!("run {position} has a member {name:?}, not of SARIF"));
            }
        }
        self.compared |= run.get("baselineGuid").is_some();
        let results = match run.get("results") {
            Some(Value::Array(results)) => results,
            // Spec 3.14.23: null is a scan that failed to start; absent, none was meant, or its
            // results lie in another file.
            None | Some(Value::Null) => {
                return Err(AdapterError::SarifNoResults { run: position });
            }
            Some(other) => return Err(shape(format!("{at}results"), "a list", other)),
        };
        if run.find(&["externalPropertyFileReferences", "results"]).is_some() {
            return Err(AdapterError::SarifNoResults { run: position });
        }
        let (rules, looked) = (Rules::of(run), Looked::of(run));
        if looked == Looked::ForNothingElse {
            self.secrets.get_or_insert(0);
        }
        self.without_text += rules.without_text;
        for (index, result) in results.iter().enumerate() {
            if result.as_object().is_none() {
                return Err(shape(format!("{at}results[{index}]"), "an object", result));
            }
            self.result(result, &rules, looked);
        }
        Ok(())
    }

    /// Refuses a run that says that it failed.
    fn invocations(&mut self, run: usize, invocations: &[Value<'_>]) -> Result<(), AdapterError> {
        for invocation in invocations {
            match invocation.get("executionSuccessful") {
                Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => return Err(AdapterError::SarifRunFailed { run }),
                _ => self.warnings.push(format!("run {run} does not say whether it succeeded")),
            }
            let notes = list(invocation, "toolExecutionNotifications", "invocations[].")?;
            let errors = notes.iter().filter(|note| text(note, "level") == Some("error")).count();
            self.warnings.push_count(
                errors as u64,
                "error while the tool ran: see toolExecutionNotifications",
                "errors while the tool ran: see toolExecutionNotifications",
            );
        }
        Ok(())
    }

    fn result(&mut self, result: &Value<'_>, rules: &Rules<'_>, looked: Looked) {
        self.results += 1;
        let message = |name: &str| result.find(&["message", name]).is_some();
        self.without_message += u64::from(!message("text") && !message("id"));
        let level = self.level(result, rules);
        let baseline = text(result, "baselineState");
        self.compared |= baseline.is_some();
        if baseline == Some("absent") {
            self.absent += 1;
        } else if is_suppressed(result) {
            self.suppressed += 1;
        } else {
            add(&mut self.levels, level);
            if looked.is_secret(result, rules) {
                *self.secrets.get_or_insert(0) += 1;
            }
            if !matches!(baseline, Some("unchanged" | "updated")) {
                add(&mut self.new, level);
            }
        }
    }

    /// The level of a result (3.27.10). A kind other than `fail` has the level `none`.
    ///
    /// Off-spec: such a kind with another level contradicts itself; the level counts, which is the
    /// stricter reading.
    fn level(&mut self, result: &Value<'_>, rules: &Rules<'_>) -> Level {
        let fails = matches!(text(result, "kind"), None | Some("fail"));
        match result.get("level") {
            Some(Value::String(word)) => {
                let level = rule::parse_level(word).unwrap_or_else(|| {
                    let word = shown(word);
                    self.warnings.push(format!("the level {word:?} is counted as error"));
                    Level::Error
                });
                self.contradicting += u64::from(!fails && level != Level::None);
                level
            }
            _ if !fails => Level::None,
            _ => rules.level(result, &mut self.warnings),
        }
    }

    fn finish(mut self, runs: &[Value<'_>]) -> Reading {
        self.warnings.push_count(
            self.without_message,
            "result has no message",
            "results have no message",
        );
        self.warnings.push_count(
            self.without_text,
            "description of a rule has no plain text",
            "descriptions of rules have no plain text",
        );
        self.warnings.push_count(
            self.contradicting,
            "result is no failure and has a level: the level is counted",
            "results are no failures and have a level: the level is counted",
        );
        self.warnings.push_count(
            self.absent,
            "result was found by an earlier run only, and is not counted",
            "results were found by an earlier run only, and are not counted",
        );
        let new = self.compared.then_some(self.new);
        Reading {
            format: "sarif-2.1.0",
            format_name: "SARIF 2.1.0",
            body: Body::Analysis {
                levels: self.levels,
                suppressed: self.suppressed,
                new,
                secrets: self.secrets,
            },
            named: Vec::new(),
            named_where: None,
            tool: tool(runs),
            counts: self.counts(runs.len()),
            finished_at: finished_at(runs),
            summary: self.summary(),
            warnings: self.warnings.into_lines(),
        }
    }

    fn summary(&self) -> String {
        let Levels { error, warning, note, none } = self.levels;
        let parts = [("error", error), ("warning", warning), ("note", note)];
        let mut parts: Vec<String> = parts
            .iter()
            .map(|(name, number)| format!("{number} {name}{}", plural(*number)))
            .collect();
        let rest = [("without level", none), ("suppressed", self.suppressed)];
        let rest = rest.iter().filter(|(_, number)| *number > 0);
        parts.extend(rest.map(|(name, number)| format!("{number} {name}")));
        parts.extend(self.secrets.map(|number| format!("{number} secret{}", plural(number))));
        parts.join(", ")
    }

    fn counts(&self, runs: usize) -> BTreeMap<String, u64> {
        let Levels { error, warning, note, none } = self.levels;
        [
            ("runs", runs as u64),
            ("results", self.results),
            ("error", error),
            ("warning", warning),
            ("note", note),
            ("none", none),
            ("suppressed", self.suppressed),
            ("absent", self.absent),
        ]
        .into_iter()
        .chain(self.secrets.map(|number| ("secrets", number)))
        .map(|(name, value)| count(name, value as usize))
        .collect()
    }
}

fn add(levels: &mut Levels, level: Level) {
    let count = match level {
        Level::Error => &mut levels.error,
        Level::Warning => &mut levels.warning,
        Level::Note => &mut levels.note,
        Level::None => &mut levels.none,
    };
    *count += 1;
}

/// True where a suppression was accepted (3.27.23): one without status is, and one that is
/// rejected or under review suppresses nothing.
fn is_suppressed(result: &Value<'_>) -> bool {
    let suppressions = result.get("suppressions").and_then(Value::as_array).unwrap_or_default();
    suppressions.iter().any(|suppression| match suppression.get("status") {
        None => suppression.as_object().is_some(),
        Some(status) => status.as_str() == Some("accepted"),
    })
}

/// The tool of the first run, and the names of all where there are several.
fn tool(runs: &[Value<'_>]) -> Option<Tool> {
    let driver = |run: &Value<'_>, name: &str| {
        run.find(&["tool", "driver"]).and_then(|driver| text(driver, name)).map(shown)
    };
    let mut names: Vec<String> = runs.iter().filter_map(|run| driver(run, "name")).collect();
    names.dedup();
    let version = match names.len() {
        1 => runs
            .first()
            .and_then(|run| driver(run, "semanticVersion").or_else(|| driver(run, "version"))),
        _ => None,
    };
    names.truncate(8);
    match names.is_empty() {
        true => None,
        false => Some(Tool { name: names.join(", "), version }),
    }
}

/// The latest end of an invocation, once every run states one.
fn finished_at(runs: &[Value<'_>]) -> Option<Time> {
    let end = |run: &Value<'_>| {
        let invocations = run.get("invocations").and_then(Value::as_array)?;
        let ends = invocations.iter().map(|invocation| text(invocation, "endTimeUtc"));
        let ends: Option<Vec<Time>> = ends.map(|end| Time::parse_rfc3339(end?)).collect();
        ends?.into_iter().max()
    };
    let ends: Option<Vec<Time>> = runs.iter().map(end).collect();
    ends?.into_iter().max()
}

fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use super::*;
    use crate::adapter::read;

    fn reading(run: &str) -> Result<Reading, AdapterError> {
        let log = format!(r#"{{"version":"2.1.0","runs":[{{{run}}}]}}"#);
        read(log.as_bytes(), EventKind::Analysis)
    }

    /// Expects error, warning, note, none and suppressed for one result.
    fn check(result: &str, expected: [u64; 5]) {
        let reading = reading(&format!(r#""results":[{{{result}}}]"#)).unwrap();
        let Body::Analysis { levels, suppressed, .. } = reading.body else { panic!("{result}") };
        let Levels { error, warning, note, none } = levels;
        assert_eq!([error, warning, note, none, suppressed], expected, "{result}");
    }

    #[test]
    fn levels() {
        check("", [0, 1, 0, 0, 0]);
        check(r#""level":"error""#, [1, 0, 0, 0, 0]);
        check(r#""level":"note","kind":"fail""#, [0, 0, 1, 0, 0]);
        check(r#""kind":"pass""#, [0, 0, 0, 1, 0]);
        check(r#""kind":"review","level":"none""#, [0, 0, 0, 1, 0]);
        check(r#""kind":"pass","level":"error""#, [1, 0, 0, 0, 0]);
        check(r#""level":"critical""#, [1, 0, 0, 0, 0]);
        check(r#""level":"Note""#, [1, 0, 0, 0, 0]);
        check(r#""level":null"#, [0, 1, 0, 0, 0]);
        check(r#""baselineState":"absent""#, [0, 0, 0, 0, 0]);
        check(r#""baselineState":"unchanged""#, [0, 1, 0, 0, 0]);
    }

    /// A result without a state counts as new where the others have one.
    #[test]
    fn new_findings() {
        for (run, expected) in [
            (r#""results":[{}]"#, None),
            (r#""results":[],"baselineGuid":"x""#, Some(0)),
            (r#""results":[{"baselineState":"unchanged"}]"#, Some(0)),
            (r#""results":[{"baselineState":"updated"}]"#, Some(0)),
            (r#""results":[{"baselineState":"absent"}]"#, Some(0)),
            (r#""results":[{"baselineState":"new"},{"baselineState":"unchanged"}]"#, Some(1)),
            (r#""results":[{"baselineState":"unchanged"},{}]"#, Some(1)),
        ] {
            let Body::Analysis { new, .. } = reading(run).unwrap().body else { panic!("{run}") };
            assert_eq!(new.map(|it| it.warning), expected, "{run}");
        }
    }

    /// The drivers and tags are those of gitleaks 8 and Trivy 0.71.
    #[test]
    fn secrets_are_counted_where_the_tool_leaves_no_doubt() {
        let driver = |name: &str, rules: &str| {
            format!(r#""tool":{{"driver":{{"name":"{name}","rules":[{rules}]}}}}"#)
        };
        let trivy = driver(
            "Trivy",
            r#"{"id":"aws-access-key-id","name":"Secret","properties":{"tags":["secret","security","CRITICAL"]}},
               {"id":"CVE-1","properties":{"tags":["vulnerability","security","HIGH"]}}"#,
        );
        let other = driver("other", r#"{"id":"a","properties":{"tags":["secret"]}}"#);
        let secret = r#"{"ruleId":"aws-access-key-id","ruleIndex":0}"#;
        let vulnerability = r#"{"ruleId":"CVE-1","ruleIndex":1}"#;
        for (tool, results, expected) in [
            (driver("gitleaks", ""), "", Some(0)),
            (driver("gitleaks", ""), r#"{"ruleId":"aws"},{"ruleId":"jwt"}"#, Some(2)),
            (driver("gitleaks", ""), r#"{"suppressions":[{"kind":"inSource"}]},{}"#, Some(1)),
            (driver("gitleaks", ""), r#"{"kind":"pass"},{"kind":"open"}"#, Some(1)),
            (driver("TruffleHog", ""), "{}", Some(1)),
            (trivy.clone(), &format!("{secret},{vulnerability},{secret}"), Some(2)),
            (trivy.clone(), vulnerability, None),
            (trivy, "", None),
            (other, r#"{"ruleId":"a"}"#, None),
            (driver("CodeQL", ""), "", None),
        ] {
            let run = format!(r#"{tool},"results":[{results}]"#);
            let reading = reading(&run).unwrap();
            let Body::Analysis { secrets, .. } = reading.body else { panic!("{run}") };
            assert_eq!(secrets, expected, "{run}");
            assert_eq!(reading.counts.get("secrets").copied(), expected, "{run}");
        }
    }

    #[test]
    fn suppressions() {
        for (suppressions, suppressed) in [
            ("[]", 0),
            ("null", 0),
            (r#"[{"kind":"inSource"}]"#, 1),
            (r#"[{"kind":"external","status":"accepted"}]"#, 1),
            (r#"[{"status":"rejected"}]"#, 0),
            (r#"[{"status":"underReview"},{"status":"rejected"}]"#, 0),
            (r#"[{"status":"rejected"},{"status":"accepted"}]"#, 1),
            (r#"[{"status":"whatever"}]"#, 0),
            (r#"[{"status":null}]"#, 0),
            (r#"[1,"accepted"]"#, 0),
        ] {
            let open = 1 - suppressed;
            check(&format!(r#""suppressions":{suppressions}"#), [0, open, 0, 0, suppressed]);
        }
    }

    #[test]
    fn what_proves_no_scan_is_refused() {
        for (run, code) in [
            ("", "sarif-no-results"),
            (r#""results":null"#, "sarif-no-results"),
            (
                r#""results":[],"externalPropertyFileReferences":{"results":[{"itemCount":9}]}"#,
                "sarif-no-results",
            ),
            (r#""results":{}"#, "report-shape"),
            (r#""results":[1]"#, "report-shape"),
            (r#""results":[],"invocations":[{"executionSuccessful":false}]"#, "sarif-run-failed"),
            (r#""results":[],"invocations":5"#, "report-shape"),
        ] {
            assert_eq!(reading(run).unwrap_err().code(), code, "{run}");
        }
        for (log, code) in [
            (r#"{"version":"2.1.0","runs":[]}"#, "report-empty"),
            (r#"{"version":"2.1.0","runs":null}"#, "report-empty"),
            (r#"{"version":"2.1.0","$schema":"x/sarif-2.1.0"}"#, "report-empty"),
            (r#"{"version":"2.1.0","runs":[null]}"#, "sarif-no-results"),
            (r#"{"version":"2.0.0","runs":[]}"#, "sarif-version"),
            (r#"{"version":2.1,"runs":[]}"#, "report-shape"),
            (r#"{"version":"2.1.0","runs":{}}"#, "report-shape"),
        ] {
            let error = read(log.as_bytes(), EventKind::Analysis).unwrap_err();
            assert_eq!(error.code(), code, "{log}");
        }
    }

    #[test]
    fn a_mark_before_the_log_is_warned_of() {
        let log = b"\xef\xbb\xbf{\"version\":\"2.1.0\",\"runs\":[{\"results\":[]}]}";
        let reading = read(log, EventKind::Analysis).unwrap();
        assert_eq!(reading.warnings, ["the report starts with a byte order mark"]);
    }
}
