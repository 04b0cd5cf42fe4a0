use schemas::predicate::measurement;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use crate::fixture::{DAY, World, artifact};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unseen, waived,
};

/// A gate on latency with these further parameters.
fn gate(rest: &str) -> String {
    format!(r#"{{"measurement":{{"metric":"latency.p95",{rest}}}}}"#)
}

/// Records a latency in milliseconds about an artifact.
fn latency(world: &mut World, of: &schemas::id::Digest, value: &str, samples: Option<u64>) -> u64 {
    let mut body = world.measurement_body(&[("latency.p95", value)]);
    body.metrics[0].unit = Some("ms".to_owned());
    body.metrics[0].samples = samples;
    world.record("ci", of, measurement::TYPE, &body).unwrap()
}

pub const TABLE: Table = Table {
    gate: r#"{"measurement":{"metric":"latency.p95","max":"200","min_samples":1000,"max_age":"1d"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| vec![latency(w, &app(), "150", Some(1000))], Pass, "latency.p95 is 150 ms"),
    fail: Row::case(
        |w| vec![latency(w, &app(), "201", Some(1000))],
        Fail,
        "latency.p95 is 201 ms, policy allows at most 200",
    ),
    waived: Row::case(
        |w| {
            let slow = latency(w, &app(), "201", Some(1000));
            waived(w, "measurement", vec![slow])
        },
        Waived,
        "\"not reachable\"; latency.p95 is 201 ms, policy allows at most 200",
    ),
    waiting: Row::case(
        |w| vec![latency(w, &app(), "150", Some(999))],
        Waiting,
        "latency.p95 rests on 999 samples, policy asks for 1000",
    ),
    // Measurements are read strictly before they are logged; this one leaves out what is asked for.
    indeterminate: Row::case(
        |w| vec![latency(w, &app(), "150", None)],
        Indeterminate,
        "latency.p95 does not say its samples, policy asks for 1000",
    ),
    another_artifact: Row::case(
        |w| unseen(latency(w, &other(), "150", Some(1000))),
        Waiting,
        "no latency.p95 is recorded",
    ),
    too_old: Row::case(
        |w| {
            let measured = latency(w, &app(), "150", Some(1000));
            w.wait(DAY + 1);
            vec![measured]
        },
        Waiting,
        "latency.p95 is 1 d old, policy allows 1d",
    ),
    without_role: Row::case(
        |w| {
            let body = w.measurement_body(&[("latency.p95", "150")]);
            refused(w.record("bot", &app(), measurement::TYPE, &body))
        },
        Waiting,
        "no latency.p95 is recorded",
    ),
};

#[test]
fn limits_are_exact() {
    for (rest, value, verdict, reason) in [
        (r#""max":"200""#, "200", Pass, "latency.p95 is 200 ms"),
        (r#""max":"200""#, "200.0000000000000000001", Fail, "policy allows at most 200"),
        (r#""min":"0.1""#, "0.10", Pass, "0.10"),
        (r#""min":"0.1""#, "0.09999999999999999999", Fail, "policy asks for at least 0.1"),
        (r#""min":"1","max":"9""#, "5", Pass, "5 ms"),
        (r#""max":"9","unit":"ms""#, "5", Pass, "5 ms"),
        (r#""max":"9","unit":"s""#, "5", Indeterminate, "is in ms, policy asks for s"),
    ] {
        check(&gate(rest), |w| vec![latency(w, &app(), value, None)], verdict, reason);
    }
}

#[test]
fn a_number_rests_on_enough_samples() {
    let gate = gate(r#""max":"200","min_samples":1000"#);
    let with = |samples| move |w: &mut World| vec![latency(w, &app(), "150", samples)];
    check(&gate, with(Some(1000)), Pass, "150");
    check(&gate, with(Some(999)), Waiting, "999 samples, policy asks for 1000");
    check(&gate, with(None), Indeterminate, "does not say its samples");
}

/// Its place goes by the log, its age by the clock of whoever measured: an old number that comes late
/// hides a fresher one, and waits where the policy bounds its age.
#[test]
fn a_number_that_comes_late_takes_the_place_of_a_fresher_one() {
    let late = |hours: i64| {
        move |w: &mut World| {
            let mut body = w.measurement_body(&[("latency.p95", "100")]);
            body.measured_at = Some(w.now.plus_ms(-hours * DAY / 24));
            latency(w, &app(), "300", None);
            vec![w.record("ci", &app(), measurement::TYPE, &body).unwrap()]
        }
    };
    let limited = gate(r#""max":"200","max_age":"1h""#);
    check(&limited, late(2), Waiting, "latency.p95 is 2 h old, policy allows 1h");
    check(&limited, late(1), Waiting, "1 h old");
    check(&limited, late(0), Pass, "latency.p95 is 100");
    check(&gate(r#""max":"200""#), late(48), Pass, "latency.p95 is 100");
}

#[test]
fn a_compromised_signer_does_not_count() {
    let gate = gate(r#""max":"200","max_age":"1d""#);
    let tainted = |w: &mut World| {
        let entry = latency(w, &app(), "1", None);
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(&gate, tainted, Waiting, "compromised");
}

#[test]
fn the_version_that_runs_there_is_the_measure() {
    let gate = gate(r#""max_increase_percent":"5","max_decrease_percent":"50""#);
    let running = artifact("running");
    let with = |base: &'static str, value: &'static str| {
        let running = running.clone();
        move |w: &mut World| {
            let base = latency(w, &running, base, None);
            w.deploy(&running, "prod").unwrap();
            vec![base, latency(w, &app(), value, None)]
        }
    };
    check(&gate, with("200", "210"), Pass, "latency.p95 is 210 ms; latency.p95 of ");
    check(&gate, with("200", "210.01"), Fail, "is 210.01, more than 5 % above 200 of ");
    check(&gate, with("200", "100"), Pass, "is 200");
    check(&gate, with("200", "99.9"), Fail, "more than 50 % below 200");
    check(&gate, with("0", "1"), Indeterminate, "nothing is a percentage of that");
    let first = |w: &mut World| vec![latency(w, &app(), "1", None)];
    check(&gate, first, Pass, "nothing ran in prod to compare with");
    let elsewhere = |w: &mut World| {
        w.deploy(&running, "staging").unwrap();
        vec![latency(w, &app(), "1", None)]
    };
    check(&gate, elsewhere, Pass, "nothing ran in prod");
    let unmeasured = |w: &mut World| {
        w.deploy(&running, "prod").unwrap();
        vec![latency(w, &app(), "1", None)]
    };
    check(&gate, unmeasured, Waiting, "which runs in prod, is not recorded");
    let itself = |w: &mut World| {
        w.deploy(&app(), "prod").unwrap();
        vec![latency(w, &app(), "1", None)]
    };
    check(&gate, itself, Pass, "itself runs in prod");
    let other_unit = |w: &mut World| {
        let body = w.measurement_body(&[("latency.p95", "1")]);
        let base = w.record("ci", &running, measurement::TYPE, &body).unwrap();
        w.deploy(&running, "prod").unwrap();
        vec![base, latency(w, &app(), "1", None)]
    };
    check(&gate, other_unit, Indeterminate, "is in another unit");
}
