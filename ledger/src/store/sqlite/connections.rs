//! Connections to the file: opened when there are too few, lent to one caller at a time.
//!
//! A call to SQLite runs on the thread that makes it. It takes some microseconds, a commit as long as
//! a sync of the disk, and handing it to another thread and waiting for the answer takes longer than
//! most calls. What waits for somebody else, for a connection or for another process's lock, waits
//! without keeping its thread.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failed;
use crate::store::{Pool, StoreError};

/// Page cache of the writer, in KiB: holds the upper levels of every tree, and a whole batch
/// before it is committed.
const WRITER_CACHE_KIB: i64 = 49_152;

/// Pages in the `-wal` after which a commit moves them into the file: 32 MiB. Batches touch the
/// same inner pages again and again, and only their last version is moved.
const WAL_PAGES: u32 = 4096;

/// Prepared statements kept by a connection: more than there are texts.
const STATEMENTS_CACHED: usize = 64;

/// How long somebody waits before asking again for a lock that another process holds: from the
/// first time to the longest.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(25));

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Only one, which answers `Full` rather than grow past so many pages.
    Write { pages_max: u32 },
    /// Each with a page cache of its own.
    Read { connections: u32 },
    /// Only one, which moves what the `-wal` holds into the file.
    Move,
}

impl Purpose {
    fn connections_max(self) -> u32 {
        match self {
            Purpose::Write { .. } | Purpose::Move => 1,
            Purpose::Read { connections } => connections,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Purpose::Write { .. } => "write",
            Purpose::Read { .. } => "read",
            Purpose::Move => "move",
        }
    }
}

/// The connections of one purpose, shared by whoever holds a clone.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    purpose: Purpose,
    /// How long somebody waits for a connection, or for the lock of another process.
    patience: Duration,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    open: AtomicU32,
}

impl Connections {
    /// Opens none yet.
    pub fn new(path: PathBuf, purpose: Purpose, patience: Duration) -> Connections {
        let free = Arc::new(Semaphore::new(purpose.connections_max() as usize));
        let (idle, open) = Default::default();
        Connections(Arc::new(Shared { path, purpose, patience, free, idle, open }))
    }

    /// Waits for one that nobody uses.
    pub async fn lend(&self) -> Result<Lent, StoreError> {
        let shared = Arc::clone(&self.0);
        let free = Arc::clone(&shared.free).acquire_owned();
        let permit = match tokio::time::timeout(shared.patience, free).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(StoreError::Database("the store was closed".into())),
            Err(_) => return Err(StoreError::Busy),
        };
        let idle = shared.idle.lock().ok().and_then(|mut idle| idle.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => shared.open().map_err(failed)?,
        };
        Ok(Lent { connection: Some(connection), shared, _permit: permit })
    }

    /// Waits until all are given back, and closes them.
    pub async fn close(&self) {
        let all = self.0.purpose.connections_max();
        let _all = self.0.free.acquire_many(all).await;
        self.0.free.close();
        if let Ok(mut idle) = self.0.idle.lock() {
            idle.clear();
        }
        self.0.open.store(0, Ordering::Relaxed);
    }

    pub fn pool(&self) -> Pool {
        let idle = self.0.idle.lock().map_or(0, |idle| idle.len());
        Pool {
            name: self.0.purpose.name(),
            open: self.0.open.load(Ordering::Relaxed),
            idle: u32::try_from(idle).unwrap_or(0),
        }
    }
}

impl Shared {
    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = open(&self.path, OpenFlags::empty())?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        match self.purpose {
            Purpose::Write { pages_max } => {
                // A commit does not sync: `wal` does, once the lock is given back.
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                // Whoever writes asks again by itself: `patiently`, below.
                connection.busy_timeout(Duration::ZERO)?;
                connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
                connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
                // What a statement would need to undo itself: never worth a file.
                connection.pragma_update(None, "temp_store", "MEMORY")?;
                connection.pragma_update(None, "secure_delete", "ON")?;
                connection.pragma_update(None, "max_page_count", pages_max)?;
            }
            Purpose::Read { .. } => {
                connection.busy_timeout(self.patience)?;
                connection.pragma_update(None, "query_only", "ON")?;
            }
            Purpose::Move => connection.busy_timeout(self.patience)?,
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }
}

/// Opens a file, which is never taken for an address, whatever its name; it must be there unless the
/// flags say otherwise.
pub fn open(path: &std::path::Path, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags | more)?;
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// A connection, until it is given back by being dropped. A transaction that was not committed is
/// rolled back then.
#[derive(Debug)]
pub struct Lent {
    connection: Option<Connection>,
    shared: Arc<Shared>,
    /// Given back last.
    _permit: OwnedSemaphorePermit,
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        // Taken only by `drop`.
        self.connection.as_ref().expect("a connection is lent until it is given back")
    }
}

impl Lent {
    /// Does what may find the file locked by another process, until it does not.
    pub async fn patiently<T>(
        &mut self,
        mut act: impl FnMut(&Connection) -> rusqlite::Result<T> + Send,
    ) -> rusqlite::Result<T> {
        let until = Instant::now() + self.shared.patience;
        let (mut pause, longest) = ASK_AGAIN;
        loop {
            match act(self) {
                Err(error) if is_busy(&error) && Instant::now() < until => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                done => return done,
            }
        }
    }

    /// Takes the lock on the file: until the transaction ends nobody else writes.
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        self.patiently(|it| it.execute_batch("BEGIN IMMEDIATE")).await.map_err(failed)
    }

    /// Moves the `-wal` into the file and empties it, so that no older copy of a page remains there.
    pub async fn empty_wal(&mut self) -> Result<(), StoreError> {
        let emptied = self.patiently(|it| {
            let busy = it.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
            if busy { Err(locked()) } else { Ok(()) }
        });
        emptied.await.map_err(failed)
    }

    /// Writes all that was changed since `begin` into the `-wal`, or nothing, and gives the lock back.
    pub fn commit(self) -> Result<(), StoreError> {
        self.execute_batch("COMMIT").map_err(super::commit_failed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // After a full disk SQLite may have rolled back by itself: it is asked, not remembered.
        let ended = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
        match self.shared.idle.lock() {
            Ok(mut idle) if ended && !self.shared.free.is_closed() => idle.push(connection),
            Ok(_) | Err(_) => {
                self.shared.open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// What SQLite says where another one has the lock.
fn locked() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}
