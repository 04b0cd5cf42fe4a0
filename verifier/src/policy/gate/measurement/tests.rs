use schemas::predicate::measurement;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};

use crate::fixture::{DAY, World, artifact};
use crate::policy::gate::cases::{app, check, compromise, other, unreadable};

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

#[test]
fn what_is_missing_old_or_doubtful_does_not_pass() {
    let gate = gate(r#""max":"200","max_age":"1d""#);
    check(&gate, |_| vec![], Waiting, "no latency.p95 is recorded");
    let about_another = |w: &mut World| {
        latency(w, &other(), "1", None);
        vec![]
    };
    check(&gate, about_another, Waiting, "no latency.p95");
    let old = |w: &mut World| {
        let entry = latency(w, &app(), "1", None);
        w.wait(DAY + 1);
        vec![entry]
    };
    check(&gate, old, Waiting, "1 d old, policy allows 1d");
    let tainted = |w: &mut World| {
        let entry = latency(w, &app(), "1", None);
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(&gate, tainted, Waiting, "compromised");
    // Who has no grant for measurements cannot record one at all.
    let mut world = World::with_gates("[]", &format!("[{gate}]"));
    let body = world.measurement_body(&[("latency.p95", "1")]);
    assert!(world.record("bot", &app(), measurement::TYPE, &body).is_err());
    let _ = unreadable;
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
