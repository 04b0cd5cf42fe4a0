//! Events: submitted as signed envelopes, answered with receipts, read by index.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::id::{EntryIndex, Hash, Project};
use schemas::report::Finding;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::checkpoint::verify_checkpoint;

use super::caching::{Freshness, keep};
use super::problem::Problem;
use super::rate::Allowance;
use super::spooled::waited;
use super::{Server, TEXT_PLAIN};
use crate::access::Caller;
use crate::error::LedgerError;
use crate::ledger::{Logged, Stored, Submission};
use crate::promotion;
use crate::store::Store;

/// The header in which a caller shows what it has verified before.
const SEEN: &str = "attestry-seen";

/// Longest accepted header of that name: a checkpoint with the cosignatures of a large policy.
const SEEN_BYTES_MAX: usize = 16_384;

/// Most lines of one batch.
pub const BATCH_MAX: usize = 1024;

/// Where a statement is filed that does not name its project itself.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filing {
    /// The project; our own kinds carry theirs, signed.
    pub project: Option<String>,
}

/// A logged event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggedEvent {
    /// The entry at which the event takes effect.
    pub index: EntryIndex,
    pub kind: String,
    /// SHA-256 of what was signed.
    #[schema(value_type = String)]
    pub statement: Hash,
    /// It was logged before; the receipt is that of its first entry.
    pub repeated: bool,
    /// A C2SP tlog-proof file.
    pub receipt: String,
    /// What the rules remark of it.
    pub notices: Vec<Notice>,
    /// The promotion request that it makes, answers or carries out, by its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<EntryIndex>,
}

/// Something worth knowing that changes no answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    pub code: String,
    pub detail: String,
}

/// One line of the answer to a batch: an event, or why it was refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BatchLine {
    Logged(LoggedEvent),
    Problem(Problem),
}

/// One line of a batch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchEvent {
    /// The envelope's bytes in padded base64.
    pub envelope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// An entry with its envelope.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryBody {
    pub index: EntryIndex,
    /// The entry's bytes, which are text.
    pub entry: String,
    /// The envelope's bytes in padded base64; none with the later parts of a statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
}

impl From<Stored> for EntryBody {
    fn from(stored: Stored) -> EntryBody {
        EntryBody {
            index: stored.index,
            entry: String::from_utf8_lossy(&stored.entry).into_owned(),
            envelope: stored.envelope.map(|bytes| STANDARD.encode(bytes)),
        }
    }
}

impl From<&Finding> for Notice {
    fn from(finding: &Finding) -> Notice {
        Notice { code: finding.code.name().to_owned(), detail: finding.detail.clone() }
    }
}

impl From<Logged> for LoggedEvent {
    fn from(it: Logged) -> LoggedEvent {
        LoggedEvent {
            index: it.index,
            kind: it.kind.name().to_owned(),
            statement: it.statement,
            repeated: it.repeated,
            receipt: it.receipt,
            notices: it.notices.iter().map(Notice::from).collect(),
            promotion: it.promotion,
        }
    }
}

fn project(name: Option<&str>) -> Result<Option<Project>, Problem> {
    let parse = |name: &str| {
        name.parse().map_err(|cause| Problem::bad_request(format!("project: {cause}")))
    };
    name.map(parse).transpose()
}

/// What the caller has verified of this log before.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct SeenHeader {
    /// The largest checkpoint of this log that the caller has verified: the signed note in padded
    /// base64. One that the log does not extend is kept as evidence of a fork and stops the ledger.
    #[param(rename = "Attestry-Seen")]
    pub seen: Option<String>,
}

/// Compares the log with what the caller has seen of it.
async fn compare_seen<S: Store>(server: &Server<S>, headers: &HeaderMap) -> Result<(), Problem> {
    let mut sent = headers.get_all(SEEN).iter();
    let Some(header) = sent.next() else { return Ok(()) };
    let wrong = |cause: String| Problem::bad_request(format!("{SEEN}: {cause}"));
    if sent.next().is_some() || header.len() > SEEN_BYTES_MAX {
        return Err(wrong(format!("it is sent once, with at most {SEEN_BYTES_MAX} bytes")));
    }
    let note = STANDARD.decode(header.as_bytes()).map_err(|cause| wrong(cause.to_string()))?;
    let log = server.ledger.pin().log();
    let seen = verify_checkpoint(&note, log).map_err(|cause| wrong(cause.to_string()))?;
    Ok(server.ledger.compare(&seen, "a client").await?)
}

/// Logs one signed envelope, as its bytes are.
#[utoipa::path(post, path = "/api/v1/events", tag = "events", params(Filing, SeenHeader),
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "A DSSE envelope or a Sigstore bundle that holds one, kept unchanged"),
    responses(
        (status = 201, description = "Logged", body = LoggedEvent),
        (status = 200, description = "Logged before", body = LoggedEvent),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn submit<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Query(filing): Query<Filing>,
    headers: HeaderMap,
    envelope: Bytes,
) -> Result<Response, Problem> {
    compare_seen(&server, &headers).await?;
    let project = project(filing.project.as_deref())?;
    let one = Submission { envelope: envelope.to_vec(), project, attachments: Vec::new() };
    caller.check_submission(&one)?;
    let answer = server.queue.submit(vec![one]).await?.into_iter().next();
    let logged = answer.ok_or(LedgerError::Abandoned)??;
    tell(&logged);
    promotion::note_span(logged.promotion);
    let status = if logged.repeated { StatusCode::OK } else { StatusCode::CREATED };
    let place = format!("/api/v1/events/{}", logged.index);
    let headers = [(header::LOCATION, place)];
    Ok((status, headers, Json(LoggedEvent::from(logged))).into_response())
}

