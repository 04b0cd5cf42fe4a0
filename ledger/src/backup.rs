//! A backup of a ledger that is one folder: the log as it is at one moment, its attachments, its pin.
//!
//! Copying the files of a running ledger is no backup: database and `-wal` would be of two moments.
//! The keys are left out unless asked for. They never change, and whoever holds a copy of
//! `log.pem` can fork the log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemas::id::{Digest, Hash, TreeSize};
use schemas::report::Class;

use crate::clock::SystemClock;
use crate::database::{self, Database};
use crate::error::{LedgerError, file_error, malformed};
use crate::folder::{self, Folder};
use crate::ledger::Ledger;
use crate::store::{AnyStore, Read as _, SqliteStore, Store as _, sqlite};

/// A backup that was verified.
#[derive(Debug, Clone)]
pub struct BackedUp {
    pub size: TreeSize,
    pub root: Hash,
    pub attachments: u64,
}

/// Whether a backup holds the keys of the log and of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Without,
    With,
}

impl Ledger<AnyStore> {
    /// Makes the new folder `to`, verified from its first entry to its last; a folder of that name is
    /// whole or not there. Only where the log is in a file: a PostgreSQL server has ways of its own.
    pub async fn back_up(
        &self,
        to: &Path,
        keys: Keys,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<BackedUp, LedgerError> {
        let Database::Sqlite(from) = self.folder.database()? else {
            let what = "the log is in PostgreSQL, which is backed up with its own tools";
            return Err(malformed("the ledger's database", what));
        };
        Folder::new(to).check_empty()?;
        let mut name = to.as_os_str().to_owned();
        name.push(".unfinished");
        let unfinished = Folder::new(&PathBuf::from(name));
        unfinished.check_empty()?;
        let made = self.back_up_in(&unfinished, &from, keys, progress).await;
        let made = made.and_then(|it| finish(&unfinished.root, to).map(|()| it));
        if made.is_err() {
            // The first error is the one worth telling.
            let _ = fs::remove_dir_all(&unfinished.root);
        }
        made
    }

    async fn back_up_in(
        &self,
        copy: &Folder,
        from: &Path,
        keys: Keys,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<BackedUp, LedgerError> {
        copy.create()?;
        let database = copy.root.join(database::FILE);
        sqlite::copy(from, &database).await?;
        // After the log: what an entry names was there before the entry.
        let attachments = copy_attachments(&self.folder, copy)?;
        let pin = self.folder.pin();
        let bytes = fs::read(&pin).map_err(file_error(pin))?;
        folder::write_durably(&copy.pin(), &bytes, 0o644)?;
        // What is in a bucket is not copied: the bucket has backups of its own.
        if let Some(bucket) = self.folder.bucket()? {
            copy.name_bucket(&bucket)?;
        }
        if keys == Keys::With {
            folder::write_key(&copy.log_key(), self.log_key()?)?;
            folder::write_key(&copy.service_key(), &self.service_key()?)?;
            if let Some(key) = self.webhook_key()? {
                key.write(copy)?;
            }
        }
        let store = AnyStore::Sqlite(SqliteStore::open(&database).await?);
        let clock = Arc::new(SystemClock);
        // It is verified alone: no checkpoint of this machine is compared with it.
        let apart = copy.root.join("keys");
        let pin = verifier::pin::Pin::clone(&self.pin);
        let it = Ledger::assemble(store, copy.clone(), pin, &apart, clock, false)?;
        let verified = it.verify_copy(progress).await;
        it.close().await;
        verified.map(|(size, root)| BackedUp { size, root, attachments })
    }

    /// Verifies a copy and gives it the checkpoint that is published in it.
    async fn verify_copy(
        &self,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<(TreeSize, Hash), LedgerError> {
        let note = self.store.snapshot().await?.checkpoint().await?;
        if let Some((_, note)) = note {
            folder::write_durably(&self.folder.checkpoint(), note.as_bytes(), 0o644)?;
        }
        let report = self.verify(progress).await?;
        match report.findings.iter().find(|finding| finding.class == Class::Integrity) {
            None => Ok((report.size, report.root)),
            Some(finding) => {
                let (code, detail) = (finding.code.name(), &finding.detail);
                Err(LedgerError::Forked(format!("the log does not verify: {code}: {detail}")))
            }
        }
    }
}

/// Copies attachments one by one, each read again by its name.
fn copy_attachments(from: &Folder, to: &Folder) -> Result<u64, LedgerError> {
    let listed = from.root.join("attachments").join("sha256");
    let mut copied = 0;
    for file in fs::read_dir(&listed).map_err(file_error(&listed))? {
        let name = file.map_err(file_error(&listed))?.file_name();
        // Anything else was not put there by a ledger.
        let Ok(digest) = format!("sha256:{}", name.to_string_lossy()).parse::<Digest>() else {
            continue;
        };
        if let Some(bytes) = from.attachment(&digest)? {
            to.attach(&bytes)?;
            copied += 1;
        }
    }
    Ok(copied)
}

/// Gives the folder its name, durably; an empty folder of that name makes room.
fn finish(unfinished: &Path, to: &Path) -> Result<(), LedgerError> {
    fs::rename(unfinished, to).map_err(file_error(to))?;
    let above = to.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    fs::File::open(above).and_then(|it| it.sync_all()).map_err(file_error(above))
}
