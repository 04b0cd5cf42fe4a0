//! What can be asked of a ledger without logging anything: state, entries, threads, proofs.

use std::collections::HashMap;

use schemas::id::{Digest, EntryIndex, Environment, Hash, TreeSize};
use schemas::predicate::Seen;
use schemas::thread::ThreadId;
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::note::format_note;
use verifier::policy::{Ask, Evaluation};
use verifier::projection::slice::{ArtifactSlice, ControlSlice, EnvironmentSlice};
use verifier::receipt::{Receipt, format_receipts};

use crate::error::{LedgerError, malformed};
use crate::ledger::{Ledger, Stored};
use crate::store::{Read, Store};
use crate::tree::Tiles;
use crate::working::Place;

impl<S: Store> Ledger<S> {
    pub async fn size(&self) -> Result<TreeSize, LedgerError> {
        Ok(self.store.snapshot().await?.head().size)
    }

    pub async fn control(&self) -> Result<ControlSlice, LedgerError> {
        Ok(self.loader().await?.state.control().clone())
    }

    pub async fn artifact(&self, digest: &Digest) -> Result<Option<ArtifactSlice>, LedgerError> {
        let mut loader = self.loader().await?;
        loader.know(&[ThreadId::Artifact(digest.clone())]).await?;
        Ok(loader.state.artifact(digest).ok().flatten().cloned())
    }

    pub async fn environment(
        &self,
        environment: &Environment,
    ) -> Result<Option<EnvironmentSlice>, LedgerError> {
        let mut loader = self.loader().await?;
        loader.know(&[ThreadId::Environment(environment.clone())]).await?;
        Ok(loader.state.environment(environment).ok().flatten().cloned())
    }

    /// Digests whose hex begins with these digits, of which there are at least eight.
    pub async fn find(&self, prefix: &str) -> Result<Vec<Digest>, LedgerError> {
        Ok(self.store.snapshot().await?.find_artifacts(prefix, 16).await?)
    }

    /// Evaluates the policy in force without logging anything.
    pub async fn evaluate(&self, ask: &Ask<'_>) -> Result<Evaluation, LedgerError> {
        let at = self.clock.now();
        self.loader().await?.evaluate(ask, at).await
    }

    pub async fn entry(&self, index: EntryIndex) -> Result<Stored, LedgerError> {
        let found = self.store.snapshot().await?.entries(&[index]).await?;
        found.into_iter().next().ok_or(LedgerError::NoEntry(index))
    }

    /// Entries from one index up to, not including, another; as many as fit into 32 MiB.
    pub async fn entries(
        &self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<Stored>, LedgerError> {
        Ok(self.store.snapshot().await?.read_range(from, to, 32 << 20).await?)
    }

    /// All entries of a thread, oldest first, walked back from its head.
    pub async fn thread(&self, thread: &ThreadId) -> Result<Vec<Stored>, LedgerError> {
        let mut read = self.store.snapshot().await?;
        walk_thread(&mut read, thread).await
    }

    /// The receipt of an entry: entry, inclusion proof, published checkpoint.
    pub async fn receipt(&self, index: EntryIndex) -> Result<String, LedgerError> {
        let checkpoint = self.published().await?;
        if index >= checkpoint.size() {
            return Err(LedgerError::NoEntry(index));
        }
        let mut read = self.store.snapshot().await?;
        let place = Place { first: index, parts: 1, repeated: false, notices: Vec::new() };
        let (mut tiles, known) = (Tiles::default(), HashMap::new());
        let receipts = receipts_of(&mut read, &mut tiles, known, &[&place], &checkpoint).await?;
        receipts.into_iter().next().ok_or(LedgerError::NoEntry(index))
    }

    pub(crate) async fn published(&self) -> Result<VerifiedCheckpoint, LedgerError> {
        let note = self.checkpoint().await?;
        verifier::checkpoint::verify_checkpoint(note.as_bytes(), self.pin.log())
            .map_err(|cause| LedgerError::Forked(cause.to_string()))
    }

    /// The published checkpoint note.
    pub async fn checkpoint(&self) -> Result<String, LedgerError> {
        let published = self.store.snapshot().await?.checkpoint().await?;
        published.map(|(_, note)| note).ok_or(LedgerError::NoEntry(0))
    }

    /// What a signer here has seen: the published checkpoint.
    pub async fn seen(&self) -> Result<Seen, LedgerError> {
        let checkpoint = self.published().await?;
        Ok(Seen { size: checkpoint.size(), root: *checkpoint.root() })
    }

    pub fn attachment(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        self.folder.attachment(digest)
    }

    /// A proof that the log at `to` extends the log at `from`.
    pub async fn consistency(
        &self,
        from: TreeSize,
        to: TreeSize,
    ) -> Result<Vec<Hash>, LedgerError> {
        let mut read = self.store.snapshot().await?;
        Tiles::default().consistency(&mut read, from, to).await
    }
}

/// Walks a thread back along its links.
pub(crate) async fn walk_thread<R: Read>(
    read: &mut R,
    thread: &ThreadId,
) -> Result<Vec<Stored>, LedgerError> {
    let rows = read.threads(std::slice::from_ref(thread)).await?;
    let mut next = rows.first().map(|row| row.head.index);
    let mut found = Vec::new();
    while let Some(index) = next {
        let stored = read.entries(&[index]).await?.into_iter().next();
        let stored = stored.ok_or(LedgerError::NoEntry(index))?;
        let entry = verifier::entry::Entry::parse(&stored.entry)
            .map_err(|cause| malformed(format!("entry {index}"), cause))?;
        let line = entry.thread(thread).ok_or_else(|| {
            malformed(format!("entry {index}"), format!("it is not on thread {thread}"))
        })?;
        next = line.before.map(|link| link.index).filter(|before| *before < index);
        found.push(stored);
    }
    found.reverse();
    Ok(found)
}

/// The receipt of each event: a list of them where its statement has several parts.
///
/// `entries` are those that were read just now, by index; others are read here.
pub(crate) async fn receipts_of<R: Read>(
    read: &mut R,
    tiles: &mut Tiles,
    mut entries: HashMap<EntryIndex, Vec<u8>>,
    places: &[&Place],
    checkpoint: &VerifiedCheckpoint,
) -> Result<Vec<String>, LedgerError> {
    let indexes: Vec<EntryIndex> = places.iter().flat_map(|it| it.first..=it.last()).collect();
    let unread: Vec<EntryIndex> =
        indexes.iter().filter(|index| !entries.contains_key(index)).copied().collect();
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    if !unread.is_empty() {
        let stored = read.entries(&unread).await?;
        entries.extend(stored.into_iter().map(|stored| (stored.index, stored.entry)));
    }
    let mut proofs = tiles.inclusions(read, &indexes, checkpoint.size()).await?.into_iter();
    let note = format_note(checkpoint.note());
    let mut receipt = |index: EntryIndex| {
        let entry = entries.get(&index).ok_or(LedgerError::NoEntry(index))?;
        let (proof, checkpoint) = (proofs.next().unwrap_or_default(), note.clone());
        Ok(Receipt { extra: Some(entry.clone()), index, proof, checkpoint })
    };
    let mut parts = |place: &Place| (place.first..=place.last()).map(&mut receipt).collect();
    places
        .iter()
        .map(|place| {
            let receipts: Result<Vec<Receipt>, LedgerError> = parts(place);
            Ok(format_receipts(&receipts?))
        })
        .collect()
}
