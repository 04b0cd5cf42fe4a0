//! The store in a PostgreSQL database, for a team: any number of processes append to one log.
//!
//! The lock is the head row. The server ends the transaction of whoever holds it and falls silent,
//! and the head moves only from the size that was read under the lock, so a process that was paused
//! can do no harm when it goes on. Commits are synchronous whatever the server's default, and a
//! server that does not sync its disk is refused.
//!
//! Whoever may read these tables reads every envelope in the clear, and whoever owns them can
//! delete history, which shows, and cannot invent it.

mod address;
mod append;
mod outbox;
mod read;
mod rows;
mod schema;
mod server;
mod session;
mod stalled;
#[cfg(test)]
mod tests;
mod tokens;
mod transaction;

use std::time::{Duration, Instant};

use schemas::id::{EntryIndex, TreeSize};
use sqlx::PgPool;
use sqlx::postgres::{PgDatabaseError, PgPoolOptions, PgSeverity};

pub use self::address::Address;
pub use self::server::{Server, server};
use self::session::Limits;
use self::transaction::{PgAppend, PgSnapshot};
use super::forms::number;
use super::{Pool, Store, StoreError};

/// Connections beside the one that appends: views, and the publishing of checkpoints.
const SHARED: u32 = 8;

/// How often erasure looks whether the last one who could see the bytes is done.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// One log in one schema of a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PgStore {
    address: Address,
    /// One connection: in a process nobody needs to wait for the head row but its first in line.
    writer: PgPool,
    shared: PgPool,
    limits: Limits,
}

impl PgStore {
    /// Makes an empty log in the first schema of the search path, which holds none yet.
    pub async fn create(address: &Address) -> Result<PgStore, StoreError> {
        schema::create(address, &Limits::default()).await?;
        PgStore::open(address).await
    }

    /// Opens the log that is there; never makes one.
    pub async fn open(address: &Address) -> Result<PgStore, StoreError> {
        PgStore::open_with(address, Limits::default()).await
    }

    async fn open_with(address: &Address, limits: Limits) -> Result<PgStore, StoreError> {
        schema::prepare(address, &limits).await?;
        Ok(PgStore {
            address: address.clone(),
            writer: pool(1, address, &limits),
            shared: pool(SHARED, address, &limits),
            limits,
        })
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.shared.close().await;
        self.writer.close().await;
    }
}

fn pool(connections: u32, address: &Address, limits: &Limits) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(limits.lock)
        // Whoever begins a transaction finds out, and that saves everybody a message.
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(session::prepare(connection)))
        .after_release(|connection, _| Box::pin(session::end(connection)))
        .connect_lazy_with(address.options())
}

impl Store for PgStore {
    type Snapshot = PgSnapshot;
    type Append = PgAppend;

    async fn snapshot(&self) -> Result<PgSnapshot, StoreError> {
        PgSnapshot::begin(&self.shared, &self.limits).await
    }

    async fn lock_sealed(&self) -> Result<PgAppend, StoreError> {
        PgAppend::begin(&self.writer, &self.limits).await
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
        let mut transaction = transaction::begin(&self.shared, self.limits.begin_append()).await?;
        let log = read::head(&mut transaction).await?.0.size;
        if log < size {
            return Err(StoreError::Ahead { size, log });
        }
        let swapped = sqlx::query(SWAP_CHECKPOINT)
            .bind(number(size))
            .bind(note)
            .bind(expected.map(number))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?
            .rows_affected();
        transaction::commit(transaction).await?;
        Ok(swapped == 1)
    }

    /// Deletes the rows and takes them out of their pages, once nobody can see them any more.
    ///
    /// What the database cannot take away: free space keeps the bytes until it is written again
    /// (`VACUUM FULL envelope` writes the table anew), and so do the write-ahead log until its files
    /// are recycled, its archive, standbys that lag, and backups. Each of them has a keeper.
    async fn erase_envelopes(&self, indexes: &[EntryIndex]) -> Result<u64, StoreError> {
        let mut transaction = transaction::begin(&self.shared, self.limits.begin_append()).await?;
        let (erased, id) = append::erase(&mut transaction, indexes).await?;
        transaction::commit(transaction).await?;
        let mut connection =
            self.shared.acquire().await.map_err(|error| unavailable(&self.shared, error))?;
        let until = Instant::now() + self.limits.lock;
        while append::is_seen(&mut connection, &id).await? {
            if Instant::now() >= until {
                return Err(StoreError::Busy);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        append::vacuum(&mut connection).await?;
        Ok(erased)
    }

    fn pools(&self) -> Vec<Pool> {
        vec![Pool::of("write", &self.writer), Pool::of("read", &self.shared)]
    }
}

/// Of several that publish at once, the key of the sequence lets one through; the others find
/// nothing to insert once that one is committed.
const SWAP_CHECKPOINT: &str = "INSERT INTO checkpoint (sequence, size, note) \
     SELECT coalesce(last.sequence, 0) + 1, $1, $2 \
     FROM (SELECT) AS one LEFT JOIN LATERAL \
         (SELECT sequence, size FROM checkpoint ORDER BY sequence DESC LIMIT 1) AS last ON true \
     WHERE last.size IS NOT DISTINCT FROM $3 \
     ON CONFLICT (sequence) DO NOTHING";

/// Says why a transaction could not begin.
fn unavailable(pool: &PgPool, error: sqlx::Error) -> StoreError {
    match error {
        // All connections are in use, or none could be made for as long as we wait.
        sqlx::Error::PoolTimedOut if pool.size() == 0 => {
            let address = format!("the server on {}", pool.connect_options().get_host());
            StoreError::Unreachable { address, source: None }
        }
        error => failed(error),
    }
}

/// Says what went wrong before a commit: nothing of the transaction will remain.
fn failed(error: sqlx::Error) -> StoreError {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return StoreError::Busy;
    }
    if is_connection_lost(&error) {
        return StoreError::Disconnected(error);
    }
    match sql_state(&error).as_deref() {
        // lock_not_available
        Some("55P03") => StoreError::Busy,
        // disk_full
        Some("53100") => StoreError::Full,
        // query_canceled, idle_in_transaction_session_timeout, transaction_timeout
        Some("57014" | "25P03" | "25P04") => StoreError::Expired(error),
        Some(_) | None => StoreError::Database(Box::new(error)),
    }
}

/// Says what a failed commit left behind.
///
/// An answer of the server that is an error and not its end is certain: it has undone everything.
/// Anything else, a lost connection for one, leaves open whether the commit was before or after.
fn commit_failed(error: sqlx::Error) -> StoreError {
    let answer = error.as_database_error().and_then(|it| it.try_downcast_ref::<PgDatabaseError>());
    match answer.map(PgDatabaseError::severity) {
        Some(PgSeverity::Error) => failed(error),
        Some(_) | None => StoreError::CommitUnknown(Box::new(error)),
    }
}

/// The server has gone, is going or is not there yet, whatever was asked.
fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        error => sql_state(error).is_some_and(|state| {
            // connection_exception; admin_shutdown, crash_shutdown, cannot_connect_now;
            // too_many_connections
            state.starts_with("08") || state.starts_with("57P0") || state == "53300"
        }),
    }
}

fn sql_state(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
