//! Whether the server is alive, and whether it can do its work.

use axum::extract::State;

use super::Server;
use super::problem::Problem;
use crate::store::Store;

/// Answers as long as the process runs.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain")))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// Answers where the database does, and has a published checkpoint.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Ready", body = String, content_type = "text/plain"),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn ready<S: Store>(State(server): State<Server<S>>) -> Result<&'static str, Problem> {
    server.ledger.checkpoint().await?;
    Ok("ok\n")
}
