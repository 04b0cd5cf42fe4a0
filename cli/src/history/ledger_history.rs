//! Reading the ledger that is here.

use schemas::id::EntryIndex;
use verifier::entry::Entry;
use verifier::event::Event;
use verifier::merkle;
use verifier::signed::{KeyRing, signed_by};
use verifier::trust::Trust;

use super::Line;
use crate::failure::Failure;
use crate::service::Service;

pub struct LedgerHistory {
    pub service: Service,
    trust: Trust,
    ring: KeyRing,
}

impl LedgerHistory {
    pub fn new(service: Service) -> Result<LedgerHistory, Failure> {
        let (_, document) = service.trust()?;
        let trust = Trust::of(document).map_err(Failure::unexpected)?;
        let ring = KeyRing::of(&trust);
        Ok(LedgerHistory {
            service,
            trust,
            ring,
        })
    }

    /// Reads what is stored at a position.
    pub fn line(&self, stored: &ledger::Stored) -> Result<Line, Failure> {
        let broken = |cause: &dyn std::fmt::Display| {
            let exit = crate::exit::Exit::Integrity;
            let message = format!("entry {}: {cause}", stored.index);
            Failure::new(exit, "entry-malformed", message).hint("attestry verify --trust PIN")
        };
        let entry = Entry::parse(&stored.entry).map_err(|cause| broken(&cause))?;
        let event = stored.envelope.as_deref().map(Event::read).transpose();
        let event = event.map_err(|cause| broken(&cause))?;
        let signers = event
            .as_ref()
            .map_or_else(Vec::new, |event| self.signers(event, entry.index));
        Ok(Line {
            leaf: merkle::leaf_hash(&stored.entry),
            entry,
            event,
            signers,
        })
    }

    /// The names behind the signatures that verify, by the trust document in force now.
    fn signers(&self, event: &Event, index: EntryIndex) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for key in signed_by(event, &self.ring) {
            let name = match self.trust.identity(&key, index) {
                Some(identity) => identity.to_string(),
                None if self.trust.sound_roots(index).contains(&key) => {
                    format!("root {}", key.short())
                }
                None => format!("key {}", key.short()),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Some of the lines in a range, and where to go on.
    pub fn lines(
        &self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<(Vec<Line>, EntryIndex), Failure> {
        let stored = self.service.entries(from, to)?;
        let next = stored.last().map_or(to, |last| last.index + 1);
        let lines = stored
            .iter()
            .map(|stored| self.line(stored))
            .collect::<Result<_, _>>()?;
        Ok((lines, next))
    }
}
