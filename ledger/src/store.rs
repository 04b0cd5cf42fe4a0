//! Where the log is kept: what the ledger asks of a database, in its own words.
//!
//! A store keeps bytes and order; it judges nothing. Whoever holds it can delete it, roll it back
//! or rewrite it, and all of that shows: entries are bound by the Merkle tree, its checkpoints are
//! signed with a key that is not in here, and everything else can be folded again from the
//! entries. What they could do unseen is drop what no checkpoint outside has covered yet.
//!
//! Each database is written natively behind these traits; `conformance` is the suite that each
//! must pass.

mod any;
mod batch;
#[cfg(test)]
mod conformance;
mod error;
mod forms;
pub mod outbox;
pub mod postgres;
mod seal;
pub mod sqlite;
mod tokens;

use std::future::Future;

use schemas::id::{Digest, EntryIndex, TreeSize};
use schemas::thread::ThreadId;

pub use any::{AnyStore, Either};
pub use batch::{
    Batch, Head, LogHead, Logged, Pool, Published, StatementKey, StoredEntry, Thread, Tile,
};
pub use error::StoreError;
pub use outbox::Outbox;
pub use postgres::PgStore;
pub use seal::Seal;
pub use sqlite::SqliteStore;
pub use tokens::{Purpose, Standing, TOKENS_PAGE, Token, Tokens, Viewing};

/// The fewest digits that an artifact can be looked up by.
pub const PREFIX_DIGITS_MIN: usize = 8;

/// Most entries that one `read_range` returns, whatever room it is given.
pub const RANGE_ENTRIES_MAX: usize = 4096;

/// Most entries that one `entries_alone` returns: 16 MiB of them at their longest.
pub const ALONE_MAX: usize = 256;

/// A database that holds one log, and beside it the tokens of its callers and who is told of events.
pub trait Store: Tokens + Outbox {
    type Snapshot: Rows;
    type Append: Append;

    /// Opens a view of the log as it is now, which no later commit changes.
    ///
    /// Short-lived: a database keeps old rows for as long as somebody looks at them.
    fn snapshot(&self) -> impl Future<Output = Result<Self::Snapshot, StoreError>> + Send;

    /// Waits for the write lock, then reads the head under it.
    ///
    /// This lock is the sequencer: whoever holds it is the only one who gives out indexes, in this
    /// process and in any other on the same database. A sealed log is refused.
    fn lock(&self) -> impl Future<Output = Result<Self::Append, StoreError>> + Send {
        async {
            let append = self.lock_sealed().await?;
            match append.seal() {
                None => Ok(append),
                Some(seal) => Err(StoreError::Sealed(seal.clone())),
            }
        }
    }

    /// Waits for the write lock of a log that may be sealed: only for whoever moves it.
    fn lock_sealed(&self) -> impl Future<Output = Result<Self::Append, StoreError>> + Send;

    /// Publishes a checkpoint if `expected` is still the size of the published one.
    ///
    /// Returns false where somebody else was first. A smaller size is refused, and so is one ahead
    /// of the committed log; the same size may come again, with more cosignatures. Durable with the
    /// next commit at the latest: what it covers is so already.
    fn swap_checkpoint(
        &self,
        expected: Option<TreeSize>,
        size: TreeSize,
        note: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes the bytes of envelopes away for good, and returns how many were still there.
    ///
    /// Only after the erasure itself is logged. `Busy` means that they are gone from every new
    /// view, but that an old one still holds their pages: call again until it is `Ok`.
    fn erase_envelopes(
        &self,
        indexes: &[EntryIndex],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The connections that this process has to the database now, pool by pool.
    fn pools(&self) -> Vec<Pool>;
}

/// Wherever views of one log can be had: a database, or a server.
pub trait Views: Send + Sync + 'static {
    type View: Read;

    fn view(&self) -> impl Future<Output = Result<Self::View, StoreError>> + Send;
}

impl<S: Store> Views for S {
    type View = S::Snapshot;

    async fn view(&self) -> Result<S::Snapshot, StoreError> {
        self.snapshot().await
    }
}

/// A consistent view of one log.
///
/// Where keys are given, whatever is not there is absent from the answer, the answer has no
/// promised order, and a key given twice may be answered twice.
pub trait Read: Send {
    /// The log at this view.
    fn head(&self) -> &LogHead;

    /// Reads entries from `from` up to, not including, `to`.
    ///
    /// Stops before `bytes_max` of entries and envelopes, or at [`RANGE_ENTRIES_MAX`], but never
    /// before the first entry, so that every call makes progress.
    fn read_range(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
        bytes_max: u64,
    ) -> impl Future<Output = Result<Vec<StoredEntry>, StoreError>> + Send;

    /// Reads entries without their envelopes from `from` up to, not including, `to`.
    ///
    /// Stops at [`ALONE_MAX`] of them, so that every call makes progress and is bounded.
    fn entries_alone(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> impl Future<Output = Result<Vec<(EntryIndex, Vec<u8>)>, StoreError>> + Send;

    fn entries(
        &mut self,
        indexes: &[EntryIndex],
    ) -> impl Future<Output = Result<Vec<StoredEntry>, StoreError>> + Send;

    fn threads(
        &mut self,
        threads: &[ThreadId],
    ) -> impl Future<Output = Result<Vec<Thread>, StoreError>> + Send;

    /// Reads the threads that come after one, in byte order of (kind, id); of one kind if given,
    /// by the word of [`ThreadId::kind`].
    fn threads_page(
        &mut self,
        kind: Option<&str>,
        after: Option<&ThreadId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Thread>, StoreError>> + Send;

    /// Finds artifacts by the first digits of their hex, whatever their algorithm.
    fn find_artifacts(
        &mut self,
        prefix: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Digest>, StoreError>> + Send;

    /// Reads tiles by level and number.
    fn tiles(
        &mut self,
        keys: &[(u8, u64)],
    ) -> impl Future<Output = Result<Vec<Tile>, StoreError>> + Send;

    /// The published checkpoint.
    fn checkpoint(
        &mut self,
    ) -> impl Future<Output = Result<Option<(TreeSize, String)>, StoreError>> + Send;

    /// The checkpoint last published at exactly this size.
    fn checkpoint_at(
        &mut self,
        size: TreeSize,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// The checkpoints that were published after one, in the order of publishing; [`ALONE_MAX`] of
    /// them at most.
    fn checkpoints(
        &mut self,
        after: u64,
    ) -> impl Future<Output = Result<Vec<Published>, StoreError>> + Send;
}

/// What only somebody at the database can ask.
pub trait Rows: Read {
    /// Finds what is logged already.
    fn statements(
        &mut self,
        keys: &[StatementKey],
    ) -> impl Future<Output = Result<Vec<Logged>, StoreError>> + Send;
}

/// The write lock, and the transaction under it. Dropping it undoes everything.
pub trait Append: Rows {
    /// Writes a batch and moves the head; a batch that does not continue the log is refused.
    ///
    /// After any error, and after a call that was abandoned half-way, this transaction answers
    /// only `Broken`: half a batch can never be committed.
    fn write(&mut self, batch: &Batch) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Why nobody else may append, if so.
    fn seal(&self) -> Option<&Seal>;

    /// Says why nobody may append from the commit on, or that everybody may again.
    fn set_seal(
        &mut self,
        seal: Option<Seal>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes everything written durable, or nothing.
    ///
    /// Returns once it would survive a loss of power. `CommitUnknown`, and abandoning this call,
    /// leave open which of the two happened.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
