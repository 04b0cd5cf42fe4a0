//! Measured delivery over one view of a log: reads what the numbers are made of, and nothing else.

use schemas::id::{EntryIndex, Project, Time, TreeSize};
use schemas::kind::EventKind;
use schemas::metrics::MetricsReport;
use schemas::thread::ThreadId;
use verifier::entry::Entry;
use verifier::event::Event;
use verifier::metrics::history::History;
use verifier::metrics::{Scope, measure};

use crate::error::{LedgerError, malformed};
use crate::reading::Reading;
use crate::store::Read;

/// Entries that are looked at in one go, and envelopes that are then read in one go.
const PAGE: u64 = 4096;
const ENVELOPES: usize = 256;

impl<R: Read> Reading<R> {
    /// Measures a project by the first entries of the log, or by all of them.
    pub async fn metrics(
        mut self,
        project: &Project,
        size: Option<TreeSize>,
        scope: &Scope,
    ) -> Result<MetricsReport, LedgerError> {
        metrics(&mut self.read, project, size, scope).await
    }

    /// The time of the newest of the first entries.
    pub async fn newest_time(mut self, size: Option<TreeSize>) -> Result<Time, LedgerError> {
        let newest = size.unwrap_or(self.size()).saturating_sub(1);
        time_of(&mut self.read, newest).await
    }
}

/// Measures a project by the first `size` entries of the log.
pub async fn metrics<R: Read>(
    read: &mut R,
    project: &Project,
    size: Option<TreeSize>,
    scope: &Scope,
) -> Result<MetricsReport, LedgerError> {
    let end = read.head().size;
    let size = size.unwrap_or(end);
    if size > end {
        return Err(LedgerError::NoEntry(size - 1));
    }
    let mut history = History::of(project.clone());
    let mut from = 0;
    while from < size {
        let to = (from + PAGE).min(size);
        let entries = read.entries_alone(from, to).await?;
        let Some((last, bytes)) = entries.last() else { return Err(LedgerError::NoEntry(from)) };
        let newest = Entry::parse(bytes).map_err(|cause| malformed("entry", cause))?;
        from = last + 1;
        let wanted = wanted(&entries, project)?;
        for indexes in wanted.chunks(ENVELOPES) {
            add(read, indexes, &mut history).await?;
        }
        history.reach(newest.index, newest.time);
    }
    Ok(measure(&history, scope))
}

/// The entries of a project that say something of promotions; heads are everybody's.
fn wanted(
    entries: &[(EntryIndex, Vec<u8>)],
    project: &Project,
) -> Result<Vec<EntryIndex>, LedgerError> {
    let thread = ThreadId::Project(project.clone());
    let mut wanted = Vec::new();
    for (index, bytes) in entries {
        let entry = Entry::parse(bytes).map_err(|cause| malformed("entry", cause))?;
        let kind = EventKind::of_type(&entry.predicate_type);
        let is_first = entry.part == 1;
        let here = kind == EventKind::Heads || entry.thread(&thread).is_some();
        if is_first && here && tells(kind) {
            wanted.push(*index);
        }
    }
    Ok(wanted)
}

/// True for the kinds that a history remembers.
fn tells(kind: EventKind) -> bool {
    match kind {
        EventKind::Approval
        | EventKind::Build
        | EventKind::Canary
        | EventKind::Decision
        | EventKind::Deployment
        | EventKind::Heads
        | EventKind::Incident
        | EventKind::Measurement
        | EventKind::Observation
        | EventKind::PromotionRequest
        | EventKind::Rollback => true,
        EventKind::Analysis
        | EventKind::Configuration
        | EventKind::Export
        | EventKind::Freeze
        | EventKind::Migration
        | EventKind::Note
        | EventKind::Other
        | EventKind::Policy
        | EventKind::Rehearsal
        | EventKind::Review
        | EventKind::Sbom
        | EventKind::Test
        | EventKind::Trust
        | EventKind::Vex
        | EventKind::Vulnerabilities
        | EventKind::Waiver => false,
    }
}

async fn add<R: Read>(
    read: &mut R,
    indexes: &[EntryIndex],
    history: &mut History,
) -> Result<(), LedgerError> {
    for stored in read.entries(indexes).await? {
        let entry = Entry::parse(&stored.entry).map_err(|cause| malformed("entry", cause))?;
        // An erased envelope says nothing any more.
        let Some(envelope) = stored.envelope.as_deref() else { continue };
        let event = Event::read(envelope)
            .map_err(|cause| malformed(format!("envelope of entry {}", stored.index), cause))?;
        history.add(entry.index, entry.time, &event);
    }
    Ok(())
}

/// The time of an entry.
pub async fn time_of<R: Read>(read: &mut R, index: EntryIndex) -> Result<Time, LedgerError> {
    let found = read.entries_alone(index, index + 1).await?;
    let (_, bytes) = found.first().ok_or(LedgerError::NoEntry(index))?;
    Ok(Entry::parse(bytes).map_err(|cause| malformed("entry", cause))?.time)
}
