//! Reading the ledger that is here.

use schemas::id::EntryIndex;
use schemas::thread::ThreadId;
use verifier::event::Event;
use verifier::line::{InForce, Line};

use crate::failure::Failure;
use crate::service::Service;

pub struct LedgerHistory {
    pub service: Service,
    /// Every trust document with its keys, from the entry that put it in force.
    trusts: Vec<(EntryIndex, InForce)>,
}

impl LedgerHistory {
    pub fn new(service: Service) -> Result<LedgerHistory, Failure> {
        let mut trusts = Vec::new();
        for stored in service.thread(&ThreadId::Control)? {
            let event = stored.envelope.as_deref().map(Event::read).transpose();
            let event = event.map_err(Failure::unexpected)?;
            let in_force = event.map(InForce::of).transpose().map_err(Failure::unexpected)?;
            trusts.extend(in_force.flatten().map(|it| (stored.index, it)));
        }
        Ok(LedgerHistory { service, trusts })
    }

    /// The trust document in force just before an entry; entry 0 brings its own.
    fn trust_at(&self, index: EntryIndex) -> Option<&InForce> {
        let before = self.trusts.iter().rev().find(|(from, _)| *from < index);
        before.or(self.trusts.first()).map(|(_, in_force)| in_force)
    }

    /// Reads what is stored at a position.
    pub fn line(&self, stored: &ledger::Stored) -> Result<Line, Failure> {
        let in_force = self.trust_at(stored.index);
        Line::read(&stored.entry, stored.envelope.as_deref(), in_force).map_err(|cause| {
            let exit = crate::exit::Exit::Integrity;
            let message = format!("entry {}: {cause}", stored.index);
            Failure::new(exit, "entry-malformed", message).hint("attestry verify --trust PIN")
        })
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
