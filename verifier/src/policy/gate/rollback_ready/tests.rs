use schemas::id::Digest;
use schemas::predicate::rehearsal::{self, RehearsalOf, RehearsalResult};
use schemas::report::Verdict::{Fail, Pass, Waiting, Waived};

use crate::fixture::{DAY, HOUR, World, artifact};
use crate::policy::gate::cases::{Row, Table, app, check, compromise, other, refused, waived};

const GATE: &str = r#"{"rollback-ready":{},"waiver":{"by":["security"],"max":"30d"}}"#;
const FIRST: &str = r#"{"rollback-ready":{"first":true}}"#;
const SEEN: &str = r#"{"rollback-ready":{"seen_within":"1h"}}"#;
const REHEARSED: &str = r#"{"rollback-ready":{"rehearsed_in":"staging","max_age":"7d"}}"#;

/// The other artifact is granted in `prod` and runs there. (Its grant needs the gate itself: a
/// rollback to it was granted before the policy asked for any.)
fn runs(world: &mut World) -> Vec<u64> {
    world.policy("paul", &crate::fixture::body::policy_json("[]", "[]")).unwrap();
    let request = world.request(&other(), "prod").unwrap();
    world.decide(request).unwrap();
    vec![world.deploy(&other(), "prod").unwrap()]
}

/// Runs a history before the gate is in force.
#[track_caller]
fn check_after(
    gate: &str,
    history: impl FnOnce(&mut World) -> Vec<u64>,
    verdict: schemas::report::Verdict,
    reason: &str,
) {
    let asked = |world: &mut World| {
        let entries = history(world);
        let policy = crate::fixture::body::policy_json("[]", &format!("[{gate}]"));
        world.policy("paul", &policy).unwrap();
        entries
    };
    check(gate, asked, verdict, reason);
}

const WAIVABLE: &str = r#"{"rollback-ready":{"rehearsed_in":"staging","max_age":"7d"},
    "waiver":{"by":["security"],"max":"30d"}}"#;

/// Going back to the other artifact, which runs in `prod`, was rehearsed so long ago.
fn rehearsed(world: &mut World, of: &Digest, result: RehearsalResult, ms: i64) -> Vec<u64> {
    let mut entries = runs(world);
    entries.push(world.rehearse(of, "staging", RehearsalOf::Rollback, result).unwrap());
    world.wait(ms);
    in_force(world, entries)
}

/// The gate comes into force behind what was done without it.
fn in_force(world: &mut World, entries: Vec<u64>) -> Vec<u64> {
    let policy = crate::fixture::body::policy_json("[]", &format!("[{WAIVABLE}]"));
    world.policy("paul", &policy).unwrap();
    entries
}

pub const TABLE: Table = Table {
    gate: WAIVABLE,
    pass: Row::case(
        |w| rehearsed(w, &other(), RehearsalResult::Passed, 0),
        Pass,
        ", rehearsed in staging",
    ),
    fail: Row::case(
        |w| rehearsed(w, &other(), RehearsalResult::Failed, 0),
        Fail,
        "; its rehearsal in staging failed",
    ),
    waived: Row::case(
        |w| waived(w, "rollback-ready", vec![]),
        Waived,
        "\"not reachable\"; nothing else has run in prod, so there is nothing to go back to",
    ),
    waiting: Row::case(
        |_| vec![],
        Waiting,
        "nothing else has run in prod, so there is nothing to go back to",
    ),
    indeterminate: Row::No(
        "deployments, observations and rehearsals are read strictly before they are logged, so none is \
         unreadable",
    ),
    // One rehearses going back to what runs now, and not to what shall.
    another_artifact: Row::case(
        |w| rehearsed(w, &app(), RehearsalResult::Passed, 0)[..1].to_vec(),
        Waiting,
        "; not rehearsed in staging",
    ),
    too_old: Row::case(
        |w| rehearsed(w, &other(), RehearsalResult::Passed, 7 * DAY),
        Waiting,
        "rehearsal in staging is 7 d old, policy allows 7d",
    ),
    without_role: Row::case(
        |w| {
            let entries = runs(w);
            let body = w.rehearsal_body("staging", RehearsalOf::Rollback, RehearsalResult::Passed);
            refused(w.record("bot", &other(), rehearsal::TYPE, &body));
            in_force(w, entries)
        },
        Waiting,
        "; not rehearsed in staging",
    ),
};

