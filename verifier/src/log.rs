//! Verifies a whole log: everything from bytes, every entry re-derived.
//!
//! Reading and signature checks run over all cores; the fold is one thread that runs beside them,
//! a batch behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::id::{EntryIndex, Hash, KeyId, Origin, Time, TreeSize};
use schemas::kind::EventKind;
use schemas::predicate::Seen;
use schemas::report::{Code, Finding};

use crate::admission::{Accepted, Moment, Refusal, check_genesis, judge};
use crate::chain::Chain;
use crate::entry::{Entry, genesis_prev};
use crate::event::{Body, Event, EventError};
use crate::merkle::proof::verify_consistency;
use crate::projection::State;
use crate::signed::KeyRing;
pub use placing::{check_envelope, compare_lines};
use placing::{check_part, logged_code};
use reading::{Reading, Signed};

mod placing;
mod reading;

/// Most findings that a report keeps; the counts go on.
const FINDINGS_MAX: usize = 10_000;

/// Records that are read while those before them are folded: enough for every core, and few
/// enough that they are still in its cache when their turn comes.
const STEP: usize = 64;

/// One log position as stored: the envelope comes with the first part of its statement.
#[derive(Debug, Clone)]
pub struct Record {
    pub entry: Vec<u8>,
    pub envelope: Option<Vec<u8>>,
}

/// Where a log is read from, in order.
pub trait LogSource {
    type Error;
    /// The next records; an empty list at the end.
    fn next_records(&mut self) -> Result<Vec<Record>, Self::Error>;
    /// A proof that the log at `to` extends the log at `from`.
    fn consistency(&mut self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, Self::Error>;
}

/// What was counted on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub signatures: u64,
    pub decisions: u64,
    pub heads: u64,
    pub kinds: BTreeMap<EventKind, u64>,
    pub findings: u64,
}

/// What verification of a log found.
#[derive(Debug)]
pub struct LogReport {
    pub size: TreeSize,
    /// The root that the entries hash to.
    pub root: Hash,
    /// The leaf hash of entry 0.
    pub genesis: Option<Hash>,
    pub findings: Vec<Finding>,
    pub counts: Counts,
    /// The state at the end.
    pub state: State,
    /// The entries broke off: nothing after them was looked at.
    pub halted: bool,
}

/// Hears every statement of a log at its last part, judged, just before it is folded.
pub trait Hearing: Send {
    fn hear(
        &mut self,
        state: &State,
        event: &Event,
        judged: &Result<Accepted, Refusal>,
        at: &Moment,
    );
}

impl Hearing for () {
    fn hear(&mut self, _: &State, _: &Event, _: &Result<Accepted, Refusal>, _: &Moment) {}
}

/// Verifies every entry of a log from its genesis.
///
/// A finding of class integrity about the structure stops it there: what follows a broken chain
/// has no meaning. Everything else is collected.
pub fn verify_log<S: LogSource>(origin: &Origin, source: &mut S) -> Result<LogReport, S::Error> {
    verify_log_heard(origin, source, &mut ())
}

/// Verifies a log as [`verify_log`] does, while somebody hears what happens in it.
pub fn verify_log_heard<S: LogSource, H: Hearing>(
    origin: &Origin,
    source: &mut S,
    hearing: &mut H,
) -> Result<LogReport, S::Error> {
    let mut fold = Fold::new(origin, hearing);
    let mut waiting: Vec<Reading> = Vec::new();
    while !fold.halted {
        let records = source.next_records()?;
        if records.is_empty() {
            break;
        }
        let mut records = records.into_iter();
        while records.len() > 0 && !fold.halted {
            let step = records.by_ref().take(STEP).collect();
            let (ring, ledger) = (Arc::clone(&fold.ring), fold.ledger);
            let spent = std::mem::take(&mut fold.spent);
            let read = || reading::read(step, &ring, &ledger, spent);
            let batch = std::mem::take(&mut waiting);
            (waiting, ()) = rayon::join(read, || fold.take(batch));
        }
    }
    fold.take(waiting);
    let claims = std::mem::take(&mut fold.seen);
    let (size, root) = (fold.chain.size(), fold.chain.root());
    for ((seen_size, seen_root), index) in claims {
        if fold.halted {
            break;
        }
        let proof = source.consistency(seen_size, size)?;
        if verify_consistency(seen_size, &seen_root, size, &root, &proof).is_err() {
            let detail = format!("its signer saw root {seen_root} at size {seen_size}");
            fold.find(Finding::new(Code::NotExtending, Some(index), detail));
        }
    }
    Ok(fold.finish())
}

/// A statement of which some parts have been seen.
struct Open {
    signed: Box<Signed>,
    entries: Vec<(Entry, Hash)>,
    time_before: Option<Time>,
}

/// The ordered part of the work.
struct Fold<'h, H> {
    hearing: &'h mut H,
    ledger: Hash,
    chain: Chain,
    state: State,
    ring: Arc<KeyRing>,
    open: Option<Open>,
    /// What has been folded, for whoever reads to drop.
    spent: Vec<Option<Box<Signed>>>,
    relied: Vec<(EntryIndex, EntryIndex, KeyId)>,
    seen: BTreeMap<(TreeSize, Hash), EntryIndex>,
    genesis: Option<Hash>,
    findings: Vec<Finding>,
    counts: Counts,
    halted: bool,
}

