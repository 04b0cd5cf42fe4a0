//! One transaction: a view of the log, or the write lock on it.

use std::marker::PhantomData;

use schemas::id::{Digest, EntryIndex, TreeSize};
use schemas::thread::ThreadId;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use super::session::{BEFORE_COMMIT, Limits};
use super::{append, commit_failed, failed, is_connection_lost, read, stalled, unavailable};
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

pub type PgSnapshot = PgTransaction<Reading>;
pub type PgAppend = PgTransaction<Writing>;

/// A transaction that is rolled back unless it is committed.
#[derive(Debug)]
pub struct PgTransaction<Mode> {
    transaction: Transaction<'static, Postgres>,
    head: LogHead,
    seal: Option<Seal>,
    state: State,
    mode: PhantomData<fn() -> Mode>,
}

/// Whether the transaction is still the one that began.
///
/// After an error the server answers `COMMIT` with a rollback, and the driver does not tell the two
/// apart; an abandoned call leaves half of its statements done. Neither may be followed by anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Broken,
}

impl PgSnapshot {
    /// Begins a view. Reading the head fixes it.
    pub(super) async fn begin(pool: &PgPool, limits: &Limits) -> Result<PgSnapshot, StoreError> {
        let mut transaction = begin(pool, limits.begin_view()).await?;
        let head = read::head(&mut transaction).await?;
        Ok(PgTransaction::new(transaction, head))
    }
}

impl PgAppend {
    /// Begins an append, and waits for the head row.
    pub(super) async fn begin(pool: &PgPool, limits: &Limits) -> Result<PgAppend, StoreError> {
        match PgAppend::wait(pool, limits).await {
            Err(StoreError::Busy) if stalled::end(pool, limits).await? > 0 => {
                PgAppend::wait(pool, limits).await
            }
            begun => begun,
        }
    }

    async fn wait(pool: &PgPool, limits: &Limits) -> Result<PgAppend, StoreError> {
        let mut transaction = begin(pool, limits.begin_append()).await?;
        let head = read::lock_head(&mut transaction).await?;
        Ok(PgTransaction::new(transaction, head))
    }
}

/// Begins a transaction on a connection that still is one.
///
/// That the server has closed one is found out by using it: then the next is tried, of as many as
/// there can be. Nothing has been done by then that could be done twice.
pub(super) async fn begin(
    pool: &PgPool,
    text: AssertSqlSafe<String>,
) -> Result<Transaction<'static, Postgres>, StoreError> {
    for _ in 0..pool.options().get_max_connections() {
        match pool.begin_with(AssertSqlSafe(text.0.clone())).await {
            Err(error) if is_connection_lost(&error) => {}
            begun => return begun.map_err(|error| unavailable(pool, error)),
        }
    }
    pool.begin_with(text).await.map_err(|error| unavailable(pool, error))
}

/// Makes a transaction durable, on every standby that the server waits for.
pub(super) async fn commit(
    mut transaction: Transaction<'static, Postgres>,
) -> Result<(), StoreError> {
    sqlx::raw_sql(BEFORE_COMMIT).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(commit_failed)
}

impl<Mode> PgTransaction<Mode> {
    fn new(
        transaction: Transaction<'static, Postgres>,
        (head, seal): (LogHead, Option<Seal>),
    ) -> Self {
        PgTransaction { transaction, head, seal, state: State::Whole, mode: PhantomData }
    }

    /// Gives the connection for one call, which breaks the transaction unless it is finished.
    fn enter(&mut self) -> Result<&mut PgConnection, StoreError> {
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

impl<Mode> Read for PgTransaction<Mode> {
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

impl<Mode> Rows for PgTransaction<Mode> {
    async fn statements(&mut self, keys: &[StatementKey]) -> Result<Vec<Logged>, StoreError> {
        let result = read::statements(self.enter()?, keys).await;
        self.finish(result)
    }
}

impl Append for PgTransaction<Writing> {
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
        Ok(())
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.enter()?;
        commit(self.transaction).await
    }
}