#[test]
fn there_is_something_granted_to_go_back_to() {
    check_after(GATE, |_| vec![], Waiting, "nothing else has run in prod");
    check_after(FIRST, |_| vec![], Pass, "this is the first");
    check_after(GATE, runs, Pass, "back to sha256:");
    let ungranted = |w: &mut World| vec![w.deploy(&other(), "prod").unwrap()];
    check_after(GATE, ungranted, Waiting, "which was never granted in prod");
    // Where it runs already, one goes back to what ran before it.
    let again = |w: &mut World| {
        let entries = runs(w);
        w.deploy(&app(), "prod").unwrap();
        entries
    };
    check_after(GATE, again, Pass, "back to");
    let only = |w: &mut World| {
        w.deploy(&app(), "prod").unwrap();
        vec![]
    };
    check_after(GATE, only, Waiting, "nothing else has run");
}

#[test]
fn it_is_still_seen() {
    check_after(SEEN, runs, Waiting, "which nobody has seen");
    let seen = |names: &'static [&'static str], ms: i64| {
        move |w: &mut World| {
            let mut entries = runs(w);
            let digests: Vec<_> = names.iter().map(|name| artifact(name)).collect();
            entries.push(w.observe("prod", &digests.iter().collect::<Vec<_>>()).unwrap());
            w.wait(ms);
            entries
        }
    };
    let fresh = |w: &mut World| {
        let mut entries = seen(&["x", "other"], HOUR - 10_000)(w);
        entries.truncate(1);
        entries
    };
    check_after(SEEN, fresh, Pass, "back to");
    check_after(SEEN, seen(&["other"], HOUR + 1), Waiting, "prod was seen 1 h ago");
    check_after(SEEN, seen(&["x"], 0), Waiting, "which is not seen in prod");
    let tainted = |w: &mut World| {
        let entries = seen(&["other"], 0)(w);
        compromise(w, "ci", entries[1]);
        entries
    };
    check_after(SEEN, tainted, Waiting, "seen by a key that is compromised");
}

#[test]
fn going_back_was_rehearsed() {
    check_after(REHEARSED, runs, Waiting, "not rehearsed in staging");
    let tried = |result, ms: i64| {
        move |w: &mut World| {
            let mut entries = runs(w);
            let rollback = RehearsalOf::Rollback;
            entries.push(w.rehearse(&other(), "staging", rollback, result).unwrap());
            w.wait(ms);
            entries
        }
    };
    check_after(REHEARSED, tried(RehearsalResult::Passed, 0), Pass, "rehearsed in staging");
    check_after(REHEARSED, tried(RehearsalResult::Failed, 0), Fail, "in staging failed");
    let old = tried(RehearsalResult::Passed, 7 * DAY);
    check_after(REHEARSED, old, Waiting, "rehearsal in staging is 7 d old");
    let unrelated = |w: &mut World| {
        let entries = runs(w);
        let (migration, rollback) = (RehearsalOf::Migration, RehearsalOf::Rollback);
        let passed = RehearsalResult::Passed;
        w.rehearse(&other(), "staging", migration, passed).unwrap();
        w.rehearse(&other(), "prod", rollback, passed).unwrap();
        w.rehearse(&app(), "staging", rollback, passed).unwrap();
        entries
    };
    check_after(REHEARSED, unrelated, Waiting, "not rehearsed in staging");
    let tainted = |w: &mut World| {
        let entries = tried(RehearsalResult::Passed, 0)(w);
        compromise(w, "ci", entries[1]);
        entries
    };
    check_after(REHEARSED, tainted, Waiting, "compromised");
}
