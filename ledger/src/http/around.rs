//! What is done around every call, from the outside to the inside. One layer for all of it: at each
//! call the framework copies whatever a layer lies around.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caching::{self, Keepers};
use super::problem::{self, Problem};
use super::rate::{self, Limits};
use super::{Server, request, request_id};
use crate::store::Store;

pub struct Around<S: Store> {
    pub server: Server<S>,
    pub keepers: Keepers,
    pub limits: Arc<Limits>,
}

pub async fn around<S: Store>(
    State(around): State<Arc<Around<S>>>,
    request: Request,
    next: Next,
) -> Response {
    let answer = async |request| as_problem(next.run(request).await).await;
    let fresh = async |request| caching::cache(around.keepers, request, answer).await;
    let limited = async |mut request: Request| {
        request.extensions_mut().insert(around.server.clone());
        rate::limit(&around.limits, request, fresh).await
    };
    let metrics = around.server.ledger.metrics();
    let observed = async |request| request::observe(metrics, request, limited).await;
    request_id::identify(request, observed).await
}

/// Turns what the framework itself refuses (a body too large, a path or query that cannot be read,
/// a handler that took too long) into a problem document.
async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || kind.is_some_and(|kind| kind == problem::CONTENT_TYPE) {
        return response;
    }
    let said = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
    Problem::of_framework(status, String::from_utf8_lossy(&said).trim()).into_response()
}
