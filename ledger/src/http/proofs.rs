//! Proofs of RFC 6962, of the trees that are published.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemas::id::{EntryIndex, Hash, TreeSize};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Server;
use super::number;
use super::problem::Problem;
use crate::error::LedgerError;
use crate::store::{Read, Store};
use crate::tree::Tiles;

/// Of what a proof shall be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InclusionQuery {
    /// The entry.
    #[serde(deserialize_with = "number::given")]
    pub index: EntryIndex,
    /// The size of the tree [default: that of the published checkpoint].
    #[serde(default, deserialize_with = "number::optional")]
    pub size: Option<TreeSize>,
}

/// Of what a proof shall be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// The size of the smaller tree.
    #[serde(deserialize_with = "number::given")]
    pub from: TreeSize,
    /// The size of the larger tree [default: that of the published checkpoint].
    #[serde(default, deserialize_with = "number::optional")]
    pub to: Option<TreeSize>,
}

/// A proof of RFC 6962.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProofBody {
    /// The size of the tree that it leads to.
    pub size: TreeSize,
    /// SHA-256 hashes in hex, in the order of the RFC.
    #[schema(value_type = Vec<String>)]
    pub hashes: Vec<Hash>,
}

/// Proves that an entry is in the log.
#[utoipa::path(get, path = "/api/v1/proofs/inclusion", tag = "log", params(InclusionQuery),
    responses(
        (status = 200, description = "The proof", body = ProofBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn inclusion<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<InclusionQuery>,
) -> Result<Response, Problem> {
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let size = within(&mut read, query.size).await?;
    if query.index >= size {
        return Err(Problem::not_found(format!("a tree of size {size} has no such entry")));
    }
    let proof = Tiles::default().inclusions(&mut read, &[query.index], size).await?;
    Ok(proven(size, proof.into_iter().next().unwrap_or_default()))
}

/// Proves that the log at one size is the beginning of the log at another.
#[utoipa::path(get, path = "/api/v1/proofs/consistency", tag = "log", params(ConsistencyQuery),
    responses(
        (status = 200, description = "The proof", body = ProofBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn consistency<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<ConsistencyQuery>,
) -> Result<Response, Problem> {
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let size = within(&mut read, query.to).await?;
    if query.from > size {
        return Err(Problem::bad_request(format!("from is above {size}")));
    }
    let proof = Tiles::default().consistency(&mut read, query.from, size).await?;
    Ok(proven(size, proof))
}

/// The size that was asked for, if it is published, or else the newest that is.
async fn within<R: Read>(read: &mut R, size: Option<TreeSize>) -> Result<TreeSize, Problem> {
    let published = read.checkpoint().await.map_err(LedgerError::from)?;
    let published = published.map_or(0, |(size, _)| size);
    match size {
        Some(size) if size > published => {
            Err(Problem::not_found(format!("size {size} is not published, {published} is")))
        }
        size => Ok(size.unwrap_or(published)),
    }
}

fn proven(size: TreeSize, hashes: Vec<Hash>) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Json(ProofBody { size, hashes })).into_response()
}
