//! Moves a log to another database. It stays the same log: same entries, checkpoints and pin.
//!
//! Nobody can append on the way: the old database is sealed first, the new one is sealed until it is
//! complete and verified. A move that is broken off leaves both so; the same move, begun again, goes
//! on where it was, and [`Ledger::stay`] gives it up.

use std::collections::HashSet;
use std::path::Path;

use schemas::id::{EntryIndex, Hash, Origin, TreeSize};
use schemas::report::Class;
use schemas::thread::ThreadId;
use verifier::entry::{Entry, genesis_prev};
use verifier::event::Event;
use verifier::log::LogReport;
use verifier::merkle::{Frontier, leaf_hash};
use verifier::projection::State;

use crate::database::Database;
use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::store::{
    AnyStore, Append, Batch, LogHead, Logged, Read, Seal, StatementKey, Store, StoreError,
    StoredEntry, Thread,
};
use crate::tree::Tiles;

/// Entries and envelopes of one transaction, in bytes.
const BATCH_BYTES: u64 = 8 << 20;

/// Threads of one transaction.
const ROWS: usize = 1024;

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many entries are copied.
    Copied(TreeSize),
    /// So many entries of the copy are verified.
    Verified(TreeSize),
}

/// A log that has moved.
#[derive(Debug, Clone)]
pub struct Moved {
    pub from: String,
    pub to: String,
    pub size: TreeSize,
    pub root: Hash,
}

impl Ledger<AnyStore> {
    /// Copies the log, verifies the copy whole, and makes it the one that this folder names.
    pub async fn move_to(
        &self,
        to: &Database,
        progress: impl Fn(Progress) + Send + Clone + 'static,
    ) -> Result<Moved, LedgerError> {
        let from = self.folder.database()?;
        if from.name() == to.name() {
            return Err(LedgerError::Move(format!("the log is in {to} already")));
        }
        let target = to.open_or_create().await?;
        let before = self.seal_source(to).await?;
        let moved = self.copy_verified(&target, &before, progress).await;
        let (size, root) = match moved {
            Ok(moved) => moved,
            Err(cause) => {
                // The first error is the one worth telling; what it leaves sealed is told by whoever
                // appends.
                let _ = self.stay().await;
                return Err(cause);
            }
        };
        let moved = Seal::MovedTo(to.name());
        set_seal(&self.store, Some(moved)).await?;
        set_seal(&target, None).await?;
        self.folder.name_database(to)?;
        target.close().await;
        Ok(Moved { from: from.name(), to: to.name(), size, root })
    }

    /// Gives up a move that was broken off: this database is again the one to append to.
    pub async fn stay(&self) -> Result<(), LedgerError> {
        let mut append = self.store.lock_sealed().await?;
        match append.seal() {
            Some(Seal::MovingTo(_)) => append.set_seal(None).await?,
            None => {}
            Some(seal) => return Err(StoreError::Sealed(seal.clone()).into()),
        }
        Ok(append.commit().await?)
    }

    /// Lets nobody append here from now on, and publishes what was committed until now.
    async fn seal_source(&self, to: &Database) -> Result<Option<Seal>, LedgerError> {
        let mut append = self.store.lock_sealed().await?;
        let before = append.seal().cloned();
        match &before {
            None | Some(Seal::MovingTo(_)) => {
                append.set_seal(Some(Seal::MovingTo(to.name()))).await?;
            }
            Some(Seal::MovedTo(address)) if *address == to.name() => {}
            Some(seal) => return Err(StoreError::Sealed(seal.clone()).into()),
        }
        append.commit().await?;
        self.check().await?;
        self.catch_up().await?;
        Ok(before)
    }

