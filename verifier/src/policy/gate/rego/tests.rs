use schemas::predicate::test::TestResult;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};

use super::*;
use crate::fixture::World;
use crate::fixture::cast::APPROVER;
use crate::policy::gate::cases::{app, check, other, source};

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
