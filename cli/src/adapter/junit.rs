//! JUnit XML: test results, by the test cases that the report shows.
//!
//! There is no standard, only a family of writers. Three rules keep the reading honest:
//!
//! - What is counted are test cases. The totals that suites declare are used only where a suite
//!   shows neither a case nor an error of its own, and whatever they declare beyond what is shown is a warning; a suite
//!   that declares failures and shows none has failed.
//! - An error or failure outside of any test case fails the run: the suite did not even start.
//! - Every case counts, also one whose name was seen before. Repeated names are either retries or
//!   a writer that drops parameters, and the report cannot tell which, so that a failed attempt is
//!   never forgiven because a later case of the same name passed. A retry that the writer marks as
//!   one (`flakyFailure`, `flakyError`) makes a passed case a warned one.
//!
//! The names `system-out`, `system-err` and `properties` hold captured text and are passed over.
//! Other unknown elements are transparent: a failure is a failure wherever it stands.

mod clock;
mod tally;

use super::xml::{Element, Node, Xml};
use super::{AdapterError, Reading};
use clock::Clock;
use tally::{Case, Outcome, Tally};

/// Reads the report behind its root element, `testsuites` or `testsuite`.
pub fn read(mut xml: Xml<'_>, root: &Element<'_>) -> Result<Reading, AdapterError> {
    let mut walk = Walk::default();
    if let Some(warning) = xml.warning.take() {
        walk.tally.warnings.push(warning);
    }
    walk.open(root)?;
    while let Some(node) = xml.next()? {
        match node {
            Node::Open(element) => walk.open(&element)?,
            Node::Close => walk.close(),
        }
    }
    walk.tally.finish(walk.clock.finished_at())
}

/// The elements that are open, and what was seen so far.
#[derive(Default)]
struct Walk {
    open: Vec<Open>,
    suites: Vec<Suite>,
    case: Option<Case>,
    clock: Clock,
    tally: Tally,
}

enum Open {
    Suite,
    Case,
    Captured,
    Other,
}

/// A suite that is open: what it declares, and what it and the suites inside of it have shown.
struct Suite {
    name: String,
    tests: u64,
    failed: u64,
    skipped: u64,
    shown: u64,
    shown_failed: u64,
}

impl Walk {
    fn open(&mut self, element: &Element<'_>) -> Result<(), AdapterError> {
        let captured = matches!(self.open.last(), Some(Open::Captured));
        let open = match element.name() {
            _ if captured => Open::Captured,
            "system-out" | "system-err" | "properties" => Open::Captured,
            "testsuites" | "testsuite" => self.open_suite(element)?,
            "testcase" => self.open_case(element)?,
            name => {
                self.mark(name);
                Open::Other
            }
        };
        self.open.push(open);
        Ok(())
    }

    fn open_suite(&mut self, element: &Element<'_>) -> Result<Open, AdapterError> {
        if self.case.is_some() {
            return Err(AdapterError::NestedCase { inner: "testsuite" });
        }
        self.clock.see(element, self.suites.is_empty());
        let declared = |name: &str| declared(element, name);
        self.suites.push(Suite {
            name: tally::clean(&element.attribute("name").unwrap_or_default()),
            tests: declared("tests"),
            failed: declared("failures") + declared("errors"),
            skipped: ["skipped", "disabled", "ignored", "skips"].map(declared).iter().sum(),
            shown: 0,
            shown_failed: 0,
        });
        Ok(Open::Suite)
    }

    fn open_case(&mut self, element: &Element<'_>) -> Result<Open, AdapterError> {
        if self.case.is_some() {
            return Err(AdapterError::NestedCase { inner: "testcase" });
        }
        let suite = self.suites.iter().rev().map(|suite| suite.name.as_str());
        self.case = Some(Case::new(element, suite.into_iter().find(|name| !name.is_empty())));
        Ok(Open::Case)
    }

