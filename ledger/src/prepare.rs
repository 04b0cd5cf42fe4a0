//! Prepares statements to be signed elsewhere: what the caller knows, and what the log knows.

use std::collections::BTreeMap;

use schemas::id::{EntryIndex, Environment, Project};
use schemas::kind::EventKind;
use schemas::predicate::EntryRef;
use schemas::predicate::approval::SigningMode;
use schemas::report::{Code, Finding};
use schemas::statement::{Statement, Subject};
use schemas::thread::ThreadId;
use serde::Serialize;
use serde_json::value::RawValue;
use verifier::compose::{Member, fill, ledger_subject};
use verifier::dsse::format_envelope;
use verifier::event::{Body, Event};
use verifier::sign::payload_of;

use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::store::Store;

/// How long an approval counts if the caller does not say.
const APPROVAL_MS: i64 = 72 * 3_600_000;

/// What somebody wants to sign.
#[derive(Debug, Clone)]
pub struct PrepareAsk {
    pub kind: EventKind,
    /// For kinds that have several types, and for `other`; else the type that the kind has.
    pub predicate_type: Option<String>,
    /// Our own kinds carry it. An approval takes that of its request.
    pub project: Option<Project>,
    /// None: the ledger itself, or the artifacts of the request.
    pub subjects: Vec<Subject>,
    /// The request that an approval answers.
    pub request: Option<EntryIndex>,
    /// The predicate, a JSON object. What stands in it is kept as it is written; what is missing
    /// and known here is filled in.
    pub predicate: String,
}

/// A statement that is ready to be signed.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub payload: Vec<u8>,
    /// The payload, read as it will be when it comes back signed.
    pub event: Event,
}

/// An open request, or one whose review is due, as far as an answer to it must name it.
struct Asked {
    environment: Environment,
    statement: schemas::id::Hash,
    policy: schemas::id::Hash,
    subjects: Vec<Subject>,
}

impl<S: Store> Ledger<S> {
    /// Fills in what the log knows, and reads the result by the rules of its kind.
    ///
    /// Whether it may be logged is judged when it comes back, signed.
    pub async fn prepare(&self, ask: PrepareAsk) -> Result<Prepared, LedgerError> {
        let given: BTreeMap<String, &RawValue> = serde_json::from_str(&ask.predicate)
            .map_err(|cause| refused(Code::PredicateInvalid, format!("no object: {cause}")))?;
        let asked = match (ask.kind, ask.request) {
            (EventKind::Approval, Some(index)) => Some((index, self.asked(index).await?)),
            (EventKind::Approval, None) => {
                return Err(refused(Code::RequestUnknown, "an approval answers a request"));
            }
            _ => None,
        };
        let project = asked.as_ref().map(|(_, it)| it.environment.project.clone());
        let project = project.or(ask.project);
        let mut known = Vec::new();
        if ask.kind.is_own() {
            let none = || refused(Code::ProjectMismatch, "this kind names a project");
            known.push(member("ledger", self.origin())?);
            known.push(member("project", &project.ok_or_else(none)?)?);
            known.push(member("nonce", &self.nonce()?)?);
        }
        if let Some((index, it)) = &asked {
            let request = EntryRef { index: *index, statement: it.statement };
            known.push(member("environment", &it.environment.name)?);
            known.push(member("request", &request)?);
            known.push(member("policy", &it.policy)?);
            known.push(member("expiresAt", &self.now().plus_ms(APPROVAL_MS))?);
            known.push(member("signingMode", &SigningMode::Key)?);
        }
        if matches!(ask.kind, EventKind::Approval | EventKind::PromotionRequest) {
            known.push(member("seen", &self.seen().await?)?);
        }
        known.retain(|member| !given.contains_key(member.name()));
        let predicate = fill(&known, &ask.predicate, &[]).map_err(invalid)?;
        let subjects = match (ask.subjects, asked) {
            (subjects, _) if !subjects.is_empty() => subjects,
            (_, Some((_, it))) => it.subjects,
            (_, None) => vec![ledger_subject(self.origin())],
        };
        let predicate_type = ask.predicate_type.as_deref();
        let predicate_type = predicate_type.unwrap_or(ask.kind.line().predicate_type);
        let statement = Statement::new(subjects, predicate_type, &*predicate);
        read_back(payload_of(&statement).map_err(invalid)?, ask.kind)
    }

