//! An event: the one reading of an envelope's bytes. No trust yet: signatures are only listed.

use schemas::id::{Digest, EnvironmentName, Hash, Origin, Project};
use schemas::kind::{EventKind, ExtraThread};
use schemas::predicate::analysis::Analysis;
use schemas::predicate::approval::Approval;
use schemas::predicate::build::{self, Build, BuildV02};
use schemas::predicate::decision::{self, Decision};
use schemas::predicate::deployment::Deployment;
use schemas::predicate::export::Export;
use schemas::predicate::heads::Heads;
use schemas::predicate::measurement::Measurement;
use schemas::predicate::note::Note;
use schemas::predicate::policy::Policy;
use schemas::predicate::promotion_request::PromotionRequest;
use schemas::predicate::review::Review;
use schemas::predicate::sbom::{self, Reference};
use schemas::predicate::test::Test;
use schemas::predicate::trust::Trust;
use schemas::predicate::vulnerabilities::Vulnerabilities;
use schemas::report::Code;
use schemas::statement::{STATEMENT_V01, STATEMENT_V1, SUBJECTS_MAX, Subject};

use crate::bill::Bill;
use crate::canonical;
use crate::dsse::{self, Envelope};
use crate::entry::is_predicate_type;
use crate::json::{self, Value};
use crate::merkle;

/// Everything that the bytes of one envelope say.
#[derive(Debug, Clone)]
pub struct Event {
    /// SHA-256 and size of the envelope's bytes.
    pub envelope: Hash,
    pub envelope_bytes: u64,
    /// SHA-256 of the pre-authentication encoding.
    pub statement: Hash,
    pub predicate_type: String,
    pub kind: EventKind,
    pub subjects: Vec<EventSubject>,
    pub body: Body,
    /// The signed bytes and the signatures over them, not checked here.
    pub signed: Envelope,
}

/// A subject with the digests that open threads.
#[derive(Debug, Clone)]
pub struct EventSubject {
    pub name: Option<String>,
    pub version: Option<String>,
    pub digests: Vec<Digest>,
}

/// The predicate, read by its kind.
#[derive(Debug, Clone)]
pub enum Body {
    Analysis(Analysis),
    Approval(Approval),
    Build(Build),
    Decision(Box<Decision>),
    Deployment(Deployment),
    Export(Export),
    Heads(Heads),
    Measurement(Measurement),
    Note(Note),
    Other,
    /// The policy and the SHA-256 of its document's canonical JSON.
    Policy(Box<Policy>, Hash),
    PromotionRequest(PromotionRequest),
    Review(Review),
    /// What the document says; nothing where the statement only names it by digest.
    Sbom(Option<Box<Bill>>),
    Test(Test),
    /// The trust statement and the SHA-256 of its document's canonical JSON.
    Trust(Box<Trust>, Hash),
    /// A kind in a shape that we cannot read. The field's kinds are logged so, and indeterminate
    /// to every gate that needs them; our own break a rule.
    Unreadable(Unreadable),
    Vulnerabilities(Vulnerabilities),
}

/// A predicate that is not as its type demands, and what places the event all the same.
#[derive(Debug, Clone)]
pub struct Unreadable {
    pub why: String,
    /// Members of our own kinds that are well-formed by themselves: whoever logged the event may
    /// have read it, and then it joined their threads.
    project: Option<Project>,
    environment: Option<EnvironmentName>,
}

/// Why bytes are no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct EventError {
    pub code: Code,
    pub detail: String,
}

fn error(code: Code, detail: impl Into<String>) -> EventError {
    EventError { code, detail: detail.into() }
}

impl Event {
    /// Reads an envelope's bytes: the envelope, its statement, and the predicate by its kind.
    pub fn read(bytes: &[u8]) -> Result<Event, EventError> {
        let signed = dsse::parse_envelope(bytes)
            .map_err(|cause| error(Code::EnvelopeMalformed, cause.to_string()))?;
        let payload = json::parse(&signed.payload)
            .map_err(|cause| error(Code::EnvelopeMalformed, format!("payload: {cause}")))?;
        let (predicate_type, subjects) = read_statement(&payload)?;
        let predicate = payload.get("predicate").unwrap_or(&Value::Null);
        let kind = kind_of(&predicate_type, predicate);
        let body = read_body(kind, &predicate_type, predicate)
            .unwrap_or_else(|why| Body::Unreadable(Unreadable::of(kind, predicate, why)));
        Ok(Event {
            envelope: merkle::sha256(&[bytes]),
            envelope_bytes: bytes.len() as u64,
            statement: dsse::statement_digest(&signed.payload),
            predicate_type,
            kind,
            subjects,
            body,
            signed,
        })
    }

