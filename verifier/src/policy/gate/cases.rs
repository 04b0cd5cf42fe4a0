//! What the cases of all gates share: one gate, one history, one answer.

use schemas::id::{Digest, EntryIndex};
use schemas::report::{GateVerdict, Verdict};

use crate::fixture::body::{self, BUILDER, SOURCE};
use crate::fixture::{World, artifact, commit, environment};

/// The artifact that every case asks about.
pub fn app() -> Digest {
    artifact("app")
}

/// Another artifact of the same project.
pub fn other() -> Digest {
    artifact("other")
}

/// The commit that the artifact is built from.
pub fn source() -> Digest {
    commit("app")
}

/// Logs a policy with this one gate in `prod`, then a history, and asks.
///
/// The history gives the entries that the gate must name. Whatever does not admit names the next
/// step, and whatever admits names none.
#[track_caller]
pub fn check(
    gate: &str,
    history: impl FnOnce(&mut World) -> Vec<EntryIndex>,
    verdict: Verdict,
    reason: &str,
) {
    let mut world = World::with_gates("[]", &format!("[{gate}]"));
    let entries = history(&mut world);
    let answers = ask(&world);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_answer(&answers[0], verdict, reason, &entries);
}

/// Asks about the artifact in `prod`, with the newest open request if there is one.
pub fn ask(world: &World) -> Vec<GateVerdict> {
    let slice = world.sequence.state.environment(&environment("prod"));
    let request = slice.unwrap().and_then(|slice| slice.requests.keys().next_back().copied());
    world.evaluate("prod", &app(), request).gates
}

#[track_caller]
pub fn assert_answer(answer: &GateVerdict, verdict: Verdict, reason: &str, entries: &[EntryIndex]) {
    assert_eq!(answer.verdict, verdict, "{answer:?}");
    assert!(answer.reason.contains(reason), "{reason}: {answer:?}");
    assert_eq!(answer.next.is_none(), verdict.admits(), "{answer:?}");
    assert_eq!(answer.entries, entries, "{answer:?}");
}

/// Records a build from several commits.
pub fn build_of(world: &mut World, commits: &[&Digest]) -> EntryIndex {
    let sources: Vec<(&str, &Digest)> = commits.iter().map(|it| (SOURCE, *it)).collect();
    let body = body::build(BUILDER, &sources);
    let kind = schemas::predicate::build::TYPE;
    world.record("ci", &app(), kind, &body).unwrap()
}

/// Records a predicate of this type that nobody can read.
pub fn unreadable(world: &mut World, predicate_type: &str) -> EntryIndex {
    unreadable_about(world, &app(), predicate_type)
}

/// Records one about something else.
pub fn unreadable_about(world: &mut World, subject: &Digest, predicate_type: &str) -> EntryIndex {
    let body = serde_json::json!({"unlike": "anything"});
    world.record("ci", subject, predicate_type, &body).unwrap()
}

/// Calls a key compromised from an entry on.
pub fn compromise(world: &mut World, name: &str, from: EntryIndex) {
    let key = crate::fixture::key_id(name);
    let notice = schemas::trust::Compromise { key, from };
    world.amend(|document| document.compromises.push(notice)).unwrap();
}
