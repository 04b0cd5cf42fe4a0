//! The documents that rule the ledger: trust, and each project's policy.

use axum::Json;
use axum::extract::{Path, State};
use schemas::id::{Digest, EntryIndex, Hash, Project};
use schemas::policy::PolicyDocument;
use schemas::trust::TrustDocument;
use serde::Serialize;
use utoipa::ToSchema;
use verifier::event::{Body, Event};

use super::Server;
use super::problem::Problem;
use crate::error::malformed;
use crate::store::Store;

/// The trust document in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrustBody {
    /// The entry that put it in force.
    pub index: EntryIndex,
    /// SHA-256 of what was signed.
    #[schema(value_type = String)]
    pub statement: Hash,
    /// Origin, log key, roots, identities, grants and compromises.
    #[schema(value_type = Object)]
    pub document: TrustDocument,
}

/// The policy in force in a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyBody {
    #[schema(value_type = String)]
    pub project: Project,
    /// The entry that put it in force.
    pub index: EntryIndex,
    /// SHA-256 of what was signed.
    #[schema(value_type = String)]
    pub statement: Hash,
    /// SHA-256 of the document's canonical JSON.
    #[schema(value_type = String)]
    pub digest: Hash,
    /// 1 for the project's first.
    pub revision: u64,
    /// The attachment with the YAML that a person wrote; it decides nothing.
    #[schema(value_type = Option<String>)]
    pub source: Option<Digest>,
    /// The document, as JSON.
    #[schema(value_type = Object)]
    pub document: PolicyDocument,
}

/// Reads the trust document in force.
#[utoipa::path(get, path = "/api/v1/trust", tag = "rules", responses(
    (status = 200, description = "The document", body = TrustBody),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn trust<S: Store>(State(server): State<Server<S>>) -> Result<Json<TrustBody>, Problem> {
    let trust = server.ledger.control().await?.trust;
    let it = trust.ok_or_else(|| Problem::not_found("the log is empty"))?;
    Ok(Json(TrustBody { index: it.entry, statement: it.statement, document: it.document }))
}

/// Reads the policy in force in a project.
#[utoipa::path(get, path = "/api/v1/policies/{project}", tag = "rules",
    params(("project" = String, Path, example = "payments")),
    responses(
        (status = 200, description = "The policy", body = PolicyBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn policy<S: Store>(
    State(server): State<Server<S>>,
    Path(project): Path<String>,
) -> Result<Json<PolicyBody>, Problem> {
    let project: Project =
        project.parse().map_err(|cause| Problem::bad_request(format!("project: {cause}")))?;
    let policy = server.ledger.control().await?.policies.remove(&project);
    let it = policy.ok_or_else(|| Problem::not_found(format!("{project} has no policy")))?;
    let envelope = server.ledger.entry(it.entry).await?.envelope;
    let event = envelope.as_deref().map(Event::read).transpose();
    let event = event.map_err(|cause| Problem::from(malformed("policy", cause)))?;
    let source = event.and_then(|event| match event.body {
        Body::Policy(body, _) => body.source,
        _ => None,
    });
    Ok(Json(PolicyBody {
        project,
        index: it.entry,
        statement: it.statement,
        digest: it.digest,
        revision: it.revision,
        source,
        document: it.document,
    }))
}
