//! One transaction: a view of the log, or the write lock on it.

use std::marker::PhantomData;

use schemas::id::{Digest, EntryIndex, TreeSize};
use schemas::thread::ThreadId;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, Transaction};

use super::mover::Mover;
use super::{append, commit_failed, read};
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
    transaction: Transaction<'static, Sqlite>,
    head: LogHead,
    seal: Option<Seal>,
    state: State,
    mover: Mover,
    /// Bytes of entries and envelopes that were written.
    written: u64,
    mode: PhantomData<fn() -> Mode>,
}

/// Whether the transaction is still the one that began.
///
/// After some errors SQLite rolls back by itself, and the next statement would commit on its own;
/// an abandoned call leaves half of its statements done. Neither may be followed by anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Broken,
}

impl<Mode> SqliteTransaction<Mode> {
    /// Takes over a transaction that has just begun. Reading the head fixes its view.
    pub(super) async fn start(
        mut transaction: Transaction<'static, Sqlite>,
        mover: Mover,
    ) -> Result<Self, StoreError> {
        let (head, seal) = read::head(&mut transaction).await?;
        let (state, written, mode) = (State::Whole, 0, PhantomData);
        Ok(SqliteTransaction { transaction, head, seal, state, mover, written, mode })
    }

    /// Gives the connection for one call, which breaks the transaction unless it is finished.
    fn enter(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Whole => Ok(&mut self.transaction),
            State::Broken => Err(StoreError::Broken),
        }
    }

    fn finish<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_ok() {
            self.state = State::Whole;
        }
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
        let result = read::range(self.enter()?, from, to, bytes_max).await;
        self.finish(result)
    }

    async fn entries_alone(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<(EntryIndex, Vec<u8>)>, StoreError> {
        let result = read::entries_alone(self.enter()?, from, to).await;
        self.finish(result)
    }

    async fn entries(&mut self, indexes: &[EntryIndex]) -> Result<Vec<StoredEntry>, StoreError> {
        let result = read::entries(self.enter()?, indexes).await;
        self.finish(result)
    }

    async fn threads(&mut self, threads: &[ThreadId]) -> Result<Vec<Thread>, StoreError> {
        let result = read::threads(self.enter()?, threads).await;
        self.finish(result)
    }

    async fn threads_page(
        &mut self,
        kind: Option<&str>,
        after: Option<&ThreadId>,
        limit: u32,
    ) -> Result<Vec<Thread>, StoreError> {
        let result = read::threads_page(self.enter()?, kind, after, limit).await;
        self.finish(result)
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
        let result = read::find_artifacts(self.enter()?, prefix, limit).await;
        self.finish(result)
    }

    async fn tiles(&mut self, keys: &[(u8, u64)]) -> Result<Vec<Tile>, StoreError> {
        let result = read::tiles(self.enter()?, keys).await;
        self.finish(result)
    }

    async fn checkpoint(&mut self) -> Result<Option<(TreeSize, String)>, StoreError> {
        let result = read::checkpoint(self.enter()?).await;
        self.finish(result)
    }

    async fn checkpoint_at(&mut self, size: TreeSize) -> Result<Option<String>, StoreError> {
        let result = read::checkpoint_at(self.enter()?, size).await;
        self.finish(result)
    }

    async fn checkpoints(&mut self, after: u64) -> Result<Vec<Published>, StoreError> {
        let result = read::checkpoints(self.enter()?, after).await;
        self.finish(result)
    }
}

impl<Mode> Rows for SqliteTransaction<Mode> {
    async fn statements(&mut self, keys: &[StatementKey]) -> Result<Vec<Logged>, StoreError> {
        let result = read::statements(self.enter()?, keys).await;
        self.finish(result)
    }
}

impl Append for SqliteTransaction<Writing> {
    fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    async fn set_seal(&mut self, seal: Option<Seal>) -> Result<(), StoreError> {
        let set = append::seal(self.enter()?, seal.as_ref()).await;
        self.finish(set)?;
        self.seal = seal;
        Ok(())
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let follows = batch.check_follows(&self.head);
        let expected = self.head.size;
        let connection = self.enter()?;
        follows?;
        let written = append::write(connection, batch, expected).await;
        self.finish(written)?;
        self.head = batch.head.clone();
        let bytes = |it: &StoredEntry| it.entry.len() + it.envelope.as_ref().map_or(0, Vec::len);
        self.written += batch.entries.iter().map(bytes).sum::<usize>() as u64;
        Ok(())
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.enter()?;
        self.transaction.commit().await.map_err(commit_failed)?;
        self.mover.committed(self.written);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SqliteStore, Store};

    /// A call that is dropped before its end has entered and never finishes.
    #[tokio::test]
    async fn an_abandoned_call_breaks_the_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(folder.path().join("log.db")).await.unwrap();
        let mut append = store.lock().await.unwrap();
        append.write(&Batch::default()).await.unwrap();
        append.enter().unwrap();
        assert!(matches!(append.checkpoint().await, Err(StoreError::Broken)));
        assert!(matches!(append.write(&Batch::default()).await, Err(StoreError::Broken)));
        assert!(matches!(append.commit().await, Err(StoreError::Broken)));
        store.lock().await.unwrap().commit().await.unwrap();
    }
}
