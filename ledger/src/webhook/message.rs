//! What an entry is told as: small, and nothing that the log does not say.

use schemas::id::{Digest, EntryIndex, Environment, Origin, Project, Time};
use schemas::kind::EventKind;
use schemas::predicate::approval::{ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::{Deployment, DeploymentResult};
use serde::Serialize;
use verifier::entry::Entry;
use verifier::event::{Body, Event};
use verifier::merkle;

use crate::error::{LedgerError, malformed};
use crate::ledger::{Ledger, Stored};
use crate::store::Store;
use crate::store::outbox::{Message, Subscription};

/// The kinds of which something is told.
pub const KINDS: [EventKind; 6] = [
    EventKind::Approval,
    EventKind::Decision,
    EventKind::Deployment,
    EventKind::Policy,
    EventKind::PromotionRequest,
    EventKind::Trust,
];

/// The body of a webhook.
#[derive(Debug, Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    /// The entry's time.
    timestamp: Time,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    ledger: &'a Origin,
    index: EntryIndex,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a Project>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<&'a Digest>,
    /// Of a request for several, and of what answers it: all of them, the first one too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    artifacts: Vec<&'a Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// Where the server has the receipt.
    receipt: String,
}

/// What is told of an event: its type, the request that it is about, and what is told once.
struct Told {
    kind: &'static str,
    request: Option<EntryIndex>,
    suppression: String,
}

/// The message of an entry for one endpoint; none where it is not told.
pub async fn message_of<S: Store>(
    ledger: &Ledger<S>,
    subscription: &Subscription,
    stored: &Stored,
) -> Result<Option<Message>, LedgerError> {
    let unreadable = |cause: String| malformed(format!("entry {}", stored.index), cause);
    let entry = Entry::parse(&stored.entry).map_err(|cause| unreadable(cause.to_string()))?;
    let by_type = EventKind::of_type(&entry.predicate_type);
    let Some(envelope) = stored.envelope.as_ref().filter(|_| KINDS.contains(&by_type)) else {
        return Ok(None);
    };
    let event = Event::read(envelope).map_err(|cause| unreadable(cause.to_string()))?;
    let kind = event.kind.name();
    let fits = |names: &[String], name: Option<&str>| {
        names.is_empty() || name.is_some_and(|name| names.iter().any(|it| it == name))
    };
    if !fits(&subscription.kinds, Some(kind))
        || !fits(&subscription.projects, event.project().map(Project::as_str))
    {
        return Ok(None);
    }
    let Some(told) = told(ledger, &entry, &event).await? else { return Ok(None) };
    let environment = event.project().zip(event.environment());
    let environment = environment
        .map(|(project, name)| Environment { project: project.clone(), name: name.clone() });
    let is_about_artifact = environment.is_some();
    let payload = Payload {
        kind: told.kind,
        timestamp: entry.time,
        data: Data {
            ledger: ledger.origin(),
            index: entry.index,
            kind,
            project: event.project(),
            environment: environment.map(|it| it.to_string()),
            artifact: event.digests().next().filter(|_| is_about_artifact),
            artifacts: several(&event).filter(|_| is_about_artifact).unwrap_or_default(),
            request: told.request.map(|index| format!("P-{index}")),
            receipt: format!("/api/v1/events/{}/receipt", entry.index),
        },
    };
    let body = serde_json::to_string(&payload).map_err(|cause| unreadable(cause.to_string()))?;
    Ok(Some(Message {
        webhook: webhook_id(ledger.origin(), &told.suppression),
        suppression: told.suppression,
        kind: told.kind.to_owned(),
        index: entry.index,
        body,
    }))
}

fn several(event: &Event) -> Option<Vec<&Digest>> {
    let artifacts: Vec<&Digest> = event.artifacts().collect();
    (artifacts.len() > 1).then_some(artifacts)
}

/// The same for the same occurrence, whoever sends it and however often.
fn webhook_id(origin: &Origin, suppression: &str) -> String {
    let hash = merkle::sha256(&[origin.as_str().as_bytes(), b"\n", suppression.as_bytes()]);
    format!("evt_{}", &hash.to_string()[..32])
}

async fn told<S: Store>(
    ledger: &Ledger<S>,
    entry: &Entry,
    event: &Event,
) -> Result<Option<Told>, LedgerError> {
    let (kind, request) = match &event.body {
        Body::PromotionRequest(body) => match &body.withdraws {
            Some(withdrawn) => ("promotion.withdrawn", Some(withdrawn.index)),
            None => ("promotion.requested", Some(entry.index)),
        },
        Body::Decision(body) => {
            let kind = match body.extension.outcome {
                Outcome::Granted => "promotion.granted",
                Outcome::Denied => "promotion.denied",
            };
            let request = body.extension.request.index;
            let suppression = format!("promotion:P-{request}:{}", &kind["promotion.".len()..]);
            return Ok(Some(Told { kind, request: Some(request), suppression }));
        }
        Body::Approval(body) if body.meaning == POST_HOC_REVIEW => {
            ("emergency.reviewed", Some(body.request.index))
        }
        Body::Approval(body) => {
            let kind = match body.outcome {
                ApprovalOutcome::Granted => "approval.granted",
                ApprovalOutcome::Rejected => "approval.rejected",
                ApprovalOutcome::Withdrawn => "approval.withdrawn",
            };
            (kind, Some(body.request.index))
        }
        Body::Deployment(body) => {
            (of_deployment(ledger, entry, event, body).await?, body.promotion)
        }
        Body::Policy(..) => ("policy.changed", None),
        Body::Trust(..) => ("trust.changed", None),
        _ => return Ok(None),
    };
    // A statement that is logged again, with one more signature, takes effect once.
    let suppression = format!("statement:{}", entry.statement);
    Ok(Some(Told { kind, request, suppression }))
}

/// A deployment that nothing had granted has a type of its own, as long as the artifact's state
/// is still that of this deployment.
async fn of_deployment<S: Store>(
    ledger: &Ledger<S>,
    entry: &Entry,
    event: &Event,
    body: &Deployment,
) -> Result<&'static str, LedgerError> {
    match body.result {
        DeploymentResult::Started => return Ok("deployment.started"),
        DeploymentResult::Failed => return Ok("deployment.failed"),
        DeploymentResult::Succeeded => {}
    }
    let Some(artifact) = event.digests().next() else { return Ok("deployment.succeeded") };
    let slice = ledger.artifact(artifact).await?;
    let project = slice.as_ref().and_then(|slice| slice.projects.get(&body.project));
    let place = project.and_then(|project| project.places.get(&body.environment));
    let deployed = place.and_then(|place| place.deployed.as_ref());
    match deployed.filter(|deployed| deployed.entry == entry.index) {
        Some(deployed) if !deployed.granted => Ok("deployment.without_grant"),
        Some(_) | None => Ok("deployment.succeeded"),
    }
}
