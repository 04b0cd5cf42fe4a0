//! Makes what was committed survive a loss of power, once the lock is given back.
//!
//! A commit writes into the `-wal` and gives the lock back; then, beside whoever has it next, the file is
//! synced, and what was committed meanwhile is synced along. Nobody is answered before, neither who
//! has committed nor who reads. SQLite would sync within the commit, while all others wait.
//!
//! Nothing is shown or signed on the word of an operating system that failed to sync once: it may have
//! dropped what it could not write, and say nothing the next time.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

use crate::store::StoreError;

/// The `-wal` of a database.
#[derive(Debug, Clone)]
pub struct Wal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Commits that are about to write, or just have.
    writing: AtomicU64,
    /// Commits that have written all they had to write.
    written: AtomicU64,
    /// How many of the written ones are synced.
    synced: AtomicU64,
    /// The file, for whose turn it is to sync it: kept open, as a failure that another part of the
    /// process was told of first is not told to whoever opens it then.
    turn: Mutex<Option<File>>,
    /// Why the first sync failed that did.
    failed: OnceLock<String>,
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
        let (writing, written, synced, turn, failed) = Default::default();
        Ok(Wal(Arc::new(Shared { path, writing, written, synced, turn, failed })))
    }

    /// Commits by `write`, and returns once that is on the disk. Where nobody waits for that any more,
    /// whoever comes next sees to it.
    pub async fn commit<T>(
        &self,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let writing = Writing::of(&self.0.writing);
        let written = write.await?;
        let mine = self.count_written();
        drop(writing);
        let synced = self.sync(mine).await;
        synced.map_err(|cause| StoreError::CommitUnknown(Box::new(cause)))?;
        Ok(written)
    }

    /// Returns once everything is on the disk that a view shows which was opened before.
    ///
    /// What another process has committed is synced by that process, so a view may show that for the
    /// millisecond before.
    pub async fn settle(&self) -> Result<(), StoreError> {
        let nobody_writes = self.0.writing.load(Ordering::SeqCst) == 0;
        let synced = self.0.synced.load(Ordering::SeqCst);
        if nobody_writes && synced == self.0.written.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.sync(self.count_written()).await
    }

    fn count_written(&self) -> u64 {
        self.0.written.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Returns once so many of what was written are on the disk.
    async fn sync(&self, mine: u64) -> Result<(), StoreError> {
        let mut file = self.0.turn.lock().await;
        self.check()?;
        if self.0.synced.load(Ordering::SeqCst) >= mine {
            return Ok(());
        }
        let written = self.0.written.load(Ordering::SeqCst);
        if let Err(cause) = sync_file(&self.0.path, &mut file) {
            tracing::error!(%cause, "the log could not be synced: nothing is appended or shown any more");
            return Err(StoreError::Unsynced(
                self.0.failed.get_or_init(|| cause.to_string()).clone(),
            ));
        }
        self.0.synced.store(written, Ordering::SeqCst);
        Ok(())
    }

    /// Refuses where a sync has failed.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.0.failed.get() {
            None => Ok(()),
            Some(why) => Err(StoreError::Unsynced(why.clone())),
        }
    }
}

/// Syncs the file that is there now: once no connection is left SQLite takes it away, and makes a new one.
fn sync_file(path: &Path, file: &mut Option<File>) -> io::Result<()> {
    let there = std::fs::metadata(path)?;
    let same = |it: &File| {
        it.metadata().is_ok_and(|it| (it.dev(), it.ino()) == (there.dev(), there.ino()))
    };
    let file = match file.take().filter(same) {
        Some(open) => file.insert(open),
        None => file.insert(File::open(path)?),
    };
    file.sync_data()
}

/// Counts one commit until it is counted as written, or has failed, or is abandoned.
struct Writing<'w>(&'w AtomicU64);

impl<'w> Writing<'w> {
    fn of(writing: &'w AtomicU64) -> Writing<'w> {
        writing.fetch_add(1, Ordering::SeqCst);
        Writing(writing)
    }
}

impl Drop for Writing<'_> {
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
        let held = wal.0.turn.lock().await;
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
        assert_eq!(wal.0.synced.load(Ordering::SeqCst), 2);
        wal.settle().await.unwrap();
    }

    /// As when a caller hangs up while another one syncs.
    #[tokio::test]
    async fn what_nobody_waits_for_is_synced_before_it_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let wal = of(&folder);
        let held = wal.0.turn.lock().await;
        let commit = tokio::time::timeout(std::time::Duration::ZERO, wal.commit(written())).await;
        assert!(commit.is_err(), "abandoned before it was synced");
        drop(held);
        assert!(matches!(wal.settle().await, Err(StoreError::Unsynced(_))), "no such file");
    }

    #[tokio::test]
    async fn a_view_waits_for_what_is_being_written_and_for_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let wal = of(&folder);
        wal.settle().await.unwrap();
        let _writing = Writing::of(&wal.0.writing);
        assert!(matches!(wal.settle().await, Err(StoreError::Unsynced(_))), "no such file");
    }

    /// What was not written is not synced, and nothing is the worse for it.
    #[tokio::test]
    async fn a_commit_that_fails_leaves_nothing_to_sync() {
        let folder = tempfile::tempdir().unwrap();
        let wal = of(&folder);
        let refused = wal.commit(async { Err::<(), _>(StoreError::Full) }).await;
        assert!(matches!(refused, Err(StoreError::Full)));
        wal.settle().await.unwrap();
        wal.check().unwrap();
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_appended_or_shown() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(folder.path().join("log.db")).await.unwrap();
        store.lock().await.unwrap().commit().await.unwrap();
        drop(store.snapshot().await.unwrap());
        let mut append = store.lock().await.unwrap();
        append.write(&Batch::default()).await.unwrap();
        // What a disk does that fails.
        std::fs::remove_file(folder.path().join("log.db-wal")).unwrap();
        let unknown = append.commit().await;
        assert!(matches!(unknown, Err(StoreError::CommitUnknown(_))), "{unknown:?}");
        let refused = store.lock().await;
        assert!(matches!(refused, Err(StoreError::Unsynced(_))), "{refused:?}");
        let refused = store.snapshot().await;
        assert!(matches!(refused, Err(StoreError::Unsynced(_))), "{refused:?}");
    }
}
