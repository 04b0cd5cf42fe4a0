//! The store in one SQLite file, for a ledger on one machine.
//!
//! Write-ahead log: a commit returns after its `fdatasync` (`wal`), and readers never wait for the
//! writer. There is one writing connection in a process; between processes
//! `BEGIN IMMEDIATE` is the lock. Whoever holds the file, or the `-wal` beside it, holds every
//! envelope in the clear, so all of them are made with mode 0600.

mod append;
mod connections;
mod file;
mod mover;
mod outbox;
mod read;
mod rows;
mod settings;
mod tokens;
mod transaction;
mod wal;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Params, ffi};
use schemas::id::{EntryIndex, TreeSize};

use self::connections::{Connections, Lent, Purpose};
use self::mover::Mover;
pub use self::settings::{Settings, copy, settings};
use self::transaction::{SqliteAppend, SqliteSnapshot};
use self::wal::Wal;
use super::forms::number;
use super::{Pool, Store, StoreError};

/// How long a writer waits for another one, in this process or elsewhere.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// SQLite's own limit on the size of a database, in pages.
const PAGES_MAX: u32 = u32::MAX - 1;

/// Connections that read.
const READERS: u32 = 4;

/// One log in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: Connections,
    readers: Connections,
    mover: Mover,
    wal: Wal,
}

impl SqliteStore {
    /// Makes an empty log in a new file. Refuses to touch anything that is there already.
    pub async fn create(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        file::create(path.as_ref())?;
        SqliteStore::open(path).await
    }

    /// Opens the log in a file that is there; never makes one.
    pub async fn open(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_limited(path, PAGES_MAX).await
    }

    /// Opens a log that answers `Full` rather than grow past so many pages of 8 KiB.
    ///
    /// Keeps a ledger from filling a disk that it shares. The `-wal` beside the file is not
    /// counted.
    pub async fn open_limited(
        path: impl AsRef<Path>,
        pages_max: u32,
    ) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path.as_ref(), pages_max, BUSY_TIMEOUT).await
    }

    async fn open_with(
        path: &Path,
        pages_max: u32,
        busy_timeout: Duration,
    ) -> Result<SqliteStore, StoreError> {
        file::prepare(path)?;
        let connections = |purpose| Connections::new(path.to_owned(), purpose, busy_timeout);
        Ok(SqliteStore {
            mover: Mover::new(connections(Purpose::Move)),
            writer: connections(Purpose::Write { pages_max }),
            readers: connections(Purpose::Read { connections: READERS }),
            wal: Wal::of(path)?,
        })
    }

    /// Closes every connection; the last one moves the `-wal` into the file.
    pub async fn close(&self) {
        // Whoever waits for a sync still needs the `-wal`, which goes with the last connection.
        let _ = self.wal.settle().await;
        self.readers.close().await;
        self.mover.close().await;
        self.writer.close().await;
    }

    /// Waits for the lock on the file, by which nobody else writes.
    async fn begin(&self) -> Result<Lent, StoreError> {
        self.wal.check()?;
        let mut connection = self.writer.lend().await?;
        connection.begin().await?;
        Ok(connection)
    }

    /// Commits what was written since `begin`, and makes it durable once the lock is given back.
    async fn commit(&self, connection: Lent) -> Result<(), StoreError> {
        self.wal.commit(async { connection.commit() }).await
    }

    /// Runs one statement that changes rows, and says how many.
    async fn change(
        &self,
        text: &'static str,
        values: impl Params + Clone + Send,
    ) -> Result<usize, StoreError> {
        let change = move |it: &Connection| it.prepare_cached(text)?.execute(values.clone());
        self.act(change).await
    }

    /// Does what is a transaction by itself, and makes it durable once the lock is given back.
    async fn act<T>(
        &self,
        act: impl FnMut(&Connection) -> rusqlite::Result<T> + Send,
    ) -> Result<T, StoreError> {
        let mut connection = self.writer.lend().await?;
        let act = async move { connection.patiently(act).await.map_err(commit_failed) };
        self.wal.commit(act).await
    }
}

