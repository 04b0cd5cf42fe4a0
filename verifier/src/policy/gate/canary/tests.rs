use schemas::predicate::canary::{self, Canary, CanaryVerdict};
use schemas::report::Verdict::{Fail, Pass, Waiting, Waived};

use crate::fixture::{DAY, HOUR, MINUTE, World};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unseen, waived,
};

const GATE: &str = r#"{"canary":{"min_samples":1000,"min_duration":"30m","max_age":"24h"},
    "waiver":{"by":["security"],"max":"30d"}}"#;
const STAGED: &str = r#"{"canary":{"in":"staging"}}"#;

fn run(world: &mut World, change: impl FnOnce(&mut Canary)) -> u64 {
    let mut body = world.canary_body("prod", CanaryVerdict::Passed);
    change(&mut body);
    world.record("ci", &app(), canary::TYPE, &body).unwrap()
}

fn one(change: fn(&mut Canary)) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| vec![run(world, change)]
}

pub const TABLE: Table = Table {
    gate: r#"{"canary":{"min_samples":1000,"min_duration":"30m","max_age":"24h"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| vec![run(w, |_| {})], Pass, "passed in prod after 1 h, 10000 samples"),
    fail: Row::case(
        |w| vec![w.canary(&app(), "prod", CanaryVerdict::Failed).unwrap()],
        Fail,
        "the canary in prod failed",
    ),
    waived: Row::case(
        |w| {
            let failed = w.canary(&app(), "prod", CanaryVerdict::Failed).unwrap();
            waived(w, "canary", vec![failed])
        },
        Waived,
        "\"not reachable\"; the canary in prod failed",
    ),
    waiting: Row::case(
        |w| vec![w.canary(&app(), "prod", CanaryVerdict::Inconclusive).unwrap()],
        Waiting,
        "the canary in prod could not tell",
    ),
    indeterminate: Row::No(
        "a canary that could not tell waits for another one, and canaries are read strictly before they \
         are logged, so none is unreadable",
    ),
    another_artifact: Row::case(
        |w| unseen(w.canary(&other(), "prod", CanaryVerdict::Passed).unwrap()),
        Waiting,
        "no canary in prod is recorded",
    ),
    // It ended a second before its entry.
    too_old: Row::case(
        |w| {
            let passed = run(w, |_| {});
            w.wait(DAY);
            vec![passed]
        },
        Waiting,
        "canary in prod is 1 d old, policy allows 24h",
    ),
    without_role: Row::case(
        |w| {
            let body = w.canary_body("prod", CanaryVerdict::Passed);
            refused(w.record("bot", &app(), canary::TYPE, &body))
        },
        Waiting,
        "no canary in prod is recorded",
    ),
};

#[test]
fn only_a_final_pass_passes() {
    check(GATE, |_| vec![], Waiting, "no canary in prod is recorded");
    check(GATE, one(|_| {}), Pass, "passed in prod after 1 h, 10000 samples");
    check(GATE, one(|it| it.verdict = CanaryVerdict::Failed), Fail, "the canary in prod failed");
    let unclear = one(|it| it.verdict = CanaryVerdict::Inconclusive);
    check(GATE, unclear, Waiting, "could not tell");
    let runs = one(|it| (it.verdict, it.finished_at) = (CanaryVerdict::Running, None));
    check(GATE, runs, Waiting, "a canary runs in prod since");
}

#[test]
fn a_short_look_is_no_look() {
    let short = one(|it| it.started_at = it.finished_at.unwrap().plus_ms(-29 * MINUTE));
    check(GATE, short, Waiting, "after 29 min, 10000 samples; the policy asks for 30m");
    let few = one(|it| it.samples = Some(999));
    check(GATE, few, Waiting, "999 samples; the policy asks for 1000 samples");
    check(GATE, one(|it| it.samples = None), Waiting, "0 samples; the policy asks for 1000");
}

#[test]
fn the_newest_canary_decides() {
    let then = |verdict| {
        move |w: &mut World| {
            run(w, |_| {});
            vec![w.canary(&app(), "prod", verdict).unwrap()]
        }
    };
    check(GATE, then(CanaryVerdict::Running), Waiting, "a canary runs");
    check(GATE, then(CanaryVerdict::Failed), Fail, "failed");
    check(GATE, then(CanaryVerdict::Inconclusive), Waiting, "could not tell");
    let mended = |w: &mut World| {
        w.canary(&app(), "prod", CanaryVerdict::Failed).unwrap();
        vec![run(w, |_| {})]
    };
    check(GATE, mended, Pass, "passed");
}

#[test]
fn another_environment_age_or_a_compromised_signer_does_not_count() {
    let another = |w: &mut World| {
        w.canary(&other(), "prod", CanaryVerdict::Passed).unwrap();
        w.canary(&app(), "staging", CanaryVerdict::Passed).unwrap();
        vec![]
    };
    check(GATE, another, Waiting, "no canary in prod");
    let staged = |w: &mut World| vec![w.canary(&app(), "staging", CanaryVerdict::Passed).unwrap()];
    check(STAGED, staged, Pass, "passed in staging");
    let aged = |ms: i64| {
        move |w: &mut World| {
            let entries = one(|_| {})(w);
            w.wait(ms);
            entries
        }
    };
    // It ended a second before its entry.
    check(GATE, aged(DAY - 1000), Pass, "passed");
    check(GATE, aged(DAY), Waiting, "canary in prod is 1 d old, policy allows 24h");
    let late = one(|it| {
        it.started_at = it.started_at.plus_ms(-48 * HOUR);
        it.finished_at = it.finished_at.map(|end| end.plus_ms(-48 * HOUR));
    });
    check(GATE, late, Waiting, "2 d old");
    let tainted = |w: &mut World| {
        let entries = one(|_| {})(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(GATE, tainted, Waiting, "compromised");
}
