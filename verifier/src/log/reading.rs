//! The work on a record that needs no order, and so runs over all cores.

use rayon::prelude::*;
use schemas::id::{Hash, KeyId, Project};
use schemas::thread::ThreadId;

use super::Record;
use crate::entry::{Entry, EntryError};
use crate::event::{Event, EventError};
use crate::merkle;
use crate::signed::{KeyRing, signed_by};
use crate::thread::derive_threads;

/// How many records are looked at again together where other keys are in force. Few, because the
/// next of them may change the keys again.
const AGAIN: usize = 16;

/// A record as far as its bytes alone tell.
pub(super) struct Reading {
    pub leaf: Hash,
    pub entry: Result<Entry, EntryError>,
    pub event: Option<Result<Box<Signed>, EventError>>,
}

/// An event with the known keys that signed it, and the threads that it joins, part by part.
pub(super) struct Signed {
    pub event: Event,
    pub keys: Vec<KeyId>,
    pub filed: Option<Project>,
    pub parts: Vec<Vec<ThreadId>>,
    /// The trust document by whose keys its signatures were checked.
    ring: Option<Hash>,
}

/// Reads records, over all cores; the answers keep the order.
///
/// What the fold is done with is dropped here: memory is freed by the threads that take it, which
/// is what allocators are good at, and the one thread that folds does neither.
pub(super) fn read(
    records: Vec<Record>,
    ring: &KeyRing,
    ledger: &Hash,
    mut spent: Vec<Option<Box<Signed>>>,
) -> Vec<Reading> {
    spent.resize_with(records.len().max(spent.len()), || None);
    records
        .into_par_iter()
        .zip(spent)
        .map(|(record, spent)| {
            drop(spent);
            Reading::of(&record, ring, ledger)
        })
        .collect()
}

/// Checks signatures again where other keys are in force by now, before the first of these is
/// folded: over all cores, and for some that follow it, which were read at the same time.
pub(super) fn catch_up(rest: &mut [Reading], ring: &KeyRing) {
    let stale = |reading: &Reading| reading.signed().is_some_and(|it| it.is_stale(ring));
    if rest.first().is_some_and(stale) {
        let ahead = rest.len().min(AGAIN);
        rest[..ahead].par_iter_mut().for_each(|reading| {
            if let Some(Ok(signed)) = &mut reading.event
                && signed.is_stale(ring)
            {
                signed.check(ring);
            }
        });
    }
}

impl Reading {
    fn of(record: &Record, ring: &KeyRing, ledger: &Hash) -> Reading {
        let entry = Entry::parse(&record.entry);
        let event = record.envelope.as_ref().map(|bytes| {
            let event = Event::read(bytes)?;
            Ok(Box::new(Signed::new(event, entry.as_ref().ok(), ring, ledger)))
        });
        let leaf = merkle::leaf_hash(&record.entry);
        Reading { leaf, entry, event }
    }

    fn signed(&self) -> Option<&Signed> {
        self.event.as_ref()?.as_deref().ok()
    }
}

impl Signed {
    fn new(event: Event, entry: Option<&Entry>, ring: &KeyRing, ledger: &Hash) -> Signed {
        let lines = entry.into_iter().flat_map(|entry| &entry.threads);
        let mut projects = lines.filter_map(|line| match &line.thread {
            ThreadId::Project(project) => Some(project.clone()),
            _ => None,
        });
        let filed = projects.next();
        let parts = derive_threads(&event, filed.as_ref(), ledger);
        let mut signed = Signed { event, keys: Vec::new(), filed, parts, ring: None };
        signed.check(ring);
        signed
    }

    fn check(&mut self, ring: &KeyRing) {
        self.keys = signed_by(&self.event, ring);
        self.ring = ring.version();
    }

    /// True where other keys are in force now.
    fn is_stale(&self, ring: &KeyRing) -> bool {
        self.ring != ring.version()
    }
}
