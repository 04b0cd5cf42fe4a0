//! Makes what was committed survive a loss of power, once the lock is given back.
//!
//! A commit writes into the `-wal` and gives the lock back; then, beside whoever has it next, the file is
//! synced, and what was committed meanwhile is synced along. Nobody is answered before, neither who
//! has committed nor who reads. SQLite would sync within the commit, while all others wait.
//!
//! Nothing is signed on the word of an operating system that failed to sync once: it may have dropped
//! what it could not write, and say nothing the next time.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::store::StoreError;

/// The `-wal` of a database.
#[derive(Debug, Clone)]
pub struct Wal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Commits that have written all they had to write.
    written: AtomicU64,
    /// Commits that are written or about to be, and perhaps not synced.
    pending: AtomicU64,
    /// How many of the written ones are synced.
    synced: Mutex<u64>,
    /// A sync has failed.
    failed: AtomicBool,
}

impl Wal {
    /// Syncs what is in it already: a process that was killed may have committed that and no more.
    pub fn of(database: &Path) -> Result<Wal, StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let path = PathBuf::from(path);
        match File::open(&path).and_then(|file| file.sync_data()) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(StoreError::File { path, source: cause });
            }
            Ok(()) | Err(_) => {}
        }
        let (written, pending, synced, failed) = Default::default();
        Ok(Wal(Arc::new(Shared { path, written, pending, synced, failed })))
    }

    /// Commits by `write`, and returns once that is on the disk.
    pub async fn commit<T>(
        &self,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let _pending = Pending::of(&self.0.pending);
        let written = write.await?;
        self.sync().await?;
        Ok(written)
    }

    /// Returns once everything is on the disk that a view shows which was opened before.
    ///
    /// What another process has committed is synced by that process, so a view may show that for the
    /// millisecond before.
    pub async fn settle(&self) -> Result<(), StoreError> {
        match self.0.pending.load(Ordering::SeqCst) {
            0 => Ok(()),
            _ => self.sync().await,
        }
    }

    /// Returns once what was written before is on the disk.
    async fn sync(&self) -> Result<(), StoreError> {
        let mine = self.0.written.fetch_add(1, Ordering::SeqCst) + 1;
        let mut synced = self.0.synced.lock().await;
        self.check()?;
        if *synced >= mine {
            return Ok(());
        }
        let written = self.0.written.load(Ordering::SeqCst);
        // Opened each time: once no connection is left SQLite takes the file away, and makes a new one.
        let done = File::open(&self.0.path).and_then(|file| file.sync_data());
        if let Err(cause) = done {
            self.0.failed.store(true, Ordering::SeqCst);
            return Err(StoreError::CommitUnknown(cause.into()));
        }
        *synced = written;
        Ok(())
    }

    /// Refuses where a sync has failed.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.0.failed.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(StoreError::CommitUnknown("an earlier sync of the -wal failed".into())),
        }
    }
}

/// Counts one commit until it is synced, or has failed, or is abandoned.
struct Pending<'p>(&'p AtomicU64);

impl<'p> Pending<'p> {
    fn of(pending: &'p AtomicU64) -> Pending<'p> {
        pending.fetch_add(1, Ordering::SeqCst);
        Pending(pending)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Append as _, Batch, SqliteStore, Store as _};

    fn of(folder: &tempfile::TempDir) -> Wal {
        Wal::of(&folder.path().join("log.db")).unwrap()
    }

    async fn written() -> Result<(), StoreError> {
        Ok(())
    }

    #[tokio::test]
    async fn whoever_waits_is_synced_along() {
        let folder = tempfile::tempdir().unwrap();
        let wal = of(&folder);
        std::fs::write(folder.path().join("log.db-wal"), "frames").unwrap();
        let held = wal.0.synced.lock().await;
        let (first, second) = (wal.clone(), wal.clone());
        let first = tokio::spawn(async move { first.commit(written()).await });
        let second = tokio::spawn(async move { second.commit(written()).await });
        let both = async {
            while wal.0.written.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), both).await.unwrap();
        assert!(!first.is_finished() && !second.is_finished(), "answered before the sync");
        drop(held);
        first.await.unwrap().unwrap();
        // The file may go now: the first one's sync was for both.
        std::fs::remove_file(folder.path().join("log.db-wal")).unwrap();
        second.await.unwrap().unwrap();
        assert_eq!((*wal.0.synced.lock().await, wal.0.pending.load(Ordering::SeqCst)), (2, 0));
        wal.settle().await.unwrap();
    }

    #[tokio::test]
    async fn a_view_waits_for_what_is_pending_and_for_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let wal = of(&folder);
        wal.settle().await.unwrap();
        let _pending = Pending::of(&wal.0.pending);
        assert!(matches!(wal.settle().await, Err(StoreError::CommitUnknown(_))), "no such file");
    }

    /// What was not written is not synced, and nothing is the worse for it.
    #[tokio::test]
    async fn a_commit_that_fails_leaves_nothing_pending() {
        let folder = tempfile::tempdir().unwrap();
        let wal = of(&folder);
        let refused = wal.commit(async { Err::<(), _>(StoreError::Full) }).await;
        assert!(matches!(refused, Err(StoreError::Full)));
        assert_eq!(wal.0.pending.load(Ordering::SeqCst), 0);
        wal.check().unwrap();
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_appended() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(folder.path().join("log.db")).await.unwrap();
        store.lock().await.unwrap().commit().await.unwrap();
        let mut append = store.lock().await.unwrap();
        append.write(&Batch::default()).await.unwrap();
        // What a disk does that fails.
        std::fs::remove_file(folder.path().join("log.db-wal")).unwrap();
        let unknown = append.commit().await;
        assert!(matches!(unknown, Err(StoreError::CommitUnknown(_))), "{unknown:?}");
        let refused = store.lock().await;
        assert!(matches!(refused, Err(StoreError::CommitUnknown(_))), "{refused:?}");
    }
}
