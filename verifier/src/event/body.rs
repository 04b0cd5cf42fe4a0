//! The predicate of an event, read by its kind.

use schemas::id::{EnvironmentName, Hash, Origin, Project};
use schemas::kind::{EventKind, ExtraThread};
use schemas::predicate::analysis::Analysis;
use schemas::predicate::approval::Approval;
use schemas::predicate::build::{self, Build, BuildV02};
use schemas::predicate::canary::Canary;
use schemas::predicate::configuration::Configuration;
use schemas::predicate::decision::{self, Decision};
use schemas::predicate::deployment::Deployment;
use schemas::predicate::export::Export;
use schemas::predicate::freeze::Freeze;
use schemas::predicate::heads::Heads;
use schemas::predicate::incident::Incident;
use schemas::predicate::measurement::Measurement;
use schemas::predicate::migration::Migration;
use schemas::predicate::note::Note;
use schemas::predicate::observation::Observation;
use schemas::predicate::policy::Policy;
use schemas::predicate::promotion_request::PromotionRequest;
use schemas::predicate::rehearsal::Rehearsal;
use schemas::predicate::review::Review;
use schemas::predicate::rollback::Rollback;
use schemas::predicate::sbom;
use schemas::predicate::test::Test;
use schemas::predicate::trust::Trust;
use schemas::predicate::vex::Vex;
use schemas::predicate::vulnerabilities::Vulnerabilities;
use schemas::predicate::waiver::Waiver;

use crate::bill::Bill;
use crate::canonical;
use crate::json::{self, Value};
use crate::merkle;

#[derive(Debug, Clone)]
pub enum Body {
    Analysis(Analysis),
    Approval(Approval),
    Build(Build),
    Canary(Canary),
    Configuration(Configuration),
    Decision(Box<Decision>),
    Deployment(Deployment),
    Export(Export),
    Freeze(Freeze),
    Heads(Heads),
    Incident(Incident),
    Measurement(Measurement),
    Migration(Migration),
    Note(Note),
    Observation(Observation),
    Other,
    /// The policy and the SHA-256 of its document's canonical JSON.
    Policy(Box<Policy>, Hash),
    PromotionRequest(PromotionRequest),
    Rehearsal(Rehearsal),
    Review(Review),
    Rollback(Rollback),
    /// What the document says; nothing where the statement only names it by digest.
    Sbom(Option<Box<Bill>>),
    Test(Test),
    /// The trust statement and the SHA-256 of its document's canonical JSON.
    Trust(Box<Trust>, Hash),
    /// A kind in a shape that we cannot read. The field's kinds are logged so, and indeterminate
    /// to every gate that needs them; our own break a rule.
    Unreadable(Unreadable),
    Vex(Vex),
    Vulnerabilities(Vulnerabilities),
    Waiver(Waiver),
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

impl Body {
    /// Reads a predicate; one that is not as its type demands is kept as unreadable.
    pub(super) fn read(kind: EventKind, predicate_type: &str, predicate: &Value) -> Body {
        read(kind, predicate_type, predicate)
            .unwrap_or_else(|why| Body::Unreadable(Unreadable::of(kind, predicate, why)))
    }

    /// The project that our own kinds carry, signed.
    pub fn project(&self) -> Option<&Project> {
        match self {
            Body::Analysis(body) => Some(&body.project),
            Body::Approval(body) => Some(&body.project),
            Body::Canary(body) => Some(&body.project),
            Body::Configuration(body) => Some(&body.project),
            Body::Decision(body) => Some(&body.extension.project),
            Body::Deployment(body) => Some(&body.project),
            Body::Export(body) => Some(&body.project),
            Body::Freeze(body) => body.project.as_ref(),
            Body::Incident(body) => Some(&body.project),
            Body::Measurement(body) => Some(&body.project),
            Body::Migration(body) => Some(&body.project),
            Body::Note(body) => Some(&body.project),
            Body::Observation(body) => Some(&body.project),
            Body::Policy(body, _) => Some(&body.project),
            Body::PromotionRequest(body) => Some(&body.project),
            Body::Rehearsal(body) => Some(&body.project),
            Body::Review(body) => Some(&body.project),
            Body::Rollback(body) => Some(&body.project),
            Body::Unreadable(it) => it.project.as_ref(),
            Body::Waiver(body) => Some(&body.project),
            Body::Build(_)
            | Body::Heads(_)
            | Body::Other
            | Body::Sbom(_)
            | Body::Test(_)
            | Body::Trust(..)
            | Body::Vex(_)
            | Body::Vulnerabilities(_) => None,
        }
    }

    /// The ledger that our own kinds carry, signed.
    pub fn ledger(&self) -> Option<&Origin> {
        match self {
            Body::Analysis(body) => Some(&body.ledger),
            Body::Approval(body) => Some(&body.ledger),
            Body::Canary(body) => Some(&body.ledger),
            Body::Configuration(body) => Some(&body.ledger),
            Body::Decision(body) => Some(&body.extension.ledger),
            Body::Deployment(body) => Some(&body.ledger),
            Body::Export(body) => Some(&body.ledger),
            Body::Freeze(body) => Some(&body.ledger),
            Body::Heads(body) => Some(&body.ledger),
            Body::Incident(body) => Some(&body.ledger),
            Body::Measurement(body) => Some(&body.ledger),
            Body::Migration(body) => Some(&body.ledger),
            Body::Note(body) => Some(&body.ledger),
            Body::Observation(body) => Some(&body.ledger),
            Body::Policy(body, _) => Some(&body.ledger),
            Body::PromotionRequest(body) => Some(&body.ledger),
            Body::Rehearsal(body) => Some(&body.ledger),
            Body::Review(body) => Some(&body.ledger),
            Body::Rollback(body) => Some(&body.ledger),
            Body::Trust(body, _) => Some(&body.ledger),
            Body::Waiver(body) => Some(&body.ledger),
            Body::Build(_)
            | Body::Other
            | Body::Sbom(_)
            | Body::Test(_)
            | Body::Unreadable(_)
            | Body::Vex(_)
            | Body::Vulnerabilities(_) => None,
        }
    }

