//! What can be asked of a ledger without logging anything: state, entries, threads, proofs.

use std::collections::HashMap;
use std::sync::Arc;

use schemas::id::{Digest, EntryIndex, Environment, Hash, Time, TreeSize};
use schemas::predicate::Seen;
use schemas::predicate::promotion_request::RequestPath;
use schemas::thread::ThreadId;
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::note::format_note;
use verifier::pin::Pin;
use verifier::policy::{Ask, Evaluation};
use verifier::projection::Missing;
use verifier::projection::slice::{ArtifactSlice, ControlSlice, EnvironmentSlice};
use verifier::view::View;

use crate::error::{LedgerError, malformed};
use crate::ledger::{Ledger, Stored};
use crate::loader::Loader;
use crate::receipts::receipts_of;
use crate::store::{RANGE_ENTRIES_MAX, Read, Store};
use crate::tree::Tiles;
use crate::working::Place;

/// What one reading brings into memory at most, in bytes of entries and envelopes.
const READ_BYTES_MAX: u64 = 32 << 20;

/// Some entries, newest first, and the index at which the next page begins.
#[derive(Debug)]
pub struct Page {
    pub entries: Vec<Stored>,
    pub next: Option<EntryIndex>,
}

/// One view of a log, wherever it is kept, and what can be asked of it.
pub struct Reading<R> {
    pub(crate) read: R,
    pin: Arc<Pin>,
    now: Time,
}

impl<R: Read> Reading<R> {
    pub fn new(read: R, pin: Arc<Pin>, now: Time) -> Reading<R> {
        Reading { read, pin, now }
    }

    pub fn size(&self) -> TreeSize {
        self.read.head().size
    }

    pub async fn control(self) -> Result<ControlSlice, LedgerError> {
        Ok(Loader::new(self.read).await?.state.control().clone())
    }

    pub async fn artifact(self, digest: &Digest) -> Result<Option<ArtifactSlice>, LedgerError> {
        let mut loader = Loader::new(self.read).await?;
        loader.know(&[ThreadId::Artifact(digest.clone())]).await?;
        Ok(loader.state.artifact(digest).ok().flatten().cloned())
    }

    pub async fn environment(
        self,
        environment: &Environment,
    ) -> Result<Option<EnvironmentSlice>, LedgerError> {
        let mut loader = Loader::new(self.read).await?;
        loader.know(&[ThreadId::Environment(environment.clone())]).await?;
        Ok(loader.state.environment(environment).ok().flatten().cloned())
    }

    /// Digests whose hex begins with these digits, of which there are at least eight.
    pub async fn find(mut self, prefix: &str) -> Result<Vec<Digest>, LedgerError> {
        Ok(self.read.find_artifacts(prefix, 16).await?)
    }

    /// Evaluates the policy in force without logging anything; `with` are artifacts that stand or fall
    /// with the asked one, and `way` the path where no request says one.
    pub async fn evaluate(
        self,
        ask: &Ask<'_>,
        with: &[Digest],
        way: RequestPath,
    ) -> Result<Evaluation, LedgerError> {
        Loader::new(self.read).await?.evaluate_together(ask, with, way, self.now).await
    }

