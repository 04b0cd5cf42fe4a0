//! The store in one SQLite file, for a ledger on one machine.
//!
//! Write-ahead log with `synchronous = FULL`: a commit returns after its `fdatasync`, and readers
//! never wait for the writer. There is one writing connection in a process; between processes
//! `BEGIN IMMEDIATE` is the lock. Whoever holds the file, or the `-wal` beside it, holds every
//! envelope in the clear, so all of them are made with mode 0600.

mod append;
mod file;
mod mover;
mod outbox;
mod read;
mod rows;
mod settings;
mod tokens;
mod transaction;

use std::path::Path;
use std::time::Duration;

use schemas::id::{EntryIndex, TreeSize};
use sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlitePool};

use self::mover::Mover;
pub use self::settings::{Settings, copy, settings};
use self::transaction::{SqliteAppend, SqliteSnapshot};
use super::forms::number;
use super::{Pool, Store, StoreError};

/// How long a writer waits for another one, in this process or elsewhere.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// SQLite's own limit on the size of a database, in pages.
const PAGES_MAX: u32 = u32::MAX - 1;

/// Connections that read. Each is a thread with a page cache of its own.
const READERS: u32 = 4;

/// Page cache of the writer, in KiB: holds the upper levels of every tree, and a whole batch
/// before it is committed.
const WRITER_CACHE: &str = "-49152";

/// Pages in the `-wal` after which a commit moves them into the file: 32 MiB. Batches touch the
/// same inner pages again and again, and only their last version is moved.
const WAL_PAGES: &str = "4096";

/// Prepared statements kept by a connection: every text in `rows`, at each of its sizes.
const STATEMENTS_CACHED: usize = 256;

/// Rows that a connection's thread reads ahead of whoever asked: a batch of them, so that the two do
/// not wake each other for every few.
const ROWS_AHEAD: usize = 512;

/// One log in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    mover: Mover,
}

impl SqliteStore {
    /// Makes an empty log in a new file. Refuses to touch anything that is there already.
    pub async fn create(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        file::create(path.as_ref()).await?;
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
        file::prepare(path).await?;
        let options = options(path).busy_timeout(busy_timeout);
        let writer = options
            .clone()
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            // What a statement would need to undo itself: never worth a file.
            .pragma("temp_store", "MEMORY")
            .pragma("secure_delete", "ON")
            .pragma("max_page_count", pages_max.to_string());
        let mover = Mover::new(pool(1, busy_timeout).connect_lazy_with(options.clone()));
        let readers = options.pragma("query_only", "ON");
        Ok(SqliteStore {
            mover,
            writer: pool(1, busy_timeout).connect_lazy_with(writer),
            readers: pool(READERS, busy_timeout).connect_lazy_with(readers),
        })
    }

    /// Closes every connection; the last one moves the `-wal` into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.mover.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_CACHED)
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging()
}

fn pool(connections: u32, busy_timeout: Duration) -> PoolOptions<sqlx::Sqlite> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(busy_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, meta| Box::pin(is_reusable(connection, meta)))
}

/// Closes a connection whose transaction did not end, instead of giving it to the next caller.
///
/// After a full disk SQLite may have rolled back by itself; the driver then still counts a
/// transaction, and would refuse every later `BEGIN IMMEDIATE` on that connection.
async fn is_reusable(
    connection: &mut SqliteConnection,
    _: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A dropped transaction has only queued its rollback: let that happen first.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

impl Store for SqliteStore {
    type Snapshot = SqliteSnapshot;
    type Append = SqliteAppend;

    async fn snapshot(&self) -> Result<SqliteSnapshot, StoreError> {
        let transaction = self.readers.begin().await.map_err(failed)?;
        SqliteSnapshot::start(transaction, self.mover.clone()).await
    }

    async fn lock_sealed(&self) -> Result<SqliteAppend, StoreError> {
        let begin = self.writer.begin_with("BEGIN IMMEDIATE").await;
        SqliteAppend::start(begin.map_err(failed)?, self.mover.clone()).await
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
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let swapped = sqlx::query(SWAP_CHECKPOINT)
            .bind(number(size))
            .bind(note)
            .bind(expected.map(number))
            .execute(&mut *connection)
            .await;
        if swapped.map_err(commit_failed)?.rows_affected() == 1 {
            return Ok(true);
        }
        // Not in one transaction with the swap, and need not be: a log never gets shorter.
        match read::head(&mut connection).await?.0.size {
            log if log < size => Err(StoreError::Ahead { size, log }),
            _ => Ok(false),
        }
    }

    async fn erase_envelopes(&self, indexes: &[EntryIndex]) -> Result<u64, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let erased = append::erase(&mut transaction, indexes).await?;
        transaction.commit().await.map_err(commit_failed)?;
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        append::empty_wal(&mut connection).await?;
        Ok(erased)
    }

    fn pools(&self) -> Vec<Pool> {
        vec![Pool::of("write", &self.writer), Pool::of("read", &self.readers)]
    }
}

const SWAP_CHECKPOINT: &str = "INSERT INTO checkpoint (size, note) SELECT ?1, ?2 \
     WHERE (SELECT size FROM checkpoint ORDER BY sequence DESC LIMIT 1) IS ?3 \
     AND (SELECT size FROM head WHERE id = 0) >= ?1";

/// Says what went wrong before a commit: nothing of the transaction will remain.
fn failed(error: sqlx::Error) -> StoreError {
    const BUSY: u32 = 5;
    const FULL: u32 = 13;
    /// No room for the index of the write-ahead log, which lies in a file too.
    const IOERR_SHMSIZE: u32 = 10 | (19 << 8);
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return StoreError::Busy;
    }
    match sqlite_code(&error) {
        Some(IOERR_SHMSIZE) => StoreError::Full,
        Some(code) if code & 0xff == BUSY => StoreError::Busy,
        Some(code) if code & 0xff == FULL => StoreError::Full,
        Some(_) | None => StoreError::Database(error),
    }
}

/// Says what a failed commit left behind.
///
/// Busy and full are certain: the frame that marks a commit is written last, so it was not. After
/// anything else, a failed `fdatasync` for one, it may be on the disk and come back with the next
/// recovery.
fn commit_failed(error: sqlx::Error) -> StoreError {
    const IOERR: u32 = 10;
    if sqlite_code(&error).is_some_and(|code| code & 0xff == IOERR) {
        return StoreError::CommitUnknown(error);
    }
    match failed(error) {
        StoreError::Database(error) => StoreError::CommitUnknown(error),
        certain => certain,
    }
}

fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use schemas::id::Hash;

    use super::*;
    use crate::store::{Append, Batch, LogHead, Read, StoredEntry, conformance};

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
            let error = sqlx::query(change).execute(&store.writer).await.unwrap_err();
            assert!(error.to_string().contains("final") || error.to_string().contains("stays"));
        }
        let odd = "INSERT INTO thread VALUES ('artifact', 'sha256:00', 0, 0, zeroblob(32), NULL)";
        sqlx::query(odd).execute(&store.writer).await.unwrap();
        let page = store.snapshot().await.unwrap().threads_page(None, None, 9).await;
        assert!(matches!(page, Err(StoreError::Corrupt { table: "thread", what: "id" })));
        sqlx::query("UPDATE head SET size = -1").execute(&store.writer).await.unwrap_err();
        let page = sqlx::query("INSERT INTO entry VALUES (1, x'')").execute(&store.readers).await;
        assert!(page.unwrap_err().to_string().contains("readonly"));
    }
}
