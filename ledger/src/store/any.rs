//! One of several databases, chosen when a ledger is opened: every verb goes to the one that it is.

use schemas::id::{Digest, EntryIndex, KeyId, Time, TreeSize};
use schemas::thread::ThreadId;

use super::outbox::{Attempt, Delivery, Endpoint, Lease, Message, Outbox, Subscription};
use super::{
    Append, Batch, LogHead, Logged, PgStore, Pool, Published, Read, Rows, Seal, SqliteStore,
    Standing, StatementKey, Store, StoreError, StoredEntry, Thread, Tile, Token, Tokens, Viewing,
};
use crate::access::TokenId;

/// A log in one SQLite file, or in a PostgreSQL database.
pub type AnyStore = Either<SqliteStore, PgStore>;

/// A store, view or append of one database or of the other.
#[derive(Debug, Clone)]
pub enum Either<A, B> {
    Sqlite(A),
    Postgres(B),
}

impl AnyStore {
    /// Closes every connection.
    pub async fn close(&self) {
        match self {
            Either::Sqlite(store) => store.close().await,
            Either::Postgres(store) => store.close().await,
        }
    }
}

/// The same call on whichever it is.
macro_rules! each {
    ($it:expr, $name:ident => $call:expr) => {
        match $it {
            Either::Sqlite($name) => $call,
            Either::Postgres($name) => $call,
        }
    };
}

impl<A: Store, B: Store> Store for Either<A, B> {
    type Snapshot = Either<A::Snapshot, B::Snapshot>;
    type Append = Either<A::Append, B::Append>;

    async fn snapshot(&self) -> Result<Self::Snapshot, StoreError> {
        match self {
            Either::Sqlite(store) => Ok(Either::Sqlite(store.snapshot().await?)),
            Either::Postgres(store) => Ok(Either::Postgres(store.snapshot().await?)),
        }
    }

    async fn lock_sealed(&self) -> Result<Self::Append, StoreError> {
        match self {
            Either::Sqlite(store) => Ok(Either::Sqlite(store.lock_sealed().await?)),
            Either::Postgres(store) => Ok(Either::Postgres(store.lock_sealed().await?)),
        }
    }

    async fn swap_checkpoint(
        &self,
        expected: Option<TreeSize>,
        size: TreeSize,
        note: &str,
    ) -> Result<bool, StoreError> {
        each!(self, it => it.swap_checkpoint(expected, size, note).await)
    }

    async fn erase_envelopes(&self, indexes: &[EntryIndex]) -> Result<u64, StoreError> {
        each!(self, it => it.erase_envelopes(indexes).await)
    }

    fn pools(&self) -> Vec<Pool> {
        each!(self, it => it.pools())
    }
}

impl<A: Tokens, B: Tokens> Tokens for Either<A, B> {
    async fn keep_token(&self, token: &Token) -> Result<(), StoreError> {
        each!(self, it => it.keep_token(token).await)
    }

    async fn keep_first_token(&self, token: &Token) -> Result<bool, StoreError> {
        each!(self, it => it.keep_first_token(token).await)
    }

    async fn standing(&self, id: &TokenId) -> Result<Standing, StoreError> {
        each!(self, it => it.standing(id).await)
    }

    async fn tokens(&self, after: Option<&TokenId>) -> Result<Vec<Token>, StoreError> {
        each!(self, it => it.tokens(after).await)
    }

    async fn revoke_token(&self, id: &TokenId, at: Time) -> Result<bool, StoreError> {
        each!(self, it => it.revoke_token(id, at).await)
    }

    async fn mark_used(&self, id: &TokenId, day: i64) -> Result<(), StoreError> {
        each!(self, it => it.mark_used(id, day).await)
    }

    async fn note_viewing(&self, viewing: &Viewing) -> Result<(), StoreError> {
        each!(self, it => it.note_viewing(viewing).await)
    }

    async fn viewings(&self, after: u64) -> Result<Vec<Viewing>, StoreError> {
        each!(self, it => it.viewings(after).await)
    }

    async fn forget_expired(&self, before: Time) -> Result<u64, StoreError> {
        each!(self, it => it.forget_expired(before).await)
    }
}

impl<A: Outbox, B: Outbox> Outbox for Either<A, B> {
    async fn add_endpoint(&self, it: &Subscription, next: EntryIndex) -> Result<u64, StoreError> {
        each!(self, store => store.add_endpoint(it, next).await)
    }

