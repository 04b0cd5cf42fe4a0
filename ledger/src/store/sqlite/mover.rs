//! Moves what the `-wal` holds into the file, beside the writer.
//!
//! A commit that has filled the `-wal` would do it by itself, while everybody waits for the lock.
//! Done earlier and on a connection of its own it leaves that commit almost nothing to move; and
//! where it fails, the commit still does it. Nothing depends on it: what is committed is durable
//! in the `-wal`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::SqlitePool;

/// Bytes of entries and envelopes after which they are moved: a third of what the `-wal` grows to.
const BYTES: u64 = 7 << 20;

/// Counts what is committed, and moves it from time to time.
#[derive(Debug, Clone)]
pub struct Mover {
    connection: SqlitePool,
    waiting: Arc<AtomicU64>,
    moving: Arc<AtomicBool>,
}

impl Mover {
    /// Takes a pool of one connection.
    pub fn new(connection: SqlitePool) -> Mover {
        Mover { connection, waiting: Arc::default(), moving: Arc::default() }
    }

    /// Notes what was committed, in bytes.
    pub fn committed(&self, bytes: u64) {
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if waiting < BYTES || self.moving.swap(true, Ordering::AcqRel) {
            return;
        }
        self.waiting.store(0, Ordering::Relaxed);
        let Mover { connection, moving, .. } = self.clone();
        tokio::spawn(async move {
            let moved = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&connection).await;
            moving.store(false, Ordering::Release);
            if let Err(cause) = moved {
                tracing::debug!(%cause, "the -wal was not moved");
            }
        });
    }

    pub async fn close(&self) {
        self.connection.close().await;
    }
}
