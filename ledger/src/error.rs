//! Why the ledger did not do something.

use std::path::PathBuf;

use schemas::id::{EntryIndex, Time};
use schemas::report::Finding;

use crate::remote::RemoteError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A rule of the verifier refuses it: code, class and detail are in the finding.
    #[error("{}", .0.detail)]
    Refused(Finding),
    #[error("there is no ledger at {0}")]
    NotFound(PathBuf),
    #[error("nothing at entry {0}")]
    NoEntry(EntryIndex),
    /// The database is behind or beside a checkpoint that was published.
    #[error("{0}")]
    Forked(String),
    #[error("the clock says {now}, the newest entry {last}")]
    Clock { now: Time, last: Time },
    #[error("the database is full")]
    Full,
    #[error("{key} is missing: {path}")]
    NoKey { key: &'static str, path: PathBuf },
    #[error("{what} is malformed: {cause}")]
    Malformed { what: String, cause: String },
    #[error("attachment of {size} bytes, larger than {max}")]
    AttachmentTooLarge { size: usize, max: usize },
    #[error("cannot use {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no randomness: {0}")]
    Random(String),
    /// A database that holds something else than the beginning of the log that would move there.
    #[error("the other database is not empty")]
    Occupied,
    #[error("{0}")]
    Move(String),
    #[error("the task was abandoned")]
    Abandoned,
    /// A server did not do what it was asked.
    #[error(transparent)]
    Remote(Box<RemoteError>),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for LedgerError {
    fn from(cause: StoreError) -> LedgerError {
        match cause {
            StoreError::Full => LedgerError::Full,
            StoreError::Missing { path } => LedgerError::NotFound(path),
            StoreError::Remote(cause) => LedgerError::Remote(cause),
            other => LedgerError::Store(other),
        }
    }
}

pub fn malformed(what: impl Into<String>, cause: impl ToString) -> LedgerError {
    LedgerError::Malformed { what: what.into(), cause: cause.to_string() }
}

pub fn file_error(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> LedgerError {
    let path = path.into();
    move |source| LedgerError::File { path, source }
}

/// An error with everything behind it, on one line.
pub(crate) fn chain(cause: &dyn std::error::Error) -> String {
    let behind = std::iter::successors(cause.source(), |cause| cause.source());
    behind.fold(cause.to_string(), |text, cause| format!("{text}: {cause}"))
}
