use schemas::predicate::migration;
use schemas::predicate::promotion_request::{self, Plans};
use schemas::predicate::rehearsal::{RehearsalOf, RehearsalResult};
use schemas::report::Verdict::{Fail, Pass, Waiting, Waived};

use crate::fixture::{DAY, World, artifact};
use crate::policy::gate::cases::{app, check, compromise, other};

const GATE: &str = r#"{"migration":{},"waiver":{"by":["security"],"max":"30d"}}"#;
const REHEARSED: &str = r#"{"migration":{"rehearsed_in":"staging","max_age":"7d"}}"#;
const ANY: &str = r#"{"migration":{"irreversible":true}}"#;

fn declared(change: fn(&mut migration::Migration)) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        let mut body = world.migration_body(true);
        change(&mut body);
        vec![world.record("ci", &app(), migration::TYPE, &body).unwrap()]
    }
}

fn tried(world: &mut World, result: RehearsalResult) -> u64 {
    world.rehearse(&app(), "staging", RehearsalOf::Migration, result).unwrap()
}

#[test]
fn a_migration_is_declared_reversible_and_planned() {
    check(GATE, |_| vec![], Waiting, "nobody has declared what it migrates");
    check(GATE, declared(|_| {}), Pass, "reversible, plan sha256:");
    check(GATE, declared(|it| it.migrations = None), Pass, "migrates nothing");
    check(GATE, declared(|it| it.reversible = false), Fail, "cannot be taken back");
    check(ANY, declared(|it| it.reversible = false), Pass, "irreversible, plan sha256:");
    let unplanned = declared(|it| it.rollback_plan = None);
    check(GATE, &unplanned, Waiting, "no plan for the way back");
    let planned = |w: &mut World| {
        let entries = unplanned(w);
        let mut body = w.request_body("prod");
        body.plans = Some(Plans {
            rollback: Some(artifact("a plan")),
            migration: None,
            release_notes: None,
            risk_assessment: None,
            configuration: None,
        });
        w.record("mia", &app(), promotion_request::TYPE, &body).unwrap();
        entries
    };
    check(GATE, planned, Pass, "reversible, plan");
}

#[test]
fn a_rehearsal_follows_its_declaration() {
    check(REHEARSED, declared(|_| {}), Waiting, "not rehearsed in staging");
    let then = |result| {
        move |w: &mut World| {
            let mut entries = declared(|_| {})(w);
            entries.push(tried(w, result));
            entries
        }
    };
    check(REHEARSED, then(RehearsalResult::Passed), Pass, "rehearsed in staging");
    check(REHEARSED, then(RehearsalResult::Failed), Fail, "its rehearsal in staging failed");
    let before = |w: &mut World| {
        tried(w, RehearsalResult::Passed);
        declared(|_| {})(w)
    };
    check(REHEARSED, before, Waiting, "not rehearsed in staging");
    check(REHEARSED, declared(|it| it.migrations = None), Pass, "migrates nothing");
    let elsewhere = |w: &mut World| {
        let entries = declared(|_| {})(w);
        let (of, passed) = (RehearsalOf::Migration, RehearsalResult::Passed);
        w.rehearse(&app(), "prod", of, passed).unwrap();
        w.rehearse(&app(), "staging", RehearsalOf::Rollback, passed).unwrap();
        w.rehearse(&other(), "staging", of, passed).unwrap();
        entries
    };
    check(REHEARSED, elsewhere, Waiting, "not rehearsed in staging");
    let aged = |ms: i64| {
        move |w: &mut World| {
            let entries = then(RehearsalResult::Passed)(w);
            w.wait(ms);
            entries
        }
    };
    check(REHEARSED, aged(7 * DAY - 1000), Pass, "rehearsed");
    check(REHEARSED, aged(7 * DAY), Waiting, "rehearsal in staging is 7 d old");
}

#[test]
fn another_artifact_or_signer_does_not_count() {
    let another = |w: &mut World| {
        w.migration(&other(), true).unwrap();
        vec![]
    };
    check(GATE, another, Waiting, "nobody has declared");
    let stranger = |w: &mut World| {
        let body = w.migration_body(true);
        assert!(w.record("bot", &app(), migration::TYPE, &body).is_err());
        vec![]
    };
    check(GATE, stranger, Waiting, "nobody has declared");
    let tainted = |w: &mut World| {
        let entries = declared(|_| {})(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(GATE, tainted, Waiting, "migration was signed by a key that is compromised");
    let newest = |w: &mut World| {
        declared(|it| it.reversible = false)(w);
        declared(|_| {})(w)
    };
    check(GATE, newest, Pass, "reversible");
}

#[test]
fn an_irreversible_migration_may_be_waived() {
    let accepted = |w: &mut World| {
        let mut entries = declared(|it| it.reversible = false)(w);
        let body = w.waiver_body("migration", Some("prod"));
        entries.push(w.waive("sara", &body).unwrap());
        entries
    };
    check(GATE, accepted, Waived, "cannot be taken back");
}
