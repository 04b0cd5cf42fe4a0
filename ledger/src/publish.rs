//! Checkpoints: signed over what was read back, published by compare and swap, never a fork.

use std::collections::HashMap;

use schemas::id::{EntryIndex, Origin, TreeSize};
use verifier::checkpoint::{Checkpoint, VerifiedCheckpoint, sign_checkpoint, verify_checkpoint};
use verifier::merkle::{self, Frontier};
use verifier::note::{Vkey, format_note};
use verifier::signature::SigningKey;

use crate::error::{LedgerError, malformed};
use crate::folder::{Folder, write_durably};
use crate::high_water::HighWater;
use crate::store::{Read, Store};
use crate::tree::Tiles;
use crate::working::Committed;

/// Whoever publishes: the log key and the places where checkpoints are kept.
pub struct Publisher {
    pub origin: Origin,
    pub vkey: Vkey,
    pub folder: Folder,
    pub high_water: HighWater,
}

impl Publisher {
    /// Refuses a database that is no continuation of what was published.
    ///
    /// Checks the published checkpoint, the file beside the database and the high-water file: the
    /// log must be at least as long as each and have its root at its size.
    pub async fn check<R: Read>(
        &self,
        read: &mut R,
    ) -> Result<Option<VerifiedCheckpoint>, LedgerError> {
        let published = match read.checkpoint().await? {
            None => None,
            Some((_, note)) => Some(self.verify(note.as_bytes(), "the published checkpoint")?),
        };
        let beside = match std::fs::read(self.folder.checkpoint()) {
            Ok(bytes) => Some(self.verify(&bytes, "the file checkpoint")?),
            Err(_) => None,
        };
        let kept = self.high_water.read(&self.vkey)?;
        let size = read.head().size;
        let mut tiles = Tiles::default();
        let names = ["the published checkpoint", "the file checkpoint", "the high-water file"];
        for (checkpoint, name) in [&published, &beside, &kept].into_iter().zip(names) {
            let Some(checkpoint) = checkpoint else {
                continue;
            };
            if checkpoint.size() > size {
                return Err(LedgerError::Forked(format!(
                    "{name} has size {}, the database {size}: it was restored from an older copy",
                    checkpoint.size()
                )));
            }
            let root = tiles.root(read, checkpoint.size()).await?;
            if root != *checkpoint.root() {
                return Err(LedgerError::Forked(format!(
                    "at size {} {name} has root {}, the database {root}",
                    checkpoint.size(),
                    checkpoint.root()
                )));
            }
        }
        Ok(published)
    }

    fn verify(&self, note: &[u8], what: &str) -> Result<VerifiedCheckpoint, LedgerError> {
        verify_checkpoint(note, &self.vkey)
            .map_err(|cause| LedgerError::Forked(format!("{what} does not verify: {cause}")))
    }

    /// Publishes the log as committed, unless somebody has published more already.
    pub async fn publish<S: Store>(
        &self,
        store: &S,
        committed: &Committed,
        key: &SigningKey,
    ) -> Result<Published, LedgerError> {
        let mut read = store.snapshot().await?;
        let entries = self.read_back(&mut read, committed).await?;
        let checkpoint = self.checkpoint(store, read, &committed.frontier, key).await?;
        Ok(Published { checkpoint, entries })
    }

    async fn checkpoint<S: Store>(
        &self,
        store: &S,
        mut read: S::Snapshot,
        frontier: &Frontier,
        key: &SigningKey,
    ) -> Result<VerifiedCheckpoint, LedgerError> {
        let published = read.checkpoint().await?.map(|(size, _)| size);
        if let Some(size) = published.filter(|size| *size >= frontier.size()) {
            let note = read.checkpoint_at(size).await?;
            let note = note.ok_or_else(|| malformed("checkpoint", "it has gone"))?;
            return self.verify(note.as_bytes(), "the published checkpoint");
        }
        let checkpoint = self.sign(frontier, key)?;
        let note = format_note(checkpoint.note());
        drop(read);
        if store.swap_checkpoint(published, frontier.size(), &note).await? {
            write_durably(&self.folder.checkpoint(), note.as_bytes(), 0o644)?;
            self.high_water.write(&checkpoint)?;
        }
        Ok(checkpoint)
    }

    fn sign(
        &self,
        frontier: &Frontier,
        key: &SigningKey,
    ) -> Result<VerifiedCheckpoint, LedgerError> {
        let (origin, size, root) = (self.origin.clone(), frontier.size(), frontier.root());
        let note = sign_checkpoint(&Checkpoint { origin, size, root }, key);
        self.verify(format_note(&note).as_bytes(), "the checkpoint just signed")
    }

    /// What was committed must be what was meant: the entries are hashed again as stored.
    async fn read_back<R: Read>(
        &self,
        read: &mut R,
        committed: &Committed,
    ) -> Result<HashMap<EntryIndex, Vec<u8>>, LedgerError> {
        let end = committed.from + committed.leaves.len() as TreeSize;
        let mut entries = HashMap::with_capacity(committed.leaves.len());
        for (index, leaf) in (committed.from..end).zip(&committed.leaves) {
            if !entries.contains_key(&index) {
                entries.extend(read.entries_alone(index, end).await?);
            }
            match entries.get(&index) {
                Some(entry) if merkle::leaf_hash(entry) == *leaf => {}
                Some(_) => {
                    let detail = format!("entry {index} was not stored as written");
                    return Err(LedgerError::Forked(detail));
                }
                None => {
                    let detail = format!("entry {index} is not in the database");
                    return Err(LedgerError::Forked(detail));
                }
            }
        }
        Ok(entries)
    }
}

/// A checkpoint that is published, and the entries that it is the first to cover, as stored.
pub struct Published {
    pub checkpoint: VerifiedCheckpoint,
    pub entries: HashMap<EntryIndex, Vec<u8>>,
}