    /// Notes an element that says how a case, or a suite outside of its cases, came out.
    fn mark(&mut self, name: &str) {
        match (&mut self.case, self.suites.last_mut()) {
            (Some(case), _) => case.mark(name),
            (None, Some(suite)) if matches!(name, "error" | "failure") => {
                suite.shown_failed += 1;
                self.tally.suite_failed(&suite.name);
            }
            (None, _) => {}
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Suite) => self.close_suite(),
            Some(Open::Case) => self.close_case(),
            Some(Open::Captured | Open::Other) | None => {}
        }
    }

    fn close_case(&mut self) {
        let (Some(case), Some(suite)) = (self.case.take(), self.suites.last_mut()) else {
            return;
        };
        suite.shown += 1;
        suite.shown_failed += u64::from(case.outcome() <= Outcome::Failed);
        self.tally.add(case);
    }

    fn close_suite(&mut self) {
        let Some(mut suite) = self.suites.pop() else {
            return;
        };
        if suite.shown == 0 && suite.shown_failed == 0 && suite.tests > 0 {
            suite.shown = suite.tests;
            suite.shown_failed += suite.failed;
            self.tally.declared(&suite.name, suite.tests, suite.failed, suite.skipped);
        }
        if suite.failed > 0 && suite.shown_failed == 0 {
            suite.shown_failed = suite.failed;
            self.tally.failures_not_shown(&suite.name, suite.failed);
        }
        if suite.tests > suite.shown {
            self.tally.cases_not_shown(&suite.name, suite.tests, suite.shown);
        }
        if let Some(outer) = self.suites.last_mut() {
            outer.shown += suite.shown;
            outer.shown_failed += suite.shown_failed;
        }
    }
}

/// A total that a suite declares; what is no plain number declares nothing.
fn declared(element: &Element<'_>, name: &str) -> u64 {
    /// No run has more tests, and sums of such numbers stay exact.
    const DECLARED_MAX: u64 = 1_000_000_000;
    let number = element.attribute(name).and_then(|text| text.trim().parse::<u64>().ok());
    number.map_or(0, |number| number.min(DECLARED_MAX))
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use crate::adapter::{Body, read};

    /// Expects the summary with the result before it, or the code of the refusal.
    fn check(cases: &str, expected: &str) {
        let text = format!("<testsuite name='s'>{cases}</testsuite>");
        let found = match read(text.as_bytes(), EventKind::Test) {
            Ok(reading) => match reading.body {
                Body::Test { result, .. } => format!("{result:?}: {}", reading.summary),
                other => format!("{other:?}"),
            },
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{cases}");
    }

    #[test]
    fn cases_decide() {
        check("<testcase name='a'/>", "Passed: 1 passed, 0 failed, 0 skipped");
        check("<testcase><failure/></testcase>", "Failed: 0 passed, 1 failed, 0 skipped");
        check("<testcase><error/></testcase>", "Failed: 0 passed, 1 failed, 0 skipped");
        check(
            "<testcase/><testcase><skipped/></testcase>",
            "Passed: 1 passed, 0 failed, 1 skipped",
        );
        check("<testcase><skipped/></testcase>", "Warned: 0 passed, 0 failed, 1 skipped");
        check("<testcase status='disabled'/>", "Warned: 0 passed, 0 failed, 1 skipped");
        check("<testcase status='failed'/>", "Failed: 0 passed, 1 failed, 0 skipped");
        check("<testcase result='failed'/>", "Failed: 0 passed, 1 failed, 0 skipped");
        check("<testcase><skipped/><failure/></testcase>", "Failed: 0 passed, 1 failed, 0 skipped");
        check("<testcase><x><failure/></x></testcase>", "Failed: 0 passed, 1 failed, 0 skipped");
        check("", "report-empty");
        check("<system-out><testcase/></system-out>", "report-empty");
        check("<testcase><testcase/></testcase>", "junit-nested-case");
        check("<testcase><testsuite/></testcase>", "junit-nested-case");
    }

    #[test]
    fn retries() {
        check(
            "<testcase name='a'><flakyFailure/></testcase>",
            "Warned: 1 passed, 0 failed, 0 skipped, 1 flaky",
        );
        check(
            "<testcase name='a'><failure/><rerunFailure/></testcase>",
            "Failed: 0 passed, 1 failed, 0 skipped",
        );
        check(
            "<testcase name='a'><failure/></testcase><testcase name='a'/>",
            "Failed: 1 passed, 1 failed, 0 skipped",
        );
    }

    #[test]
    fn suites_decide_too() {
        check(
            "<testcase/><error>did not start</error>",
            "Failed: 1 passed, 0 failed, 0 skipped, 1 suite failed outside its tests",
        );
        check(
            "<testsuite failures='2'><testcase/></testsuite>",
            "Failed: 1 passed, 0 failed, 0 skipped, 1 suite failed outside its tests",
        );
        check("<testsuite tests='3' skipped='1'/>", "Passed: 2 passed, 0 failed, 1 skipped");
        check("<testsuite tests='3' errors='1'/>", "Failed: 2 passed, 1 failed, 0 skipped");
        check("<testsuite tests='3' errors='9'/>", "Failed: 0 passed, 9 failed, 0 skipped");
        check("<testsuite tests='-3'/>", "report-empty");
        check(
            "<error/>",
            "Failed: 0 passed, 0 failed, 0 skipped, 1 suite failed outside its tests",
        );
    }
}
