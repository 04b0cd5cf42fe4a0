//! Login of people, for the pages to come: to the issuer, back with a code, and out again.
//!
//! A session is a token that only a cookie carries. `__Host-` and `Secure` keep it to this server
//! over TLS, `HttpOnly` from scripts, `SameSite=Lax` from other sites' requests that change things.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Server;
use super::problem::Problem;
use crate::access::login::{Attempt, Login, LoginError};
use crate::access::{Carrier, SESSION_MS, TokenAsk};
use crate::store::{Purpose, Store};

/// The cookie of a session: its token.
pub const SESSION: &str = "__Host-attestry";

/// The cookie of a login that is under way.
const ATTEMPT: &str = "__Host-attestry-login";

/// How long somebody may take at the issuer, in seconds.
const ATTEMPT_SECS: i64 = 600;

/// What an issuer sends back with a browser.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Back {
    pub state: Option<String>,
    pub code: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// The value of a cookie that a browser sends once.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut found = pairs.filter_map(|pair| {
        let (known, value) = pair.trim_matches(' ').split_once('=')?;
        (known == name).then_some(value)
    });
    // Of two, nobody knows who has set which.
    found.next().filter(|_| found.next().is_none())
}

fn set(name: &str, value: &str, seconds: i64) -> Result<HeaderValue, Problem> {
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    HeaderValue::try_from(text).map_err(|cause| Problem::bad_request(cause.to_string()))
}

fn away<const N: usize>(to: &str, cookies: [HeaderValue; N]) -> Result<Response, Problem> {
    let to = HeaderValue::try_from(to).map_err(|cause| Problem::bad_request(cause.to_string()))?;
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, super::tokens::NEVER_KEPT);
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn login<S: Store>(server: &Server<S>) -> Result<&Login, Problem> {
    server.login.as_deref().ok_or_else(|| {
        let title = "Nobody logs in here.";
        let detail = "the operator names an issuer under `login` in the file of --oidc-rules";
        Problem::new(StatusCode::NOT_FOUND, "login-closed", title, detail)
    })
}

/// Sends a browser to the issuer.
#[utoipa::path(get, path = "/login", tag = "access", responses(
    (status = 303, description = "To the issuer, with a cookie for the way back"),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn begin<S: Store>(State(server): State<Server<S>>) -> Result<Response, Problem> {
    let login = login(&server)?;
    let attempt = Attempt::new()?;
    away(&login.address(&attempt)?, [set(ATTEMPT, &attempt.format(), ATTEMPT_SECS)?])
}

/// Takes a browser back from the issuer, and gives it a session.
#[utoipa::path(get, path = "/callback", tag = "access", params(Back), responses(
    (status = 303, description = "Logged in: a session of twelve hours in a cookie"),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn back<S: Store>(
    State(server): State<Server<S>>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let login = login(&server)?;
    let attempt = cookie(&headers, ATTEMPT).and_then(Attempt::parse).ok_or(LoginError::State)?;
    let (state, code) = match (back.state, back.code, back.error) {
        (Some(state), Some(code), None) => (state, code),
        (_, _, Some(error)) => {
            return Err(LoginError::Refused(error.chars().take(64).collect()).into());
        }
        _ => return Err(LoginError::State.into()),
    };
    let rule = login.finish(&attempt, &state, &code, server.ledger.now()).await?;
    let ask = TokenAsk {
        identity: rule.identity.clone(),
        scope: rule.scope(),
        purpose: Purpose::Session,
        lifetime_ms: SESSION_MS,
    };
    let (text, _) = server.ledger.create_token(&ask).await?;
    away("/", [set(SESSION, &text, SESSION_MS / 1000)?, set(ATTEMPT, "", 0)?])
}

/// Ends the session whose cookie is sent.
#[utoipa::path(post, path = "/logout", tag = "access", responses(
    (status = 303, description = "Logged out: the session is worth nothing any more"),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn end<S: Store>(
    State(server): State<Server<S>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(text) = cookie(&headers, SESSION)
        && let Ok(caller) = server.access.caller(text, Carrier::Cookie).await
        && let Some(id) = caller.token()
    {
        server.ledger.revoke_token(id).await?;
    }
    away("/", [set(SESSION, "", 0)?])
}

impl From<LoginError> for Problem {
    fn from(cause: LoginError) -> Problem {
        let detail = cause.to_string();
        let refused = |code| {
            Problem::new(StatusCode::FORBIDDEN, code, "Nobody was logged in.", detail.clone())
        };
        match cause {
            LoginError::State => refused("login-state").hint("begin again: /login"),
            LoginError::Refused(_) => refused("login-refused").hint("begin again: /login"),
            LoginError::Nonce => refused("login-nonce"),
            LoginError::Issuer(cause) => Problem::from(cause),
            LoginError::Ledger(cause) => Problem::from(cause),
        }
    }
}
