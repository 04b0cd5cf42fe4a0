//! Whether the server is alive, and whether it can do its work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::Server;
use super::problem::Problem;
use crate::store::Store;

/// Answers as long as the process runs.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain")))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The longest that whoever asks whether the server is ready waits for the database.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers where the database does, continues every checkpoint that is known here, and has a
/// published one that covers what was logged a minute ago.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Ready", body = String, content_type = "text/plain"),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn ready<S: Store>(State(server): State<Server<S>>) -> Result<&'static str, Problem> {
    let trouble = match tokio::time::timeout(PATIENCE, server.ledger.health()).await {
        Ok(health) => health?.trouble().map(|trouble| trouble.to_string()),
        Err(_) => Some("the database does not answer".to_owned()),
    };
    match trouble {
        None => Ok("ok\n"),
        Some(trouble) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            "The server cannot do its work.",
            trouble,
        )),
    }
}