impl Store for SqliteStore {
    type Snapshot = SqliteSnapshot;
    type Append = SqliteAppend;

    async fn snapshot(&self) -> Result<SqliteSnapshot, StoreError> {
        let connection = self.readers.lend().await?;
        connection.execute_batch("BEGIN").map_err(failed)?;
        let snapshot = SqliteSnapshot::start(connection, self.mover.clone(), self.wal.clone())?;
        self.wal.settle().await?;
        Ok(snapshot)
    }

    async fn lock_sealed(&self) -> Result<SqliteAppend, StoreError> {
        let connection = self.begin().await?;
        SqliteAppend::start(connection, self.mover.clone(), self.wal.clone())
    }

    async fn swap_checkpoint(
        &self,
        expected: Option<TreeSize>,
        size: TreeSize,
        note: &str,
    ) -> Result<bool, StoreError> {
        if let Some(published) = expected.filter(|published| size < *published) {
            return Err(StoreError::Backwards { published, size });
        }
        let mut connection = self.writer.lend().await?;
        let values = (number(size), note, expected.map(number));
        let swap = |it: &Connection| it.prepare_cached(SWAP_CHECKPOINT)?.execute(values);
        // Durable with the next commit. The entries that it covers are so already, and a checkpoint
        // that a loss of power takes away is followed by one that continues it.
        if connection.patiently(swap).await.map_err(commit_failed)? == 1 {
            return Ok(true);
        }
        // Not in one transaction with the swap, and need not be: a log never gets shorter.
        match read::head(&connection)?.0.size {
            log if log < size => Err(StoreError::Ahead { size, log }),
            _ => Ok(false),
        }
    }

    async fn erase_envelopes(&self, indexes: &[EntryIndex]) -> Result<u64, StoreError> {
        let connection = self.begin().await?;
        let erased = append::erase(&connection, indexes)?;
        self.commit(connection).await?;
        self.writer.lend().await?.empty_wal().await?;
        Ok(erased)
    }

    fn pools(&self) -> Vec<Pool> {
        vec![self.writer.pool(), self.readers.pool()]
    }
}

const SWAP_CHECKPOINT: &str = "INSERT INTO checkpoint (size, note) SELECT ?1, ?2 \
     WHERE (SELECT size FROM checkpoint ORDER BY sequence DESC LIMIT 1) IS ?3 \
     AND (SELECT size FROM head WHERE id = 0) >= ?1";

/// Says what went wrong before a commit: nothing of the transaction will remain.
fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error().map(|it| (it.code, it.extended_code)) {
        // No room for the index of the write-ahead log, which lies in a file too.
        Some((_, ffi::SQLITE_IOERR_SHMSIZE)) => StoreError::Full,
        Some((ErrorCode::DatabaseBusy, _)) => StoreError::Busy,
        Some((ErrorCode::DiskFull, _)) => StoreError::Full,
        Some(_) | None => StoreError::Database(Box::new(error)),
    }
}