impl<'h, H: Hearing> Fold<'h, H> {
    fn new(origin: &Origin, hearing: &'h mut H) -> Fold<'h, H> {
        Fold {
            hearing,
            ledger: genesis_prev(origin),
            chain: Chain::genesis(origin),
            state: State::empty(),
            ring: Arc::default(),
            open: None,
            spent: Vec::new(),
            relied: Vec::new(),
            seen: BTreeMap::new(),
            genesis: None,
            findings: Vec::new(),
            counts: Counts::default(),
            halted: false,
        }
    }

    fn find(&mut self, finding: Finding) {
        self.counts.findings += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    fn take(&mut self, batch: Vec<Reading>) {
        let mut rest = batch.into_iter();
        while !self.halted {
            reading::catch_up(rest.as_mut_slice(), &self.ring);
            let Some(reading) = rest.next() else { return };
            if let Err(finding) = self.one(reading) {
                self.find(finding);
                self.halted = true;
            }
        }
    }

    /// Takes one position; an error is a broken structure.
    fn one(&mut self, reading: Reading) -> Result<(), Finding> {
        let index = self.chain.next();
        let entry = reading
            .entry
            .map_err(|cause| Finding::new(Code::EntryMalformed, Some(index), cause.to_string()))?;
        self.chain.check(&entry)?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(&entry, reading.event)?,
        };
        check_part(&open, &entry, &self.state)?;
        self.genesis.get_or_insert(reading.leaf);
        self.chain.push(&entry, reading.leaf);
        let complete = entry.part == entry.parts;
        open.entries.push((entry, reading.leaf));
        if complete {
            self.fold(open)?;
        } else {
            self.open = Some(open);
        }
        Ok(())
    }

    /// Begins a statement at its first part.
    fn begin(
        &self,
        entry: &Entry,
        event: Option<Result<Box<Signed>, EventError>>,
    ) -> Result<Open, Finding> {
        let broken = |code, detail: String| Finding::new(code, Some(entry.index), detail);
        let signed = match event {
            None => return Err(broken(Code::EnvelopeMissing, entry.envelope.to_string())),
            Some(Err(cause)) => return Err(broken(logged_code(cause.code), cause.detail)),
            Some(Ok(signed)) => signed,
        };
        check_envelope(entry, &signed.event)?;
        Ok(Open { signed, entries: Vec::with_capacity(1), time_before: self.chain.time() })
    }

    /// Folds a statement at its last part.
    fn fold(&mut self, open: Open) -> Result<(), Finding> {
        let Some((last, _)) = open.entries.last() else {
            return Ok(());
        };
        let at = Moment {
            index: last.index,
            time: last.time,
            time_before: open.time_before.unwrap_or(last.time),
        };
        let Signed { event, keys, filed, .. } = &*open.signed;
        let judged = check_genesis(event, &self.ledger, at.index)
            .map_err(Refusal::Rule)
            .and_then(|()| judge(&self.state, event, keys, filed.as_ref(), &at));
        self.hearing.hear(&self.state, event, &judged, &at);
        // Heads that the rules refuse claim nothing.
        let heads = judged.as_ref().map_or(Ok(()), |_| self.check_heads(event));
        for (entry, leaf) in &open.entries {
            self.state.advance(entry, *leaf);
        }
        self.counts.events += 1;
        self.counts.signatures += keys.len() as u64;
        *self.counts.kinds.entry(event.kind).or_default() += 1;
        match judged {
            Ok(accepted) => self.accept(event, accepted, &at),
            Err(Refusal::Rule(finding)) => self.find(finding),
            // A complete state misses nothing.
            Err(Refusal::Missing(_)) => {}
        }
        self.spent.push(Some(open.signed));
        heads
    }

    fn accept(&mut self, event: &Event, mut accepted: Accepted, at: &Moment) {
        for notice in std::mem::take(&mut accepted.notices) {
            self.find(notice);
        }
        let relied = accepted.relied.iter().map(|(entry, key)| (at.index, *entry, *key));
        self.relied.extend(relied);
        self.state.apply(event, &accepted, at);
        match &event.body {
            Body::Trust(..) => {
                self.ring = Arc::new(KeyRing::of(&self.state));
            }
            Body::PromotionRequest(body) => self.claim(&body.seen, at.index),
            Body::Approval(body) => self.claim(&body.seen, at.index),
            Body::Decision(_) => self.counts.decisions += 1,
            Body::Heads(_) => self.counts.heads += 1,
            _ => {}
        }
    }

    fn claim(&mut self, seen: &Seen, index: EntryIndex) {
        self.seen.entry((seen.size, seen.root)).or_insert(index);
    }

    /// A heads event must commit to the threads and the state just before it.
    fn check_heads(&mut self, event: &Event) -> Result<(), Finding> {
        let Body::Heads(body) = &event.body else {
            return Ok(());
        };
        // A complete state always has its heads.
        let Ok(heads) = self.state.heads_root() else {
            return Ok(());
        };
        if (body.threads, body.root) == (heads.threads, heads.root) {
            return Ok(());
        }
        let (said, threads) = (body.root, heads.threads);
        let detail =
            format!("says {} threads, {said}; found {threads}, {}", body.threads, heads.root);
        Err(Finding::new(Code::HeadsMismatch, Some(body.size), detail))
    }

    fn finish(mut self) -> LogReport {
        if self.open.is_some() && !self.halted {
            let index = Some(self.chain.next());
            self.find(Finding::new(Code::PartsBroken, index, "the log ends within a statement"));
        }
        if let Some(trust) = self.state.trust().cloned() {
            for (decision, entry, key) in std::mem::take(&mut self.relied) {
                if trust.is_tainted(&key, entry) {
                    let detail = format!("on entry {entry}, signed by {}", key.short());
                    self.find(Finding::new(Code::ReliedOnCompromisedKey, Some(decision), detail));
                }
            }
        }
        LogReport {
            size: self.chain.size(),
            root: self.chain.root(),
            genesis: self.genesis,
            findings: self.findings,
            counts: self.counts,
            state: self.state,
            halted: self.halted,
        }
    }
}

#[cfg(test)]
mod tests;
