//! The fold over the entries of a pack.
//!
//! The state knows the whole threads only. Where the rules would have to look at another one, the
//! event is taken as the log has it: it is in the log, signed by somebody in force, and its effect
//! on the threads that are shown is the same. In the pack's own environment and period nothing is
//! taken so: there it is a finding.

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{EntryIndex, Hash, KeyId, Project, TreeSize};
use schemas::kind::EventKind;
use schemas::report::{Code, Finding};
use schemas::thread::ThreadId;

use super::bag::Scope;
use super::gather;
use super::shown::{Shown, ShownEntry};
use crate::admission::{Accepted, Moment, Refusal, judge, judge_as_logged};
use crate::entry::{Entry, genesis_prev};
use crate::event::{Body, Event};
use crate::merkle;
use crate::projection::{Head, HeadsRoot, State};
use crate::signed::{KeyRing, signed_by};
use crate::thread::derive_threads;

/// The state at the last heads event.
pub struct Snapshot {
    pub index: EntryIndex,
    pub root: HeadsRoot,
    /// The head and the slice hash of every whole thread that has entries; no hash where an
    /// envelope was withheld.
    pub heads: BTreeMap<ThreadId, (Head, Option<Hash>)>,
}

/// What the fold found.
pub struct Replay {
    pub shown: Shown,
    pub state: State,
    pub findings: Vec<Finding>,
    pub signatures: u64,
    pub replayed: u64,
    pub as_logged: u64,
    pub at_heads: Option<Snapshot>,
    pub seen: BTreeMap<(TreeSize, Hash), EntryIndex>,
    /// The evidence and approvals that each decision which was evaluated again relied on.
    pub relied: BTreeMap<EntryIndex, BTreeSet<EntryIndex>>,
}

struct Fold<'a> {
    scope: &'a Scope,
    whole: BTreeSet<ThreadId>,
    /// Whole threads with a withheld envelope: where they end is known, their state is not.
    untold: BTreeSet<ThreadId>,
    ledger: Hash,
    state: State,
    ring: KeyRing,
    out: Vec<Finding>,
    signatures: u64,
    replayed: u64,
    as_logged: u64,
    at_heads: Option<Snapshot>,
    seen: BTreeMap<(TreeSize, Hash), EntryIndex>,
    relied: Vec<(EntryIndex, EntryIndex, KeyId)>,
}

/// Folds every shown event in the order of the log.
pub fn replay(scope: &Scope, mut shown: Shown) -> Replay {
    let whole = gather::threads(scope, &shown);
    let mut fold = Fold {
        scope,
        ledger: genesis_prev(&scope.origin),
        state: State::of_threads(whole.iter().cloned()),
        whole,
        untold: BTreeSet::new(),
        ring: KeyRing::default(),
        out: Vec::new(),
        signatures: 0,
        replayed: 0,
        as_logged: 0,
        at_heads: None,
        seen: BTreeMap::new(),
        relied: Vec::new(),
    };
    let indexes: Vec<EntryIndex> = shown.entries.keys().copied().collect();
    for index in indexes {
        fold.one(index, &mut shown);
    }
    let mut relied: BTreeMap<EntryIndex, BTreeSet<EntryIndex>> = BTreeMap::new();
    for (decision, entry, _) in &fold.relied {
        relied.entry(*decision).or_default().insert(*entry);
    }
    fold.finish_relied();
    Replay {
        shown,
        state: fold.state,
        findings: fold.out,
        signatures: fold.signatures,
        replayed: fold.replayed,
        as_logged: fold.as_logged,
        at_heads: fold.at_heads,
        seen: fold.seen,
        relied,
    }
}

