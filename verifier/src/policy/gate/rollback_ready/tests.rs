use schemas::predicate::rehearsal::{RehearsalOf, RehearsalResult};
use schemas::report::Verdict::{Fail, Pass, Waiting, Waived};

use crate::fixture::{DAY, HOUR, World, artifact};
use crate::policy::gate::cases::{app, check, compromise, other};

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

#[test]
fn a_first_release_may_be_waived() {
    let accepted = |w: &mut World| {
        let body = w.waiver_body("rollback-ready", Some("prod"));
        vec![w.waive("sara", &body).unwrap()]
    };
    check_after(GATE, accepted, Waived, "nothing to go back to");
}
