//! The log as a list in pages, with filters.

use axum::Json;
use axum::extract::State;
use schemas::id::{Digest, EntryIndex, Hash, IdentityName, Time, TreeSize};
use schemas::kind::{EventKind, KINDS};
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::line::Line;

use super::Server;
use super::environments::{parse_environment, parse_project, parse_time};
use super::number;
use super::page::{Listed, Listing, Page, Paging};
use super::problem::Problem;
use crate::error::LedgerError;
use crate::search::{Found, Order, Wanted, first_at, search};
use crate::store::{Read, Store};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// Only of this kind: `decision`, `approval`, `test`, …
    #[param(example = "test")]
    pub kind: Option<String>,
    /// Only of this project.
    #[param(example = "payments")]
    pub project: Option<String>,
    /// Only about this environment: `payments/prod`, or `prod` beside a project.
    #[param(example = "payments/prod")]
    pub environment: Option<String>,
    /// Only about this artifact or commit: `sha256:…` or `gitCommit:…`, in full.
    #[param(example = "sha256:9f2c41d0a3b5c7d9e1f20314253647586970818293a4b5c6d7e8f90112233445")]
    pub artifact: Option<String>,
    /// Only what this identity has signed.
    #[param(example = "ci")]
    pub signer: Option<String>,
    /// Logged at or after: a day, or a time of RFC 3339.
    #[param(example = "2026-07-01")]
    pub from: Option<String>,
    /// Logged before.
    #[param(example = "2026-10-01")]
    pub to: Option<String>,
    /// Not before this index.
    #[param(example = 0)]
    #[serde(default, deserialize_with = "number::optional")]
    pub from_index: Option<EntryIndex>,
    /// Before this index.
    #[param(example = 36)]
    #[serde(default, deserialize_with = "number::optional")]
    pub to_index: Option<EntryIndex>,
    /// `newest` or `oldest` first.
    #[param(inline, default = "newest")]
    pub order: Option<OrderWord>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OrderWord {
    Newest,
    Oldest,
}

/// A log position, as `attestry log --json` has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventRow {
    pub index: EntryIndex,
    /// When it was logged, RFC 3339.
    #[schema(value_type = String)]
    pub time: Time,
    #[schema(example = "test")]
    pub kind: &'static str,
    /// The predicate type.
    #[serde(rename = "type")]
    pub predicate_type: String,
    /// SHA-256 of what was signed.
    #[schema(value_type = String)]
    pub statement: Hash,
    /// SHA-256 of the envelope.
    #[schema(value_type = String)]
    pub envelope: Hash,
    /// The entry's leaf hash.
    #[schema(value_type = String)]
    pub leaf: Hash,
    /// Who signed: identities by the trust document in force then, or the beginning of a key.
    pub signers: Vec<String>,
    /// The threads that it is on, as entries write them.
    #[schema(example = json!(["environment payments/prod", "project payments"]))]
    pub threads: Vec<String>,
}

impl From<Line> for EventRow {
    fn from(line: Line) -> EventRow {
        let kind = line.kind().name();
        let entry = line.entry;
        EventRow {
            index: entry.index,
            time: entry.time,
            kind,
            predicate_type: entry.predicate_type,
            statement: entry.statement,
            envelope: entry.envelope,
            leaf: line.leaf,
            signers: line.signers,
            threads: entry.threads.iter().map(|it| it.thread.to_string()).collect(),
        }
    }
}

/// Lists events: log positions, the newest first.
///
/// A page costs a bounded number of looks, however large the log is: one that names an artifact, an
/// environment or a project follows that thread, and everything else is read in ranges of some
/// thousand entries. Where few of them fit, it is short or empty, and has `next` all the same.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventFilter, Paging),
    responses(
        (status = 200, description = "A page", body = Page<EventRow>),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn list<S: Store>(
    State(server): State<Server<S>>,
    listed: Listed<EventFilter>,
) -> Result<Json<Page<EventRow>>, Problem> {
    let listing: Listing<EntryIndex> = listed.listing(server.ledger.published_size().await?)?;
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let wanted = wanted(&mut read, &listed.filter, listing.as_of).await?;
    let (documents, start) = (&server.ledger.documents, listing.from);
    let Found { lines, next } = search(&mut read, documents, &wanted, start, listing.limit).await?;
    Ok(Json(listing.page(lines.into_iter().map(EventRow::from).collect(), next)?))
}

async fn wanted<R: Read>(
    read: &mut R,
    filter: &EventFilter,
    as_of: TreeSize,
) -> Result<Wanted, Problem> {
    let project = parse_project(filter.project.as_deref())?;
    let environment = parse_environment(filter.environment.as_deref(), project.as_ref())?;
    let artifact = filter.artifact.as_deref().map(|text| {
        let wrong = |cause| Problem::bad_request(format!("artifact: {cause}"));
        text.parse::<Digest>().map_err(wrong)
    });
    let signer = filter.signer.as_deref().map(|text| {
        let wrong = |cause| Problem::bad_request(format!("signer: {cause}"));
        text.parse::<IdentityName>().map_err(wrong)
    });
    let threads = [
        artifact.transpose()?.map(ThreadId::Artifact),
        environment.map(ThreadId::Environment),
        project.map(ThreadId::Project),
    ];
    let mut from = filter.from_index.unwrap_or(0);
    let mut to = filter.to_index.unwrap_or(as_of).min(as_of);
    if let Some(time) = filter.from.as_deref().map(parse_time).transpose()? {
        from = from.max(first_at(read, time, as_of).await?);
    }
    if let Some(time) = filter.to.as_deref().map(parse_time).transpose()? {
        to = to.min(first_at(read, time, as_of).await?);
    }
    let order = match filter.order {
        Some(OrderWord::Oldest) => Order::OldestFirst,
        Some(OrderWord::Newest) | None => Order::NewestFirst,
    };
    Ok(Wanted {
        threads: threads.into_iter().flatten().collect(),
        kind: filter.kind.as_deref().map(parse_kind).transpose()?,
        signer: signer.transpose()?.map(|name| name.to_string()),
        from,
        to,
        order,
    })
}

/// Reads the name of a kind.
pub fn parse_kind(name: &str) -> Result<EventKind, Problem> {
    let names = || KINDS.map(|line| line.name).join(", ");
    EventKind::from_name(name)
        .ok_or_else(|| Problem::bad_request(format!("kind: one of {}", names())))
}
