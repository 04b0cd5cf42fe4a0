//! By which of the policy's paths an artifact shall go in.

use clap::Args;
use schemas::id::{EntryIndex, Environment};
use schemas::predicate::promotion_request::{PromotionRequest, RequestPath};
use verifier::event::{Body, Event};
use verifier::policy::{environment_rule, path};

use crate::argument::parse_index;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::service::Service;

/// The path; without a word the normal one.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct WayArgs {
    /// By the policy's emergency path, with its own gates; a review falls due after it
    #[arg(long, conflicts_with = "rollback")]
    pub emergency: bool,
    /// Back to what was granted there once, with the policy's gates for going back
    #[arg(long)]
    pub rollback: bool,
}

impl WayArgs {
    pub fn way(self) -> RequestPath {
        match self {
            WayArgs { emergency: true, .. } => RequestPath::Emergency,
            WayArgs { rollback: true, .. } => RequestPath::Rollback,
            WayArgs { emergency: false, rollback: false } => RequestPath::Normal,
        }
    }
}

/// Refuses to ask by a path that the policy does not have: nothing would ever answer.
pub fn check(
    service: &Service,
    environment: &Environment,
    way: RequestPath,
) -> Result<(), Failure> {
    let control = service.control()?;
    let policy = control.policies.get(&environment.project);
    let rule = policy.and_then(|policy| environment_rule(policy, environment));
    if rule.is_none_or(|rule| path::gates(rule, way).is_some()) {
        return Ok(());
    }
    let (message, hint) = path::none_such(environment, way);
    Err(Failure::new(Exit::No, "no-such-path", message).hint(hint))
}

/// The entry of the incident that a request answers; another event there would mislead whoever
/// approves.
pub fn incident(written: Option<&str>, service: &Service) -> Result<Option<EntryIndex>, Failure> {
    let Some(written) = written else { return Ok(None) };
    if written.is_empty() {
        return Err(crate::argument::empty("--incident"));
    }
    let index = parse_index(written)?;
    let none = || {
        Failure::not_found(format!("entry {index} is no incident"))
            .hint("attestry log --kind incident lists them")
    };
    if index >= service.size()? {
        return Err(none());
    }
    let stored = service.entry(index)?;
    let event = stored.envelope.as_deref().and_then(|bytes| Event::read(bytes).ok());
    match event.map(|event| event.body) {
        Some(Body::Incident(_)) => Ok(Some(index)),
        _ => Err(none()),
    }
}

/// What is unusual of a request, a line each.
pub fn lines(body: &PromotionRequest) -> String {
    let mut text = String::new();
    if !body.path.is_normal() {
        text.push_str(&format!("  by the {} path\n", body.path.name()));
    }
    if let Some(entry) = body.incident {
        text.push_str(&format!("  for the incident of entry {entry}\n"));
    }
    text
}
