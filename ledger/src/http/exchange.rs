//! A token for the ID token of a CI job: token exchange (RFC 8693) for issuers that rules name.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::ToSchema;

use super::Server;
use super::problem::Problem;
use super::tokens::NEVER_KEPT;
use crate::access::id_token::IdTokenError;
use crate::access::issuers::IssuerError;
use crate::access::{EXCHANGE_MS, TokenAsk};
use crate::store::{Purpose, Store};

/// Most bytes of a request: an ID token, and a few words around it.
pub const BODY_BYTES_MAX: usize = 64 << 10;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What is exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `urn:ietf:params:oauth:grant-type:token-exchange`.
    pub grant_type: String,
    /// The ID token of the job.
    pub subject_token: String,
    /// `urn:ietf:params:oauth:token-type:id_token`, or `…:jwt`.
    pub subject_token_type: String,
}

/// A token that lasts for an hour.
#[derive(Serialize, ToSchema)]
pub struct Exchanged {
    pub access_token: String,
    /// `urn:ietf:params:oauth:token-type:access_token`.
    pub issued_token_type: &'static str,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
}

/// Exchanges the ID token of a CI job (GitHub Actions, GitLab) for a token of an hour.
#[utoipa::path(post, path = "/api/v1/token", tag = "access",
    request_body(description = "A form, or JSON", content(
        (Exchange = "application/x-www-form-urlencoded"),
        (Exchange = "application/json"))),
    responses(
        (status = 200, description = "A token of the identity that the rules say", body = Exchanged),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn exchange<S: Store>(
    State(server): State<Server<S>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let ask = read(&headers, &body)?;
    if ask.grant_type != GRANT || ![ID_TOKEN, JWT].contains(&ask.subject_token_type.as_str()) {
        let title = "The server exchanges ID tokens, and nothing else.";
        let detail = format!("grant_type is {GRANT}, subject_token_type {ID_TOKEN}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "grant-unsupported", title, detail));
    }
    let issuers = server.issuers.as_ref().ok_or_else(|| {
        let title = "The server knows no issuers.";
        let detail = "its operator names them with --oidc-rules";
        Problem::new(StatusCode::NOT_FOUND, "exchange-closed", title, detail)
    })?;
    let (_, rule) = issuers.admit(&ask.subject_token, server.ledger.now()).await?;
    let (text, _) = server
        .ledger
        .create_token(&TokenAsk {
            identity: rule.identity.clone(),
            scope: rule.scope(),
            purpose: Purpose::Exchange,
            lifetime_ms: EXCHANGE_MS,
        })
        .await?;
    let body = Exchanged {
        access_token: text.to_string(),
        issued_token_type: ACCESS_TOKEN,
        token_type: "Bearer",
        expires_in: EXCHANGE_MS / 1000,
    };
    Ok(([(header::CACHE_CONTROL, NEVER_KEPT)], Json(body)).into_response())
}

/// Reads a form or JSON; each member stands once.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<Exchange, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    // What was sent is a secret, which no answer repeats.
    let wrong = || {
        Problem::bad_request("grant_type, subject_token and subject_token_type, each of them once")
    };
    if kind.eq_ignore_ascii_case("application/json") {
        return serde_json::from_slice(body).map_err(|_| wrong());
    }
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::bad_request("a form (application/x-www-form-urlencoded), or JSON"));
    }
    let pairs = form_urlencoded::parse(body);
    let text = |text: std::borrow::Cow<'_, str>| text.into_owned();
    let pairs = pairs.map(|(name, value)| (text(name), text(value)));
    let members = serde::de::value::MapDeserializer::<_, serde::de::value::Error>::new(pairs);
    Exchange::deserialize(members).map_err(|_| wrong())
}

impl From<IssuerError> for Problem {
    fn from(cause: IssuerError) -> Problem {
        let detail = cause.to_string();
        let refused = |code, title: &'static str| {
            Problem::new(StatusCode::UNAUTHORIZED, code, title, &detail)
        };
        let bad =
            |code, title: &'static str| Problem::new(StatusCode::BAD_REQUEST, code, title, &detail);
        match &cause {
            IssuerError::Keys { issuer, cause } => {
                tracing::error!(issuer, cause, "the keys of an issuer cannot be read");
                let title = "The issuer's keys are out of reach.";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "issuer-unreachable", title, &detail)
            }
            IssuerError::NoRule(_) => {
                let title = "No rule says whose ID token this is.";
                Problem::new(StatusCode::FORBIDDEN, "id-token-no-rule", title, &detail)
            }
            IssuerError::IdToken(cause) => match cause {
                IdTokenError::TooLarge(_) => {
                    bad("id-token-too-large", "The ID token is too large.")
                }
                IdTokenError::Malformed(_) => {
                    bad("id-token-malformed", "The ID token cannot be read.")
                }
                IdTokenError::Algorithm(_) => {
                    refused("id-token-algorithm", "The ID token is signed in another way.")
                }
                IdTokenError::Issuer(_) => {
                    refused("id-token-issuer", "The issuer of the ID token is not known here.")
                }
                IdTokenError::Key(_) => {
                    refused("id-token-key", "The key of the ID token is not known.")
                }
                IdTokenError::Signature => {
                    refused("id-token-signature", "The signature of the ID token is wrong.")
                }
                IdTokenError::Audience(_) => {
                    refused("id-token-audience", "The ID token is meant for somebody else.")
                }
                IdTokenError::Expired(_) => {
                    refused("id-token-expired", "The ID token has expired.")
                }
                IdTokenError::Early(_) => {
                    refused("id-token-early", "The ID token is not valid yet.")
                }
            },
        }
    }
}
