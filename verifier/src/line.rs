//! A log position as it is shown: the entry, what its envelope says, and who signed it.
//!
//! Decides nothing. Lists and trees are made of lines, wherever they were read.

use schemas::id::{EntryIndex, Hash, KeyId};
use schemas::kind::EventKind;

use crate::entry::{Entry, EntryError};
use crate::event::{Body, Event, EventError};
use crate::merkle;
use crate::signed::{KeyRing, signed_by};
use crate::trust::{Trust, TrustError};

/// A log position, read.
#[derive(Debug, Clone)]
pub struct Line {
    pub entry: Entry,
    pub leaf: Hash,
    /// None where the envelope is elsewhere: at the statement's first part, or withheld.
    pub event: Option<Event>,
    /// The names of whoever signed, or the beginning of a key that nobody owns now.
    pub signers: Vec<String>,
    /// Their keys, as far as the trust document of then knew them.
    pub keys: Vec<KeyId>,
}

/// Why what is stored at a position cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Event(#[from] EventError),
}

/// A trust document with its keys, to tell who signed what was logged while it was in force.
#[derive(Debug, Clone)]
pub struct InForce {
    trust: Trust,
    ring: KeyRing,
}

impl InForce {
    /// The document that a trust event puts in force; none where it is another kind of event.
    pub fn of(event: Event) -> Result<Option<InForce>, TrustError> {
        let Body::Trust(body, _) = event.body else { return Ok(None) };
        let trust = Trust::of(body.trust)?;
        let ring = KeyRing::of_document(&trust);
        Ok(Some(InForce { trust, ring }))
    }

    /// The names behind the signatures that verify, and the keys.
    fn signers(&self, event: &Event, index: EntryIndex) -> (Vec<String>, Vec<KeyId>) {
        let mut names: Vec<String> = Vec::new();
        let keys = signed_by(event, &self.ring);
        for key in &keys {
            let name = match self.trust.identity(key, index) {
                Some(identity) => identity.to_string(),
                // Root keys are nobody's.
                None if matches!(event.body, Body::Trust(..)) => format!("root {}", key.short()),
                None => format!("key {}", key.short()),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (names, keys)
    }
}

impl Line {
    /// Reads what is stored at a position. `in_force` is the trust document in force just before
    /// it; entry 0 brings its own.
    pub fn read(
        entry: &[u8],
        envelope: Option<&[u8]>,
        in_force: Option<&InForce>,
    ) -> Result<Line, LineError> {
        let leaf = merkle::leaf_hash(entry);
        let entry = Entry::parse(entry)?;
        let event = envelope.map(Event::read).transpose()?;
        let (signers, keys) = match (&event, in_force) {
            (Some(event), Some(in_force)) => in_force.signers(event, entry.index),
            (None, _) | (_, None) => (Vec::new(), Vec::new()),
        };
        Ok(Line { entry, leaf, event, signers, keys })
    }

    /// The kind, by the type alone where the envelope is elsewhere.
    pub fn kind(&self) -> EventKind {
        match &self.event {
            Some(event) => event.kind,
            None => EventKind::of_type(&self.entry.predicate_type),
        }
    }
}