    async fn copy_verified(
        &self,
        target: &AnyStore,
        before: &Option<Seal>,
        progress: impl Fn(Progress) + Send + Clone + 'static,
    ) -> Result<(TreeSize, Hash), LedgerError> {
        let mut read = self.store.snapshot().await?;
        check_target(target, &mut read, before).await?;
        let head = copy_entries(&mut read, target, progress.clone()).await?;
        copy_checkpoints(&mut read, target, &head).await?;
        let frontier = frontier_of(&head)?;
        let kept = self.high_water();
        let copy = Ledger::assemble(
            target.clone(),
            self.folder.clone(),
            verifier::pin::Pin::clone(&self.pin),
            kept.parent().unwrap_or(Path::new(".")),
            self.clock.clone(),
            false,
        )?;
        let report = copy.verify(move |size| progress(Progress::Verified(size))).await?;
        check_report(&report, &frontier)?;
        write_threads(target, &head, report.state.all_heads(), &report.state).await?;
        write_statements(target, &self.origin, &head, &report.state).await?;
        Ok((frontier.size(), frontier.root()))
    }
}

async fn set_seal(store: &AnyStore, seal: Option<Seal>) -> Result<(), LedgerError> {
    let mut append = store.lock_sealed().await?;
    append.set_seal(seal).await?;
    Ok(append.commit().await?)
}

/// Takes a database that is empty, or one that holds a part of this log because a move was broken
/// off; anything else is somebody's.
async fn check_target<R: Read>(
    target: &AnyStore,
    read: &mut R,
    before: &Option<Seal>,
) -> Result<(), LedgerError> {
    let mut append = target.lock_sealed().await?;
    let head = append.head().clone();
    let unfinished = match append.seal() {
        Some(Seal::MovingHere) => true,
        None => head.size == 0 || matches!(before, Some(Seal::MovedTo(_))),
        Some(Seal::MovingTo(_) | Seal::MovedTo(_)) => false,
    };
    let size = read.head().size;
    let begins_alike = head.size <= size
        && frontier_of(&head)?.root() == Tiles::default().root(read, head.size).await?;
    if !unfinished || !begins_alike {
        return Err(LedgerError::Occupied);
    }
    append.set_seal(Some(Seal::MovingHere)).await?;
    Ok(append.commit().await?)
}

fn frontier_of(head: &LogHead) -> Result<Frontier, LedgerError> {
    Frontier::from_parts(head.size, head.peaks.clone())
        .ok_or_else(|| malformed("head", "its peaks are not those of its size"))
}

/// Copies entries and envelopes as they are; the tree over them is computed, not copied.
async fn copy_entries<R: Read>(
    read: &mut R,
    target: &AnyStore,
    progress: impl Fn(Progress),
) -> Result<LogHead, LedgerError> {
    let size = read.head().size;
    let mut head = target.snapshot().await?.head().clone();
    while head.size < size {
        let entries = read.read_range(head.size, size, BATCH_BYTES).await?;
        if entries.first().is_none_or(|first| first.index != head.size) {
            return Err(LedgerError::NoEntry(head.size));
        }
        let leaves: Vec<Hash> = entries.iter().map(|it| leaf_hash(&it.entry)).collect();
        let mut append = target.lock_sealed().await?;
        if *append.head() != head {
            return Err(LedgerError::Occupied);
        }
        let tiles = Tiles::default().append(&mut append, head.size, &leaves).await?;
        head = head_behind(&head, &entries, &leaves)?;
        append.write(&Batch { entries, tiles, head: head.clone(), ..Batch::default() }).await?;
        append.commit().await?;
        progress(Progress::Copied(head.size));
    }
    Ok(head)
}

fn head_behind(
    head: &LogHead,
    entries: &[StoredEntry],
    leaves: &[Hash],
) -> Result<LogHead, LedgerError> {
    let mut frontier = frontier_of(head)?;
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    let time = entries.last().map(|last| parse_entry(last.index, &last.entry)).transpose()?;
    Ok(LogHead {
        size: frontier.size(),
        leaf: leaves.last().copied().unwrap_or(head.leaf),
        time: time.map(|last| last.time),
        peaks: frontier.peaks().to_vec(),
    })
}

fn parse_entry(index: EntryIndex, bytes: &[u8]) -> Result<Entry, LedgerError> {
    Entry::parse(bytes).map_err(|cause| malformed(format!("entry {index}"), cause))
}

