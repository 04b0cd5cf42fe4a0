use schemas::predicate::test;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};

use super::*;
use crate::fixture::cast::{self, APPROVER};
use crate::fixture::{DAY, World, body};
use crate::policy::gate::cases::{app, check};

/// `a` is quarantined until four days after the fixture's first day, `b` until the day after it.
const QUARANTINE: &str = r#"{"evidence":{"kind":"test","result":"passed","quarantine":[
    {"test":"a","until":"2026-11-24","why":"flaky since the new runner"},
    {"test":"b","until":"2026-11-21","why":"x"}]}}"#;

/// A run in which these tests failed, and so many by the report's count.
fn run(world: &mut World, failed: &[&str], counted: u64) -> u64 {
    let mut body = body::test("unit", TestResult::Failed);
    body.failed_tests = failed.iter().map(|it| (*it).to_owned()).collect();
    body.report.as_mut().unwrap().counts.insert("failed".to_owned(), counted);
    world.record("ci", &app(), test::TYPE, &body).unwrap()
}

#[test]
fn flaky_tests_block_neither_for_ever_nor_pass_silently() {
    let of = |failed: &'static [&'static str], counted: u64, wait: i64| {
        move |w: &mut World| {
            let entry = run(w, failed, counted);
            w.wait(wait);
            vec![entry]
        }
    };
    check(QUARANTINE, of(&["a"], 1, 0), Pass, "1 failed; quarantined: a until 2026-11-24");
    check(QUARANTINE, of(&["a", "b"], 2, 0), Pass, "a until 2026-11-24, b until 2026-11-21");
    check(QUARANTINE, of(&["a", "b"], 2, DAY), Fail, "the quarantine of b ended 2026-11-21");
    check(QUARANTINE, of(&["a"], 1, 3 * DAY), Pass, "a until");
    check(QUARANTINE, of(&["a"], 1, 4 * DAY), Fail, "the quarantine of a ended 2026-11-24");
    check(QUARANTINE, of(&["a", "c"], 2, 0), Fail, "c is not quarantined");
    check(QUARANTINE, of(&["A"], 1, 0), Fail, "A is not quarantined");
    // Failures that nobody names may be any.
    check(QUARANTINE, of(&["a"], 2, 0), Fail, "not every failed test is named");
    check(QUARANTINE, of(&[], 1, 0), Fail, "not every failed test is named");
    let many: Vec<String> = (0..65).map(|n| format!("t{n}")).collect();
    let too_many = |w: &mut World| {
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        vec![run(w, &names, 65)]
    };
    check(QUARANTINE, too_many, Fail, "not every failed test is named");
}

#[test]
fn counts_have_bounds() {
    let gate = |bounds: &str| {
        format!(r#"{{"evidence":{{"kind":"test","result":"passed","counts":{{{bounds}}}}}}}"#)
    };
    let passed = |w: &mut World| vec![w.test(&app(), "", TestResult::Passed).unwrap()];
    check(&gate(r#""passed":{"min":12}"#), passed, Pass, "12 passed");
    check(&gate(r#""passed":{"min":13}"#), passed, Fail, "12 passed, policy asks for 13");
    check(&gate(r#""passed":{"max":11}"#), passed, Fail, "12 passed, policy allows 11");
    check(&gate(r#""skipped":{"max":3}"#), passed, Indeterminate, "does not count skipped");
    // Whatever fails fails first.
    let failed = |w: &mut World| vec![w.test(&app(), "", TestResult::Failed).unwrap()];
    check(&gate(r#""skipped":{"max":3}"#), failed, Fail, "2 failed");
}

#[test]
fn a_signer_holds_the_role_that_is_asked_for() {
    let gate = r#"{"evidence":{"kind":"test","result":"passed","signed_by":["release-approver"]}}"#;
    let by_ci = |w: &mut World| vec![w.test(&app(), "", TestResult::Passed).unwrap()];
    check(gate, by_ci, Waiting, "signed by ci, policy asks for release-approver");
    let by_approver = |w: &mut World| {
        w.amend(|it| it.grants.push(cast::grant("ci", APPROVER, &[], "payments"))).unwrap();
        by_ci(w)
    };
    check(gate, by_approver, Pass, "12 passed");
    let elsewhere = |w: &mut World| {
        let staging = vec!["staging".parse().unwrap()];
        let grant = cast::grant("ci", APPROVER, &[], "payments");
        let grant = schemas::trust::Grant { environments: staging, ..grant };
        w.amend(|it| it.grants.push(grant)).unwrap();
        by_ci(w)
    };
    check(gate, elsewhere, Waiting, "policy asks for");
    let since_lost = |w: &mut World| {
        let entries = by_approver(w);
        w.amend(|it| it.grants.retain(|grant| grant.role != APPROVER)).unwrap();
        entries
    };
    check(gate, since_lost, Waiting, "policy asks for");
}