/// Leaves a span of its own for an event of a promotion: a batch may hold those of many.
fn tell(logged: &Logged) {
    if let Some(request) = logged.promotion {
        let (promotion, kind) = (promotion::name(request), logged.kind.name());
        tracing::info_span!(
            "logged",
            attestry.promotion.id = promotion,
            kind,
            index = logged.index
        )
        .in_scope(|| ());
    }
}

/// Logs many envelopes; the answer has a line for each line, in their order.
#[utoipa::path(post, path = "/api/v1/events/batch", tag = "events",
    params(SeenHeader),
    request_body(content = BatchEvent, content_type = "application/x-ndjson",
        description = "One JSON object a line, up to 1,024 of them"),
    responses(
        (status = 200, description = "One JSON object a line", body = BatchLine,
            content_type = "application/x-ndjson"),
        (status = "default", description = "A problem: nothing was logged", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn submit_batch<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    allowance: Option<Extension<Allowance>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    compare_seen(&server, &headers).await?;
    let waited = waited(&headers)?;
    let lines: Vec<&[u8]> =
        body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if lines.is_empty() || lines.len() > BATCH_MAX {
        let detail = format!("{} lines; a batch has 1 to {BATCH_MAX}", lines.len());
        return Err(Problem::bad_request(detail));
    }
    if let Some(Extension(allowance)) = allowance {
        allowance.pay(lines.len() - 1);
    }
    let batch = lines.iter().enumerate().map(|(nth, line)| batch_event(nth, line));
    let mut batch = batch.collect::<Result<Vec<_>, _>>()?;
    let may: Vec<_> = batch.iter().map(|it| caller.check_submission(it)).collect();
    let mut each = may.iter();
    batch.retain(|_| each.next().is_some_and(Result::is_ok));
    let mut answers = server.queue.submit(batch).await?.into_iter();
    let (mut out, mut promotions) = (Vec::new(), Vec::new());
    for may in may {
        let line = match may.map(|()| answers.next().unwrap_or(Err(LedgerError::Abandoned))) {
            Err(refusal) => BatchLine::Problem(refusal.into()),
            Ok(Ok(logged)) => {
                tell(&logged);
                promotions.extend(logged.promotion);
                server.ledger.metrics().delivered(waited.filter(|_| !logged.repeated));
                BatchLine::Logged(logged.into())
            }
            Ok(Err(cause)) => BatchLine::Problem(Problem::from(&cause)),
        };
        serde_json::to_writer(&mut out, &line)
            .map_err(|cause| Problem::bad_request(cause.to_string()))?;
        out.push(b'\n');
    }
    promotion::note_span(promotions);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], out).into_response())
}

fn batch_event(nth: usize, line: &[u8]) -> Result<Submission, Problem> {
    let wrong = |cause: String| Problem::bad_request(format!("line {}: {cause}", nth + 1));
    let it: BatchEvent = serde_json::from_slice(line).map_err(|cause| wrong(cause.to_string()))?;
    let envelope = STANDARD.decode(&it.envelope).map_err(|cause| wrong(cause.to_string()))?;
    let project = project(it.project.as_deref()).map_err(|problem| wrong(problem.detail))?;
    Ok(Submission { envelope, project, attachments: Vec::new() })
}

/// Reads an entry with its envelope.
#[utoipa::path(get, path = "/api/v1/events/{index}", tag = "events",
    params(("index" = u64, Path, description = "The entry's index")),
    responses(
        (status = 200, description = "The entry", body = EntryBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn entry<S: Store>(
    State(server): State<Server<S>>,
    Path(index): Path<EntryIndex>,
) -> Result<Response, Problem> {
    let stored = server.ledger.entry(index).await?;
    // Without its envelope the answer is another one.
    let bare = if stored.envelope.is_some() { "" } else { "-bare" };
    let etag = format!("{}{bare}", verifier::merkle::leaf_hash(&stored.entry));
    Ok(keep(Json(EntryBody::from(stored)), Freshness::Immutable, Some(etag)))
}

/// Reads the receipt of an entry: entry, inclusion proof, published checkpoint.
#[utoipa::path(get, path = "/api/v1/events/{index}/receipt", tag = "events",
    params(("index" = u64, Path, description = "The entry's index")),
    responses(
        (status = 200, description = "A C2SP tlog-proof file", body = String,
            content_type = "text/plain"),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn receipt<S: Store>(
    State(server): State<Server<S>>,
    Path(index): Path<EntryIndex>,
) -> Result<Response, Problem> {
    let receipt = server.ledger.receipt(index).await?;
    // It grows with the log: its bytes have a name, and are asked for each time.
    let etag = verifier::merkle::sha256(&[receipt.as_bytes()]).to_string();
    let headers = [(header::CONTENT_TYPE, TEXT_PLAIN)];
    Ok(keep((headers, receipt), Freshness::Never, Some(etag)))
}
