use super::*;
use crate::policy_test::read;
use crate::policy_text::parse_policy;

const PEOPLE: &str = "people:\n  mia: { roles: [release-manager] }\n  anna: { roles: [qa] }\n";

fn gates(list: &str) -> PolicyDocument {
    let text = format!(
        "apiVersion: attestry/policy/v1\nproject: p\nenvironments:\n  - name: staging\n    gates: []\n  \
         - name: prod\n    gates: [{list}]\n"
    );
    parse_policy(&text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}")).0
}

fn simulated(gate: &str, events: &str, manner: Manner, seed: u64) -> Simulated {
    let text = format!(
        "policy: p\n{PEOPLE}cases:\n  - name: x\n    to: prod\n    events: [{events}]\n    expect: {{}}\n"
    );
    let fixture = read(&text).unwrap_or_else(|cause| panic!("{text}\n{cause}"));
    let draws = Draws { rounds: 24, seed };
    simulate(&fixture, &gates(gate), &fixture.cases[0], manner, draws)
        .unwrap_or_else(|cause| panic!("{gate} {events}: {cause}"))
}

/// The gates that depend on the order, whatever the seed.
fn check(gate: &str, events: &str, manner: Manner, expected: &[&str]) {
    for seed in 0..2 {
        let found = simulated(gate, events, manner, seed);
        let gates: Vec<&str> = found.dependent.iter().map(|it| it.gate.as_str()).collect();
        assert_eq!(gates, expected, "{gate} {events} {manner:?} {seed}");
        assert!(found.orders > 0);
        for order in found.dependent.iter().flat_map(|it| &it.orders) {
            assert!(order.events.len() <= 3, "{order:#?}");
        }
    }
}

const NEWEST: &str = "{ evidence: { kind: test, suites: [unit], result: passed } }";
const RUNS: &str =
    "{ build: {} }, { test: { suite: unit, result: failed } }, { test: { suite: unit } }";
const ONE_RUN: &str = "{ build: {} }, { test: { suite: unit } }, { request: { by: mia } }";

/// The newest run of a suite is the one that counts, so which is the newest decides.
#[test]
fn a_gate_that_takes_the_newest_depends_on_the_order() {
    check(NEWEST, RUNS, Manner::Reorder, &["evidence"]);
    check(NEWEST, RUNS, Manner::Duplicate, &["evidence"]);
    check(NEWEST, ONE_RUN, Manner::Flapping, &["evidence"]);
    let found = simulated(NEWEST, RUNS, Manner::Reorder, 1).dependent.remove(0);
    let [passes, fails] = &found.orders;
    assert_eq!((passes.verdict, fails.verdict), (Verdict::Pass, Verdict::Fail));
    let failed = "test: { suite: unit, result: failed }";
    assert_eq!(passes.events, [failed, "test: { suite: unit }"]);
    assert_eq!(fails.events, ["test: { suite: unit }", failed]);
    assert!(fails.reason.contains("unit"), "{fails:?}");
}

#[test]
fn a_gate_that_does_not_care_is_not_told_of() {
    let several = "{ build: {} }, { test: { suite: unit } }, { test: { suite: e2e, result: failed } }, \
                   { review: { commit: head, authors: [x], reviewers: [anna] } }, \
                   { request: { by: mia } }, { approval: { by: anna, role: qa } }";
    let approvals = "{ approvals: { count: 1, roles: [qa], not: [requester] } }";
    for manner in Manner::ALL {
        check(approvals, several, manner, &[]);
        check("{ sbom: {} }", several, manner, &[]);
    }
    for manner in [Manner::Reorder, Manner::Late, Manner::Duplicate] {
        check(NEWEST, several, manner, &[]);
    }
}

/// Whoever approved before it was known who wrote it is not counted all the same.
#[test]
fn evidence_may_arrive_after_the_request() {
    let late = "{ build: {} }, { review: { commit: head, authors: [anna], reviewers: [mia] } }, \
                { request: { by: mia } }, { approval: { by: anna, role: qa } }";
    let author = "{ approvals: { count: 1, roles: [qa], not: [author] } }";
    let found = simulated(author, late, Manner::Late, 1);
    assert!(found.orders > 4, "{found:?}");
    check(author, late, Manner::Late, &[]);
    // What was tried before it was declared was something else: this gate depends on the order.
    let digest = |letter: &str| format!("\"sha256:{}\"", letter.repeat(64));
    let declared = format!(
        "{{ build: {{}} }}, {{ record: {{ kind: migration, predicate: {{ migrations: {}, reversible: \
         true, rollbackPlan: {} }} }} }}, {{ request: {{ by: mia }} }}, {{ record: {{ kind: \
         rehearsal, predicate: {{ environment: staging, of: migration, result: passed }} }} }}",
        digest("a"),
        digest("b")
    );
    let rehearsed = "{ migration: { rehearsed_in: staging } }";
    check(rehearsed, &declared, Manner::Late, &["migration"]);
    check(rehearsed, &declared, Manner::Reorder, &[]);
}

/// A canary that passes without having finished would be refused: it does not flap, and the rest does.
#[test]
fn what_cannot_be_logged_does_not_flap() {
    let events = "{ build: {} }, { test: { suite: unit } }, { record: { kind: canary, predicate: { \
                  environment: prod, verdict: running, startedAt: \"2026-01-05T08:00:00.000Z\" } } }";
    let found = simulated(NEWEST, events, Manner::Flapping, 1);
    assert_eq!(found.dependent.len(), 1, "{found:?}");
}

#[test]
fn a_seed_gives_the_same_orders() {
    let told = |seed| {
        let found = simulated(NEWEST, RUNS, Manner::Duplicate, seed);
        format!("{found:?}")
    };
    assert_eq!(told(5), told(5));
}

#[test]
fn a_case_that_cannot_be_played_is_no_answer() {
    let text = format!(
        "policy: p\n{PEOPLE}cases:\n  - name: x\n    to: prod\n    events: [{{ approval: {{ by: anna, \
         role: qa }} }}]\n    expect: {{}}\n"
    );
    let fixture = read(&text).unwrap();
    let draws = Draws { rounds: 5, seed: 1 };
    let cause = simulate(&fixture, &gates(NEWEST), &fixture.cases[0], Manner::Late, draws);
    assert_eq!(cause.unwrap_err(), "event 1: nothing is requested for prod");
}
