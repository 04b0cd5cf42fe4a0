//! What an entry is told as: small, and nothing that the log does not say. And what is told of a
//! request of which no entry tells: that somebody is waited for, and for too long.

use schemas::id::{Digest, EntryIndex, Environment, Origin, Project, Time};
use schemas::kind::EventKind;
use schemas::predicate::approval::{ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::{Deployment, DeploymentResult};
use serde::Serialize;
use verifier::entry::Entry;
use verifier::event::{Body, Event};
use verifier::merkle;
use verifier::policy::overdue::Overdue;

use crate::error::{LedgerError, malformed};
use crate::ledger::{Ledger, Stored};
use crate::store::Store;
use crate::store::outbox::{Message, NOTICE, REVIEW_NOTICE, Subscription};

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
    /// The entry's time; of a notice, since when it has been so.
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
    /// The gate that is overdue, and the role that is next in line.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    /// Of a review that is overdue: who may sign it; left out where any role that approves may.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
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
    if !wants(subscription, kind, event.project()) {
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
            gate: None,
            role: None,
            roles: &[],
            receipt: receipt(entry.index),
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

/// True where an endpoint shall be told of this kind in this project.
fn wants(subscription: &Subscription, kind: &str, project: Option<&Project>) -> bool {
    let fits = |names: &[String], name: Option<&str>| {
        names.is_empty() || name.is_some_and(|name| names.iter().any(|it| it == name))
    };
    fits(&subscription.kinds, Some(kind))
        && fits(&subscription.projects, project.map(Project::as_str))
}

fn receipt(index: EntryIndex) -> String {
    format!("/api/v1/events/{index}/receipt")
}

/// What is overdue about a request.
pub struct Notice<'a> {
    pub request: EntryIndex,
    pub environment: &'a Environment,
    pub artifacts: &'a [Digest],
    pub late: Late<'a>,
}

/// What should have been there by now.
pub enum Late<'a> {
    /// A gate of an open request.
    Gate(&'a Overdue),
    /// The review of an emergency, due at a time, by somebody in one of these roles.
    Review(Time, &'a [String]),
}

/// The message of a notice for one endpoint; none where it wants none.
///
/// Every server makes the same one, however often it looks: what it says was so from the moment at
/// which the time of the gate or of the review was over.
pub fn notice_of(
    origin: &Origin,
    subscription: &Subscription,
    it: &Notice,
) -> Result<Option<Message>, LedgerError> {
    let (kind, project) = (EventKind::PromotionRequest.name(), &it.environment.project);
    if !wants(subscription, kind, Some(project)) {
        return Ok(None);
    }
    let request = it.request;
    let (told, since, suppression) = match &it.late {
        Late::Gate(late) => (NOTICE, late.since, format!("overdue:P-{request}:{}", late.gate)),
        Late::Review(due, _) => (REVIEW_NOTICE, *due, format!("review-overdue:P-{request}")),
    };
    let (gate, role, roles): (_, _, &[String]) = match &it.late {
        Late::Gate(late) => (Some(late.gate.as_str()), late.role.as_deref(), &[]),
        Late::Review(_, roles) => (None, None, roles),
    };
    let payload = Payload {
        kind: told,
        timestamp: since,
        data: Data {
            ledger: origin,
            index: request,
            kind,
            project: Some(project),
            environment: Some(it.environment.to_string()),
            artifact: it.artifacts.first(),
            artifacts: match it.artifacts {
                [_] => Vec::new(),
                several => several.iter().collect(),
            },
            request: Some(format!("P-{request}")),
            gate,
            role,
            roles,
            receipt: receipt(request),
        },
    };
    let body = serde_json::to_string(&payload).map_err(|cause| malformed("a notice", cause))?;
    Ok(Some(Message {
        webhook: webhook_id(origin, &suppression),
        suppression,
        kind: told.to_owned(),
        index: request,
        body,
    }))
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