    /// The environment whose thread the event joins, where it belongs to a project.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        match self {
            Body::Approval(body) => Some(&body.environment),
            Body::Canary(body) => Some(&body.environment),
            Body::Configuration(body) => Some(&body.environment),
            Body::Decision(body) => Some(&body.extension.environment),
            Body::Deployment(body) => Some(&body.environment),
            Body::Freeze(body) => only_one(body),
            Body::Incident(body) => Some(&body.environment),
            Body::Observation(body) => Some(&body.environment),
            Body::PromotionRequest(body) => Some(&body.to),
            Body::Rehearsal(body) => Some(&body.environment),
            Body::Rollback(body) => Some(&body.environment),
            Body::Unreadable(it) => it.environment.as_ref(),
            Body::Waiver(body) => body.environment.as_ref(),
            Body::Analysis(_)
            | Body::Build(_)
            | Body::Export(_)
            | Body::Heads(_)
            | Body::Measurement(_)
            | Body::Migration(_)
            | Body::Note(_)
            | Body::Other
            | Body::Policy(..)
            | Body::Review(_)
            | Body::Sbom(_)
            | Body::Test(_)
            | Body::Trust(..)
            | Body::Vex(_)
            | Body::Vulnerabilities(_) => None,
        }
    }
}

/// A freeze of one environment of one project is that environment's matter.
fn only_one(freeze: &Freeze) -> Option<&EnvironmentName> {
    match freeze.environments.as_slice() {
        [environment] if freeze.project.is_some() => Some(environment),
        _ => None,
    }
}

/// Kinds that belong to the ledger as a whole, and never to a project.
pub(super) fn is_project_free(kind: EventKind) -> bool {
    matches!(kind, EventKind::Trust | EventKind::Heads)
}

impl Unreadable {
    fn of(kind: EventKind, predicate: &Value, why: String) -> Unreadable {
        let (body, environment) = match kind {
            EventKind::Decision => (predicate.get(decision::EXTENSION), "environment"),
            EventKind::PromotionRequest => (Some(predicate), "to"),
            _ => (Some(predicate), "environment"),
        };
        let body = body.filter(|_| kind.is_own());
        let text = |name| body?.get(name)?.as_str();
        let project = text("project").filter(|_| !is_project_free(kind));
        let project: Option<Project> = project.and_then(|it| it.parse().ok());
        let environment = match (kind, body.and_then(|it| it.get("environments")?.as_array())) {
            (EventKind::Freeze, Some([one])) if project.is_some() => one.as_str(),
            (EventKind::Freeze, _) => None,
            (_, _) => text(environment),
        };
        let joins = matches!(kind.line().thread, ExtraThread::Environment | ExtraThread::Scoped);
        let environment = environment.filter(|_| joins).and_then(|it| it.parse().ok());
        Unreadable { why, project, environment }
    }
}

fn read(kind: EventKind, predicate_type: &str, predicate: &Value) -> Result<Body, String> {
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
        EventKind::Canary => Body::Canary(read(predicate)?),
        EventKind::Configuration => Body::Configuration(read(predicate)?),
        EventKind::Decision => Body::Decision(read(predicate)?),
        EventKind::Deployment => Body::Deployment(read(predicate)?),
        EventKind::Export => Body::Export(read(predicate)?),
        EventKind::Freeze => Body::Freeze(read(predicate)?),
        EventKind::Heads => Body::Heads(read(predicate)?),
        EventKind::Incident => Body::Incident(read(predicate)?),
        EventKind::Measurement => Body::Measurement(read(predicate)?),
        EventKind::Migration => Body::Migration(read(predicate)?),
        EventKind::Note => Body::Note(read(predicate)?),
        EventKind::Observation => Body::Observation(read(predicate)?),
        EventKind::Other => Body::Other,
        EventKind::Policy => Body::Policy(read(predicate)?, canonical_hash("policy")?),
        EventKind::PromotionRequest => Body::PromotionRequest(read(predicate)?),
        EventKind::Rehearsal => Body::Rehearsal(read(predicate)?),
        EventKind::Review => Body::Review(read(predicate)?),
        EventKind::Rollback => Body::Rollback(read(predicate)?),
        EventKind::Sbom => {
            let inline = sbom::is_document_type(predicate_type);
            Body::Sbom(inline.then(|| Box::new(Bill::of(predicate_type, predicate))))
        }
        EventKind::Test => Body::Test(read(predicate)?),
        EventKind::Trust => Body::Trust(read(predicate)?, canonical_hash("trust")?),
        EventKind::Vex => Body::Vex(read(predicate)?),
        EventKind::Vulnerabilities => Body::Vulnerabilities(read(predicate)?),
        EventKind::Waiver => Body::Waiver(read(predicate)?),
    })
}
