//! Why a store could not do its work.

use std::path::PathBuf;

use schemas::id::{EntryIndex, TreeSize};

use super::Seal;
use crate::remote::RemoteError;

/// What a driver said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do its work. None of these says anything about the evidence in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer held the lock for longer than we wait. Nothing happened; try again.
    #[error("another writer holds the database")]
    Busy,
    /// The disk, or the database's own limit, is exhausted. Nothing of the transaction remains,
    /// and reading still works.
    #[error("no room left for the database")]
    Full,
    /// Whether the commit took effect is not known: reload and compare, never try again blind.
    #[error("the outcome of the commit is unknown")]
    CommitUnknown(#[source] Cause),
    /// What was committed may not be on the disk, so it is not shown, and nothing is appended to it,
    /// until the process is started again.
    #[error("the database could not be synced: {0}")]
    Unsynced(String),
    /// An earlier call on this transaction failed or was abandoned, so it cannot be committed.
    #[error("the transaction failed earlier and cannot go on")]
    Broken,

    #[error("no database at {path}")]
    Missing { path: PathBuf },
    #[error("there is a file at {path} already")]
    Exists { path: PathBuf },
    #[error("{path} is not a regular file")]
    Irregular { path: PathBuf },
    #[error("{path} is not a ledger database (application id {found:#010x})")]
    Foreign { path: PathBuf, found: u32 },
    #[error("{path} has schema version {found}, this program knows up to {known}")]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("the database refuses write-ahead logging, its journal mode is {found}")]
    Journal { found: String },
    #[error("cannot use the file at {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },

    #[error("the database's address is unreadable: {cause}")]
    Address { cause: String },
    #[error("no connection to {address}")]
    Unreachable {
        address: String,
        #[source]
        source: Option<sqlx::Error>,
    },
    /// The server went away, or is not up yet. Nothing of the transaction remains.
    #[error("the connection to the database was lost")]
    Disconnected(#[source] sqlx::Error),
    #[error("the server has version {found}, this needs PostgreSQL 15 or newer")]
    OldServer { found: u32 },
    /// A commit that is answered could still be lost.
    #[error("the server runs with {name} = {found}, which may lose what is committed")]
    Setting { name: &'static str, found: String },
    #[error("{address} has no schema to keep a log in")]
    NoSchema { address: String },
    #[error("no log at {address}")]
    NoLog { address: String },
    #[error("there is a log at {address} already")]
    Occupied { address: String },
    #[error("{address} has schema version {found}, this program knows up to {known}")]
    NewerSchema { address: String, found: u32, known: u32 },
    /// The server ended a transaction that was held for too long. Nothing of it remains.
    #[error("the transaction took too long, and the server has undone it")]
    Expired(#[source] sqlx::Error),

    /// The log is whole, and nobody may append to it.
    #[error("{0}")]
    Sealed(Seal),

    /// Entries must follow the log without a gap, and the head must count them.
    #[error("the log needs entry {expected} next, the batch has {found}")]
    Gap { expected: EntryIndex, found: EntryIndex },
    #[error("the new head counts {found} entries, the batch makes it {expected}")]
    WrongSize { expected: TreeSize, found: TreeSize },
    #[error("{what} names entry {index}, the log has {size}")]
    Beyond { what: &'static str, index: EntryIndex, size: TreeSize },
    #[error("checkpoint at size {size} would follow the one published at {published}")]
    Backwards { published: TreeSize, size: TreeSize },
    #[error("checkpoint at size {size} is ahead of the log, which has {log}")]
    Ahead { size: TreeSize, log: TreeSize },
    #[error("a digest prefix needs at least 8 digits, this one has {digits}")]
    ShortPrefix { digits: usize },

    #[error(transparent)]
    Remote(Box<RemoteError>),

    /// A stored row is none that we could have written.
    #[error("unreadable {what} in table {table}")]
    Corrupt { table: &'static str, what: &'static str },
    #[error("the database failed")]
    Database(#[source] Cause),
}