    /// Asks something of the state as it is now.
    pub async fn ask<T>(
        self,
        question: impl Fn(View<'_>) -> Result<T, Missing>,
    ) -> Result<T, LedgerError> {
        Loader::new(self.read).await?.ask(self.now, question).await
    }

    pub async fn entry(mut self, index: EntryIndex) -> Result<Stored, LedgerError> {
        let found = self.read.entries(&[index]).await?;
        found.into_iter().next().ok_or(LedgerError::NoEntry(index))
    }

    /// Entries from one index up to, not including, another; as many as fit into 32 MiB.
    pub async fn entries(
        self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<Stored>, LedgerError> {
        self.page(from, to, READ_BYTES_MAX).await
    }

    /// Entries from one index up to, not including, another; as many as fit, but one at least.
    pub async fn page(
        mut self,
        from: EntryIndex,
        to: EntryIndex,
        bytes_max: u64,
    ) -> Result<Vec<Stored>, LedgerError> {
        Ok(self.read.read_range(from, to, bytes_max).await?)
    }

    /// All entries of a thread, oldest first, walked back from its head.
    pub async fn thread(mut self, thread: &ThreadId) -> Result<Vec<Stored>, LedgerError> {
        walk_thread(&mut self.read, thread).await
    }

    /// Entries back from one index, else from the newest: of a thread, or of the whole log.
    ///
    /// At most `most` of them and as many as fit into 32 MiB, but never none where there is one.
    pub async fn page_back(
        mut self,
        thread: Option<&ThreadId>,
        from: Option<EntryIndex>,
        most: u64,
    ) -> Result<Page, LedgerError> {
        let read = &mut self.read;
        let newest = match (from, thread) {
            (Some(from), _) => Some(from),
            (None, Some(thread)) => newest_of(read, thread).await?,
            (None, None) => read.head().size.checked_sub(1),
        };
        match (newest, thread) {
            (None, _) => Ok(Page { entries: Vec::new(), next: None }),
            (Some(newest), Some(thread)) => {
                page_of_thread(read, thread, newest, most, READ_BYTES_MAX).await
            }
            (Some(newest), None) => page_of_log(read, newest, most, READ_BYTES_MAX).await,
        }
    }

    /// The receipt of an entry: entry, inclusion proof, published checkpoint.
    pub async fn receipt(mut self, index: EntryIndex) -> Result<String, LedgerError> {
        let checkpoint = self.published().await?;
        self.receipt_under(&checkpoint, index).await
    }

    /// The receipt of an entry under a checkpoint of this log.
    pub async fn receipt_under(
        mut self,
        checkpoint: &VerifiedCheckpoint,
        index: EntryIndex,
    ) -> Result<String, LedgerError> {
        if index >= checkpoint.size() {
            return Err(LedgerError::NoEntry(index));
        }
        let place = Place { first: index, parts: 1, repeated: false, notices: Vec::new() };
        let (mut tiles, known) = (Tiles::default(), HashMap::new());
        let read = &mut self.read;
        let receipts = receipts_of(read, &mut tiles, known, &[&place], checkpoint).await?;
        receipts.into_iter().next().ok_or(LedgerError::NoEntry(index))
    }

    /// The published checkpoint, verified.
    pub async fn published(&mut self) -> Result<VerifiedCheckpoint, LedgerError> {
        let note = self.read.checkpoint().await?.map(|(_, note)| note);
        let note = note.ok_or(LedgerError::NoEntry(0))?;
        verifier::checkpoint::verify_checkpoint(note.as_bytes(), self.pin.log())
            .map_err(|cause| LedgerError::Forked(cause.to_string()))
    }

    /// The published checkpoint note, as it is kept.
    pub async fn checkpoint(mut self) -> Result<String, LedgerError> {
        let published = self.read.checkpoint().await?;
        published.map(|(_, note)| note).ok_or(LedgerError::NoEntry(0))
    }

    /// What a signer here has seen: the published checkpoint.
    pub async fn seen(mut self) -> Result<Seen, LedgerError> {
        let checkpoint = self.published().await?;
        Ok(Seen { size: checkpoint.size(), root: *checkpoint.root() })
    }

    /// A proof that the log at `to` extends the log at `from`.
    pub async fn consistency(
        mut self,
        from: TreeSize,
        to: TreeSize,
    ) -> Result<Vec<Hash>, LedgerError> {
        Tiles::default().consistency(&mut self.read, from, to).await
    }
}

impl<S: Store> Ledger<S> {
    /// The log as it is now.
    pub async fn reading(&self) -> Result<Reading<S::Snapshot>, LedgerError> {
        let read = self.store.snapshot().await?;
        Ok(Reading::new(read, Arc::clone(&self.pin), self.clock.now()))
    }

    pub async fn size(&self) -> Result<TreeSize, LedgerError> {
        Ok(self.reading().await?.size())
    }

    pub async fn control(&self) -> Result<ControlSlice, LedgerError> {
        self.reading().await?.control().await
    }

    pub async fn artifact(&self, digest: &Digest) -> Result<Option<ArtifactSlice>, LedgerError> {
        self.reading().await?.artifact(digest).await
    }

    pub async fn environment(
        &self,
        it: &Environment,
    ) -> Result<Option<EnvironmentSlice>, LedgerError> {
        self.reading().await?.environment(it).await
    }

    pub async fn find(&self, prefix: &str) -> Result<Vec<Digest>, LedgerError> {
        self.reading().await?.find(prefix).await
    }

    pub async fn entry(&self, index: EntryIndex) -> Result<Stored, LedgerError> {
        self.reading().await?.entry(index).await
    }

    pub async fn entries(
        &self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<Stored>, LedgerError> {
        self.reading().await?.entries(from, to).await
    }

    pub async fn page_back(
        &self,
        thread: Option<&ThreadId>,
        from: Option<EntryIndex>,
        most: u64,
    ) -> Result<Page, LedgerError> {
        self.reading().await?.page_back(thread, from, most).await
    }

    /// The checkpoint to show to others: the newest that a quorum of witnesses has cosigned, where
    /// cosignatures are collected and there is one, else the published one.
    pub async fn shown_checkpoint(&self) -> Result<String, LedgerError> {
        match self.vouched() {
            Some(vouched) => Ok(format_note(vouched.note())),
            None => self.checkpoint().await,
        }
    }

    /// Under the checkpoint that witnesses have cosigned where there is one that covers the entry,
    /// else under the published one.
    pub async fn receipt(&self, index: EntryIndex) -> Result<String, LedgerError> {
        let reading = self.reading().await?;
        match self.vouched().filter(|vouched| index < vouched.size()) {
            Some(vouched) => reading.receipt_under(&vouched, index).await,
            None => reading.receipt(index).await,
        }
    }

    pub async fn checkpoint(&self) -> Result<String, LedgerError> {
        self.reading().await?.checkpoint().await
    }

    pub async fn seen(&self) -> Result<Seen, LedgerError> {
        self.reading().await?.seen().await
    }

    pub async fn attachment(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        self.objects.attachment(digest).await
    }

    pub async fn consistency(
        &self,
        from: TreeSize,
        to: TreeSize,
    ) -> Result<Vec<Hash>, LedgerError> {
        self.reading().await?.consistency(from, to).await
    }
}

pub(crate) async fn newest_of<R: Read>(
    read: &mut R,
    thread: &ThreadId,
) -> Result<Option<EntryIndex>, LedgerError> {
    let rows = read.threads(std::slice::from_ref(thread)).await?;
    Ok(rows.first().map(|row| row.head.index))
}

/// Walks a thread back along its links.
pub(crate) async fn walk_thread<R: Read>(
    read: &mut R,
    thread: &ThreadId,
) -> Result<Vec<Stored>, LedgerError> {
    let Some(newest) = newest_of(read, thread).await? else {
        return Ok(Vec::new());
    };
    let mut found = page_of_thread(read, thread, newest, u64::MAX, u64::MAX).await?.entries;
    found.reverse();
    Ok(found)
}

async fn page_of_thread<R: Read>(
    read: &mut R,
    thread: &ThreadId,
    newest: EntryIndex,
    most: u64,
    bytes_max: u64,
) -> Result<Page, LedgerError> {
    let (mut entries, mut next, mut bytes) = (Vec::new(), Some(newest), 0);
    while let Some(index) = next.filter(|_| (entries.len() as u64) < most && bytes < bytes_max) {
        let stored = read.entries(&[index]).await?.into_iter().next();
        let stored = stored.ok_or(LedgerError::NoEntry(index))?;
        let entry = verifier::entry::Entry::parse(&stored.entry)
            .map_err(|cause| malformed(format!("entry {index}"), cause))?;
        let line = entry.thread(thread).ok_or_else(|| {
            malformed(format!("entry {index}"), format!("it is not on thread {thread}"))
        })?;
        next = line.before.map(|link| link.index).filter(|before| *before < index);
        bytes += stored.envelope.as_ref().map_or(0, |envelope| envelope.len() as u64);
        entries.push(stored);
    }
    Ok(Page { entries, next })
}

/// A range that is cut for its size lacks its newest entries: then half of it is asked for.
async fn page_of_log<R: Read>(
    read: &mut R,
    newest: EntryIndex,
    most: u64,
    bytes_max: u64,
) -> Result<Page, LedgerError> {
    let most = most.clamp(1, RANGE_ENTRIES_MAX as u64);
    let mut from = (newest + 1).saturating_sub(most);
    loop {
        let mut entries = read.read_range(from, newest + 1, bytes_max).await?;
        if entries.last().is_some_and(|last| last.index == newest) {
            entries.reverse();
            return Ok(Page { entries, next: from.checked_sub(1) });
        }
        if from == newest {
            return Err(LedgerError::NoEntry(newest));
        }
        from += (newest + 1 - from) / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::init::{generate_key, sign_trust};
    use crate::ledger::Submission;

    /// Whatever a page has room for, the pages together are the log, newest first.
    #[tokio::test]
    async fn pages_back_leave_nothing_out() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, state) = (folder.path().join("l"), folder.path().join("state"));
        let roots = [generate_key().unwrap()];
        let origin = "ledger.test".parse().unwrap();
        let made = Ledger::init(&dir, &origin, &roots, &state, Arc::new(SystemClock));
        let ledger = made.await.unwrap();
        for _ in 0..8 {
            let trust = ledger.control().await.unwrap().trust.unwrap();
            let envelope = sign_trust(&trust.document, Some(trust.statement), &roots).unwrap();
            let one = Submission { envelope, project: None, attachments: Vec::new() };
            ledger.submit(vec![one]).await.unwrap().remove(0).unwrap();
        }
        let whole: Vec<EntryIndex> = (0..9).rev().collect();
        for most in [1, 2, 5, 9, 100] {
            for thread in [None, Some(&ThreadId::Control)] {
                let (mut found, mut from) = (Vec::new(), None);
                loop {
                    let page = ledger.page_back(thread, from, most).await.unwrap();
                    assert!(page.entries.len() as u64 <= most && !page.entries.is_empty());
                    found.extend(page.entries.iter().map(|stored| stored.index));
                    from = page.next;
                    if from.is_none() {
                        break;
                    }
                }
                assert_eq!(found, whole, "{most} {thread:?}");
            }
        }
        let mut read = ledger.store.snapshot().await.unwrap();
        for (bytes_max, expected) in [(1, 1), (4_000, 2), (u64::MAX, 9)] {
            let page = page_of_log(&mut read, 8, 100, bytes_max).await.unwrap();
            let found: Vec<EntryIndex> = page.entries.iter().map(|stored| stored.index).collect();
            assert_eq!(found, whole[..found.len()], "{bytes_max}");
            assert!(found.len() >= expected && (bytes_max > 5_000 || found.len() < 9), "{found:?}");
            assert_eq!(page.next, 9_u64.checked_sub(found.len() as u64 + 1));
        }
    }
}
