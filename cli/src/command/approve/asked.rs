//! The request that somebody answers, with everything that the answer is bound to.

use schemas::id::{Digest, EntryIndex, Environment, Hash};
use schemas::predicate::promotion_request::PromotionRequest;
use verifier::event::{Body, Event};
use verifier::projection::slice::{EnvironmentSlice, PolicyInForce, ReviewDue};

use crate::command::promote::together;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::names::Called;
use crate::service::Service;

/// A request that can still be answered.
pub struct Asked {
    pub index: EntryIndex,
    pub environment: Environment,
    pub statement: Hash,
    /// As it was signed.
    pub body: PromotionRequest,
    pub policy: PolicyInForce,
    /// Every artifact of the request: what is signed is about all of them.
    pub called: Vec<Called>,
    /// The review of an emergency that was granted; none where the request is open.
    pub due: Option<ReviewDue>,
}

/// Finds an open request with its environment and the policy in force.
pub fn open(service: &Service, index: EntryIndex) -> Result<Asked, Failure> {
    let (body, environment) = request(service, index)?;
    let mut slice = service.environment(&environment)?.unwrap_or_default();
    let request = slice.requests.remove(&index).filter(|it| !it.is_expired(service.now()));
    match request {
        Some(it) => {
            let artifacts = it.artifacts().cloned().collect();
            asked(service, index, environment, (it.statement, artifacts), body, None)
        }
        None => {
            let became = became(&slice, index);
            let message = format!("P-{index} is not open any more in {environment}{became}");
            let hint = match slice.reviews_due.contains_key(&index) {
                true => format!(
                    "it was an emergency, and its review is due: attestry approve P-{index} \
                     --meaning post-hoc-review --reason R"
                ),
                false => "ask again with attestry promote".to_owned(),
            };
            Err(Failure::new(Exit::No, "request-unknown", message).hint(hint))
        }
    }
}

/// What has closed a request, where that is kept still.
fn became(slice: &EnvironmentSlice, index: EntryIndex) -> String {
    let Some(closed) = slice.closed.iter().find(|it| it.request() == index) else {
        return String::new();
    };
    match closed.moves().first() {
        Some((word, step)) => format!(": {word} as entry {}", step.entry),
        None => format!(": {}", closed.state()),
    }
}

/// Finds an emergency whose review is due.
pub fn due(service: &Service, index: EntryIndex) -> Result<Asked, Failure> {
    let (body, environment) = request(service, index)?;
    let mut slice = service.environment(&environment)?.unwrap_or_default();
    match slice.reviews_due.remove(&index) {
        Some(due) => {
            let named = (due.statement, due.artifacts().cloned().collect());
            asked(service, index, environment, named, body, Some(due))
        }
        None => {
            let message = format!("no review of P-{index} is due in {environment}");
            Err(Failure::new(Exit::No, "request-unknown", message)
                .hint("attestry status lists the reviews that are due"))
        }
    }
}

fn request(
    service: &Service,
    index: EntryIndex,
) -> Result<(PromotionRequest, Environment), Failure> {
    let unknown = |message: String| {
        Failure::new(Exit::NotFound, "request-unknown", message)
            .hint("attestry status lists open requests")
    };
    if index >= service.size()? {
        return Err(unknown(format!("there is no entry {index}")));
    }
    let stored = service.entry(index)?;
    let event = stored.envelope.as_deref().and_then(|bytes| Event::read(bytes).ok());
    match event.map(|event| event.body) {
        Some(Body::PromotionRequest(body)) => {
            let environment = Environment { project: body.project.clone(), name: body.to.clone() };
            Ok((body, environment))
        }
        _ => Err(unknown(format!("entry {index} is no promotion request"))),
    }
}

fn asked(
    service: &Service,
    index: EntryIndex,
    environment: Environment,
    (statement, artifacts): (Hash, Vec<Digest>),
    body: PromotionRequest,
    due: Option<ReviewDue>,
) -> Result<Asked, Failure> {
    let policy = service.control()?.policies.remove(&environment.project);
    let policy = policy.ok_or_else(|| {
        let message = format!("{} has no policy", environment.project);
        Failure::new(Exit::No, "unknown-environment", message)
    })?;
    let called = together::called(&artifacts, &environment.project, service)?;
    Ok(Asked { index, environment, statement, body, policy, called, due })
}
