//! Packs: one file that an auditor checks without us, taken out on the record.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::id::Environment;
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;
use verifier::access::{Act, Reach};
use verifier::pack::bag::Files;

use super::Server;
use super::asked::Asked;
use super::environments::parse_time;
use super::problem::Problem;
use crate::access::Caller;
use crate::error::{LedgerError, malformed};
use crate::export::{Cosigned, ExportAsk};
use crate::pack_file;
use crate::store::Store;

/// The longest that a pack is gathered: it walks threads, proves and checks everything.
pub const CREATE_MAX: Duration = Duration::from_mins(15);

/// How long a client may take nothing before it is let go.
const SLOW_MAX: Duration = Duration::from_secs(30);

/// Bytes that are read from the finished file at once.
const PIECE_BYTES: usize = 256 << 10;

/// Longest text that an export event takes on for whom, why, and by which framework, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// The pack's id, and the entry that logs its export.
const PACK_ID: HeaderName = HeaderName::from_static("attestry-pack");
pub const EXPORT_ENTRY: HeaderName = HeaderName::from_static("attestry-entry");
/// Whether witnesses have cosigned it; absent where none are asked.
pub const WITNESSES: HeaderName = HeaderName::from_static("attestry-witnesses");
/// The words of that header.
pub const QUORUM_MET: &str = "met";
pub const QUORUM_MISSED: &str = "missed";

/// The longest that a pack waits for witnesses, and how long it does where nobody says.
const PATIENCE_SECS_MAX: u32 = 300;
const PATIENCE_SECS: u32 = 30;

const ZIP: HeaderValue = HeaderValue::from_static("application/zip");
/// No cache keeps a pack: every reading of one is on the record.
const NEVER_KEPT: HeaderValue = HeaderValue::from_static("no-store");

/// Lets one pack be gathered at a time: all of it is in memory meanwhile.
#[derive(Debug, Clone)]
pub struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Exports {
        Exports(Arc::new(Semaphore::new(1)))
    }
}

impl Exports {
    fn begin(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let title = "The server takes nothing more at the moment.";
            let detail = "another pack is being gathered";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, detail)
                .hint("repeat the request")
        })
    }
}

/// What a pack shall be about, and for whom.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackAsk {
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    /// Beginning of the period: a day, or a time of RFC 3339.
    #[schema(example = "2026-07-01")]
    pub from: String,
    /// Its end, not included.
    #[schema(example = "2026-10-01")]
    pub to: String,
    /// Who gets it. Logged.
    #[serde(rename = "for")]
    #[schema(example = "Example Audit LLP", min_length = 1, max_length = 1024)]
    pub audience: String,
    /// Why. Logged.
    #[schema(example = "SOC 2", min_length = 1, max_length = 1024)]
    pub reason: String,
    /// A control framework to name in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "soc2", max_length = 1024)]
    pub framework: Option<String>,
    /// Seconds to wait for witnesses to cosign it, where the server asks some: 30 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 300)]
    pub patience: Option<u32>,
}

impl From<&ExportAsk> for PackAsk {
    fn from(ask: &ExportAsk) -> PackAsk {
        PackAsk {
            environment: ask.environment.clone(),
            from: ask.from.to_string(),
            to: ask.to.to_string(),
            audience: ask.audience.clone(),
            reason: ask.reason.clone(),
            framework: ask.framework.clone(),
            patience: u32::try_from(ask.patience.as_secs()).ok(),
        }
    }
}

impl PackAsk {
    fn check(self) -> Result<ExportAsk, Problem> {
        let said = [("for", Some(&self.audience)), ("reason", Some(&self.reason))];
        for (name, text) in said.into_iter().chain([("framework", self.framework.as_ref())]) {
            if text.is_some_and(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX) {
                let detail = format!("{name}: 1 to {TEXT_BYTES_MAX} bytes");
                return Err(Problem::bad_request(detail));
            }
        }
        let (from, to) = (parse_time(&self.from)?, parse_time(&self.to)?);
        if to <= from {
            return Err(Problem::bad_request("the period ends before it begins"));
        }
        let PackAsk { environment, audience, reason, framework, patience, .. } = self;
        let patience = patience.unwrap_or(PATIENCE_SECS);
        if patience > PATIENCE_SECS_MAX {
            return Err(Problem::bad_request(format!("patience: {PATIENCE_SECS_MAX} at most")));
        }
        let patience = Duration::from_secs(patience.into());
        Ok(ExportAsk { environment, from, to, audience, reason, framework, patience })
    }
}

