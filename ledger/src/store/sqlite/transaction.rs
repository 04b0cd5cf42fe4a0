//! One transaction: a view of the log, or the write lock on it.

use std::marker::PhantomData;

use rusqlite::Connection;
use schemas::id::{Digest, EntryIndex, TreeSize};
use schemas::thread::ThreadId;

use super::connections::Lent;
use super::mover::Mover;
use super::wal::Wal;
use super::{append, read};
use crate::store::{
    Append, Batch, LogHead, Logged, PREFIX_DIGITS_MIN, Published, Read, Rows, Seal, StatementKey,
    StoreError, StoredEntry, Thread, Tile,
};

/// What a transaction on a reading connection may do.
#[derive(Debug)]
pub enum Reading {}

/// What a transaction under the write lock may do.
#[derive(Debug)]
pub enum Writing {}

pub type SqliteSnapshot = SqliteTransaction<Reading>;
pub type SqliteAppend = SqliteTransaction<Writing>;

/// A transaction that is rolled back unless it is committed.
#[derive(Debug)]
pub struct SqliteTransaction<Mode> {
    connection: Lent,
    head: LogHead,
    seal: Option<Seal>,
    /// A call has failed: half of a batch may be written, or SQLite has rolled back by itself and the
    /// next statement would commit on its own. Nothing may follow either.
    broken: bool,
    mover: Mover,
    wal: Wal,
    /// Bytes of entries and envelopes that were written.
    written: u64,
    mode: PhantomData<fn() -> Mode>,
}

impl<Mode> SqliteTransaction<Mode> {
    /// Takes over a transaction that has just begun. Reading the head fixes its view.
    pub(super) fn start(connection: Lent, mover: Mover, wal: Wal) -> Result<Self, StoreError> {
        let (head, seal) = read::head(&connection)?;
        let (broken, written, mode) = (false, 0, PhantomData);
        Ok(SqliteTransaction { connection, head, seal, broken, mover, wal, written, mode })
    }

    /// Makes one call, after whose failure there is no other.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.broken {
            return Err(StoreError::Broken);
        }
        let result = call(&self.connection);
        self.broken = result.is_err();
        result
    }
}

impl<Mode> Read for SqliteTransaction<Mode> {
    fn head(&self) -> &LogHead {
        &self.head
    }

    async fn read_range(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
        bytes_max: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.call(|it| read::range(it, from, to, bytes_max))
    }

    async fn entries_alone(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<(EntryIndex, Vec<u8>)>, StoreError> {
        self.call(|it| read::entries_alone(it, from, to))
    }

    async fn entries(&mut self, indexes: &[EntryIndex]) -> Result<Vec<StoredEntry>, StoreError> {
        self.call(|it| read::entries(it, indexes))
    }

    async fn threads(&mut self, threads: &[ThreadId]) -> Result<Vec<Thread>, StoreError> {
        self.call(|it| read::threads(it, threads))
    }

    async fn threads_page(
        &mut self,
        kind: Option<&str>,
        after: Option<&ThreadId>,
        limit: u32,
    ) -> Result<Vec<Thread>, StoreError> {
        self.call(|it| read::threads_page(it, kind, after, limit))
    }

    async fn find_artifacts(
        &mut self,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<Digest>, StoreError> {
        let digits = prefix.len();
        if digits < PREFIX_DIGITS_MIN {
            return Err(StoreError::ShortPrefix { digits });
        }
        self.call(|it| read::find_artifacts(it, prefix, limit))
    }

    async fn tiles(&mut self, keys: &[(u8, u64)]) -> Result<Vec<Tile>, StoreError> {
        self.call(|it| read::tiles(it, keys))
    }

    async fn checkpoint(&mut self) -> Result<Option<(TreeSize, String)>, StoreError> {
        self.call(read::checkpoint)
    }

    async fn checkpoint_at(&mut self, size: TreeSize) -> Result<Option<String>, StoreError> {
        self.call(|it| read::checkpoint_at(it, size))
    }

    async fn checkpoints(&mut self, after: u64) -> Result<Vec<Published>, StoreError> {
        self.call(|it| read::checkpoints(it, after))
    }
}

impl<Mode> Rows for SqliteTransaction<Mode> {
    async fn statements(&mut self, keys: &[StatementKey]) -> Result<Vec<Logged>, StoreError> {
        self.call(|it| read::statements(it, keys))
    }
}

impl Append for SqliteTransaction<Writing> {
    fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    async fn set_seal(&mut self, seal: Option<Seal>) -> Result<(), StoreError> {
        self.call(|it| append::seal(it, seal.as_ref()))?;
        self.seal = seal;
        Ok(())
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let (follows, expected) = (batch.check_follows(&self.head), self.head.size);
        self.call(|it| follows.and_then(|()| append::write(it, batch, expected)))?;
        self.head = batch.head.clone();
        let bytes = |it: &StoredEntry| it.entry.len() + it.envelope.as_ref().map_or(0, Vec::len);
        self.written += batch.entries.iter().map(bytes).sum::<usize>() as u64;
        Ok(())
    }

    async fn commit(self) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Broken);
        }
        let connection = self.connection;
        self.wal.commit(async { connection.commit() }).await?;
        self.mover.committed(self.written);
        Ok(())
    }
}
