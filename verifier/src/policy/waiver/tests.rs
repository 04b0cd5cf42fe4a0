use schemas::predicate::vulnerabilities as scan;
use schemas::predicate::waiver::{Waiver, WaiverOutcome};
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::*;
use crate::fixture::cast::{APPROVER, SECURITY, grant};
use crate::fixture::{DAY, World, body, environment, project};
use crate::policy::gate::cases::{app, ask, compromise, other};

const GATE: &str = r#"{"vulnerabilities":{"max":{"critical":0}},
    "waiver":{"by":["security"],"max":"30d"}}"#;

/// A world in which a scan found something critical, recorded of version 1.4.2.
fn world() -> World {
    let mut world = World::with_gates("[]", &format!("[{GATE}]"));
    let mut subject = schemas::statement::Subject::of(&app(), None);
    let version = Some("1.4.2".to_owned());
    subject.annotations = Some(schemas::statement::Annotations { version });
    let statement = schemas::statement::Statement::new(
        vec![subject],
        schemas::predicate::build::TYPE,
        body::build(body::BUILDER, &[]),
    );
    world.log(&statement, &["ci"], Some("payments")).unwrap();
    world.scan(&app(), &["critical"]).unwrap();
    world
}

/// Logs a waiver of this shape and asks; gives what is said, and the waiver's entry.
fn waived(
    world: &mut World,
    by: &str,
    to: Option<&str>,
    change: impl FnOnce(&mut Waiver),
) -> EntryIndex {
    let mut body = world.waiver_body("vulnerabilities", to);
    change(&mut body);
    world.waive(by, &body).unwrap()
}

#[track_caller]
fn check(world: &World, verdict: Verdict, reason: &str) -> GateVerdict {
    let answer = ask(world).remove(0);
    assert_eq!(answer.verdict, verdict, "{answer:?}");
    assert!(answer.reason.contains(reason), "{reason}: {answer:?}");
    assert_eq!(answer.next.is_none(), verdict.admits(), "{answer:?}");
    answer
}

#[test]
fn a_waiver_stands_in_for_a_fail_and_says_so() {
    for to in [Some("prod"), None] {
        let mut world = world();
        check(&world, Fail, "1 critical, policy allows 0");
        let entry = waived(&mut world, "sara", to, |_| {});
        let expected = "by sara (security): \"not reachable\"; 1 critical, policy allows 0";
        let answer = check(&world, Waived, expected);
        assert!(answer.entries.contains(&entry), "{answer:?}");
        assert!(answer.until.is_some());
        let relied = world.evaluate("prod", &app(), None).relied;
        assert!(relied.iter().any(|it| it.0 == entry));
    }
}

#[test]
fn a_waiver_stands_in_for_what_is_waited_for() {
    let mut world = World::with_gates("[]", &format!("[{GATE}]"));
    check(&world, Waiting, "no scan is recorded");
    waived(&mut world, "sara", Some("prod"), |_| {});
    check(&world, Waived, "no scan is recorded");
    world.scan(&app(), &[]).unwrap();
    check(&world, Pass, "0 critical");
}

/// Whoever accepts a risk must know which.
#[test]
fn what_cannot_be_told_is_never_waived() {
    let mut world = world();
    waived(&mut world, "sara", Some("prod"), |_| {});
    let body = body::scan("", &["apocalyptic"], None);
    world.record("ci", &app(), scan::TYPE, &body).unwrap();
    check(&world, Indeterminate, "no known severity");
}

#[test]
fn a_gate_that_the_policy_lets_nobody_waive_is_not() {
    let gate = r#"[{"vulnerabilities":{"max":{"critical":0}}}]"#;
    let mut world = World::with_gates("[]", gate);
    world.scan(&app(), &["critical"]).unwrap();
    waived(&mut world, "sara", Some("prod"), |_| {});
    let answer = check(&world, Fail, "1 critical");
    assert!(!answer.reason.contains("waiver"), "{answer:?}");
}

#[test]
fn a_waiver_is_for_its_scope() {
    let mut world = world();
    waived(&mut world, "sara", Some("prod"), |it| it.gate = "soak".to_owned());
    waived(&mut world, "sara", Some("staging"), |_| {});
    waived(&mut world, "sara", Some("prod"), |it| it.artifact = Some(other()));
    waived(&mut world, "sara", Some("prod"), |it| it.versions = Some(">=1.5.0".to_owned()));
    let answer = check(&world, Fail, "1 critical");
    assert!(!answer.reason.contains("waiver"), "{answer:?}");
    let mut by_version = world.clone();
    let range = Some(">=1.4.0, <1.5.0".to_owned());
    waived(&mut by_version, "sara", Some("prod"), |it| it.versions = range.clone());
    check(&by_version, Waived, "1 critical");
    waived(&mut world, "sara", None, |it| it.artifact = Some(app()));
    check(&world, Waived, "1 critical");
    // An artifact without a version is in no range.
    let mut unnamed = World::with_gates("[]", &format!("[{GATE}]"));
    unnamed.scan(&app(), &["critical"]).unwrap();
    waived(&mut unnamed, "sara", Some("prod"), |it| it.versions = range);
    check(&unnamed, Fail, "1 critical");
}