/// Makes a pack. Who got it, for whom and why is logged before its first byte is given.
///
/// One is made at a time; others are told to come back (503, `Retry-After`).
#[utoipa::path(post, path = "/api/v1/packs", tag = "packs", request_body = PackAsk,
    responses(
        (status = 200, description = "The pack", body = Vec<u8>, content_type = "application/zip",
            headers(
                ("attestry-pack" = String, description = "The pack's id"),
                ("attestry-entry" = u64, description = "The entry that logs the export"),
                ("attestry-witnesses" = String, description = "`met` or `missed`: whether as many \
                    witnesses as are asked for have cosigned it; absent where none are asked"),
                ("content-disposition" = String, description = "A name for the file"),
            )),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn create<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Asked(asked): Asked<PackAsk>,
) -> Result<Response, Problem> {
    let ask = asked.check()?;
    caller.check(Act::Read, Reach::Environment(&ask.environment))?;
    let ledger = &server.ledger;
    let mut loader = ledger.loader().await?;
    loader.know(&[ThreadId::Environment(ask.environment.clone())]).await?;
    let policy = loader.state.policy(&ask.environment.project);
    let ruled = policy.is_some_and(|it| it.document.environment(&ask.environment.name).is_some());
    if !ruled && loader.state.environment(&ask.environment).ok().flatten().is_none() {
        // A misspelt name would give a pack in which nothing was ever deployed.
        return Err(Problem::not_found(format!("there is no environment {}", ask.environment)));
    }
    drop(loader);
    let gathering = server.exports.begin()?;
    let mut exported = ledger.export(&ask).await?;
    let (file, size) = written(std::mem::take(&mut exported.files)).await?;
    let logged = ledger.log_export(&ask, &exported).await?;
    drop(gathering);
    ledger.note_viewing(&caller, format!("pack {}", exported.id)).await?;
    let name = format!("attestry-{}-{}.zip", ask.environment.project, ask.environment.name);
    let headers = [
        (header::CONTENT_TYPE, ZIP),
        (header::CACHE_CONTROL, NEVER_KEPT),
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
        (EXPORT_ENTRY, HeaderValue::from(logged.index)),
        (PACK_ID, value(exported.id.to_string())?),
        (header::CONTENT_DISPOSITION, value(format!("attachment; filename=\"{name}\""))?),
    ];
    let mut answer = (headers, pieces(file)).into_response();
    let quorum = match exported.cosigned {
        Cosigned::NotAsked => None,
        Cosigned::Met => Some(QUORUM_MET),
        Cosigned::Missed => Some(QUORUM_MISSED),
    };
    if let Some(quorum) = quorum {
        answer.headers_mut().insert(WITNESSES, HeaderValue::from_static(quorum));
    }
    Ok(answer)
}

fn value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|cause| malformed("header", cause).into())
}

/// Writes the archive to a file without a name, which is gone with its last handle.
async fn written(files: Files) -> Result<(File, u64), LedgerError> {
    let write = move || {
        let mut file = tempfile::tempfile()?;
        pack_file::write(&files, BufWriter::new(&mut file))?;
        let size = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok((file, size))
    };
    let written = tokio::task::spawn_blocking(write).await.map_err(|_| LedgerError::Abandoned)?;
    written.map_err(|cause: zip::result::ZipError| malformed("the pack's file", cause))
}

/// Sends a file piece by piece, as fast as the client takes them.
fn pieces(file: File) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    let file = Arc::new(file);
    tokio::spawn(async move {
        loop {
            let file = Arc::clone(&file);
            let read = move || {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                (&*file).take(PIECE_BYTES as u64).read_to_end(&mut piece).map(|_| piece)
            };
            let piece = match tokio::task::spawn_blocking(read).await {
                Ok(Ok(piece)) if piece.is_empty() => return,
                Ok(piece) => piece.map(Bytes::from),
                Err(cause) => Err(std::io::Error::other(cause)),
            };
            let broken = piece.is_err();
            let sent = timeout(SLOW_MAX, sender.send(piece)).await;
            if broken || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pack_is_gathered_at_a_time() {
        let exports = Exports::default();
        let first = exports.begin().unwrap();
        let second = exports.clone().begin().unwrap_err();
        assert_eq!((second.status, second.code), (503, "busy"));
        drop(first);
        assert!(exports.begin().is_ok());
    }
}
