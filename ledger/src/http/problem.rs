//! What went wrong, as callers are told it: RFC 9457 problem documents.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::report::{Code, Finding};
use serde::Serialize;
use utoipa::ToSchema;

use super::request_id;
use crate::error::{LedgerError, chain};
use crate::queue::QueueError;
use crate::store::StoreError;

pub const MEDIA_TYPE: &str = "application/problem+json";

pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static(MEDIA_TYPE);

/// A problem document (`application/problem+json`).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:attestry:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's meaning, the same for every occurrence.
    pub title: &'static str,
    pub status: u16,
    /// What was wrong this time.
    pub detail: String,
    /// Stable, kebab-case.
    pub code: &'static str,
    /// The next step, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// The header `x-request-id` of the answer, which the server's log has too.
    #[serde(rename = "requestId")]
    #[schema(value_type = String)]
    pub request_id: Box<str>,
}

impl Problem {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            kind: format!("urn:attestry:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            hint: None,
            request_id: request_id::current().into(),
        }
    }

    pub fn hint(self, hint: &'static str) -> Problem {
        Problem { hint: Some(hint), ..self }
    }

    /// The request itself cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        let title = "The request is malformed.";
        Problem::new(StatusCode::BAD_REQUEST, "request-malformed", title, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing here.", detail)
    }

    /// What the server's framework refuses before or instead of a handler.
    pub fn of_framework(status: StatusCode, said: &str) -> Problem {
        let (code, title) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("request-too-large", "The request is larger than the server takes.")
            }
            StatusCode::SERVICE_UNAVAILABLE => ("timeout", "The request took too long."),
            status if status.is_server_error() => ("server-failed", "The server failed."),
            _ => ("request-malformed", "The request is malformed."),
        };
        let problem = Problem::new(status, code, title, said);
        match code {
            "timeout" => problem.hint("repeat the request: logging is idempotent"),
            _ => problem,
        }
    }

    /// What callers need not know.
    fn unexplained() -> Problem {
        let (status, title) = (StatusCode::INTERNAL_SERVER_ERROR, "The ledger failed.");
        Problem::new(status, "ledger-failed", title, "the server's log says why")
    }

    /// The database is away, or does not answer; the cause goes to the server's log only.
    fn no_database() -> Problem {
        let (code, title) = ("database-unreachable", "The database does not answer.");
        let detail = "the server tries again with the next request";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail)
            .hint("repeat the request: logging is idempotent")
    }

    /// What a rule refuses.
    pub fn refused(finding: &Finding) -> Problem {
        let status = match finding.code {
            Code::RoleMissing | Code::SignatureInvalid | Code::SignatureExtra => {
                StatusCode::FORBIDDEN
            }
            Code::NotExtending | Code::NotReplacing | Code::PolicyChanged => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Problem::new(status, finding.code.name(), finding.code.meaning(), &finding.detail)
    }
}

impl From<&LedgerError> for Problem {
    fn from(cause: &LedgerError) -> Problem {
        let unavailable = |code, title, detail: &str| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail)
        };
        match cause {
            LedgerError::Refused(finding) => Problem::refused(finding),
            LedgerError::NoEntry(index) => Problem::not_found(format!("there is no entry {index}")),
            LedgerError::Store(StoreError::ShortPrefix { .. }) => {
                Problem::bad_request(cause.to_string())
            }
            LedgerError::AttachmentTooLarge { .. } => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "attachment-too-large",
                "The attachment is too large.",
                cause.to_string(),
            ),
            LedgerError::Full => Problem::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "database-full",
                "There is no room left.",
                "nothing was logged and nothing was lost",
            ),
            LedgerError::Store(StoreError::Busy) => {
                unavailable("busy", "Another writer holds the log.", "nothing was logged")
                    .hint("repeat the request: logging is idempotent")
            }
            LedgerError::Clock { .. } => {
                unavailable("clock-skew", "The server's clock is wrong.", "nothing was logged")
            }
            LedgerError::Forked(_) => unavailable(
                "forked",
                "This database does not continue what was published.",
                "the server signs nothing until its operator has looked",
            ),
            LedgerError::Store(StoreError::CommitUnknown(_)) => unavailable(
                "commit-unknown",
                "Whether it was logged is not known.",
                "the database did not answer the commit",
            )
            .hint("repeat the request: logging is idempotent"),
            LedgerError::Store(StoreError::Unsynced(_)) => unavailable(
                "unsynced",
                "The disk has failed.",
                "what was logged last may not be on it",
            )
            .hint("the operator looks at the disk and starts the server again"),
            // The cause may name hosts: it goes to the server's log only.
            LedgerError::Store(
                StoreError::Unreachable { .. }
                | StoreError::Disconnected(_)
                | StoreError::Expired(_),
            ) => {
                tracing::warn!(cause = chain(cause), "the database did not answer");
                Problem::no_database()
            }
            // The cause may name paths: it goes to the server's log only.
            LedgerError::NotFound(_)
            | LedgerError::NoKey { .. }
            | LedgerError::Malformed { .. }
            | LedgerError::File { .. }
            | LedgerError::Random(_)
            | LedgerError::Abandoned
            | LedgerError::Occupied
            | LedgerError::Move(_)
            | LedgerError::Remote(_)
            | LedgerError::Store(_) => {
                tracing::error!(cause = chain(cause), "a request failed");
                Problem::unexplained()
            }
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(cause: LedgerError) -> Problem {
        Problem::from(&cause)
    }
}

impl From<QueueError> for Problem {
    fn from(cause: QueueError) -> Problem {
        match cause {
            QueueError::Ledger(cause) => Problem::from(&*cause),
            QueueError::Full | QueueError::Stopping => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "The server takes nothing more at the moment.",
                cause.to_string(),
            )
            .hint("repeat the request: logging is idempotent"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
