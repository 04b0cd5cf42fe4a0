//! The log as our own clients read it: entries in ranges, threads with their state, checkpoints.
//!
//! With these and the tiles a client re-hashes, folds and evaluates what it is told, by the same
//! functions as whoever has the database.

use axum::Json;
use axum::extract::{Query, State};
use schemas::id::{Digest, EntryIndex, TreeSize};
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use verifier::access::{Act, Reach};
use verifier::pin::format_pin;

use super::Server;
use super::events::EntryBody;
use super::filter::thread_of;
use super::number;
use super::problem::Problem;
use crate::access::Caller;
use crate::error::{LedgerError, malformed};
use crate::store::{Read, Store, Thread};

/// Most bytes of entries and envelopes in one answer, before they are encoded.
const BYTES_MAX: u64 = 8 << 20;

/// Most things that one request may name.
pub const NAMED_MAX: usize = 100;

/// Most threads of a page.
const THREADS_MAX: u32 = 1000;

/// Which ledger this is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LedgerBody {
    pub origin: String,
    /// The pin as this server has it. Whoever wants to trust nobody gets it by another road.
    pub pin: String,
}

/// Says which ledger this is.
#[utoipa::path(get, path = "/api/v1/ledger", tag = "log", responses(
    (status = 200, description = "The ledger", body = LedgerBody),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn ledger<S: Store>(State(server): State<Server<S>>) -> Json<LedgerBody> {
    let (origin, pin) = (server.ledger.origin().to_string(), format_pin(server.ledger.pin()));
    Json(LedgerBody { origin, pin })
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// The first index of a range.
    #[serde(default, deserialize_with = "number::optional")]
    pub from: Option<EntryIndex>,
    /// The index behind the range.
    #[serde(default, deserialize_with = "number::optional")]
    pub to: Option<EntryIndex>,
    /// Instead of a range: up to 100 indexes with commas between them.
    #[param(example = "0,7,12")]
    pub indexes: Option<String>,
}

/// Some entries.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntriesBody {
    /// In the order of their indexes. Of a range perhaps only the beginning: go on behind the last.
    pub entries: Vec<EntryBody>,
}

/// Reads entries with their envelopes, in a range or by their indexes.
///
/// Of a range as many as fit into 8 MiB, but one at least. Indexes that are not there are left out.
#[utoipa::path(get, path = "/api/v1/entries", tag = "log", params(EntriesQuery), responses(
    (status = 200, description = "The entries", body = EntriesBody),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn entries<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<EntriesQuery>,
) -> Result<Json<EntriesBody>, Problem> {
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let found = match (&query.indexes, query.from, query.to) {
        (Some(list), None, None) => {
            let mut indexes = named(list, "indexes", |text| text.parse().ok())?;
            indexes.sort_unstable();
            indexes.dedup();
            let size = read.head().size;
            indexes.retain(|index| *index < size);
            let mut found = read.entries(&indexes).await.map_err(LedgerError::from)?;
            found.sort_by_key(|stored| stored.index);
            found
        }
        (None, Some(from), Some(to)) if from <= to => {
            let to = to.min(read.head().size);
            match from < to {
                true => read.read_range(from, to, BYTES_MAX).await.map_err(LedgerError::from)?,
                false => Vec::new(),
            }
        }
        _ => {
            let detail = "either indexes, or from and to, of which from is not the larger one";
            return Err(Problem::bad_request(detail));
        }
    };
    Ok(Json(EntriesBody { entries: found.into_iter().map(EntryBody::from).collect() }))
}

/// Which threads.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ThreadsQuery {
    /// Up to 100 threads with commas between them.
    #[param(example = "control:ledger,environment:payments/prod")]
    pub threads: Option<String>,
    /// Instead: the first digits of artifacts, eight at least, whatever their algorithm.
    #[param(example = "9f2c41d0")]
    pub prefix: Option<String>,
    /// Instead: a page of all threads, of this kind where it is given.
    #[param(example = "environment")]
    pub kind: Option<String>,
    /// The thread before the page.
    pub after: Option<String>,
    /// Most threads of the page.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    pub limit: Option<u32>,
}

/// A thread, up to its newest entry.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ThreadBody {
    /// `artifact:sha256:…`, `control:ledger`, `environment:project/name` or `project:name`.
    pub thread: String,
    /// How many entries it has, less one.
    pub position: u64,
    /// Its newest entry.
    pub index: EntryIndex,
    /// That entry's leaf hash.
    #[schema(value_type = String)]
    pub leaf: schemas::id::Hash,
    /// The state folded up to it; a thread of a project has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub slice: Option<Box<RawValue>>,
}

/// Some threads.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ThreadsBody {
    /// The size of the log of which this is the state.
    pub size: TreeSize,
    pub threads: Vec<ThreadBody>,
}

/// A thread's name in the API.
pub fn name(thread: &ThreadId) -> String {
    format!("{}:{}", thread.kind(), thread.id())
}

impl TryFrom<Thread> for ThreadBody {
    type Error = LedgerError;

    fn try_from(row: Thread) -> Result<ThreadBody, LedgerError> {
        let unreadable = |cause: &dyn std::fmt::Display| malformed(row.thread.to_string(), cause);
        let parse = |bytes: &Vec<u8>| {
            let text = std::str::from_utf8(bytes).map_err(|cause| unreadable(&cause))?;
            RawValue::from_string(text.to_owned()).map_err(|cause| unreadable(&cause))
        };
        let slice = row.slice.as_ref().map(parse).transpose()?;
        let (position, index, leaf) = (row.head.position, row.head.index, row.head.leaf);
        Ok(ThreadBody { thread: name(&row.thread), position, index, leaf, slice })
    }
}

