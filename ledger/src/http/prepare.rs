//! Statements prepared for signing: so that any client with a key can take part.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::id::{EntryIndex, Hash, Project};
use schemas::kind::{EventKind, KINDS};
use schemas::statement::{PAYLOAD_TYPE, Subject};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use verifier::access::{Act, Reach};
use verifier::dsse::pae;

use super::Server;
use super::asked::Asked;
use super::problem::Problem;
use crate::access::Caller;
use crate::prepare::PrepareAsk;
use crate::store::Store;

/// What somebody wants to sign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrepareBody {
    /// A kind: `note`, `approval`, `promotion-request`, `test`, … Not those that the ledger or its
    /// roots sign: `decision`, `heads`, `export`, `trust`.
    #[schema(example = "note")]
    pub kind: String,
    /// For kinds that are known by several types, and for `other`.
    pub predicate_type: Option<String>,
    /// The project, which our own kinds carry signed. An approval takes that of its request.
    #[schema(value_type = Option<String>, example = "payments")]
    pub project: Option<Project>,
    /// What it is about [default: the ledger itself, or the artifacts of the request].
    #[serde(default)]
    #[schema(value_type = Vec<SubjectBody>)]
    pub subjects: Vec<Subject>,
    /// The request that an approval answers.
    #[schema(example = 27)]
    pub request: Option<EntryIndex>,
    /// The predicate's members, kept as they are written. Those that are missing and that the
    /// server knows are filled in: `ledger`, `project`, `nonce` and `seen`; of an approval also
    /// `environment`, `request`, `policy`, `expiresAt` (in 72 hours) and `signingMode` (`key`: who
    /// signs otherwise says so here).
    #[schema(value_type = Object)]
    pub predicate: Box<RawValue>,
}

/// One thing that a statement is about.
///
/// Documents the JSON of [`Subject`].
#[derive(Debug, Deserialize, ToSchema)]
pub struct SubjectBody {
    #[schema(example = "payments")]
    pub name: Option<String>,
    /// Digests by algorithm.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub digest: std::collections::BTreeMap<String, String>,
}

/// A statement that is ready to be signed.
///
/// Sign the bytes of `pae`, put payload and signature into a DSSE envelope of the one spelling
/// (`{"payload":"…","payloadType":"…","signatures":[{"keyid":"…","sig":"…"}]}`, `keyid` the hex
/// SHA-256 of the public key's DER SubjectPublicKeyInfo), and submit it as an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreparedBody {
    pub kind: &'static str,
    /// The statement's bytes in padded base64: the envelope's `payload`.
    pub payload: String,
    #[schema(example = "application/vnd.in-toto+json")]
    pub payload_type: &'static str,
    /// The DSSE pre-authentication encoding in padded base64: what is signed, byte for byte.
    pub pae: String,
    /// SHA-256 of it: the statement's name in the log.
    #[schema(value_type = String)]
    pub statement: Hash,
    /// The payload as JSON: what the signer is to be shown.
    #[schema(value_type = Object)]
    pub shown: Box<RawValue>,
}

/// Prepares a statement: answers the exact bytes to sign. Nothing is logged, and nothing is kept.
#[utoipa::path(post, path = "/api/v1/prepare", tag = "events", request_body = PrepareBody,
    responses(
        (status = 200, description = "Ready to be signed", body = PreparedBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn prepare<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Asked(asked): Asked<PrepareBody>,
) -> Result<Json<PreparedBody>, Problem> {
    if let Some(project) = &asked.project {
        caller.check(Act::Submit, Reach::Project(project))?;
    }
    if let Some(index) = asked.request
        && let Some((environment, _)) = server.ledger.request(index).await?
    {
        caller.check(Act::Submit, Reach::Project(&environment.project))?;
    }
    let prepared = server
        .ledger
        .prepare(PrepareAsk {
            kind: kind(&asked.kind)?,
            predicate_type: asked.predicate_type,
            project: asked.project,
            subjects: asked.subjects,
            request: asked.request,
            predicate: asked.predicate.get().to_owned(),
        })
        .await?;
    let text = String::from_utf8_lossy(&prepared.payload).into_owned();
    let shown = RawValue::from_string(text);
    Ok(Json(PreparedBody {
        kind: prepared.event.kind.name(),
        payload: STANDARD.encode(&prepared.payload),
        payload_type: PAYLOAD_TYPE,
        pae: STANDARD.encode(pae(PAYLOAD_TYPE, &prepared.payload)),
        statement: prepared.event.statement,
        shown: shown.map_err(|cause| Problem::bad_request(cause.to_string()))?,
    }))
}

/// The kinds that somebody signs who is neither the ledger nor one of its roots.
fn kind(name: &str) -> Result<EventKind, Problem> {
    use EventKind as K;
    let theirs = |kind: &EventKind| !matches!(kind, K::Decision | K::Export | K::Heads | K::Trust);
    EventKind::from_name(name).filter(theirs).ok_or_else(|| {
        let kinds = KINDS.iter().map(|line| line.kind).filter(theirs);
        let names: Vec<&str> = kinds.map(EventKind::name).collect();
        Problem::bad_request(format!("kind: one of {}", names.join(", ")))
    })
}
