//! An event: the one reading of an envelope's bytes. No trust yet: signatures are only listed.

mod body;

pub use body::{Body, Unreadable};

use schemas::id::{Digest, DigestAlgorithm, EnvironmentName, Hash, Origin, Project};
use schemas::kind::{EventKind, ExtraThread};
use schemas::predicate::decision;
use schemas::predicate::sbom::{self, Reference};
use schemas::report::Code;
use schemas::statement::{STATEMENT_V01, STATEMENT_V1, SUBJECTS_MAX, Subject};

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
        let body = Body::read(kind, &predicate_type, predicate);
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

    /// What the subjects are promoted as: of each the first sha256, where it has one.
    pub fn artifacts(&self) -> impl Iterator<Item = &Digest> {
        let sha256 = |it: &&Digest| it.algorithm() == DigestAlgorithm::Sha256;
        self.subjects.iter().filter_map(move |subject| subject.digests.iter().find(sha256))
    }

    /// The project that our own kinds carry, signed.
    pub fn project(&self) -> Option<&Project> {
        self.body.project()
    }

    /// The ledger that our own kinds carry, signed.
    pub fn ledger(&self) -> Option<&Origin> {
        self.body.ledger()
    }

    /// The environment whose thread the event joins.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        self.body.environment()
    }

    /// Belongs to the ledger as a whole: of a kind that has no project, or about every project.
    pub fn is_project_free(&self) -> bool {
        let scoped = self.kind == EventKind::Freeze && self.project().is_none();
        body::is_project_free(self.kind) || scoped
    }

    /// Changes the rules for everybody, or for more than one environment.
    pub fn joins_control(&self) -> bool {
        match self.kind.line().thread {
            ExtraThread::Control => true,
            ExtraThread::Scoped => self.environment().is_none() || self.project().is_none(),
            ExtraThread::Environment | ExtraThread::None => false,
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