    async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        each!(self, it => it.endpoints().await)
    }

    async fn remove_endpoint(&self, id: u64) -> Result<bool, StoreError> {
        each!(self, it => it.remove_endpoint(id).await)
    }

    async fn claim(
        &self,
        key: &KeyId,
        published: TreeSize,
        holder: &str,
        now: Time,
        until: Time,
    ) -> Result<Option<Endpoint>, StoreError> {
        each!(self, it => it.claim(key, published, holder, now, until).await)
    }

    async fn fill(
        &self,
        lease: &Lease,
        from: EntryIndex,
        to: EntryIndex,
        messages: &[Message],
        now: Time,
    ) -> Result<bool, StoreError> {
        each!(self, it => it.fill(lease, from, to, messages, now).await)
    }

    async fn next_due(
        &self,
        lease: &Lease,
        now: Time,
        until: Time,
    ) -> Result<Option<Delivery>, StoreError> {
        each!(self, it => it.next_due(lease, now, until).await)
    }

    async fn settle(
        &self,
        lease: &Lease,
        delivery: u64,
        attempt: &Attempt,
        answer: &str,
        now: Time,
    ) -> Result<bool, StoreError> {
        each!(self, it => it.settle(lease, delivery, attempt, answer, now).await)
    }

    async fn notify(&self, notices: &[(u64, Message)], now: Time) -> Result<u64, StoreError> {
        each!(self, it => it.notify(notices, now).await)
    }

    async fn release(&self, lease: &Lease, now: Time) -> Result<(), StoreError> {
        each!(self, it => it.release(lease, now).await)
    }

    async fn deliveries(&self, given_up: bool, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        each!(self, it => it.deliveries(given_up, limit).await)
    }

    async fn replay(&self, delivery: u64, now: Time) -> Result<bool, StoreError> {
        each!(self, it => it.replay(delivery, now).await)
    }
}

impl<A: Read, B: Read> Read for Either<A, B> {
    fn head(&self) -> &LogHead {
        each!(self, it => it.head())
    }

    async fn read_range(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
        bytes_max: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        each!(self, it => it.read_range(from, to, bytes_max).await)
    }

    async fn entries_alone(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<(EntryIndex, Vec<u8>)>, StoreError> {
        each!(self, it => it.entries_alone(from, to).await)
    }

    async fn entries(&mut self, indexes: &[EntryIndex]) -> Result<Vec<StoredEntry>, StoreError> {
        each!(self, it => it.entries(indexes).await)
    }

    async fn threads(&mut self, threads: &[ThreadId]) -> Result<Vec<Thread>, StoreError> {
        each!(self, it => it.threads(threads).await)
    }

    async fn threads_page(
        &mut self,
        kind: Option<&str>,
        after: Option<&ThreadId>,
        limit: u32,
    ) -> Result<Vec<Thread>, StoreError> {
        each!(self, it => it.threads_page(kind, after, limit).await)
    }

    async fn find_artifacts(
        &mut self,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<Digest>, StoreError> {
        each!(self, it => it.find_artifacts(prefix, limit).await)
    }

    async fn tiles(&mut self, keys: &[(u8, u64)]) -> Result<Vec<Tile>, StoreError> {
        each!(self, it => it.tiles(keys).await)
    }

    async fn checkpoint(&mut self) -> Result<Option<(TreeSize, String)>, StoreError> {
        each!(self, it => it.checkpoint().await)
    }

    async fn checkpoint_at(&mut self, size: TreeSize) -> Result<Option<String>, StoreError> {
        each!(self, it => it.checkpoint_at(size).await)
    }

    async fn checkpoints(&mut self, after: u64) -> Result<Vec<Published>, StoreError> {
        each!(self, it => it.checkpoints(after).await)
    }
}

impl<A: Rows, B: Rows> Rows for Either<A, B> {
    async fn statements(&mut self, keys: &[StatementKey]) -> Result<Vec<Logged>, StoreError> {
        each!(self, it => it.statements(keys).await)
    }
}

impl<A: Append, B: Append> Append for Either<A, B> {
    async fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        each!(self, it => it.write(batch).await)
    }

    fn seal(&self) -> Option<&Seal> {
        each!(self, it => it.seal())
    }

    async fn set_seal(&mut self, seal: Option<Seal>) -> Result<(), StoreError> {
        each!(self, it => it.set_seal(seal).await)
    }

    async fn commit(self) -> Result<(), StoreError> {
        each!(self, it => it.commit().await)
    }
}
