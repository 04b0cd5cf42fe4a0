//! One request as operators see it: a span that continues the caller's trace, a line in the log, and
//! a count. None of them holds the query or a header, in which a caller's secrets may stand.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use opentelemetry::propagation::Extractor;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::request_id;
use crate::metrics::Metrics;

/// Asked every few seconds by machines that nobody wants to read about.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

pub async fn observe(
    metrics: &Metrics,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let since = Instant::now();
    let method = method(request.method());
    // The template and not the path: paths are what callers make of them.
    let route = request.extensions().get::<MatchedPath>().map_or("none", |it| it.as_str());
    let route = route.to_owned();
    let span = span(method, &route, request.headers());
    let response = next(request).instrument(span.clone()).await;
    let (status, after) = (response.status().as_u16(), since.elapsed());
    span.record("http.response.status_code", status);
    span.in_scope(|| {
        let ms = after.as_secs_f64() * 1e3;
        match PROBES.contains(&route.as_str()) {
            true => tracing::debug!(status, ms, "answered"),
            false => tracing::info!(status, ms, "answered"),
        }
    });
    metrics.requested(method, route, status, after);
    response
}

fn span(method: &'static str, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id = request_id::current(),
        caller = Empty,
        attestry.promotion.id = Empty,
    );
    if !span.is_disabled() {
        let parent =
            opentelemetry::global::get_text_map_propagator(|it| it.extract(&Headers(headers)));
        // Refused where nobody collects traces.
        let _ = span.set_parent(parent);
    }
    span
}

/// Methods are a caller's words too.
fn method(method: &Method) -> &'static str {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
    let names = ["GET", "HEAD", "POST", "PUT", "DELETE"];
    known.iter().zip(names).find(|(it, _)| *it == method).map_or("other", |(_, name)| name)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