/// Says what a failed commit left behind.
///
/// Busy and full are certain: the frame that marks a commit is written last, so it was not. After
/// anything else, a failed `fdatasync` for one, it may be on the disk and come back with the next
/// recovery.
fn commit_failed(error: rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
        return StoreError::CommitUnknown(Box::new(error));
    }
    match failed(error) {
        StoreError::Database(error) => StoreError::CommitUnknown(error),
        certain => certain,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use schemas::id::{Digest, Hash};

    use super::*;
    use crate::store::{
        Append, Batch, LogHead, Logged, Read, StatementKey, StoredEntry, conformance,
    };

    fn path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        (folder, path)
    }

    /// One entry at `index` with an envelope of so many bytes.
    fn batch(index: u64, envelope_bytes: usize) -> Batch {
        let envelope = Some(b"secret ".repeat(envelope_bytes / 7));
        let head = LogHead { size: index + 1, leaf: Hash([7; 32]), ..LogHead::default() };
        let entries = vec![StoredEntry { index, entry: vec![1; 100], envelope }];
        Batch { entries, head, ..Batch::default() }
    }

    async fn append(store: &SqliteStore, batch: &Batch) -> Result<(), StoreError> {
        let mut append = store.lock().await?;
        append.write(batch).await?;
        append.commit().await
    }

    async fn size(store: &SqliteStore) -> u64 {
        store.snapshot().await.unwrap().head().size
    }

    #[tokio::test]
    async fn conforms() {
        let (folder, _) = path();
        let made = AtomicU32::new(0);
        conformance::run(async || {
            let number = made.fetch_add(1, Ordering::Relaxed);
            SqliteStore::create(folder.path().join(format!("{number}.db"))).await.unwrap()
        })
        .await;
    }

    #[tokio::test]
    async fn a_full_database_keeps_what_it_has_and_goes_on_reading() {
        let (_folder, path) = path();
        SqliteStore::create(&path).await.unwrap().close().await;
        let store = SqliteStore::open_limited(&path, 100).await.unwrap();
        let mut written = 0;
        let error = loop {
            match append(&store, &batch(written, 50_000)).await {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full), "{error}");
        assert!(written > 5);
        // Again and again, on the same store: full, whole, readable.
        for _ in 0..3 {
            let error = append(&store, &batch(written, 50_000)).await.unwrap_err();
            assert!(matches!(error, StoreError::Full), "{error}");
            assert_eq!(store.lock().await.unwrap().head().size, written);
            let found = store.snapshot().await.unwrap().read_range(0, 99, u64::MAX).await.unwrap();
            assert_eq!(found.len() as u64, written);
        }
        store.close().await;
        let store = SqliteStore::open(&path).await.unwrap();
        append(&store, &batch(written, 50_000)).await.unwrap();
        assert_eq!(size(&store).await, written + 1);
    }

    #[tokio::test]
    async fn what_fails_half_way_is_never_committed() {
        let (_folder, path) = path();
        SqliteStore::create(&path).await.unwrap().close().await;
        let store = SqliteStore::open_limited(&path, 40).await.unwrap();
        let mut append = store.lock().await.unwrap();
        append.write(&batch(0, 100)).await.unwrap();
        assert!(matches!(append.write(&batch(1, 500_000)).await, Err(StoreError::Full)));
        assert!(matches!(append.write(&batch(1, 100)).await, Err(StoreError::Broken)));
        assert!(matches!(append.commit().await, Err(StoreError::Broken)));
        assert_eq!(size(&store).await, 0);
    }

    /// Two stores on one file are what two processes are: they share nothing but the file.
    #[tokio::test]
    async fn writers_of_two_processes_wait_for_each_other() {
        let (_folder, path) = path();
        let first = SqliteStore::create(&path).await.unwrap();
        let second = SqliteStore::open(&path).await.unwrap();
        let mut held = first.lock().await.unwrap();
        held.write(&batch(0, 100)).await.unwrap();
        let impatient = SqliteStore::open_with(&path, PAGES_MAX, Duration::from_millis(1)).await;
        let refused = impatient.unwrap().lock().await;
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        let next = batch(1, 100);
        let (committed, next) = tokio::join!(held.commit(), append(&second, &next));
        committed.unwrap();
        next.unwrap();
        assert_eq!((size(&first).await, size(&second).await), (2, 2));
    }

    #[tokio::test]
    async fn the_second_writer_in_a_process_gives_up_in_the_end() {
        let (_folder, path) = path();
        SqliteStore::create(&path).await.unwrap();
        let store = SqliteStore::open_with(&path, PAGES_MAX, Duration::from_millis(50)).await;
        let store = store.unwrap();
        let held = store.lock().await.unwrap();
        assert!(matches!(store.lock().await, Err(StoreError::Busy)));
        drop(held);
        store.lock().await.unwrap();
    }

    #[tokio::test]
    async fn erased_bytes_are_in_no_file() {
        let (folder, path) = path();
        let store = SqliteStore::create(&path).await.unwrap();
        let holders = || {
            let files = std::fs::read_dir(folder.path()).unwrap();
            let holds = |bytes: Vec<u8>| bytes.windows(14).any(|it| it == b"secret secret ");
            files
                .filter(|file| holds(std::fs::read(file.as_ref().unwrap().path()).unwrap()))
                .count()
        };
        for index in 0..3 {
            append(&store, &batch(index, 20_000)).await.unwrap();
        }
        assert!(holders() > 0);
        assert_eq!(store.erase_envelopes(&[0, 1, 2]).await.unwrap(), 3);
        assert_eq!(holders(), 0);
    }

    #[tokio::test]
    async fn erasure_is_busy_while_an_old_view_holds_the_bytes() {
        let (_folder, path) = path();
        SqliteStore::create(&path).await.unwrap();
        let store = SqliteStore::open_with(&path, PAGES_MAX, Duration::from_millis(50)).await;
        let store = store.unwrap();
        append(&store, &batch(0, 20_000)).await.unwrap();
        let mut old = store.snapshot().await.unwrap();
        assert!(matches!(store.erase_envelopes(&[0]).await, Err(StoreError::Busy)));
        assert!(old.entries(&[0]).await.unwrap()[0].envelope.is_some());
        let now = store.snapshot().await.unwrap().entries(&[0]).await.unwrap();
        assert_eq!(now[0].envelope, None);
        drop(old);
        assert_eq!(store.erase_envelopes(&[0]).await.unwrap(), 0);
    }

    /// What the schema itself refuses, and what a changed row is answered with.
    /// Under a thread that comes up only later it would not be found, and be logged once more.
    #[tokio::test]
    async fn a_statement_without_its_thread_is_refused() {
        let (_folder, path) = path();
        let store = SqliteStore::create(&path).await.unwrap();
        let about = Some(Digest::sha256(&Hash([1; 32])));
        let key = StatementKey { about, statement: Hash([2; 32]), project: None };
        let statements = vec![Logged { key, index: 0, parts: 1, signers: Vec::new() }];
        let refused = append(&store, &Batch { statements, ..batch(0, 100) }).await.unwrap_err();
        let cause = refused.source().unwrap().to_string();
        assert!(cause.contains("NOT NULL constraint failed: statement.opened"), "{cause}");
        assert_eq!(size(&store).await, 0);
    }

    #[tokio::test]
    async fn final_rows_stay_and_changed_rows_are_told() {
        let (_folder, path) = path();
        let store = SqliteStore::create(&path).await.unwrap();
        append(&store, &batch(0, 100)).await.unwrap();
        assert!(store.swap_checkpoint(None, 1, "one").await.unwrap());
        for change in [
            "UPDATE entry SET entry = x'00'",
            "DELETE FROM entry",
            "UPDATE envelope SET envelope = x'00'",
            "UPDATE checkpoint SET size = 0",
            "DELETE FROM checkpoint",
        ] {
            let error = store.change(change, ()).await.unwrap_err().source().unwrap().to_string();
            assert!(error.contains("final") || error.contains("stays"), "{error}");
        }
        let odd =
            "INSERT INTO thread VALUES ('artifact', 'sha256:00', 0, 0, zeroblob(32), NULL, 0)";
        store.change(odd, ()).await.unwrap();
        let page = store.snapshot().await.unwrap().threads_page(None, None, 9).await;
        assert!(matches!(page, Err(StoreError::Corrupt { table: "thread", what: "id" })));
        store.change("UPDATE head SET size = -1", ()).await.unwrap_err();
        let reader = store.readers.lend().await.unwrap();
        let refused = reader.execute("INSERT INTO entry VALUES (1, x'')", ()).unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
    }
}
