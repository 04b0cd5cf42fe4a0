use schemas::predicate::analysis;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};

use super::*;
use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{app, check, compromise, other};

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
fn what_is_missing_old_or_doubtful_does_not_pass() {
    let gate = gate(r#""max":{"error":9},"max_age":"1d""#);
    check(&gate, |_| vec![], Waiting, "no analysis is recorded");
    let about_another = |w: &mut World| {
        w.analysis(&other(), "lint", LEVELS).unwrap();
        vec![]
    };
    check(&gate, about_another, Waiting, "no analysis");
    let old = |w: &mut World| {
        let entry = analysed(w, |_| {});
        w.wait(DAY + 1);
        vec![entry]
    };
    check(&gate, old, Waiting, "1 d old, policy allows 1d");
    let tainted = |w: &mut World| {
        let entry = analysed(w, |_| {});
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(&gate, tainted, Waiting, "compromised");
    let mut world = World::with_gates("[]", &format!("[{gate}]"));
    let body = world.analysis_body("lint", LEVELS);
    assert!(world.record("bot", &app(), analysis::TYPE, &body).is_err());
}
