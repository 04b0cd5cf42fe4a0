//! Counts and names of test cases, and the result that follows from them.

use std::collections::{BTreeMap, HashMap};

use schemas::predicate::test::TestResult;

use crate::adapter::warnings::Warnings;
use crate::adapter::xml::Element;
use crate::adapter::{AdapterError, Body, Reading, count};

use schemas::id::Time;

/// Most names listed in each of passed, warned and failed; the rest is counted.
const NAMES_MAX: usize = 1_000;
/// Longest listed name, in characters: a name is for people, and the report is kept whole.
const NAME_CHARS_MAX: usize = 500;

/// How a case came out, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Error,
    Failed,
    /// Passed, after an attempt that the writer marks as failed.
    Flaky,
    Skipped,
    Passed,
}

/// A test case that is open.
pub struct Case {
    name: String,
    outcome: Outcome,
    /// A flaky attempt is only news where the case passed.
    flaky: bool,
    reruns: usize,
}

impl Case {
    /// Names a case `classname::name`, or after its suite where the writer gives no class.
    pub fn new(element: &Element<'_>, suite: Option<&str>) -> Case {
        let attribute = |name: &str| element.attribute(name).map(|text| clean(&text));
        let class = attribute("classname").filter(|class| !class.is_empty());
        let name = attribute("name").filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| "(unnamed)".to_owned());
        let name = match class.as_deref().or(suite) {
            Some(outer) => format!("{outer}::{name}"),
            None => name,
        };
        let stated = [attribute("status"), attribute("result")];
        let outcome = stated.iter().flatten().map(|word| stated_outcome(word)).min();
        let outcome = outcome.unwrap_or(Outcome::Passed);
        Case { name: shortened(name), outcome, flaky: false, reruns: 0 }
    }

    /// Notes an element inside of the case; the worst one decides.
    pub fn mark(&mut self, name: &str) {
        let outcome = match name {
            "error" => Outcome::Error,
            "failure" => Outcome::Failed,
            "skipped" | "disabled" | "ignored" => Outcome::Skipped,
            "flakyFailure" | "flakyError" => {
                self.flaky = true;
                return;
            }
            "rerunFailure" | "rerunError" => {
                self.reruns += 1;
                return;
            }
            _ => return,
        };
        self.outcome = self.outcome.min(outcome);
    }

    pub fn outcome(&self) -> Outcome {
        match self.outcome {
            Outcome::Passed if self.flaky || self.reruns > 0 => Outcome::Flaky,
            outcome => outcome,
        }
    }
}

/// What the attributes `status` and `result` of some writers say without any element.
fn stated_outcome(word: &str) -> Outcome {
    match word.to_ascii_lowercase().as_str() {
        "error" | "errored" => Outcome::Error,
        "fail" | "failed" | "failure" => Outcome::Failed,
        "disabled" | "notrun" | "skipped" | "ignored" | "suppressed" => Outcome::Skipped,
        _ => Outcome::Passed,
    }
}

/// Everything that was counted.
#[derive(Default)]
pub struct Tally {
    tests: u64,
    by_outcome: [u64; 5],
    suites_failed: u64,
    reruns: usize,
    /// The worst outcome of each name, and the name's place in the report.
    names: HashMap<String, (usize, Outcome)>,
    repeated: u64,
    pub warnings: Warnings,
}

impl Tally {
    pub fn add(&mut self, case: Case) {
        let outcome = case.outcome();
        self.count(outcome, 1);
        self.reruns += case.reruns;
        self.repeated += u64::from(!self.name(case.name, outcome));
    }

    /// Notes the outcome under a name, the worst if there are several; true for a new name.
    fn name(&mut self, name: String, outcome: Outcome) -> bool {
        let place = self.names.len();
        let (first, worst) = self.names.entry(name).or_insert((place, outcome));
        *worst = outcome.min(*worst);
        *first == place
    }

    fn count(&mut self, outcome: Outcome, cases: u64) {
        self.tests += cases;
        self.by_outcome[outcome as usize] += cases;
    }

    /// Counts an error or failure that stands in a suite and in none of its cases.
    pub fn suite_failed(&mut self, suite: &str) {
        self.suites_failed += 1;
        self.name(format!("{}::(suite)", named(suite)), Outcome::Error);
    }

    /// Takes over the totals of a suite that shows no case.
    pub fn declared(&mut self, suite: &str, tests: u64, failed: u64, skipped: u64) {
        self.count(Outcome::Failed, failed);
        self.count(Outcome::Skipped, skipped);
        self.count(Outcome::Passed, tests.saturating_sub(failed + skipped));
        let suite = named(suite);
        self.warnings.push(format!(
            "suite {suite:?} shows none of its {tests} tests: its declared totals are counted"
        ));
    }

    pub fn failures_not_shown(&mut self, suite: &str, failed: u64) {
        self.suite_failed(suite);
        let suite = named(suite);
        self.warnings.push(format!("suite {suite:?} declares {failed} failures and shows none"));
    }

    pub fn cases_not_shown(&mut self, suite: &str, declared: u64, shown: u64) {
        let suite = named(suite);
        self.warnings.push(format!("suite {suite:?} declares {declared} tests and shows {shown}"));
    }

    fn of(&self, outcome: Outcome) -> u64 {
        self.by_outcome[outcome as usize]
    }

