//! Request ids: by one, a caller's complaint and the server's log line find each other.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a caller.
const LENGTH_MAX: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered; empty outside of one.
pub fn current() -> String {
    CURRENT.try_with(String::clone).unwrap_or_default()
}

/// Gives each request an id: the caller's where it has the form of one, else a new one.
pub async fn identify(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let id = given.filter(|id| is_id(id)).map_or_else(make, str::to_owned);
    // Each character of an id may stand in a header.
    let value = HeaderValue::from_str(&id);
    let mut response = CURRENT.scope(id, next(request)).await;
    if let Ok(value) = value {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn is_id(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(known)
}

/// 128 random bits; a system without randomness has no ids rather than no answers.
fn make() -> String {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => format!("{:032x}", u128::from_be_bytes(bytes)),
        Err(_) => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_form() {
        let long = "a".repeat(LENGTH_MAX);
        for good in ["a", "A-b_c.9", &long, &make()] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "ä", "a/b", &format!("{long}a")] {
            assert!(!is_id(bad), "{bad:?}");
        }
        assert_ne!(make(), make());
    }
}
