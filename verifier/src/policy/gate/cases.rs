//! What the cases of all gates share: one gate, one history, one answer; and the table of eight
//! cases that each gate has.

use schemas::id::{Digest, EntryIndex};
use schemas::report::{Code, GateVerdict, Verdict};

use crate::admission::Refusal;
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

/// The eight cases of a gate. A gate without one of them does not compile.
///
/// Where a case has no meaning for a gate, its row says why; and where a gate has several ways into a
/// verdict, the tests beside its table have the others.
pub struct Table {
    /// The gate as its policy has it, unless a row brings its own.
    pub gate: &'static str,
    pub pass: Row,
    pub fail: Row,
    /// Somebody accepts the risk of a fail or of what is missing.
    pub waived: Row,
    pub waiting: Row,
    pub indeterminate: Row,
    /// Evidence that would pass, about another artifact than the one that is asked about.
    pub another_artifact: Row,
    /// Evidence that would pass, older than the policy allows.
    pub too_old: Row,
    /// Evidence that would pass, by a signer without the role for it.
    pub without_role: Row,
}

pub type History = fn(&mut World) -> Vec<EntryIndex>;

/// One case.
pub enum Row {
    Case {
        gate: Option<&'static str>,
        /// What happens before the gate is asked; gives the entries that it must name.
        history: History,
        verdict: Verdict,
        /// A part of the reason.
        reason: &'static str,
    },
    /// The gate cannot come to this, because.
    No(&'static str),
}

impl Row {
    pub const fn case(history: History, verdict: Verdict, reason: &'static str) -> Row {
        Row::Case { gate: None, history, verdict, reason }
    }

    /// A case of the same gate with other parameters.
    pub const fn by(
        gate: &'static str,
        history: History,
        verdict: Verdict,
        reason: &'static str,
    ) -> Row {
        Row::Case { gate: Some(gate), history, verdict, reason }
    }
}

impl Table {
    /// The rows by their names, in the order in which documents show them.
    pub fn rows(&self) -> [(&'static str, &Row); 8] {
        [
            ("pass", &self.pass),
            ("fail", &self.fail),
            ("waived", &self.waived),
            ("waiting", &self.waiting),
            ("indeterminate", &self.indeterminate),
            ("about another artifact", &self.another_artifact),
            ("too old", &self.too_old),
            ("signer without the role", &self.without_role),
        ]
    }

    /// What the gate says in a case, and the entries that it must name; none where the case has no
    /// meaning.
    pub fn answer(&self, row: &Row) -> Option<(GateVerdict, Vec<EntryIndex>)> {
        let Row::Case { gate, history, .. } = row else { return None };
        let gate = gate.unwrap_or(self.gate);
        let mut world = World::with_gates("[]", &format!("[{gate}]"));
        let entries = history(&mut world);
        let mut answers = ask(&world);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(world.replay().disagreed, 0, "what was decided on the way");
        Some((answers.remove(0), entries))
    }
}

/// Security accepts the risk of this gate: its waiver is looked at beside what the gate looked at.
pub fn waived(world: &mut World, gate: &str, mut entries: Vec<EntryIndex>) -> Vec<EntryIndex> {
    let body = world.waiver_body(gate, Some("prod"));
    entries.push(world.waive("sara", &body).unwrap());
    entries
}

/// Something was logged that the gate does not look at.
pub fn unseen(_: EntryIndex) -> Vec<EntryIndex> {
    Vec::new()
}

/// Whoever has not the role is refused before anything is logged.
#[track_caller]
pub fn refused(logged: Result<EntryIndex, Refusal>) -> Vec<EntryIndex> {
    match logged {
        Err(Refusal::Rule(finding)) => assert_eq!(finding.code, Code::RoleMissing, "{finding:?}"),
        other => panic!("{other:?}"),
    }
    Vec::new()
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
