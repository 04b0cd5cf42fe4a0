//! A witness of other people's logs, over HTTP: c2sp.org/tlog-witness.
//!
//! Decides nothing: [`verifier::witness`] does. What is here keeps what was cosigned, before the
//! cosignature is given away, and lets one request at a time look at it.

mod folder;

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as Named, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use verifier::merkle::sha256;
use verifier::note::{Vkey, format_note};
use verifier::signature::SigningKey;
use verifier::witness::{Held, Malformed, REQUEST_BYTES_MAX, Refusal, judge, parse_request};

use crate::clock::Clock;
use crate::error::{LedgerError, malformed};

pub use folder::WitnessFolder;

/// The longest that a request may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// What the body of a conflict is.
pub(crate) const SIZE_TYPE: HeaderValue = HeaderValue::from_static("text/x.tlog.size");

/// Why a request is not answered with a cosignature.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Failed(#[from] LedgerError),
}

/// One witness: its key, and what it has cosigned.
pub struct Witness {
    key: Arc<SigningKey>,
    folder: Arc<WitnessFolder>,
    clock: Arc<dyn Clock>,
    /// By origin.
    logs: HashMap<String, Arc<Log>>,
}

struct Log {
    vkey: Vkey,
    /// Whoever holds this lock is the only one that judges, keeps and answers for this log.
    held: Arc<Mutex<Kept>>,
}

enum Kept {
    Known(Option<Box<Held>>),
    /// A write has failed: what the file holds must be read again.
    Unknown,
}

impl Witness {
    /// Opens a witness's folder for these logs; refuses one that another process has open, and one
    /// with a state that this witness and the log have not both signed.
    pub fn open(
        folder: &Path,
        logs: Vec<Vkey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Witness, LedgerError> {
        let (folder, key) = WitnessFolder::open(folder)?;
        let mut known = HashMap::new();
        for vkey in logs {
            let origin = vkey.name().as_str().to_owned();
            let held = folder.read(&vkey)?.map(Box::new);
            let held = Arc::new(Mutex::new(Kept::Known(held)));
            if known.insert(origin.clone(), Arc::new(Log { vkey, held })).is_some() {
                return Err(malformed("the list of logs", format!("{origin} has two keys")));
            }
        }
        Ok(Witness { key: Arc::new(key), folder: Arc::new(folder), clock, logs: known })
    }

    pub fn vkey(&self) -> &Vkey {
        self.folder.vkey()
    }

    /// Judges a request, keeps what it will have cosigned, and only then answers with the line.
    pub async fn add_checkpoint(&self, body: &[u8]) -> Result<String, WitnessError> {
        let request = parse_request(body)?;
        let origin = &request.origin;
        let log = self.logs.get(origin).ok_or_else(|| Refusal::UnknownLog(origin.clone()))?;
        let mut kept = Arc::clone(&log.held).lock_owned().await;
        let (log, folder) = (Arc::clone(log), Arc::clone(&self.folder));
        let (key, clock) = (Arc::clone(&self.key), Arc::clone(&self.clock));
        // On a thread of its own, with the lock: a caller that goes away stops nothing half-way.
        let work = move || {
            if let Kept::Unknown = *kept {
                *kept = Kept::Known(folder.read(&log.vkey)?.map(Box::new));
            }
            let Kept::Known(held) = &*kept else {
                return Err(WitnessError::Failed(LedgerError::Abandoned));
            };
            let admitted = judge(&request, &log.vkey, held.as_deref())?;
            let time_secs = u64::try_from(clock.now().0 / 1000).unwrap_or(0).max(1);
            let held = admitted
                .cosign(folder.vkey().name(), &key, time_secs)
                .map_err(|cause| malformed("the cosigned checkpoint", cause))?;
            let answer =
                held.answer(folder.vkey()).map_err(|cause| malformed("the cosignature", cause))?;
            *kept = Kept::Unknown;
            folder.write(&log.vkey, &held)?;
            *kept = Kept::Known(Some(Box::new(held)));
            Ok(answer)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| LedgerError::Abandoned)?
    }

    /// The latest checkpoint that was cosigned of the log whose origin has this SHA-256, in hex.
    pub async fn checkpoint(&self, origin_hash: &str) -> Option<String> {
        let hash = |origin: &&String| sha256(&[origin.as_bytes()]).to_string() == origin_hash;
        let origin = self.logs.keys().find(hash)?;
        match &*self.logs.get(origin)?.held.lock().await {
            Kept::Known(held) => Some(format_note(held.as_ref()?.note())),
            Kept::Unknown => None,
        }
    }
}

/// The two calls of the protocol.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_MAX))
        .layer(CatchPanicLayer::new())
        .with_state(witness)
}

/// Serves until `stop` is there, then answers what was accepted.
pub async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(witness)).with_graceful_shutdown(stop).await
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    match witness.add_checkpoint(&body).await {
        Ok(lines) => lines.into_response(),
        Err(cause) => cause.into_response(),
    }
}

async fn checkpoint(
    State(witness): State<Arc<Witness>>,
    Named(origin): Named<String>,
) -> Result<String, StatusCode> {
    witness.checkpoint(&origin).await.ok_or(StatusCode::NOT_FOUND)
}

impl IntoResponse for WitnessError {
    fn into_response(self) -> Response {
        let status = match &self {
            WitnessError::Refused(Refusal::Conflict { held }) => {
                let kind = [(header::CONTENT_TYPE, SIZE_TYPE)];
                return (StatusCode::CONFLICT, kind, format!("{held}\n")).into_response();
            }
            WitnessError::Malformed(_) | WitnessError::Refused(Refusal::OldBeyondNew { .. }) => {
                StatusCode::BAD_REQUEST
            }
            WitnessError::Refused(Refusal::NotSigned(_)) => StatusCode::FORBIDDEN,
            WitnessError::Refused(Refusal::UnknownLog(_)) => StatusCode::NOT_FOUND,
            WitnessError::Refused(Refusal::Inconsistent { .. }) => {
                tracing::error!(%self, "a log has shown a history that is none of its own");
                StatusCode::UNPROCESSABLE_ENTITY
            }
            WitnessError::Failed(cause) => {
                tracing::error!(%cause, "a checkpoint could not be kept");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}
