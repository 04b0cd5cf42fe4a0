//! The trust documents of a log, each with the keys that it put in force: to tell who signed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use schemas::id::EntryIndex;
use schemas::predicate::trust;
use schemas::thread::ThreadId;
use verifier::entry::Entry;
use verifier::event::Event;
use verifier::line::{InForce, Line};

use crate::error::{LedgerError, malformed};
use crate::ledger::Stored;
use crate::store::Read;

/// Most documents that are kept at hand; the places of the others are.
const KEPT_MAX: usize = 32;

/// Where the documents are, and those of them that were needed last.
///
/// The control thread is walked once, and from then on only as far as it has grown: what was logged
/// never changes.
#[derive(Debug, Default)]
pub struct Documents {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The newest entry of the control thread that was looked at.
    up_to: Option<EntryIndex>,
    /// The entries of trust documents, oldest first.
    places: Vec<EntryIndex>,
    /// The newest use last.
    kept: VecDeque<(EntryIndex, Arc<InForce>)>,
}

impl Documents {
    /// Reads what is stored at some positions, with who signed; checks signatures beside the
    /// threads that answer callers.
    pub async fn lines<R: Read>(
        &self,
        read: &mut R,
        stored: Vec<Stored>,
    ) -> Result<Vec<Line>, LedgerError> {
        self.catch_up(read).await?;
        let mut work = Vec::with_capacity(stored.len());
        for one in stored {
            let in_force = self.in_force(read, one.index).await?;
            work.push((one, in_force));
        }
        let read_all = move || {
            let line = |(one, in_force): (Stored, Option<Arc<InForce>>)| {
                Line::read(&one.entry, one.envelope.as_deref(), in_force.as_deref())
                    .map_err(|cause| malformed(format!("entry {}", one.index), cause))
            };
            work.into_iter().map(line).collect()
        };
        tokio::task::spawn_blocking(read_all).await.map_err(|_| LedgerError::Abandoned)?
    }

    /// Walks the control thread back from its end to what is known.
    async fn catch_up<R: Read>(&self, read: &mut R) -> Result<(), LedgerError> {
        let rows = read.threads(&[ThreadId::Control]).await?;
        let Some(newest) = rows.first().map(|row| row.head.index) else { return Ok(()) };
        let up_to = self.known.lock().ok().and_then(|known| known.up_to);
        let (mut found, mut next) = (Vec::new(), Some(newest));
        while let Some(index) = next.filter(|index| up_to.is_none_or(|up_to| *index > up_to)) {
            let bytes = read.entries_alone(index, index + 1).await?.into_iter().next();
            let (_, bytes) = bytes.ok_or(LedgerError::NoEntry(index))?;
            let entry =
                Entry::parse(&bytes).map_err(|cause| malformed(format!("entry {index}"), cause))?;
            if entry.predicate_type == trust::TYPE && entry.part == 1 {
                found.push(index);
            }
            let line = entry.thread(&ThreadId::Control);
            let before = line.and_then(|line| line.before).map(|link| link.index);
            next = before.filter(|before| *before < index);
        }
        if let Ok(mut known) = self.known.lock() {
            // Somebody else may have looked meanwhile: each place stands once.
            found.retain(|index| known.places.binary_search(index).is_err());
            known.places.extend(found);
            known.places.sort_unstable();
            known.up_to = known.up_to.max(Some(newest));
        }
        Ok(())
    }

    /// The document in force just before an entry; entry 0 brings its own.
    async fn in_force<R: Read>(
        &self,
        read: &mut R,
        index: EntryIndex,
    ) -> Result<Option<Arc<InForce>>, LedgerError> {
        let Some(place) = self.place_before(index) else { return Ok(None) };
        if let Some(kept) = self.kept(place) {
            return Ok(Some(kept));
        }
        let stored = read.entries(&[place]).await?.into_iter().next();
        let envelope = stored.and_then(|stored| stored.envelope);
        let envelope = envelope.ok_or(LedgerError::NoEntry(place))?;
        let broken = |cause: &dyn std::fmt::Display| malformed(format!("entry {place}"), cause);
        let event = Event::read(&envelope).map_err(|cause| broken(&cause))?;
        let document = InForce::of(event).map_err(|cause| broken(&cause))?;
        let document = Arc::new(document.ok_or_else(|| broken(&"it is no trust document"))?);
        self.keep(place, &document);
        Ok(Some(document))
    }

    fn place_before(&self, index: EntryIndex) -> Option<EntryIndex> {
        let known = self.known.lock().ok()?;
        let before = known.places.partition_point(|place| *place < index);
        known.places.get(before.saturating_sub(1)).copied()
    }

    fn kept(&self, place: EntryIndex) -> Option<Arc<InForce>> {
        let mut known = self.known.lock().ok()?;
        let at = known.kept.iter().position(|(kept, _)| *kept == place)?;
        let found = known.kept.remove(at)?;
        let document = Arc::clone(&found.1);
        known.kept.push_back(found);
        Some(document)
    }

    fn keep(&self, place: EntryIndex, document: &Arc<InForce>) {
        let Ok(mut known) = self.known.lock() else { return };
        if known.kept.len() == KEPT_MAX {
            known.kept.pop_front();
        }
        known.kept.push_back((place, Arc::clone(document)));
    }
}
