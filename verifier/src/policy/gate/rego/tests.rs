use schemas::predicate::test::TestResult;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::*;
use crate::fixture::cast::APPROVER;
use crate::fixture::{DAY, World, body};
use crate::policy::gate::cases::{
    Row, Table, app, check, other, refused, source, unreadable, unseen, waived,
};

/// A gate whose rule is `data.release.allow` of this module.
fn gate(body: &str) -> String {
    let text = format!("package release\nimport rego.v1\n{body}\n");
    json!({"rego": {"text": text, "rule": "data.release.allow"}}).to_string()
}

/// All tests passed, and some were recorded.
const TESTS: &str = "default allow := false
allow if {
    tests := input.artifact.evidence.tests
    count(tests) > 0
    every run in tests { run.facts.result == \"PASSED\" }
}";

/// A rule that asks for a run of the tests by `ci`, of the day on which it is asked. What is to be fresh,
/// and whose signature counts, is the rule's own affair: the gate hands it both.
pub const TABLE: Table = Table {
    gate: concat!(
        r#"{"rego":{"rule":"data.release.allow","text":""#,
        r#"package release\n"#,
        r#"import rego.v1\n"#,
        r#"evidence := input.artifact.evidence\n"#,
        r#"runs contains run if {\n"#,
        r#" some run in evidence.tests\n"#,
        r#" some signer in run.signers\n"#,
        r#" signer.identity == \"ci\"\n"#,
        r#" substring(run.time, 0, 10) == substring(input.at, 0, 10)\n"#,
        r#"}\n"#,
        r#"unreadable if evidence.unreadable.test\n"#,
        r#"failed if {\n"#,
        r#" some run in runs\n"#,
        r#" run.facts.result != \"PASSED\"\n"#,
        r#"}\n"#,
        r#"default allow := {\"verdict\": \"waiting\", \"reason\": \"ci has run no tests today\"}\n"#,
        r#"allow := {\"verdict\": \"indeterminate\", \"reason\": \"some tests cannot be read\"} if unreadable\n"#,
        r#"allow := {\"verdict\": \"fail\", \"reason\": \"tests fail\"} if {\n"#,
        r#" not unreadable\n"#,
        r#" failed\n"#,
        r#"}\n"#,
        r#"allow := {\"verdict\": \"pass\", \"reason\": \"tests pass today\"} if {\n"#,
        r#" not unreadable\n"#,
        r#" not failed\n"#,
        r#" count(runs) > 0\n"#,
        r#"}\n"#,
        r#""},"waiver":{"by":["security"],"max":"30d"}}"#,
    ),
    pass: Row::case(
        |w| unseen(w.test(&app(), "unit", TestResult::Passed).unwrap()),
        Pass,
        "tests pass today",
    ),
    fail: Row::case(
        |w| unseen(w.test(&app(), "unit", TestResult::Failed).unwrap()),
        Fail,
        "tests fail",
    ),
    waived: Row::case(
        |w| {
            w.test(&app(), "unit", TestResult::Failed).unwrap();
            waived(w, "rego", vec![])
        },
        Waived,
        "\"not reachable\"; tests fail",
    ),
    waiting: Row::case(|_| vec![], Waiting, "ci has run no tests today"),
    indeterminate: Row::case(
        |w| {
            w.test(&app(), "unit", TestResult::Passed).unwrap();
            unseen(unreadable(w, schemas::predicate::test::TYPE))
        },
        Indeterminate,
        "some tests cannot be read",
    ),
    another_artifact: Row::case(
        |w| unseen(w.test(&other(), "unit", TestResult::Passed).unwrap()),
        Waiting,
        "ci has run no tests today",
    ),
    too_old: Row::case(
        |w| {
            let run = w.test(&app(), "unit", TestResult::Passed).unwrap();
            w.wait(DAY);
            unseen(run)
        },
        Waiting,
        "ci has run no tests today",
    ),
    // `bot` may record tests, but this rule asks for `ci`; whoever may record none is refused.
    without_role: Row::case(
        |w| {
            let body = body::test("unit", TestResult::Passed);
            refused(w.record("mia", &app(), schemas::predicate::test::TYPE, &body));
            unseen(w.record("bot", &app(), schemas::predicate::test::TYPE, &body).unwrap())
        },
        Waiting,
        "ci has run no tests today",
    ),
};

#[test]
fn a_rule_reads_the_evidence_of_the_artifact() {
    let run = |of: schemas::id::Digest, result| {
        move |w: &mut World| {
            w.test(&of, "unit", result).unwrap();
            vec![]
        }
    };
    check(&gate(TESTS), run(app(), TestResult::Passed), Pass, "data.release.allow is true");
    check(&gate(TESTS), run(app(), TestResult::Failed), Fail, "data.release.allow is false");
    check(&gate(TESTS), run(other(), TestResult::Passed), Fail, "is false");
    check(&gate(TESTS), |_| vec![], Fail, "is false");
}

#[test]
fn a_rule_may_say_why() {
    let verdict = |word: &str| {
        gate(&format!(
            "allow := {{\"verdict\": \"{word}\", \"reason\": \"ask the harbour master\"}}"
        ))
    };
    check(&verdict("pass"), |_| vec![], Pass, "ask the harbour master");
    check(&verdict("fail"), |_| vec![], Fail, "ask the harbour master");
    check(&verdict("waiting"), |_| vec![], Waiting, "ask the harbour master");
    check(&verdict("indeterminate"), |_| vec![], Indeterminate, "ask the harbour master");
    check(&verdict("waived"), |_| vec![], Indeterminate, "has no verdict");
    check(&gate("allow := 1"), |_| vec![], Indeterminate, "neither true nor false");
    check(&gate("allow if input.nothing"), |_| vec![], Indeterminate, "has no value");
}

#[test]
fn a_rule_sees_commits_environment_and_request() {
    let body = "default allow := false
allow if {
    some commit in input.commits
    commit.review.facts.authors == [\"alex@acme.example\"]
    input.environment.name == \"prod\"
    input.project == \"payments\"
    input.request.requester.identity == \"mia\"
    some approval in input.request.approvals
    approval.role == \"release-approver\"
    input.at > approval.time
}";
    let whole = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        w.review(&source(), "alex@acme.example").unwrap();
        let request = w.request(&app(), "prod").unwrap();
        w.approve("ben", APPROVER, request).unwrap();
        w.wait(1);
        vec![]
    };
    check(&gate(body), whole, Pass, "is true");
    check(&gate(body), |_| vec![], Fail, "is false");
}

/// What a policy's rules read is part of the decision: the threads of commits too.
#[test]
fn a_rule_names_what_it_read() {
    let mut world = World::with_gates("[]", &format!("[{}]", gate("allow := true")));
    world.build(&app(), &source()).unwrap();
    let reads = world.evaluate("prod", &app(), None).reads;
    assert!(reads.contains(&schemas::thread::ThreadId::Artifact(source())));
}