/// Whether a caller may read these threads: the rules, if he may do anything at all; what concerns
/// a project, as its auditor; an artifact, which several projects may say things about, and lists,
/// as the auditor of all.
fn check_threads(caller: &Caller, threads: Option<&[ThreadId]>) -> Result<(), Problem> {
    let Some(threads) = threads else {
        return Ok(caller.check(Act::Read, Reach::All)?);
    };
    for thread in threads {
        let reach = match thread {
            ThreadId::Control => continue,
            ThreadId::Artifact(_) => Reach::All,
            ThreadId::Environment(environment) => Reach::Environment(environment),
            ThreadId::Project(project) => Reach::Project(project),
        };
        caller.check(Act::Read, reach)?;
    }
    Ok(())
}

/// Reads threads with the state that is folded from them.
///
/// The control thread for whoever may do anything here; other threads for auditors.
#[utoipa::path(get, path = "/api/v1/threads", tag = "log", params(ThreadsQuery), responses(
    (status = 200, description = "The threads that are there, in no order unless it is a page",
        body = ThreadsBody),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn threads<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Query(query): Query<ThreadsQuery>,
) -> Result<Json<ThreadsBody>, Problem> {
    let list = query.threads.as_deref().map(|list| named(list, "threads", thread_of));
    let wanted = list.transpose()?;
    check_threads(&caller, wanted.as_deref())?;
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let paged = query.kind.is_some() || query.after.is_some() || query.limit.is_some();
    let rows = match (&wanted, &query.prefix, paged) {
        (Some(wanted), None, false) => read.threads(wanted).await,
        (None, Some(prefix), false) => match read.find_artifacts(prefix, NAMED_MAX as u32).await {
            Ok(found) => {
                let artifact = |digest: Digest| ThreadId::Artifact(digest);
                let wanted: Vec<ThreadId> = found.into_iter().map(artifact).collect();
                read.threads(&wanted).await
            }
            Err(cause) => Err(cause),
        },
        (None, None, _) => {
            let after = query.after.as_deref().map(|text| named(text, "after", thread_of));
            let after = after.transpose()?.and_then(|mut it| it.pop());
            let limit = query.limit.unwrap_or(THREADS_MAX);
            if !(1..=THREADS_MAX).contains(&limit) {
                let detail = format!("limit: a page has 1 to {THREADS_MAX} threads");
                return Err(Problem::bad_request(detail));
            }
            let known = ["artifact", "control", "environment", "project"];
            if query.kind.as_deref().is_some_and(|kind| !known.contains(&kind)) {
                let detail = format!("kind: one of {}", known.join(", "));
                return Err(Problem::bad_request(detail));
            }
            read.threads_page(query.kind.as_deref(), after.as_ref(), limit).await
        }
        _ => {
            let detail = "one of: threads; prefix; kind, after and limit";
            return Err(Problem::bad_request(detail));
        }
    };
    let size = read.head().size;
    let rows = rows.map_err(LedgerError::from)?.into_iter().map(ThreadBody::try_from);
    Ok(Json(ThreadsBody { size, threads: rows.collect::<Result<_, _>>()? }))
}

/// Reads a list with commas in it.
fn named<T>(list: &str, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Problem> {
    let texts: Vec<&str> = list.split(',').collect();
    if texts.len() > NAMED_MAX {
        return Err(Problem::bad_request(format!("{what}: at most {NAMED_MAX} of them")));
    }
    let unread = || Problem::bad_request(format!("{what}: unreadable"));
    texts.into_iter().map(|text| read(text).ok_or_else(unread)).collect()
}

/// Which checkpoints.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CheckpointsQuery {
    /// Those published behind this one; all of them from 0.
    #[serde(default, deserialize_with = "number::optional")]
    pub after: Option<u64>,
    /// Instead: the one of this size.
    #[serde(default, deserialize_with = "number::optional")]
    pub size: Option<TreeSize>,
}

/// A checkpoint that was published.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckpointBody {
    /// Its place in the order of publishing, counted from 1; none where it was asked for by size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    pub size: TreeSize,
    /// A C2SP signed note.
    pub note: String,
}

/// Some checkpoints.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckpointsBody {
    pub checkpoints: Vec<CheckpointBody>,
}

/// Reads checkpoints that were published earlier, up to 256 in one answer.
#[utoipa::path(get, path = "/api/v1/checkpoints", tag = "log", params(CheckpointsQuery), responses(
    (status = 200, description = "The checkpoints, in the order of publishing",
        body = CheckpointsBody),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn checkpoints<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<CheckpointsQuery>,
) -> Result<Json<CheckpointsBody>, Problem> {
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let checkpoints = match (query.size, query.after) {
        (Some(size), None) => {
            let note = read.checkpoint_at(size).await.map_err(LedgerError::from)?;
            let body = |note| CheckpointBody { sequence: None, size, note };
            note.map(body).into_iter().collect()
        }
        (None, after) => {
            let found = read.checkpoints(after.unwrap_or(0)).await.map_err(LedgerError::from)?;
            let body = |it: crate::store::Published| CheckpointBody {
                sequence: Some(it.sequence),
                size: it.size,
                note: it.note,
            };
            found.into_iter().map(body).collect()
        }
        (Some(_), Some(_)) => return Err(Problem::bad_request("either size or after")),
    };
    Ok(Json(CheckpointsBody { checkpoints }))
}
