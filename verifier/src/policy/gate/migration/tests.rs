use schemas::predicate::migration;
use schemas::predicate::promotion_request::{self, Plans};
use schemas::predicate::rehearsal::{RehearsalOf, RehearsalResult};
use schemas::report::Verdict::{Fail, Pass, Waiting, Waived};

use crate::fixture::{DAY, World, artifact};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unseen, waived,
};

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

pub const TABLE: Table = Table {
    gate: r#"{"migration":{"rehearsed_in":"staging","max_age":"7d"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(
        |w| {
            let entries = declared(|_| {})(w);
            vec![entries[0], tried(w, RehearsalResult::Passed)]
        },
        Pass,
        ", rehearsed in staging",
    ),
    fail: Row::case(
        |w| declared(|it| it.reversible = false)(w),
        Fail,
        "its migration cannot be taken back",
    ),
    waived: Row::case(
        |w| {
            let entries = declared(|it| it.reversible = false)(w);
            waived(w, "migration", entries)
        },
        Waived,
        "\"not reachable\"; its migration cannot be taken back",
    ),
    waiting: Row::case(|_| vec![], Waiting, "nobody has declared what it migrates"),
    indeterminate: Row::No(
        "declarations and rehearsals are read strictly before they are logged, so none is unreadable",
    ),
    another_artifact: Row::case(
        |w| unseen(w.migration(&other(), true).unwrap()),
        Waiting,
        "nobody has declared what it migrates",
    ),
    too_old: Row::case(
        |w| {
            let entries = declared(|_| {})(w);
            let tried = tried(w, RehearsalResult::Passed);
            w.wait(7 * DAY);
            vec![entries[0], tried]
        },
        Waiting,
        "rehearsal in staging is 7 d old, policy allows 7d",
    ),
    without_role: Row::case(
        |w| {
            let body = w.migration_body(true);
            refused(w.record("bot", &app(), migration::TYPE, &body))
        },
        Waiting,
        "nobody has declared what it migrates",
    ),
};

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
fn the_newest_declaration_by_a_sound_key_counts() {
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
