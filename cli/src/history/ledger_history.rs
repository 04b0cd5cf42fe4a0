//! Reading the ledger that is here.

use schemas::id::EntryIndex;
use schemas::thread::ThreadId;
use verifier::entry::Entry;
use verifier::event::{Body, Event};
use verifier::merkle;
use verifier::signed::{KeyRing, signed_by};
use verifier::trust::Trust;

use super::Line;
use crate::failure::Failure;
use crate::service::Service;

pub struct LedgerHistory {
    pub service: Service,
    /// Every trust document with its keys, from the entry that put it in force.
    trusts: Vec<(EntryIndex, Trust, KeyRing)>,
}

impl LedgerHistory {
    pub fn new(service: Service) -> Result<LedgerHistory, Failure> {
        let mut trusts = Vec::new();
        for stored in service.thread(&ThreadId::Control)? {
            let event = stored.envelope.as_deref().map(Event::read).transpose();
            if let Some(Body::Trust(body, _)) =
                event.map_err(Failure::unexpected)?.map(|it| it.body)
            {
                let trust = Trust::of(body.trust).map_err(Failure::unexpected)?;
                let ring = KeyRing::of_document(&trust);
                trusts.push((stored.index, trust, ring));
            }
        }
        Ok(LedgerHistory { service, trusts })
    }

    /// The trust document in force just before an entry; entry 0 brings its own.
    fn trust_at(&self, index: EntryIndex) -> Option<&(EntryIndex, Trust, KeyRing)> {
        let before = self.trusts.iter().rev().find(|(from, ..)| *from < index);
        before.or(self.trusts.first())
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
        let signers =
            event.as_ref().map_or_else(Vec::new, |event| self.signers(event, entry.index));
        Ok(Line { leaf: merkle::leaf_hash(&stored.entry), entry, event, signers })
    }

    /// The names behind the signatures that verify, by the trust document in force then.
    fn signers(&self, event: &Event, index: EntryIndex) -> Vec<String> {
        let Some((_, trust, ring)) = self.trust_at(index) else {
            return Vec::new();
        };
        let mut names: Vec<String> = Vec::new();
        for key in signed_by(event, ring) {
            let name = match trust.identity(&key, index) {
                Some(identity) => identity.to_string(),
                None if matches!(event.body, Body::Trust(..)) => format!("root {}", key.short()),
                None => format!("key {}", key.short()),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Some of the lines back from an index, and where to go on.
    pub fn back(
        &self,
        thread: Option<&ThreadId>,
        from: Option<EntryIndex>,
        most: u64,
    ) -> Result<(Vec<Line>, Option<EntryIndex>), Failure> {
        let page = self.service.page_back(thread, from, most)?;
        let lines = page.entries.iter().map(|stored| self.line(stored));
        Ok((lines.collect::<Result<_, _>>()?, page.next))
    }

    /// Some of the lines in a range, and where to go on.
    pub fn lines(
        &self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<(Vec<Line>, EntryIndex), Failure> {
        let stored = self.service.entries(from, to)?;
        let next = stored.last().map_or(to, |last| last.index + 1);
        let lines = stored.iter().map(|stored| self.line(stored)).collect::<Result<_, _>>()?;
        Ok((lines, next))
    }
}
