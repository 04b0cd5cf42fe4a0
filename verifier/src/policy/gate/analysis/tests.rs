use schemas::predicate::analysis;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::*;
use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unseen, waived,
};

const LEVELS: Levels = Levels { error: 1, warning: 3, note: 5, none: 0 };

fn gate(fields: &str) -> String {
    format!(r#"{{"analysis":{{{fields}}}}}"#)
}

/// An analysis that says something else than usual.
fn analysed(world: &mut World, change: impl FnOnce(&mut analysis::Analysis)) -> u64 {
    let mut body = world.analysis_body("lint", LEVELS);
    change(&mut body);
    world.record("ci", &app(), analysis::TYPE, &body).unwrap()
}

pub const TABLE: Table = Table {
    gate: r#"{"analysis":{"max":{"error":1},"max_new":{"error":0},"max_age":"1d"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(
        |w| vec![analysed(w, |it| it.new = Some(Levels { error: 0, ..LEVELS }))],
        Pass,
        "lint: 1 error, 3 warning, 5 note",
    ),
    fail: Row::case(
        |w| vec![analysed(w, |it| it.new = Some(LEVELS))],
        Fail,
        "lint: 1 new error, policy allows 0",
    ),
    waived: Row::case(
        |w| {
            let found = analysed(w, |it| it.new = Some(LEVELS));
            waived(w, "analysis", vec![found])
        },
        Waived,
        "\"not reachable\"; lint: 1 new error, policy allows 0",
    ),
    waiting: Row::case(|_| vec![], Waiting, "no analysis is recorded"),
    // Analyses are read strictly before they are logged; this one leaves out what is asked for.
    indeterminate: Row::case(
        |w| vec![analysed(w, |it| it.new = None)],
        Indeterminate,
        "lint: the report does not tell which findings are new",
    ),
    another_artifact: Row::case(
        |w| unseen(w.analysis(&other(), "lint", LEVELS).unwrap()),
        Waiting,
        "no analysis is recorded",
    ),
    too_old: Row::case(
        |w| {
            let found = analysed(w, |it| it.new = Some(Levels { error: 0, ..LEVELS }));
            w.wait(DAY + 1);
            vec![found]
        },
        Waiting,
        "analysis lint is 1 d old, policy allows 1d",
    ),
    without_role: Row::case(
        |w| {
            let body = w.analysis_body("lint", LEVELS);
            refused(w.record("bot", &app(), analysis::TYPE, &body))
        },
        Waiting,
        "no analysis is recorded",
    ),
};

#[test]
fn levels_have_limits() {
    for (fields, verdict, reason) in [
        (r#""max":{"error":1,"warning":3}"#, Pass, "lint: 1 error, 3 warning, 5 note"),
        (r#""max":{"error":0}"#, Fail, "lint: 1 error, policy allows 0"),
        (
            r#""max":{"error":0,"note":4}"#,
            Fail,
            "1 error, policy allows 0, 5 note, policy allows 4",
        ),
        (r#""max":{"none":0},"suites":["lint"]"#, Pass, "lint"),
        (r#""max":{"none":0},"suites":["other"]"#, Waiting, "no analysis other is recorded"),
    ] {
        let history = |w: &mut World| {
            let entry = w.analysis(&app(), "lint", LEVELS).unwrap();
            if fields.contains("other") { vec![] } else { vec![entry] }
        };
        check(&gate(fields), history, verdict, reason);
    }
}

#[test]
fn new_findings_are_told_by_the_report() {
    let new = gate(r#""max_new":{"error":0,"warning":1}"#);
    let with = |new: Option<Levels>| move |w: &mut World| vec![analysed(w, |it| it.new = new)];
    let none = Levels { error: 0, warning: 1, note: 9, none: 0 };
    check(&new, with(Some(none)), Pass, "1 error");
    check(&new, with(Some(LEVELS)), Fail, "1 new error, policy allows 0, 3 new warning");
    check(&new, with(None), Indeterminate, "does not tell which findings are new");
    // What fails anyhow need not be told.
    let both = gate(r#""max":{"error":0},"max_new":{"error":0}"#);
    check(&both, with(None), Fail, "1 error, policy allows 0");
}

#[test]
fn secrets_are_counted_where_somebody_looked() {
    let secrets = gate(r#""max_secrets":0"#);
    let with = |found| move |w: &mut World| vec![analysed(w, |it| it.secrets = found)];
    check(&secrets, with(Some(0)), Pass, "1 error");
    check(&secrets, with(Some(2)), Fail, "2 secrets, policy allows 0");
    check(&secrets, with(None), Indeterminate, "whether it looked for secrets");
}

#[test]
fn a_compromised_signer_does_not_count() {
    let gate = gate(r#""max":{"error":9},"max_age":"1d""#);
    let tainted = |w: &mut World| {
        let entry = analysed(w, |_| {});
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(&gate, tainted, Waiting, "compromised");
}
