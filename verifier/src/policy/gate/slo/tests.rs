use schemas::predicate::measurement;
use schemas::report::Verdict::{Fail, Pass, Waiting, Waived};

use crate::fixture::{HOUR, World};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unseen, waived,
};

const GATE: &str = r#"{"slo":{"min_budget_left":"20","max_burn_rate":"2","max_age":"1h"},
    "waiver":{"by":["security"],"max":"30d"}}"#;
const OBJECTIVE: &str = r#"{"slo":{"objective":"checkout","max_burn_rate":"2","max_age":"1h"}}"#;

/// What runs in `prod` has this budget left and this burn rate.
fn burns(left: &'static str, rate: &'static str) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        world.deploy(&other(), "prod").unwrap();
        let left = world.measurement(&other(), "slo.budget-left", left).unwrap();
        vec![left, world.measurement(&other(), "slo.burn-rate", rate).unwrap()]
    }
}

pub const TABLE: Table = Table {
    gate: r#"{"slo":{"min_budget_left":"20","max_burn_rate":"2","max_age":"1h"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| burns("50", "1")(w), Pass, "slo.budget-left is 50; slo.burn-rate is 1"),
    fail: Row::case(
        |w| burns("19.99", "2")(w),
        Fail,
        "slo.budget-left is 19.99, policy asks for at least 20",
    ),
    waived: Row::case(
        |w| {
            let entries = burns("1", "1")(w);
            waived(w, "slo", entries)
        },
        Waived,
        "\"not reachable\"; slo.budget-left is 1, policy asks for at least 20",
    ),
    waiting: Row::case(
        |w| unseen(w.deploy(&other(), "prod").unwrap()),
        Waiting,
        "no slo.budget-left of what runs there is recorded",
    ),
    indeterminate: Row::No(
        "the numbers of measurements and policies are read strictly before they are logged, so none is \
         unreadable",
    ),
    // What counts are the numbers of what runs there, and not those of what shall.
    another_artifact: Row::case(
        |w| {
            w.deploy(&other(), "prod").unwrap();
            w.measurement(&app(), "slo.budget-left", "90").unwrap();
            unseen(w.measurement(&app(), "slo.burn-rate", "1").unwrap())
        },
        Waiting,
        "no slo.budget-left of what runs there is recorded",
    ),
    too_old: Row::case(
        |w| {
            let entries = burns("50", "1")(w);
            w.wait(HOUR + 1);
            entries
        },
        Waiting,
        "slo.budget-left is 1 h old, policy allows 1h",
    ),
    without_role: Row::case(
        |w| {
            w.deploy(&other(), "prod").unwrap();
            let body = w.measurement_body(&[("slo.budget-left", "50"), ("slo.burn-rate", "1")]);
            refused(w.record("bot", &other(), measurement::TYPE, &body))
        },
        Waiting,
        "no slo.budget-left of what runs there is recorded",
    ),
};

#[test]
fn budget_is_left_and_burns_slowly() {
    check(GATE, burns("20", "2"), Pass, "slo.budget-left is 20; slo.burn-rate is 2");
    check(GATE, burns("99.9", "0"), Pass, "99.9");
    let (spent, fast) = ("policy asks for at least 20", "policy allows at most 2");
    let first = |w: &mut World| burns("19.99", "2")(w);
    check(GATE, first, Fail, &format!("slo.budget-left is 19.99, {spent}"));
    check(GATE, burns("20", "2.01"), Fail, &format!("slo.burn-rate is 2.01, {fast}"));
    check(GATE, burns("-3", "9"), Fail, "is -3, policy asks for at least 20; slo.burn-rate is 9");
}

/// It is about what runs there now, and not about what shall run there.
#[test]
fn the_numbers_are_of_what_runs() {
    check(GATE, |_| vec![], Pass, "nothing is deployed in prod yet");
    let one = |w: &mut World| vec![burns("50", "1")(w)[0]];
    let half = |w: &mut World| {
        w.deploy(&other(), "prod").unwrap();
        vec![w.measurement(&other(), "slo.budget-left", "50").unwrap()]
    };
    check(GATE, half, Waiting, "no slo.burn-rate");
    let named = |w: &mut World| {
        one(w);
        vec![w.measurement(&other(), "slo.checkout.burn-rate", "1.5").unwrap()]
    };
    check(OBJECTIVE, named, Pass, "slo.checkout.burn-rate is 1.5");
    check(OBJECTIVE, |w| burns("50", "1")(w).split_off(2), Waiting, "no slo.checkout.burn-rate");
}

/// Telemetry that arrives late must wait, not pass.
#[test]
fn old_numbers_and_tainted_ones_wait() {
    let aged = |ms: i64| {
        move |w: &mut World| {
            let entries = burns("50", "1")(w);
            w.wait(ms);
            entries
        }
    };
    check(GATE, aged(HOUR - 1000), Pass, "50");
    check(GATE, aged(HOUR + 1), Waiting, "slo.budget-left is 1 h old, policy allows 1h");
    let late = |w: &mut World| {
        w.deploy(&other(), "prod").unwrap();
        let metrics = [("slo.budget-left", "50"), ("slo.burn-rate", "1")];
        let mut body = w.measurement_body(&metrics);
        body.measured_at = Some(w.now.plus_ms(-2 * HOUR));
        vec![w.record("ci", &other(), measurement::TYPE, &body).unwrap()]
    };
    check(GATE, late, Waiting, "2 h old");
    let tainted = |w: &mut World| {
        let entries = burns("50", "1")(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(GATE, tainted, Waiting, "compromised");
}