impl Fold<'_> {
    fn find(&mut self, code: Code, index: EntryIndex, detail: impl Into<String>) {
        self.out.push(Finding::new(code, Some(index), detail));
    }

    /// Takes one entry: re-derives its threads, and folds the statement at its last part.
    fn one(&mut self, index: EntryIndex, shown: &mut Shown) {
        let Some(it) = shown.entries.get(&index) else {
            return;
        };
        let (entry, leaf) = (it.entry.clone(), it.leaf);
        let Some(event) = it.event.clone() else {
            self.without_envelope(&entry, shown);
            self.state.advance(&entry, leaf);
            return;
        };
        let filed = filed(shown, &entry);
        if !self.check_threads(&entry, &event, filed.as_ref()) {
            return;
        }
        if entry.part != entry.parts {
            self.state.advance(&entry, leaf);
            return;
        }
        let keys = signed_by(&event, &self.ring);
        self.signatures += keys.len() as u64;
        let time_before = before(shown, &entry);
        let at = Moment { index, time: entry.time, time_before: time_before.unwrap_or(entry.time) };
        let accepted = self.judge(&event, &keys, filed.as_ref(), &at, time_before.is_some());
        // Heads that the rules refuse prove nothing.
        if let (Body::Heads(body), Some(_)) = (&event.body, &accepted) {
            let root = HeadsRoot { threads: body.threads, root: body.root };
            self.at_heads = Some(self.snapshot(index, root));
        }
        self.state.advance(&entry, leaf);
        if let Some(accepted) = accepted {
            self.accept(&event, &accepted, &at, shown);
        }
        if let Some(it) = shown.entries.get_mut(&index) {
            it.keys = keys;
        }
    }

    /// Only other projects' envelopes may be withheld; what they did to a thread cannot be told.
    fn without_envelope(&mut self, entry: &Entry, shown: &Shown) {
        let detail = format!("envelope {} is not in the pack", entry.envelope);
        let filed = filed(shown, entry);
        let may_be_withheld = filed
            .as_ref()
            .is_some_and(|filed| *filed != self.scope.project && may_be_of(filed, entry));
        if !may_be_withheld {
            return self.find(Code::EnvelopeMissing, entry.index, detail);
        }
        let threads = entry.threads.iter().map(|line| &line.thread);
        let known: Vec<ThreadId> = threads.filter(|it| self.whole.contains(it)).cloned().collect();
        if !known.is_empty() {
            self.find(Code::EnvelopeWithheld, entry.index, detail);
            self.untold.extend(known);
        }
    }

    /// The set of thread lines must be the derived one, and so must the number of parts.
    fn check_threads(&mut self, entry: &Entry, event: &Event, filed: Option<&Project>) -> bool {
        let parts = derive_threads(event, filed, &self.ledger);
        let found: Vec<&ThreadId> = entry.threads.iter().map(|line| &line.thread).collect();
        let turn = usize::from(entry.part) - 1;
        if parts.len() != usize::from(entry.parts) {
            let detail = format!("{} parts, the statement gives {}", entry.parts, parts.len());
            self.find(Code::PartsBroken, entry.index, detail);
            return false;
        }
        if !found.iter().copied().eq(&parts[turn]) {
            let names = |threads: &mut dyn Iterator<Item = &ThreadId>| {
                threads.map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let (has, gives) = (names(&mut found.into_iter()), names(&mut parts[turn].iter()));
            let detail = format!("has {has}; the statement gives {gives}");
            self.find(Code::ThreadsNotDerived, entry.index, detail);
            return false;
        }
        true
    }

    fn judge(
        &mut self,
        event: &Event,
        keys: &[KeyId],
        filed: Option<&Project>,
        at: &Moment,
        knows_before: bool,
    ) -> Option<Accepted> {
        let ours = self.is_ours(event, at);
        let refusal = match judge(&self.state, event, keys, filed, at) {
            Ok(accepted) => {
                self.replayed += u64::from(matches!(event.body, Body::Decision(_)));
                return Some(accepted);
            }
            // Without the entry before, its time cannot be told; nothing else is at stake.
            Err(Refusal::Rule(finding)) if finding.code == Code::DecisionTime && !knows_before => {
                None
            }
            Err(Refusal::Rule(finding)) => Some(finding),
            Err(Refusal::Missing(_)) => None,
        };
        if let Some(finding) = refusal {
            self.out.push(finding);
            return None;
        }
        if matches!(event.body, Body::Decision(_)) {
            self.as_logged += 1;
            if ours {
                let detail = "not everything that it read is in the pack";
                self.find(Code::DecisionNotReplayed, at.index, detail);
            }
        }
        match judge_as_logged(&self.state, event, keys, filed, at) {
            Ok(accepted) => Some(accepted),
            Err(Refusal::Rule(finding)) => {
                self.out.push(finding);
                None
            }
            Err(Refusal::Missing(_)) => None,
        }
    }

    /// True for events of the pack's environment in its period.
    fn is_ours(&self, event: &Event, at: &Moment) -> bool {
        event.project() == Some(&self.scope.project)
            && event.environment() == Some(&self.scope.environment)
            && self.scope.holds(at.time)
    }

    fn accept(&mut self, event: &Event, accepted: &Accepted, at: &Moment, shown: &mut Shown) {
        if self.is_ours(event, at) {
            self.out.extend(accepted.notices.iter().cloned());
        }
        let relied = accepted.relied.iter().map(|(entry, key)| (at.index, *entry, *key));
        self.relied.extend(relied);
        self.state.apply(event, accepted, at);
        if let Some(seen) = gather::seen_by(event) {
            self.seen.entry((seen.size, seen.root)).or_insert(at.index);
        }
        if matches!(event.body, Body::Trust(..)) {
            self.ring = KeyRing::of(&self.state);
        }
        if let Some(it) = shown.entries.get_mut(&at.index) {
            it.signers = accepted.signers.iter().map(|signer| signer.identity.clone()).collect();
        }
    }

    fn snapshot(&self, index: EntryIndex, root: HeadsRoot) -> Snapshot {
        let mut heads = BTreeMap::new();
        for (thread, head) in self.state.all_heads() {
            if self.whole.contains(thread) {
                let told = !self.untold.contains(thread);
                let slice = self.state.slice_json(thread).filter(|_| told);
                let slice = slice.map(|json| merkle::sha256(&[&json]));
                heads.insert(thread.clone(), (*head, slice));
            }
        }
        Snapshot { index, root, heads }
    }

    /// Decisions that relied on a key of which it is known by now that it was compromised then.
    fn finish_relied(&mut self) {
        let Some(trust) = self.state.trust().cloned() else {
            return;
        };
        for (decision, entry, key) in std::mem::take(&mut self.relied) {
            if trust.is_tainted(&key, entry) {
                let detail = format!("on entry {entry}, signed by {}", key.short());
                self.find(Code::ReliedOnCompromisedKey, decision, detail);
            }
        }
    }
}

