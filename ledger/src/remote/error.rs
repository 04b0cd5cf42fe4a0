//! Why a server did not do what it was asked.

use schemas::report::Finding;
use serde::Deserialize;

use super::code_of;
use crate::error::LedgerError;
use crate::outgoing::OutgoingError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// The server has said no.
    #[error("{}", .0.detail)]
    Told(Told),
    #[error("the server's answer is unreadable: {0}")]
    Unreadable(String),
    /// What the server says cannot be true.
    #[error("{0}")]
    Untrue(String),
}

impl RemoteError {
    pub fn unreadable(cause: impl ToString) -> RemoteError {
        RemoteError::Unreadable(cause.to_string())
    }

    /// The server says that there is no such thing.
    pub fn is_absence(&self) -> bool {
        matches!(self, RemoteError::Told(told) if told.status == 404)
    }
}

/// A problem document, as a client reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct Told {
    pub status: u16,
    pub code: String,
    pub title: String,
    #[serde(default)]
    pub detail: String,
    pub hint: Option<String>,
    #[serde(rename = "requestId")]
    pub request_id: Option<String>,
}

impl Told {
    /// A proxy's answer, say.
    pub fn unknown(status: u16) -> Told {
        Told {
            status,
            code: "server-failed".to_owned(),
            title: "The server's answer is none of ours.".to_owned(),
            detail: format!("status {status}"),
            hint: None,
            request_id: None,
        }
    }
}

impl From<RemoteError> for LedgerError {
    fn from(cause: RemoteError) -> LedgerError {
        LedgerError::Remote(Box::new(cause))
    }
}

impl From<RemoteError> for StoreError {
    fn from(cause: RemoteError) -> StoreError {
        StoreError::Remote(Box::new(cause))
    }
}

/// A refusal by a rule is the same as that of a ledger that is here.
impl From<Told> for LedgerError {
    fn from(told: Told) -> LedgerError {
        match code_of(&told.code) {
            Some(code) => LedgerError::Refused(Finding::new(code, None, told.detail)),
            None => RemoteError::Told(told).into(),
        }
    }
}

/// An error of a ledger where a database's is wanted. A server that refuses to tell has said so; it
/// has said nothing untrue.
pub(super) fn stored(cause: LedgerError) -> StoreError {
    match cause {
        LedgerError::Remote(cause) => StoreError::Remote(cause),
        LedgerError::Store(cause) => cause,
        LedgerError::Refused(finding) => RemoteError::Told(Told {
            status: 403,
            code: finding.code.name().to_owned(),
            title: finding.code.meaning().to_owned(),
            detail: finding.detail,
            hint: None,
            request_id: None,
        })
        .into(),
        other => RemoteError::Untrue(other.to_string()).into(),
    }
}