    /// The environment and the event of a promotion request; none where an entry is none.
    pub async fn request(
        &self,
        index: EntryIndex,
    ) -> Result<Option<(Environment, Event)>, LedgerError> {
        let stored = match self.entry(index).await {
            Err(LedgerError::NoEntry(_)) => return Ok(None),
            stored => stored?,
        };
        let Some(bytes) = stored.envelope.as_deref() else { return Ok(None) };
        let event = Event::read(bytes).map_err(|cause| malformed("envelope", cause))?;
        let environment = match &event.body {
            Body::PromotionRequest(body) => {
                Environment { project: body.project.clone(), name: body.to.clone() }
            }
            _ => return Ok(None),
        };
        Ok(Some((environment, event)))
    }

    async fn asked(&self, index: EntryIndex) -> Result<Asked, LedgerError> {
        let none = || refused(Code::RequestUnknown, format!("P-{index} is not open"));
        let (environment, _) = self.request(index).await?.ok_or_else(none)?;
        let mut loader = self.loader().await?;
        loader.know(&[ThreadId::Environment(environment.clone())]).await?;
        let slice = loader.state.environment(&environment).ok().flatten();
        let now = self.now();
        let open = slice.and_then(|slice| slice.requests.get(&index));
        let open = open.filter(|request| !request.is_expired(now));
        let open = open.map(|it| (it.statement, it.artifacts().cloned().collect::<Vec<_>>()));
        // An emergency that was granted is answered once more, by its review.
        let due = || slice.and_then(|slice| slice.reviews_due.get(&index));
        let due = || due().map(|it| (it.statement, it.artifacts().cloned().collect()));
        let (statement, artifacts) = open.or_else(due).ok_or_else(none)?;
        let policy = loader.state.policy(&environment.project).map(|policy| policy.statement);
        let threads: Vec<ThreadId> = artifacts.iter().cloned().map(ThreadId::Artifact).collect();
        loader.know(&threads).await?;
        let subject = |artifact| {
            let known = loader.state.artifact(artifact).ok().flatten();
            let known = known.and_then(|known| known.projects.get(&environment.project));
            Subject::of(artifact, known.and_then(|known| known.name.as_deref()))
        };
        Ok(Asked {
            subjects: artifacts.iter().map(subject).collect(),
            statement,
            policy: policy.ok_or_else(none)?,
            environment,
        })
    }
}

fn member(name: &'static str, value: &impl Serialize) -> Result<Member, LedgerError> {
    Member::new(name, value).map_err(invalid)
}

fn invalid(cause: serde_json::Error) -> LedgerError {
    refused(Code::PredicateInvalid, cause.to_string())
}

fn refused(code: Code, detail: impl Into<String>) -> LedgerError {
    LedgerError::Refused(Finding::new(code, None, detail))
}

/// Reads a payload as it will be read when it comes back, in an envelope with some signature.
fn read_back(payload: Vec<u8>, kind: EventKind) -> Result<Prepared, LedgerError> {
    let envelope = format_envelope(&payload, &[(schemas::id::Hash([0; 32]), [0_u8; 64])]);
    let event = Event::read(&envelope).map_err(|cause| refused(cause.code, cause.detail))?;
    match &event.body {
        Body::Unreadable(it) => Err(refused(Code::PredicateInvalid, it.why.clone())),
        _ if event.kind != kind => {
            let found = event.kind.name();
            Err(refused(Code::TypeMismatch, format!("it would be read as {found}")))
        }
        _ => Ok(Prepared { payload, event }),
    }
}