/// The project that a statement is filed under: its first part has the line.
fn filed(shown: &Shown, entry: &Entry) -> Option<Project> {
    let first = gather::all_parts(entry.index, entry.part, entry.parts).start;
    let first = &shown.entries.get(&first)?.entry;
    filed_under(first).filter(|_| (first.part, first.envelope) == (1, entry.envelope))
}

/// True where what is seen of an entry goes with a statement of this project.
fn may_be_of(project: &Project, entry: &Entry) -> bool {
    let kind = EventKind::of_type(&entry.predicate_type);
    !matches!(kind, EventKind::Trust | EventKind::Heads)
        && entry.threads.iter().all(|line| match &line.thread {
            ThreadId::Environment(environment) => environment.project == *project,
            ThreadId::Artifact(_) | ThreadId::Control | ThreadId::Project(_) => true,
        })
}

/// The project that an entry is filed under, by its project line.
pub fn filed_under(entry: &Entry) -> Option<Project> {
    entry.threads.iter().find_map(|line| match &line.thread {
        ThreadId::Project(project) => Some(project.clone()),
        _ => None,
    })
}

/// The time of the entry before a statement's first part, where it is shown.
fn before(shown: &Shown, entry: &Entry) -> Option<schemas::id::Time> {
    let first = gather::all_parts(entry.index, entry.part, entry.parts).start;
    let index = first.checked_sub(1)?;
    shown.entries.get(&index).map(|it: &ShownEntry| it.entry.time)
}
