//! Caching: what never changes says so, and whoever has it already is not sent it again.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How long an answer may be kept by those who have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It never changes.
    Immutable,
    /// Right as it is, and soon replaced by something longer.
    Minute,
    /// To be asked for each time.
    Never,
}

/// Who besides the caller may keep an answer: anybody where reading is open, else the caller alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepers {
    Anybody,
    CallerAlone,
}

/// Marks an answer as one that may be kept; a strong ETag names its bytes.
pub fn keep(response: impl IntoResponse, freshness: Freshness, etag: Option<String>) -> Response {
    let mut response = response.into_response();
    response.extensions_mut().insert(freshness);
    let etag = etag.and_then(|tag| HeaderValue::from_str(&format!("\"{tag}\"")).ok());
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// Says how long answers may be kept, and answers 304 to whoever has the bytes already.
pub async fn cache(
    keepers: Keepers,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter();
    let known: Vec<HeaderValue> = known.cloned().collect();
    let mut response = next(request).await;
    let freshness = response.extensions().get::<Freshness>().copied();
    let Some(freshness) = freshness.filter(|_| response.status() == StatusCode::OK) else {
        return response;
    };
    let said = HeaderValue::from_static(said(freshness, keepers));
    response.headers_mut().insert(header::CACHE_CONTROL, said);
    if keepers == Keepers::CallerAlone {
        let vary = HeaderValue::from_static("authorization");
        response.headers_mut().append(header::VARY, vary);
    }
    if reads && has(&known, response.headers()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response
}

fn said(freshness: Freshness, keepers: Keepers) -> &'static str {
    match (freshness, keepers) {
        (Freshness::Immutable, Keepers::Anybody) => "public, max-age=31536000, immutable",
        (Freshness::Immutable, Keepers::CallerAlone) => "private, max-age=31536000, immutable",
        (Freshness::Minute, Keepers::Anybody) => "public, max-age=60",
        (Freshness::Minute, Keepers::CallerAlone) => "private, max-age=60",
        (Freshness::Never, _) => "no-cache",
    }
}

/// Whether the caller has one of these (RFC 9110, 13.1.2): weak marks of the same tag count too.
fn has(known: &[HeaderValue], headers: &HeaderMap) -> bool {
    let Some(etag) = headers.get(header::ETAG).and_then(|it| it.to_str().ok()) else {
        return false;
    };
    let tags = known.iter().filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
    tags.map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
