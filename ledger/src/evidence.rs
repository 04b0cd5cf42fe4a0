//! Checkpoints under this log's key that its entries do not lead to: kept, and never explained away.
//!
//! One of them proves that the log key has signed two histories. It stops the ledger, and is looked
//! at again whenever the ledger is opened: where the right database is put back, it is a prefix.

use std::path::PathBuf;

use schemas::id::{Hash, TreeSize};
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::merkle::sha256;
use verifier::note::format_note;

use crate::error::{LedgerError, file_error};
use crate::folder::{Folder, write_durably};
use crate::ledger::Ledger;
use crate::store::{Read, Store};
use crate::tree::Tiles;

/// Most files that are kept: one is enough to stop, and whoever brings more adds nothing.
const FILES_MAX: usize = 32;

/// How a checkpoint contradicts a log.
#[derive(Debug, thiserror::Error)]
pub enum Contradiction {
    #[error("has size {found}, the database {size}: it was restored from an older copy")]
    Ahead { found: TreeSize, size: TreeSize },
    #[error("has root {found} at size {size}, the database {root}")]
    Other { size: TreeSize, found: Hash, root: Hash },
}

/// Compares a checkpoint with the log: it must be no longer, and have its root at its size.
pub async fn contradiction<R: Read>(
    checkpoint: &VerifiedCheckpoint,
    read: &mut R,
    tiles: &mut Tiles,
) -> Result<Option<Contradiction>, LedgerError> {
    let (found, size) = (checkpoint.size(), read.head().size);
    if found > size {
        return Ok(Some(Contradiction::Ahead { found, size }));
    }
    let root = tiles.root(read, found).await?;
    let other = Contradiction::Other { size: found, found: *checkpoint.root(), root };
    Ok((root != *checkpoint.root()).then_some(other))
}

/// The files that are kept.
pub fn list(folder: &Folder) -> Result<Vec<PathBuf>, LedgerError> {
    let root = folder.evidence();
    let entries = match std::fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(file_error(root)(cause)),
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_checkpoint = |path: &PathBuf| path.extension().is_some_and(|it| it == "checkpoint");
    Ok(paths.filter(is_checkpoint).collect())
}

fn keep(folder: &Folder, checkpoint: &VerifiedCheckpoint) -> Result<(), LedgerError> {
    if list(folder)?.len() >= FILES_MAX {
        return Ok(());
    }
    let note = format_note(checkpoint.note());
    let name = format!("{}.checkpoint", sha256(&[checkpoint.note().text().as_bytes()]));
    write_durably(&folder.evidence().join(name), note.as_bytes(), 0o644)
}

impl<S: Store> Ledger<S> {
    /// Compares the log with a checkpoint that somebody has verified, which must be a prefix of it.
    ///
    /// One that is not is kept as evidence, and nothing is signed any more.
    pub async fn compare(&self, seen: &VerifiedCheckpoint, who: &str) -> Result<(), LedgerError> {
        let mut read = self.store.snapshot().await?;
        let Some(contradiction) = contradiction(seen, &mut read, &mut Tiles::default()).await?
        else {
            return Ok(());
        };
        let why = format!("the checkpoint that {who} has seen {contradiction}");
        self.publisher.stop(why.clone());
        keep(&self.folder, seen)?;
        Err(LedgerError::Forked(why))
    }

    /// Refuses where nothing is signed any more.
    pub fn check_signing(&self) -> Result<(), LedgerError> {
        self.publisher.check_signing()
    }
}
