//! An artifact's way from source to production: what `attestry lineage --json` prints.

use axum::Json;
use axum::extract::{Path, Query, State};
use schemas::id::{Digest, EntryIndex};
use schemas::kind::{EventKind, ExtraThread};
use schemas::thread::ThreadId;
use serde::Serialize;
use utoipa::ToSchema;
use verifier::lineage::{Node, lineage};

use super::Server;
use super::artifacts::InProject;
use super::environments::parse_project;
use super::problem::Problem;
use crate::error::LedgerError;
use crate::search::links;
use crate::store::{Read, Store};

/// Most entries of the artifact's thread that are looked at, the newest first.
pub(super) const LOOKED_AT_MAX: usize = 1000;

/// Most of them whose envelopes are read: requests, approvals, decisions, deployments, notes.
pub(super) const STEPS_MAX: usize = 250;

/// An artifact's lineage, as `attestry lineage --json` has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineageBody {
    #[schema(value_type = String)]
    pub artifact: Digest,
    /// A tree for each project that says something of it.
    pub lineage: Vec<NodeBody>,
    /// Where the artifact has more of a history than fits: the newest entry about it that was not
    /// looked at. What it was asked and decided about before that is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older: Option<EntryIndex>,
}

/// A line of the tree.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeBody {
    #[schema(example = "approved by carol (security): read the report")]
    pub text: String,
    /// The entry that says so.
    pub entry: Option<EntryIndex>,
    #[schema(no_recursion)]
    pub children: Vec<NodeBody>,
}

impl From<Node> for NodeBody {
    fn from(it: Node) -> NodeBody {
        let Node { text, entry, children } = it;
        NodeBody { text, entry, children: children.into_iter().map(NodeBody::from).collect() }
    }
}

/// Shows an artifact's way from source to production, as of the newest entry.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}/lineage", tag = "artifacts",
    params(("digest" = String, Path, description = "sha256:… or gitCommit:…, in full"), InProject),
    responses(
        (status = 200, description = "The lineage", body = LineageBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    Path(digest): Path<String>,
    Query(asked): Query<InProject>,
) -> Result<Json<LineageBody>, Problem> {
    let digest: Digest =
        digest.parse().map_err(|cause| Problem::bad_request(format!("digest: {cause}")))?;
    let only = parse_project(asked.project.as_deref())?;
    let mut loader = server.ledger.loader().await?;
    let thread = ThreadId::Artifact(digest.clone());
    let size = loader.read.head().size;
    let (found, mut older) = links(&mut loader.read, &thread, 0, size, None, LOOKED_AT_MAX).await?;
    let is_step =
        |kind: EventKind| kind == EventKind::Note || kind.line().thread == ExtraThread::Environment;
    let mut steps: Vec<EntryIndex> = found
        .iter()
        .filter(|entry| is_step(EventKind::of_type(&entry.predicate_type)))
        .map(|entry| entry.index)
        .collect();
    older = steps.get(STEPS_MAX).copied().or(older);
    steps.truncate(STEPS_MAX);
    let mut stored = loader.read.entries(&steps).await.map_err(LedgerError::from)?;
    stored.sort_by_key(|one| one.index);
    let lines = server.ledger.documents.lines(&mut loader.read, stored).await?;
    let question = |view: verifier::view::View<'_>| lineage(&view, &digest, only.as_ref(), &lines);
    let trees = loader.ask(server.ledger.now(), question).await?;
    if trees.is_empty() {
        return Err(Problem::not_found(format!("the log says nothing of {digest} there")));
    }
    let lineage = trees.into_iter().map(NodeBody::from).collect();
    Ok(Json(LineageBody { artifact: digest, lineage, older }))
}