/// Copies every checkpoint that was ever published, behind those that are there.
async fn copy_checkpoints<R: Read>(
    read: &mut R,
    target: &AnyStore,
    head: &LogHead,
) -> Result<(), LedgerError> {
    let mut after = 0;
    let mut there = target.snapshot().await?;
    while let Some(last) = there.checkpoints(after).await?.last() {
        after = last.sequence;
    }
    drop(there);
    loop {
        let page = read.checkpoints(after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.sequence;
        let checkpoints = page.into_iter().map(|it| (it.size, it.note)).collect();
        write(target, Batch { checkpoints, head: head.clone(), ..Batch::default() }).await?;
    }
}

async fn write(target: &AnyStore, batch: Batch) -> Result<(), LedgerError> {
    let mut append = target.lock_sealed().await?;
    append.write(&batch).await?;
    Ok(append.commit().await?)
}

/// The copy must hold together by itself, and be what was there.
///
/// Findings about what people did stand in both; they are no reason to stay.
fn check_report(report: &LogReport, frontier: &Frontier) -> Result<(), LedgerError> {
    let broken = report.findings.iter().find(|finding| finding.class == Class::Integrity);
    if let Some(finding) = broken {
        let at = finding.index.map(|index| format!(" at entry {index}")).unwrap_or_default();
        let code = finding.code.name();
        let detail = format!("the log does not verify{at}: {code}: {}", finding.detail);
        return Err(LedgerError::Forked(detail));
    }
    if (report.size, report.root) != (frontier.size(), frontier.root()) {
        let (size, root) = (report.size, report.root);
        return Err(LedgerError::Forked(format!("the copy has root {root} at size {size}")));
    }
    Ok(())
}

/// Writes the heads and slices that the verifier has folded, whatever the old database held.
async fn write_threads<'a>(
    target: &AnyStore,
    head: &LogHead,
    threads: impl Iterator<Item = (&'a ThreadId, &'a verifier::projection::Head)>,
    state: &State,
) -> Result<(), LedgerError> {
    let mut rows = Vec::new();
    for (thread, newest) in threads {
        let slice = state.slice_json(thread);
        rows.push(Thread { thread: thread.clone(), head: *newest, slice });
        if rows.len() == ROWS {
            let threads = std::mem::take(&mut rows);
            write(target, Batch { threads, head: head.clone(), ..Batch::default() }).await?;
        }
    }
    write(target, Batch { threads: rows, head: head.clone(), ..Batch::default() }).await
}

/// Writes where each statement is logged first, and who signed it, as the verifier found it.
async fn write_statements(
    target: &AnyStore,
    origin: &Origin,
    head: &LogHead,
    state: &State,
) -> Result<(), LedgerError> {
    let ledger = genesis_prev(origin);
    let mut read = target.snapshot().await?;
    let mut known = HashSet::new();
    let mut next = 0;
    while next < head.size {
        let entries = read.read_range(next, head.size, BATCH_BYTES).await?;
        next = entries.last().ok_or(LedgerError::NoEntry(next))?.index + 1;
        let mut statements = Vec::new();
        for stored in entries {
            statements.extend(first_logged(&stored, &ledger, state, &mut known)?);
        }
        write(target, Batch { statements, head: head.clone(), ..Batch::default() }).await?;
    }
    Ok(())
}

/// The row of a statement, at the first part of its first entry, which has the envelope.
fn first_logged(
    stored: &StoredEntry,
    ledger: &Hash,
    state: &State,
    known: &mut HashSet<StatementKey>,
) -> Result<Option<Logged>, LedgerError> {
    let Some(envelope) = &stored.envelope else { return Ok(None) };
    let entry = parse_entry(stored.index, &stored.entry)?;
    let filed = entry.threads.iter().find_map(|line| match &line.thread {
        ThreadId::Project(project) => Some(project),
        ThreadId::Artifact(_) | ThreadId::Environment(_) | ThreadId::Control => None,
    });
    let event = Event::read(envelope)
        .map_err(|cause| malformed(format!("the envelope of entry {}", entry.index), cause))?;
    let key = StatementKey::of(&event, filed, ledger);
    let signers = state.signers_of(&key.statement, key.project.as_ref()).ok().flatten();
    let (index, parts) = (entry.index, entry.parts);
    let row = signers.map(|it| Logged { key: key.clone(), index, parts, signers: it.to_vec() });
    Ok(row.filter(|_| known.insert(key)))
}
