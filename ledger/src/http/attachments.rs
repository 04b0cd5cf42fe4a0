//! Attachments: raw reports and the like, named by their digest.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, TryStreamExt as _};
use schemas::id::{Digest, DigestAlgorithm};
use tokio::time::timeout;

use super::Server;
use super::caching::{Freshness, keep};
use super::problem::Problem;
use crate::objects::{UploadError, Uploaded};
use crate::store::Store;

/// The longest that the next bytes of an upload may take.
const STALL_MAX: Duration = Duration::from_secs(30);

/// The longest that a whole upload may take.
pub(super) const UPLOAD_MAX: Duration = Duration::from_secs(15 * 60);

fn sha256(name: &str) -> Result<Digest, Problem> {
    let digest: Digest =
        name.parse().map_err(|cause| Problem::bad_request(format!("digest: {cause}")))?;
    match digest.algorithm() {
        DigestAlgorithm::Sha256 => Ok(digest),
        _ => Err(Problem::bad_request("digest: attachments are named by their sha256")),
    }
}

/// Keeps an attachment: the body is the file, and must have the digest that the path names.
///
/// A broken or wrong upload leaves nothing behind; one that is there already stays as it is.
#[utoipa::path(put, path = "/api/v1/attachments/{digest}", tag = "attachments",
    params(("digest" = String, Path, description = "sha256: and 64 lower-case hex digits",
        pattern = "^sha256:[0-9a-f]{64}$")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "The file, up to 256 MiB unless the operator says otherwise"),
    responses(
        (status = 201, description = "Kept"),
        (status = 200, description = "It was there already"),
        (status = 408, description = "The upload stalled", body = Problem,
            content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn upload<S: Store>(
    State(server): State<Server<S>>,
    Path(digest): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let digest = sha256(&digest)?;
    let mut upload =
        server.ledger.objects().upload(digest.clone(), server.attachment_bytes_max).await?;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = timeout(STALL_MAX, chunks.next()).await.map_err(|_| stalled())? {
        let chunk = chunk.map_err(|cause| Problem::bad_request(format!("the body: {cause}")))?;
        upload.write(&chunk).await?;
    }
    let place = [(header::LOCATION, format!("/api/v1/attachments/{digest}"))];
    Ok(match upload.finish().await? {
        Uploaded::Kept => (StatusCode::CREATED, place).into_response(),
        Uploaded::Known => StatusCode::OK.into_response(),
    })
}

/// Reads an attachment.
#[utoipa::path(get, path = "/api/v1/attachments/{digest}", tag = "attachments",
    params(("digest" = String, Path, description = "sha256: and 64 lower-case hex digits",
        pattern = "^sha256:[0-9a-f]{64}$")),
    responses(
        (status = 200, description = "The file", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn attachment<S: Store>(
    State(server): State<Server<S>>,
    Path(digest): Path<String>,
) -> Result<Response, Problem> {
    let digest = sha256(&digest)?;
    let found = server.ledger.objects().read_attachment(&digest).await?;
    let none = || Problem::not_found(format!("there is no attachment {digest}"));
    let (size, bytes) = found.ok_or_else(none)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
        // Whatever somebody attached is nothing for a browser to show.
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let noted = bytes.inspect_err(|cause| tracing::error!(%cause, "an attachment broke off"));
    let body = Body::from_stream(noted);
    Ok(keep((headers, body), Freshness::Immutable, Some(digest.hex().to_owned())))
}

fn stalled() -> Problem {
    let title = "The upload stalled.";
    let detail = format!("nothing came for {} s", STALL_MAX.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "upload-stalled", title, detail)
}

impl From<UploadError> for Problem {
    fn from(cause: UploadError) -> Problem {
        let said = cause.to_string();
        match cause {
            UploadError::Ledger(cause) => Problem::from(&cause),
            UploadError::Busy => {
                let title = "The server takes nothing more at the moment.";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, said)
            }
            UploadError::OtherDigest { .. } => {
                let title = "The bytes are not those that were announced.";
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "digest-mismatch", title, said)
            }
            UploadError::TooLarge { .. } => {
                let title = "The attachment is too large.";
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "attachment-too-large", title, said)
            }
        }
    }
}
