//! Moves what the `-wal` holds into the file, beside the writer.
//!
//! A commit that has filled the `-wal` would do it by itself, while everybody waits for the lock.
//! Done earlier and on a connection of its own it leaves that commit almost nothing to move; and
//! where it fails, the commit still does it. Nothing depends on it: what is committed is durable
//! in the `-wal`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::connections::Connections;

/// Bytes of entries and envelopes after which they are moved: a third of what the `-wal` grows to.
const BYTES: u64 = 7 << 20;

/// Counts what is committed, and moves it from time to time.
#[derive(Debug, Clone)]
pub struct Mover {
    connection: Connections,
    waiting: Arc<AtomicU64>,
    moving: Arc<AtomicBool>,
}

impl Mover {
    /// Takes connections of which there is only one.
    pub fn new(connection: Connections) -> Mover {
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
            if let Ok(connection) = connection.lend().await {
                // Megabytes are read, written and synced: not on a thread that others wait for.
                let moved = tokio::task::spawn_blocking(move || {
                    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
                });
                if let Ok(Err(cause)) = moved.await {
                    tracing::debug!(%cause, "the -wal was not moved");
                }
            }
            moving.store(false, Ordering::Release);
        });
    }

    pub async fn close(&self) {
        self.connection.close().await;
    }
}