    /// Draws the result. A run in which nothing passed and nothing failed only skipped tests, which
    /// is no pass: it is warned.
    pub fn finish(mut self, finished_at: Option<Time>) -> Result<Reading, AdapterError> {
        if self.tests == 0 && self.suites_failed == 0 {
            return Err(AdapterError::NothingInside { what: "test" });
        }
        let failures = self.of(Outcome::Failed) + self.of(Outcome::Error) + self.suites_failed;
        let result = if failures > 0 {
            TestResult::Failed
        } else if self.of(Outcome::Flaky) > 0 || self.of(Outcome::Passed) == 0 {
            TestResult::Warned
        } else {
            TestResult::Passed
        };
        self.push_warnings(result);
        let passed = self.list("passed", |worst| worst == Outcome::Passed);
        let warned = self.list("warned", |worst| worst == Outcome::Flaky);
        let failed = self.list("failed", |worst| worst <= Outcome::Failed);
        Ok(Reading {
            format: "junit",
            format_name: "JUnit",
            body: Body::Test { result, passed, warned, failed },
            named: Vec::new(),
            named_where: None,
            tool: None,
            counts: self.counts(),
            finished_at,
            summary: self.summary(),
            warnings: self.warnings.into_lines(),
        })
    }

    fn push_warnings(&mut self, result: TestResult) {
        let flaky = self.of(Outcome::Flaky);
        self.warnings.push_count(flaky, "test passed after a retry", "tests passed after a retry");
        self.warnings.push_count(
            self.repeated,
            "test case repeats an earlier name: each is counted, and the worst decides",
            "test cases repeat an earlier name: each is counted, and the worst decides",
        );
        if result == TestResult::Warned && self.of(Outcome::Passed) + flaky == 0 {
            self.warnings.push("no test ran: all were skipped");
        }
    }

    fn list(&mut self, what: &str, belongs: impl Fn(Outcome) -> bool) -> Vec<String> {
        let fits = self.names.iter().filter(|(_, (_, worst))| belongs(*worst));
        let mut names: Vec<(usize, &String)> = fits.map(|(name, (at, _))| (*at, name)).collect();
        names.sort_unstable();
        let total = names.len();
        let names = names.into_iter().take(NAMES_MAX).map(|(_, name)| name.clone()).collect();
        if total > NAMES_MAX {
            self.warnings.push(format!("{NAMES_MAX} of {total} {what} tests are listed by name"));
        }
        names
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let always = [
            ("tests", self.tests),
            ("passed", self.of(Outcome::Passed) + self.of(Outcome::Flaky)),
            ("failed", self.of(Outcome::Failed)),
            ("errors", self.of(Outcome::Error)),
            ("skipped", self.of(Outcome::Skipped)),
        ];
        let sometimes = [
            ("flaky", self.of(Outcome::Flaky)),
            ("repeated", self.repeated),
            ("reruns", self.reruns as u64),
            ("suitesFailed", self.suites_failed),
        ];
        let sometimes = sometimes.into_iter().filter(|(_, value)| *value > 0);
        always
            .into_iter()
            .chain(sometimes)
            .map(|(name, value)| count(name, value as usize))
            .collect()
    }

    fn summary(&self) -> String {
        let failed = self.of(Outcome::Failed) + self.of(Outcome::Error);
        let (flaky, skipped) = (self.of(Outcome::Flaky), self.of(Outcome::Skipped));
        let passed = self.of(Outcome::Passed) + flaky;
        let mut line = format!("{passed} passed, {failed} failed, {skipped} skipped");
        if flaky > 0 {
            line += &format!(", {flaky} flaky");
        }
        match self.suites_failed {
            0 => {}
            1 => line += ", 1 suite failed outside its tests",
            more => line += &format!(", {more} suites failed outside their tests"),
        }
        line
    }
}

fn named(suite: &str) -> &str {
    if suite.is_empty() { "(unnamed)" } else { suite }
}

/// A name on one line: line ends in it would break every list that shows it.
pub fn clean(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shortened(plain.trim().to_owned())
}

fn shortened(name: String) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        None => name,
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::read;
    use schemas::kind::EventKind;

    fn lists(cases: &str) -> (Vec<String>, Vec<String>, Vec<String>, Vec<String>) {
        let text = format!("<testsuites><testsuite name='s'>{cases}</testsuite></testsuites>");
        let reading = read(text.as_bytes(), EventKind::Test).unwrap();
        match reading.body {
            Body::Test { passed, warned, failed, .. } => (passed, warned, failed, reading.warnings),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_qualified_and_listed_once_by_the_worst_outcome() {
        let (passed, warned, failed, warnings) = lists(
            "<testcase classname='c' name='a'/><testcase name='b'/><testcase/>\
             <testcase classname='c' name='r'/>\
             <testcase classname='c' name='r'><failure/></testcase>\
             <testcase name='&#10;f '><flakyError/></testcase>\
             <testcase name='k'><skipped/></testcase><error/>",
        );
        assert_eq!(passed, ["c::a", "s::b", "s::(unnamed)"]);
        assert_eq!(warned, ["s::f"]);
        assert_eq!(failed, ["c::r", "s::(suite)"]);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn long_lists_and_names_are_cut_and_counted() {
        let cases: String = (0..1_500).map(|i| format!("<testcase name='{i}'/>")).collect();
        let (passed, _, _, warnings) = lists(&cases);
        assert_eq!(passed.len(), NAMES_MAX);
        assert_eq!(warnings, ["1000 of 1500 passed tests are listed by name"]);
        let (passed, _, _, _) = lists(&format!("<testcase name='{}'/>", "ü".repeat(9_999)));
        assert_eq!(passed[0].chars().count(), NAME_CHARS_MAX + 1);
    }
}