#[test]
fn a_waiver_ends() {
    let mut world = world();
    let entry = waived(&mut world, "sara", Some("prod"), |_| {});
    let until = ask(&world)[0].until.unwrap();
    let mut last = world.clone();
    last.wait(until.since(last.now) - 1);
    check(&last, Waived, "1 critical");
    last.wait(1);
    check(&last, Fail, &format!("; the waiver by sara expired at {until}"));
    // Taken back, it is gone.
    let statement = world.statement_at(entry);
    waived(&mut world, "sara", Some("prod"), |it| {
        (it.outcome, it.withdraws) = (WaiverOutcome::Withdrawn, Some(statement));
    });
    let answer = check(&world, Fail, "1 critical");
    assert!(!answer.reason.contains("waiver"), "{answer:?}");
}

#[test]
fn the_waiver_that_holds_longest_counts() {
    let mut world = world();
    waived(&mut world, "sara", Some("prod"), |_| {});
    let longer = waived(&mut world, "sara", None, |it| it.expires_at = it.expires_at.plus_ms(DAY));
    waived(&mut world, "sara", Some("prod"), |_| {});
    assert!(check(&world, Waived, "1 critical").entries.contains(&longer));
}

#[test]
fn only_whoever_the_policy_names_accepts_the_risk() {
    let mut world = world();
    waived(&mut world, "anna", Some("prod"), |it| it.role = APPROVER.to_owned());
    check(&world, Fail, "; the waiver by anna is by release-approver, which the policy");
    waived(&mut world, "sara", Some("prod"), |it| it.expires_at = it.expires_at.plus_ms(40 * DAY));
    check(&world, Fail, "; the waiver by sara is for longer than the policy allows");
}

#[test]
fn the_requester_waives_nothing() {
    let mut world = world();
    world.amend(|it| it.grants.push(grant("mia", SECURITY, &[], "payments"))).unwrap();
    waived(&mut world, "mia", Some("prod"), |_| {});
    check(&world, Waived, "by mia");
    world.request(&app(), "prod").unwrap();
    check(&world, Fail, "; the waiver by mia does not count: they asked for the promotion");
}

#[test]
fn a_role_that_has_ended_and_a_compromised_key_waive_nothing() {
    let mut world = world();
    let entry = waived(&mut world, "sara", Some("prod"), |_| {});
    let mut ended = world.clone();
    ended.amend(|it| it.grants.retain(|grant| grant.identity.as_str() != "sara")).unwrap();
    check(&ended, Fail, "; the waiver by sara does not count: no longer security");
    compromise(&mut world, "sara", entry);
    check(&world, Fail, "; the waiver by sara does not count: the key is compromised");
}

#[test]
fn a_reason_stays_short() {
    let mut world = world();
    for _ in 0..5 {
        waived(&mut world, "anna", Some("prod"), |it| it.role = APPROVER.to_owned());
    }
    let answer = check(&world, Fail, "; and 2 more waivers do not");
    assert_eq!(answer.reason.matches("which the policy").count(), 3);
    waived(&mut world, "sara", Some("prod"), |it| it.reason = "é".repeat(2000));
    let answer = check(&world, Waived, "é…\"; 1 critical");
    assert_eq!(answer.reason.matches('é').count(), 200);
}

#[test]
fn a_list_shows_what_is_worst_first() {
    let mut world = world();
    let entries: Vec<EntryIndex> = [1, 3, 20, 40]
        .map(|days| {
            waived(&mut world, "sara", Some("prod"), |it| {
                it.expires_at = it.expires_at.plus_ms((days - 7) * DAY);
                it.review_at = it.expires_at;
            })
        })
        .to_vec();
    // What was granted by the second, which is over by then.
    let at = world.now.plus_ms(4 * DAY);
    let gates = |waiver: EntryIndex, verdict, id: &str| {
        vec![GateVerdict {
            id: id.to_owned(),
            gate: "vulnerabilities".to_owned(),
            verdict,
            reason: String::new(),
            next: None,
            entries: vec![waiver],
            until: None,
        }]
    };
    let [relied, other_gate, passed] = [
        gates(entries[1], Waived, "vulnerabilities"),
        gates(entries[0], Waived, "other"),
        gates(entries[0], Pass, "vulnerabilities"),
    ];
    let in_force = |entry, gates| InForce { entry, outcome: Outcome::Granted, gates };
    let denied = InForce { entry: 9, outcome: Outcome::Denied, gates: &relied };
    let decisions = [in_force(7, &relied), in_force(8, &other_gate), in_force(8, &passed), denied];
    let state = &world.sequence.state;
    let slice = state.environment(&environment("prod")).unwrap().unwrap();
    let (project, name) = (project(), environment("prod").name);
    let place = Place { project: &project, environment: Some(&name), waivers: &slice.waivers };
    let listed = list(&[place], &decisions, at, 20 * DAY);
    let told: Vec<(Standing, EntryIndex)> =
        listed.iter().map(|it| (it.standing, it.waiver.entry)).collect();
    let expected = [
        (Standing::ExpiredRelied, entries[1]),
        (Standing::Expiring, entries[2]),
        (Standing::Open, entries[3]),
        (Standing::Expired, entries[0]),
    ];
    assert_eq!(told, expected);
    assert_eq!(listed[0].relied, [7]);
    assert!(listed[1].relied.is_empty());
}