    /// The digests of all subjects, with repetitions.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.subjects.iter().flat_map(|subject| &subject.digests)
    }

    /// The project that our own kinds carry, signed.
    pub fn project(&self) -> Option<&Project> {
        match &self.body {
            Body::Analysis(body) => Some(&body.project),
            Body::Approval(body) => Some(&body.project),
            Body::Decision(body) => Some(&body.extension.project),
            Body::Deployment(body) => Some(&body.project),
            Body::Export(body) => Some(&body.project),
            Body::Measurement(body) => Some(&body.project),
            Body::Note(body) => Some(&body.project),
            Body::Policy(body, _) => Some(&body.project),
            Body::PromotionRequest(body) => Some(&body.project),
            Body::Review(body) => Some(&body.project),
            Body::Unreadable(it) => it.project.as_ref(),
            Body::Build(_)
            | Body::Heads(_)
            | Body::Other
            | Body::Sbom(_)
            | Body::Test(_)
            | Body::Trust(..)
            | Body::Vulnerabilities(_) => None,
        }
    }

    /// The ledger that our own kinds carry, signed.
    pub fn ledger(&self) -> Option<&Origin> {
        match &self.body {
            Body::Analysis(body) => Some(&body.ledger),
            Body::Approval(body) => Some(&body.ledger),
            Body::Decision(body) => Some(&body.extension.ledger),
            Body::Deployment(body) => Some(&body.ledger),
            Body::Export(body) => Some(&body.ledger),
            Body::Heads(body) => Some(&body.ledger),
            Body::Measurement(body) => Some(&body.ledger),
            Body::Note(body) => Some(&body.ledger),
            Body::Policy(body, _) => Some(&body.ledger),
            Body::PromotionRequest(body) => Some(&body.ledger),
            Body::Review(body) => Some(&body.ledger),
            Body::Trust(body, _) => Some(&body.ledger),
            Body::Build(_)
            | Body::Other
            | Body::Sbom(_)
            | Body::Test(_)
            | Body::Unreadable(_)
            | Body::Vulnerabilities(_) => None,
        }
    }

    /// The environment whose thread the event joins.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        match &self.body {
            Body::Approval(body) => Some(&body.environment),
            Body::Decision(body) => Some(&body.extension.environment),
            Body::Deployment(body) => Some(&body.environment),
            Body::PromotionRequest(body) => Some(&body.to),
            Body::Unreadable(it) => it.environment.as_ref(),
            _ => None,
        }
    }

    /// Kinds without a project: they belong to the ledger as a whole.
    pub fn is_project_free(&self) -> bool {
        is_project_free(self.kind)
    }
}

fn is_project_free(kind: EventKind) -> bool {
    matches!(kind, EventKind::Trust | EventKind::Heads)
}

impl Unreadable {
    fn of(kind: EventKind, predicate: &Value, why: String) -> Unreadable {
        let (body, environment) = match kind {
            EventKind::Decision => (predicate.get(decision::EXTENSION), "environment"),
            EventKind::PromotionRequest => (Some(predicate), "to"),
            _ => (Some(predicate), "environment"),
        };
        let text = |name| body.filter(|_| kind.is_own())?.get(name)?.as_str();
        let project = text("project").filter(|_| !is_project_free(kind));
        let environment =
            text(environment).filter(|_| kind.line().thread == ExtraThread::Environment);
        Unreadable {
            why,
            project: project.and_then(|it| it.parse().ok()),
            environment: environment.and_then(|it| it.parse().ok()),
        }
    }
}

