//! The store in one SQLite file, for a ledger on one machine.
//!
//! Write-ahead log with `synchronous = FULL`: a commit returns after its `fdatasync`, and readers
//! never wait for the writer. There is one writing connection in a process; between processes
//! `BEGIN IMMEDIATE` is the lock. Whoever holds the file, or the `-wal` beside it, holds every
//! envelope in the clear, so all of them are made with mode 0600.

mod append;
mod file;
mod read;
mod rows;
mod transaction;

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemas::id::{EntryIndex, TreeSize};
use sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlitePool};

use self::rows::number;
use self::transaction::{SqliteAppend, SqliteSnapshot};
use super::{Store, StoreError};

/// How long a writer waits for another one, in this process or elsewhere.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that read. Each is a thread with a page cache of its own.
const READERS: u32 = 4;

/// Page cache of the writer, in KiB: holds the upper levels of every tree, and a whole batch
/// before it is committed.
const WRITER_CACHE: &str = "-65536";

/// Pages in the `-wal` after which a commit moves them into the file: 64 MiB. Batches touch the
/// same inner pages again and again, and only their last version is moved.
const WAL_PAGES: &str = "8192";

/// Prepared statements kept by a connection: every text in `rows`, at each of its sizes.
const STATEMENTS_CACHED: usize = 256;

/// One log in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Makes an empty log in a new file. Refuses to touch anything that is there already.
    pub async fn create(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        file::create(path.as_ref()).await?;
        SqliteStore::open(path).await
    }

    /// Opens the log in a file that is there; never makes one.
    pub async fn open(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_limited(path, u32::MAX - 1).await
    }

    /// Opens a log that answers `Full` rather than grow past so many pages of 8 KiB.
    ///
    /// Keeps a ledger from filling a disk that it shares. The `-wal` beside the file is not
    /// counted.
    pub async fn open_limited(
        path: impl AsRef<Path>,
        pages_max: u32,
    ) -> Result<SqliteStore, StoreError> {
        let path: PathBuf = path.as_ref().to_owned();
        file::prepare(&path).await?;
        let writer = options(&path)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .pragma("secure_delete", "ON")
            .pragma("max_page_count", pages_max.to_string());
        let readers = options(&path).pragma("query_only", "ON");
        Ok(SqliteStore {
            writer: pool(1).connect_lazy_with(writer),
            readers: pool(READERS).connect_lazy_with(readers),
        })
    }

    /// Closes every connection; the last one moves the `-wal` into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_CACHED)
        .disable_statement_logging()
}

fn pool(connections: u32) -> PoolOptions<sqlx::Sqlite> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(BUSY_TIMEOUT)
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
    // A dropped transaction has only queued its rollback: let that happen first.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

impl Store for SqliteStore {
    type Snapshot = SqliteSnapshot;
    type Append = SqliteAppend;

    async fn snapshot(&self) -> Result<SqliteSnapshot, StoreError> {
        let transaction = self.readers.begin().await.map_err(failed)?;
        SqliteSnapshot::start(transaction).await
    }

    async fn lock(&self) -> Result<SqliteAppend, StoreError> {
        let begin = self.writer.begin_with("BEGIN IMMEDIATE").await;
        SqliteAppend::start(begin.map_err(failed)?).await
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
        // Not in one transaction with the swap, and need not be: a log never gets shorter.
        let log = read::head(&mut connection).await?.size;
        if log < size {
            return Err(StoreError::Ahead { size, log });
        }
        let swapped = sqlx::query(SWAP_CHECKPOINT)
            .bind(number(size))
            .bind(note)
            .bind(expected.map(number))
            .execute(&mut *connection)
            .await;
        Ok(swapped.map_err(commit_failed)?.rows_affected() == 1)
    }

    async fn erase_envelopes(&self, indexes: &[EntryIndex]) -> Result<u64, StoreError> {
        let mut transaction = self
            .writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed)?;
        let erased = append::erase(&mut transaction, indexes).await?;
        transaction.commit().await.map_err(commit_failed)?;
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        append::empty_wal(&mut connection).await?;
        Ok(erased)
    }
}

const SWAP_CHECKPOINT: &str = "INSERT INTO checkpoint (size, note) SELECT ?1, ?2 \
     WHERE (SELECT size FROM checkpoint ORDER BY sequence DESC LIMIT 1) IS ?3";

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
    use super::*;
    use crate::store::conformance;

    #[tokio::test]
    async fn conforms() {
        let folder = tempfile::tempdir().unwrap();
        let made = std::sync::atomic::AtomicU32::new(0);
        conformance::run(async || {
            let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            SqliteStore::create(folder.path().join(format!("{number}.db")))
                .await
                .unwrap()
        })
        .await;
    }
}
