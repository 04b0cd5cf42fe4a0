//! One evaluation: 15 gates, 200 events about the artifact.

use schemas::predicate::analysis::Levels;
use schemas::predicate::measurement;
use schemas::predicate::review::{self, Change, ReviewOutcome};
use schemas::predicate::sbom;
use schemas::predicate::test::TestResult;
use schemas::thread::ThreadId;
use serde_json::json;
use verifier::fixture::cast::{APPROVER, SECURITY};
use verifier::fixture::{DAY, World, artifact, commit, environment};
use verifier::policy::{Ask, Evaluation, evaluate};

use crate::machine::{median, option, time};

/// What is asked of an evaluation without Rego, in milliseconds.
const ASKED_MS: f64 = 1.0;

/// Gates of the policy, and events about the artifact.
const GATES_ASKED: usize = 15;
const EVENTS_ASKED: u64 = 200;

/// Evaluations of one round: one alone is shorter than the clock is exact.
const EACH_ROUND: u32 = 200;

/// Fifteen gates, each of which looks at what was recorded.
const GATES: &str = r#"[
  {"provenance": {"builders": ["https://github.com/actions/runner"],
    "source": "git+https://github.com/acme/payments", "pinned": true, "reviewed": true}},
  {"id": "unit", "evidence": {"kind": "test", "suites": ["suite-0", "suite-1"], "result": "passed"}},
  {"id": "all", "evidence": {"kind": "test", "result": "passed", "max_age": "30d"}},
  {"id": "reviewed", "evidence": {"kind": "review"}},
  {"id": "coverage", "evidence": {"kind": "measurement", "metric": "coverage.line", "min": "80"}},
  {"id": "latency", "measurement": {"metric": "latency.p95", "max": "250"}},
  {"id": "relative", "measurement": {"metric": "latency.p95", "max_increase_percent": "10"}},
  {"vulnerabilities": {"max": {"critical": 0, "high": 0}}},
  {"analysis": {"max": {"error": 0}}},
  {"sbom": {"min_components": 1}},
  {"licenses": {"allow": ["MIT", "Apache-2.0"]}},
  {"soak": {"in": "staging", "for": "1h"}},
  {"window": {"allow": "Mon-Sun 00:00-24:00", "zone": "Europe/Berlin"}},
  {"id": "routed", "when": {"paths": ["db/**"]}, "sbom": {}},
  {"approvals": {"count": 2, "roles": ["release-approver", "security"],
    "not": ["author", "requester"], "within": "72h"}}REGO
]"#;

const REGO: &str = r#",{"rego": {"rule": "data.release.allow", "text": "package release\nimport rego.v1\ndefault allow := false\nallow if {\n every run in input.artifact.evidence.tests { run.facts.result == \"PASSED\" }\n}\n"}}"#;

pub fn measure() {
    let rounds = option("--rounds", 31);
    for (name, rego) in [("without Rego", ""), ("with a Rego rule besides", REGO)] {
        let (world, request) = world(&GATES.replace("REGO", rego));
        let it = artifact("app");
        let environment = environment("prod");
        let ask = Ask { environment: &environment, artifact: &it, request: Some(request) };
        let state = &world.sequence.state;
        let first = evaluate(state, &ask, world.now).unwrap();
        check(&first, rego);
        let about = ThreadId::Artifact(it.clone());
        let events = state.head(&about).unwrap().unwrap().position + 1;
        assert_eq!(events, EVENTS_ASKED, "events about the artifact");
        let figures: Vec<f64> = (0..rounds)
            .map(|_| {
                let (_, took) = time(|| {
                    for _ in 0..EACH_ROUND {
                        std::hint::black_box(evaluate(state, &ask, world.now).unwrap());
                    }
                });
                took.as_secs_f64() * 1000.0 / f64::from(EACH_ROUND)
            })
            .collect();
        println!(
            "evaluate {name}: {} gates, {events} events about the artifact, {:.3} ms each (median of \
             {rounds} rounds of {EACH_ROUND})",
            first.gates.len(),
            median(figures)
        );
    }
    println!("(asked of {GATES_ASKED} gates without Rego: under {ASKED_MS} ms)");
}

/// A bench of gates that stop early would flatter: every one looks to the end.
fn check(evaluation: &Evaluation, rego: &str) {
    let open: Vec<&str> = evaluation.open_gates().map(|gate| gate.id.as_str()).collect();
    assert_eq!(open, Vec::<&str>::new());
    assert_eq!(evaluation.gates.len(), GATES_ASKED + usize::from(!rego.is_empty()));
}

/// A log with 200 events about the artifact, and a request that every gate admits.
fn world(gates: &str) -> (World, u64) {
    let mut world = World::with_gates("[]", gates);
    let (it, source, running) = (artifact("app"), commit("app"), artifact("running"));
    // What runs there now, to compare with.
    world.measurement(&running, "latency.p95", "118").unwrap();
    world.deploy(&running, "prod").unwrap();
    world.build(&it, &source).unwrap();
    let mut reviewed = world.review_body(&["alex@acme.example"], ReviewOutcome::Approved);
    let paths = (0..200).map(|n| format!("src/module_{n}/file.rs")).collect();
    reviewed.change = Some(Change { paths: Some(paths), ..Change::default() });
    world.record("ci", &source, review::TYPE, &reviewed).unwrap();
    for nth in 0..96 {
        world.test(&it, &format!("suite-{}", nth % 24), TestResult::Passed).unwrap();
        let metric = world.measurement_body(&[
            ("coverage.line", "83.4"),
            ("latency.p95", "120.5"),
            (&format!("metric.{nth}"), "1"),
        ]);
        world.record("ci", &it, measurement::TYPE, &metric).unwrap();
    }
    world.scan(&it, &["low"; 40]).unwrap();
    world.analysis(&it, "lint", Levels::default()).unwrap();
    let component = |n: usize| {
        let licence = if n.is_multiple_of(2) { "MIT" } else { "MIT OR Apache-2.0" };
        json!({"name": format!("c{n}"), "licenses": [{"expression": licence}]})
    };
    let bill = json!({"components": (0..300).map(component).collect::<Vec<_>>()});
    world.record("ci", &it, sbom::TYPE, &bill).unwrap();
    world.deploy(&it, "staging").unwrap();
    world.wait(DAY);
    let request = world.request(&it, "prod").unwrap();
    world.approve("anna", APPROVER, request).unwrap();
    world.approve("sara", SECURITY, request).unwrap();
    (world, request)
}
