//! The proof of a thread: its links, and where it ends.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::id::{EntryIndex, Hash, TreeSize};
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::pack::heads::{HeadProofs, LineProof};
use verifier::thread::proof::{ProvenEntry, ShownHeads};

use super::Server;
use super::filter::thread_of;
use super::log::name;
use super::number;
use super::problem::Problem;
use crate::error::LedgerError;
use crate::heads::ProvenLine;
use crate::loader::Loader;
use crate::search::links;
use crate::store::{Read, Store};
use crate::tree::Tiles;

/// Most entries of one answer.
const ENTRIES_MAX: usize = 256;

/// Which thread, and how far back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ThreadProofQuery {
    /// The thread: `artifact:sha256:…`, `environment:payments/prod`, `project:payments` or
    /// `control:ledger`.
    #[param(example = "environment:payments/prod")]
    pub thread: String,
    /// How far back [default: to the beginning].
    #[serde(default, deserialize_with = "number::optional")]
    pub from: Option<EntryIndex>,
    /// Where to go on: `next` of the answer before, with the same size.
    #[serde(default, deserialize_with = "number::optional")]
    pub start: Option<EntryIndex>,
    /// The size of the tree, of which a checkpoint is published [default: the newest].
    #[serde(default, deserialize_with = "number::optional")]
    pub size: Option<TreeSize>,
}

/// An entry with its inclusion proof.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProvenEntryBody {
    pub index: EntryIndex,
    /// The entry's bytes, which are text.
    pub entry: String,
    /// SHA-256 hashes in hex, in the order of RFC 6962.
    #[schema(value_type = Vec<String>)]
    pub proof: Vec<Hash>,
}

/// A line of a heads event with its proof.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LineBody {
    /// `KIND ID POSITION INDEX LEAFHASH SLICEHASH`.
    pub line: String,
    /// Its number among the sorted lines.
    pub number: u64,
    /// SHA-256 hashes in base64, in the order of RFC 6962.
    pub proof: Vec<String>,
}

/// The newest heads event, and the line by which it says where the thread ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HeadsBody {
    pub at: ProvenEntryBody,
    /// The event's envelope in padded base64.
    pub envelope: String,
    pub line: LineBody,
}

/// A thread at a size of the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ThreadProofBody {
    pub thread: String,
    pub size: TreeSize,
    /// The checkpoint of that size: a C2SP signed note.
    pub checkpoint: String,
    /// Its entries, newest first, each named by the one before it here.
    pub entries: Vec<ProvenEntryBody>,
    /// Where they go on; none where they are all there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<EntryIndex>,
    /// Where the thread ended at the newest heads event; none where it has gone on since, or nothing
    /// of those heads is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<HeadsBody>,
    /// That the last entry of the tree is in it: SHA-256 hashes in hex.
    #[schema(value_type = Vec<String>)]
    pub last: Vec<Hash>,
}

impl From<ProvenEntryBody> for ProvenEntry {
    fn from(it: ProvenEntryBody) -> ProvenEntry {
        ProvenEntry { entry: it.entry.into_bytes(), proof: it.proof }
    }
}

impl TryFrom<HeadsBody> for ShownHeads {
    type Error = base64::DecodeError;

    fn try_from(it: HeadsBody) -> Result<ShownHeads, base64::DecodeError> {
        let LineBody { line, number, proof } = it.line;
        let lines = vec![LineProof { line, number, proof }];
        let proofs = HeadProofs { entry: it.at.index, lines };
        Ok(ShownHeads { at: it.at.into(), envelope: STANDARD.decode(&it.envelope)?, proofs })
    }
}

/// Proves a thread, from its newest entry back, and where it ends.
///
/// A client that wants to know that this is all of it walks the links back to position 0, compares
/// the newest entry with the line of `heads`, and reads every entry behind both of them up to `size`
/// (`/api/v1/entries`), each of which names the one before it: none of them may be on the thread.
#[utoipa::path(get, path = "/api/v1/proofs/thread", tag = "log", params(ThreadProofQuery),
    responses(
        (status = 200, description = "The proof", body = ThreadProofBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn thread<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<ThreadProofQuery>,
) -> Result<Response, Problem> {
    let unread = || Problem::bad_request("thread: no thread has such a name");
    let thread = thread_of(&query.thread).ok_or_else(unread)?;
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let (size, checkpoint) = checkpoint(&mut read, query.size).await?;
    let from = query.from.unwrap_or(0);
    let (found, next) = links(&mut read, &thread, from, size, query.start, ENTRIES_MAX).await?;
    if found.is_empty() && next.is_none() {
        let detail = format!("{thread} has no entry from {from} to {size}");
        return Err(Problem::not_found(detail));
    }
    let mut tiles = Tiles::default();
    let indexes: Vec<EntryIndex> = found.iter().map(|entry| entry.index).collect();
    let proofs = tiles.inclusions(&mut read, &indexes, size).await?;
    let last = tiles.inclusions(&mut read, &[size - 1], size).await?;
    let entries =
        found.iter().zip(proofs).map(|(entry, proof)| proven(entry.index, &entry.format(), proof));
    let body = ThreadProofBody {
        thread: name(&thread),
        size,
        checkpoint,
        entries: entries.collect(),
        next,
        heads: heads(&server, read, &thread, size).await?,
        last: last.into_iter().next().unwrap_or_default(),
    };
    Ok(([(header::CACHE_CONTROL, "no-cache")], Json(body)).into_response())
}

fn proven(index: EntryIndex, entry: &[u8], proof: Vec<Hash>) -> ProvenEntryBody {
    ProvenEntryBody { index, entry: String::from_utf8_lossy(entry).into_owned(), proof }
}

/// The checkpoint that was published of a size, or the newest.
async fn checkpoint<R: Read>(
    read: &mut R,
    size: Option<TreeSize>,
) -> Result<(TreeSize, String), Problem> {
    let found = match size {
        None => read.checkpoint().await.map_err(LedgerError::from)?,
        Some(size) => {
            let note = read.checkpoint_at(size).await.map_err(LedgerError::from)?;
            note.map(|note| (size, note))
        }
    };
    let found = found.filter(|(size, _)| *size > 0);
    found.ok_or_else(|| Problem::not_found("no checkpoint of that size is published"))
}

/// What the newest heads event below a size says of the thread.
async fn heads<S: Store>(
    server: &Server<S>,
    read: S::Snapshot,
    thread: &ThreadId,
    size: TreeSize,
) -> Result<Option<HeadsBody>, Problem> {
    let Loader { mut read, state } = Loader::new(read).await?;
    let Some(at) = state.control().heads.filter(|at| *at < size) else { return Ok(None) };
    let rows = read.threads(std::slice::from_ref(thread)).await.map_err(LedgerError::from)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let ledger = &server.ledger;
    let line = ledger.kept_heads.prove(&mut read, &ledger.objects, at, row).await?;
    let Some(ProvenLine { entry, envelope, proofs }) = line else { return Ok(None) };
    let proof = Tiles::default().inclusions(&mut read, &[at], size).await?;
    let line = proofs.lines.into_iter().next();
    Ok(line.map(|LineProof { line, number, proof: path }| HeadsBody {
        at: proven(at, &entry, proof.into_iter().next().unwrap_or_default()),
        envelope: STANDARD.encode(envelope),
        line: LineBody { line, number, proof: path },
    }))
}
