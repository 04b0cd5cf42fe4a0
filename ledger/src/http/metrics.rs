//! `GET /metrics`, on a listener of its own: a scraper needs no token there, and whoever reads the
//! ledger's port learns nothing from it.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::timeout::TimeoutLayer;

use super::REQUEST_MAX;
use crate::error::chain;
use crate::ledger::Ledger;
use crate::metrics::Now;
use crate::store::Store;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the numbers of a ledger until `stop` is there.
pub async fn serve<S: Store>(
    ledger: Arc<Ledger<S>>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics::<S>))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_MAX))
        .with_state(ledger);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// Answers also where the database does not: that is when somebody looks.
async fn metrics<S: Store>(State(ledger): State<Arc<Ledger<S>>>) -> Response {
    let told = |cause| tracing::warn!(cause = chain(&cause), "not all metrics are known");
    let now = Now {
        health: ledger.health().await.map_err(told).ok(),
        promotions: ledger.promotions_open().await.map_err(told).unwrap_or_default(),
        pools: ledger.pools(),
    };
    match ledger.metrics().text(&now) {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