/// The kind of a statement: a function of the payload alone.
fn kind_of(predicate_type: &str, predicate: &Value) -> EventKind {
    match EventKind::of_type(predicate_type) {
        EventKind::Decision if predicate.get(decision::EXTENSION).is_none() => EventKind::Other,
        EventKind::Other if predicate_type == sbom::TYPE_REFERENCE => {
            match json::read::<Reference>(predicate) {
                Ok(reference) if reference.is_sbom() => EventKind::Sbom,
                _ => EventKind::Other,
            }
        }
        kind => kind,
    }
}

fn read_statement(payload: &Value) -> Result<(String, Vec<EventSubject>), EventError> {
    let invalid = |detail: &str| error(Code::EnvelopeMalformed, detail);
    let text = |name| payload.get(name).and_then(Value::as_str);
    match text("_type") {
        Some(STATEMENT_V1 | STATEMENT_V01) => {}
        _ => {
            return Err(invalid("the payload's _type is not an in-toto Statement v1 or v0.1"));
        }
    }
    let predicate_type = text("predicateType")
        .filter(|text| is_predicate_type(text))
        .ok_or_else(|| invalid("predicateType is not 1 to 255 printable ASCII bytes"))?;
    let Some(Value::Array(subjects)) = payload.get("subject") else {
        return Err(invalid("the statement has no list of subjects"));
    };
    if subjects.is_empty() || subjects.len() > SUBJECTS_MAX {
        return Err(error(
            Code::SubjectInvalid,
            format!("{} subjects; a statement has 1 to {SUBJECTS_MAX}", subjects.len()),
        ));
    }
    let subjects = subjects.iter().map(read_subject).collect::<Result<_, _>>()?;
    Ok((predicate_type.to_owned(), subjects))
}

fn read_subject(value: &Value) -> Result<EventSubject, EventError> {
    let invalid = |detail: String| error(Code::SubjectInvalid, detail);
    let subject: Subject =
        json::read(value).map_err(|cause| invalid(format!("subject: {cause}")))?;
    let digests = subject
        .thread_digests()
        .ok_or_else(|| invalid(format!("a subject's digest is malformed: {:?}", subject.digest)))?;
    let version = subject.version().map(str::to_owned);
    Ok(EventSubject { name: subject.name, version, digests })
}

fn read_body(kind: EventKind, predicate_type: &str, predicate: &Value) -> Result<Body, String> {
    fn read<T: serde::de::DeserializeOwned>(predicate: &Value) -> Result<T, String> {
        json::read(predicate).map_err(|cause| format!("predicate: {cause}"))
    }
    let canonical_hash = |member: &str| -> Result<Hash, String> {
        let document = predicate.get(member).unwrap_or(&Value::Null);
        let bytes = canonical::to_canonical(document).map_err(|cause| cause.to_string())?;
        Ok(merkle::sha256(&[&bytes]))
    };
    Ok(match kind {
        EventKind::Analysis => Body::Analysis(read(predicate)?),
        EventKind::Approval => Body::Approval(read(predicate)?),
        EventKind::Build if predicate_type == build::TYPE_V02 => {
            Body::Build(read::<BuildV02>(predicate)?.into())
        }
        EventKind::Build => Body::Build(read(predicate)?),
        EventKind::Decision => Body::Decision(read(predicate)?),
        EventKind::Deployment => Body::Deployment(read(predicate)?),
        EventKind::Export => Body::Export(read(predicate)?),
        EventKind::Heads => Body::Heads(read(predicate)?),
        EventKind::Measurement => Body::Measurement(read(predicate)?),
        EventKind::Note => Body::Note(read(predicate)?),
        EventKind::Other => Body::Other,
        EventKind::Policy => Body::Policy(read(predicate)?, canonical_hash("policy")?),
        EventKind::PromotionRequest => Body::PromotionRequest(read(predicate)?),
        EventKind::Review => Body::Review(read(predicate)?),
        EventKind::Sbom => {
            let inline = sbom::is_document_type(predicate_type);
            Body::Sbom(inline.then(|| Box::new(Bill::of(predicate_type, predicate))))
        }
        EventKind::Test => Body::Test(read(predicate)?),
        EventKind::Trust => Body::Trust(read(predicate)?, canonical_hash("trust")?),
        EventKind::Vulnerabilities => Body::Vulnerabilities(read(predicate)?),
    })
}
