//! The log as it grows: server-sent events, one for each entry, in their order.
//!
//! Read from the database in pages, whoever has appended, and only as far as a published checkpoint
//! covers it. A client that comes back names the last index that it has; nothing is kept for it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::id::{EntryIndex, TreeSize};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use verifier::access::{Act, Reach};

use super::Server;
use super::events::EntryBody;
use super::filter::Filter;
use super::problem::Problem;
use crate::access::{Access, Caller};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::store::Store;
use crate::tail::Tail;

/// Streams that one server keeps open.
pub const OPEN_MAX: usize = 64;

/// Silence after which a comment is sent, so that nobody on the way takes the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client may take nothing before it is let go; it can come back where it was.
const SLOW_MAX: Duration = Duration::from_secs(30);

/// Most bytes of entries and envelopes in one page, though never less than one entry.
const PAGE_BYTES: u64 = 1 << 20;

/// Pages that wait for a client beside the one that is being read.
const PAGES_WAITING: usize = 1;

/// A stream outlives its request: how long it is believed that its caller may read.
const ASK_AGAIN: Duration = Duration::from_secs(1);

const LAST_EVENT_ID: &str = "last-event-id";

/// Where a stream begins, and what it shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The last index that the caller has; -1 for a caller that has none and wants all of the log.
    /// Without it, and without the header Last-Event-ID, which comes first: what is logged from now
    /// on.
    #[param(minimum = -1)]
    pub after: Option<i64>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only of this kind: `decision`, `approval`, `test`, …
    pub kind: Option<String>,
    /// Only of this thread, as `artifact:sha256:…`, `environment:payments/prod`,
    /// `project:payments` or `control:ledger`.
    pub thread: Option<String>,
}

/// What streams share: how many may be open, when all of them end, and the end of the log.
#[derive(Debug, Clone)]
pub struct Streams {
    open: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
    tail: Tail,
}

impl Streams {
    pub fn new(tail: Tail, stopping: watch::Receiver<bool>) -> Streams {
        Streams { open: Arc::new(Semaphore::new(OPEN_MAX)), stopping, tail }
    }
}

/// Follows the log: one server-sent event for each entry, its id the index, its data the entry.
#[utoipa::path(get, path = "/api/v1/events/stream", tag = "events",
    params(StreamQuery, ("Last-Event-ID" = Option<i64>, Header, minimum = -1,
        description = "The last index that the caller has, as browsers send it")),
    responses(
        (status = 200, description = "Events as they are logged, without an end. A comment, with \
            the last index that was looked at, comes after 15 seconds of silence", body = String,
            content_type = "text/event-stream"),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn stream<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let StreamQuery { after, project, kind, thread } = query;
    let filter = Filter::of(project.as_deref(), kind.as_deref(), thread.as_deref())?;
    let after = last_event_id(&headers)?.or(after);
    let published = server.ledger.published_size().await?;
    let next = match after {
        None => published,
        Some(after) => next_after(after, published)?,
    };
    let Streams { open, stopping, tail } = server.streams.clone();
    let permit = open.try_acquire_owned().map_err(|_| {
        let detail = format!("{OPEN_MAX} streams are open already");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "All streams are taken.", detail)
    })?;
    let (sender, receiver) = mpsc::channel(PAGES_WAITING);
    let (ledger, access) = (Arc::clone(&server.ledger), Arc::clone(&server.access));
    let checked = Instant::now();
    let stream =
        Stream { ledger, access, caller, checked, tail, filter, next, sender, _permit: permit };
    tokio::spawn(stream.run(stopping));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Said to proxies that would gather the answer before they pass it on.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID is no index"))
}

/// The index behind the last one that a caller has, which this log must have.
fn next_after(after: i64, published: TreeSize) -> Result<EntryIndex, Problem> {
    let next = after.checked_add(1).and_then(|next| EntryIndex::try_from(next).ok());
    let next = next.ok_or_else(|| Problem::bad_request("an index is -1 or more"))?;
    if next <= published {
        return Ok(next);
    }
    let detail = format!("entry {after} is not published here; the log has {published} entries");
    let title = "The caller has seen more of the log than there is.";
    Err(Problem::new(StatusCode::CONFLICT, "ahead-of-log", title, detail))
}

type Frame = Result<Bytes, LedgerError>;

/// One client's stream.
struct Stream<S: Store> {
    ledger: Arc<Ledger<S>>,
    access: Arc<Access<S>>,
    caller: Caller,
    /// When it was last asked whether the caller may still read.
    checked: Instant,
    tail: Tail,
    filter: Filter,
    next: EntryIndex,
    sender: mpsc::Sender<Frame>,
    _permit: OwnedSemaphorePermit,
}

impl<S: Store> Stream<S> {
    async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let gone = self.sender.clone();
        tokio::select! {
            // Whoever waits for the next entry notices nothing else.
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = gone.closed() => {}
            () = self.send_all() => {}
        }
    }

    /// Sends what there is and what comes, until the client is too slow or the database fails:
    /// either way the stream ends, and the client goes on from its last index.
    async fn send_all(&mut self) {
        loop {
            let frame = match timeout(HEARTBEAT, self.tail.longer_than(self.next)).await {
                Ok(None) => return,
                _ if !self.may_go_on().await => return,
                Err(_) => Ok(self.heartbeat()),
                Ok(Some(size)) => self.page(size).await,
            };
            let failed = frame.is_err();
            if let Err(cause) = &frame {
                tracing::warn!(%cause, "a stream broke off");
            }
            let is_empty = frame.as_ref().is_ok_and(Bytes::is_empty);
            if !is_empty && self.sender.send_timeout(frame, SLOW_MAX).await.is_err() || failed {
                return;
            }
        }
    }

    /// Whether the caller may still read; nobody who may not is sent anything for longer than
    /// [`ASK_AGAIN`].
    async fn may_go_on(&mut self) -> bool {
        if self.checked.elapsed() < ASK_AGAIN {
            return true;
        }
        self.checked = Instant::now();
        let again = self.access.again(&self.caller).await;
        again.and_then(|caller| caller.check(Act::Read, Reach::All)).is_ok()
    }

    /// The next entries, as far as one page has room; empty where none of them fits the filter.
    async fn page(&mut self, size: TreeSize) -> Frame {
        let mut out = Vec::new();
        for stored in self.ledger.reading().await?.page(self.next, size, PAGE_BYTES).await? {
            self.next = stored.index + 1;
            if self.filter.fits(&stored) {
                let body = EntryBody::from(stored);
                out.extend_from_slice(format!("id: {}\ndata: ", body.index).as_bytes());
                serde_json::to_writer(&mut out, &body)
                    .map_err(|cause| crate::error::malformed("entry", cause))?;
                out.extend_from_slice(b"\n\n");
            }
        }
        Ok(out.into())
    }

    /// A comment; the id tells a client with a filter how far it needs not look again.
    fn heartbeat(&self) -> Bytes {
        match self.next.checked_sub(1) {
            Some(last) => format!(":\nid: {last}\n\n").into(),
            None => Bytes::from_static(b":\n\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_goes_on_where_it_was_and_never_beyond_the_log() {
        for (after, published, expected) in [(-1, 0, 0), (-1, 9, 0), (0, 9, 1), (8, 9, 9)] {
            assert_eq!(next_after(after, published).unwrap(), expected);
        }
        for (after, published, status) in
            [(9, 9, 409), (0, 0, 409), (-2, 9, 400), (i64::MAX, 9, 400), (i64::MIN, 9, 400)]
        {
            assert_eq!(next_after(after, published).unwrap_err().status, status, "{after}");
        }
    }
}
