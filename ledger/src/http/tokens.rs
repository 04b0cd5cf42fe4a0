//! Tokens over HTTP: made, listed and taken away by an admin, or with the first token of a ledger.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::id::{IdentityName, Project};
use schemas::policy::Duration;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::access::Scope;

use super::Server;
use super::asked::Asked;
use super::problem::Problem;
use crate::access::{NotAnId, TokenAsk, TokenError, TokenId};
use crate::store::{Purpose, Store, TOKENS_PAGE, Token};

pub const NEVER_KEPT: HeaderValue = HeaderValue::from_static("no-store");

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// An identity of the trust document in force.
    #[schema(value_type = String)]
    pub identity: IdentityName,
    /// Of its roles only these.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Of its projects only these.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub projects: Vec<Project>,
    /// How long it is to last: a whole number and one of `s`, `m`, `h`, `d`; at most 366 days.
    #[schema(value_type = String, example = "90d")]
    pub expires: Duration,
}

/// A token with its text, which is told this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeToken {
    /// What a caller sends behind `Authorization: Bearer`.
    pub token: String,
    #[serde(flatten)]
    pub about: TokenBody,
}

/// What is known of a token. Times are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    pub id: String,
    /// `call`, `exchange`, `session` or `bootstrap`.
    pub purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    pub roles: Vec<String>,
    pub projects: Vec<String>,
    pub created_at: String,
    pub expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// The day of its last call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_on: Option<String>,
}

/// Some tokens, and where the next page begins.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPage {
    pub tokens: Vec<TokenBody>,
    /// The `after` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Where a page of tokens begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// The id behind which it begins.
    pub after: Option<String>,
}

impl From<&Token> for TokenBody {
    fn from(it: &Token) -> TokenBody {
        TokenBody {
            id: it.id.to_string(),
            purpose: it.purpose.name(),
            identity: it.identity.as_ref().map(ToString::to_string),
            roles: it.scope.roles.iter().cloned().collect(),
            projects: it.scope.projects.iter().map(ToString::to_string).collect(),
            created_at: it.created.to_string(),
            expires_at: it.expires.to_string(),
            revoked_at: it.revoked.map(|at| at.to_string()),
            used_on: it.used_on(),
        }
    }
}

impl From<NotAnId> for Problem {
    fn from(cause: NotAnId) -> Problem {
        Problem::bad_request(cause.to_string())
    }
}

impl From<TokenError> for Problem {
    fn from(cause: TokenError) -> Problem {
        let wrong = |code, title, detail| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, detail)
        };
        let detail = cause.to_string();
        match cause {
            TokenError::Lifetime => {
                wrong("token-lifetime", "A token does not last that long.", detail)
            }
            TokenError::NoIdentity(_) => {
                wrong("unknown-identity", "The ledger knows no such identity.", detail)
            }
            TokenError::Wider(_) => {
                wrong("scope-too-wide", "A token only narrows what its identity may do.", detail)
            }
            TokenError::NoToken(_) => Problem::not_found(detail),
            TokenError::Ledger(cause) => Problem::from(&cause),
        }
    }
}

/// Makes a token for an identity. Its text is in this answer, and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "access", request_body = NewToken,
    responses(
        (status = 201, description = "Made", body = MadeToken),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn create<S: Store>(
    State(server): State<Server<S>>,
    Asked(ask): Asked<NewToken>,
) -> Result<Response, Problem> {
    let scope = Scope {
        roles: ask.roles.into_iter().collect(),
        projects: ask.projects.into_iter().collect(),
    };
    let ask = TokenAsk {
        identity: ask.identity,
        scope,
        purpose: Purpose::Call,
        lifetime_ms: ask.expires.ms(),
    };
    let (text, token) = server.ledger.create_token(&ask).await?;
    let body = MadeToken { token: text.to_string(), about: TokenBody::from(&token) };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, NEVER_KEPT)], Json(body)).into_response())
}

/// Lists the tokens, those too that have expired or were revoked; never their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "access", params(After),
    responses(
        (status = 200, description = "Tokens in the order of their ids", body = TokenPage),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn list<S: Store>(
    State(server): State<Server<S>>,
    Query(after): Query<After>,
) -> Result<Json<TokenPage>, Problem> {
    let after: Option<TokenId> = after.after.map(|id| id.parse()).transpose()?;
    let tokens = server.ledger.tokens(after.as_ref()).await?;
    let full = tokens.len() == TOKENS_PAGE as usize;
    let next = tokens.last().filter(|_| full).map(|token| token.id.to_string());
    Ok(Json(TokenPage { tokens: tokens.iter().map(TokenBody::from).collect(), next }))
}

/// Takes a token's power away, from this moment on.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "access",
    params(("id" = String, Path, description = "The token's id: the 16 digits behind `attestry_`")),
    responses(
        (status = 204, description = "Revoked, now or earlier"),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn revoke<S: Store>(
    State(server): State<Server<S>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: TokenId = id.parse()?;
    server.ledger.revoke_token(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
