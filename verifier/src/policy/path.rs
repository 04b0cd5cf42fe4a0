//! The ways into an environment: their gates, who may go back, how long a request is open, and the
//! review that an emergency brings with it.

use schemas::id::{Digest, EntryIndex, Environment, Time};
use schemas::policy::{EnvironmentRule, GateRule};
use schemas::predicate::promotion_request::RequestPath;

use crate::projection::slice::{EnvironmentSlice, Place};
use crate::projection::{Missing, State};

/// Where the policy has no emergency path: what was granted on one is to be reviewed within so long.
pub const REVIEW_MS: i64 = 7 * 86_400_000;

/// The review after the fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub within_ms: i64,
    /// Empty: any role that approves.
    pub roles: Vec<String>,
}

/// The gates of a way; `None` where the policy has no such way.
pub fn gates(rule: &EnvironmentRule, way: RequestPath) -> Option<&[GateRule]> {
    match way {
        RequestPath::Normal => Some(&rule.gates),
        RequestPath::Emergency => rule.emergency.as_ref().map(|path| &path.gates[..]),
        // Going back needs what going forward needs, unless the policy says less.
        RequestPath::Rollback => {
            Some(rule.rollback.as_ref().map_or(&rule.gates[..], |path| &path.gates[..]))
        }
    }
}

/// What to say where the policy has no such way, and what to do then.
///
/// That is a no and no doubt: the policy is known. It denies nothing for good, since a later policy
/// may have it.
pub fn none_such(environment: &Environment, way: RequestPath) -> (String, String) {
    let (name, path) = (&environment.name, way.name());
    (
        format!("the policy has no {path} path into {environment}"),
        format!(
            "ask by the normal path, or log a policy that has one: `{path}:` beside the gates of {name}"
        ),
    )
}

/// The newest open request about just these artifacts by this way: its approvals count.
pub fn open_request_of(
    slice: &EnvironmentSlice,
    artifacts: &[Digest],
    way: RequestPath,
    at: Time,
) -> Option<EntryIndex> {
    let mut requests = slice.requests.iter().rev();
    let found =
        requests.find(|(_, it)| it.is_of(artifacts) && it.path == way && !it.is_expired(at));
    found.map(|(index, _)| *index)
}

/// The newest decision here grants it, or it holds the newest grant, or it had one when it was
/// deployed here: whoever goes back has been there.
pub fn was_granted(
    state: &State,
    artifact: &Digest,
    environment: &Environment,
) -> Result<bool, Missing> {
    let known = state.artifact(artifact)?;
    let known = known.and_then(|slice| slice.projects.get(&environment.project));
    let place = known.and_then(|known| known.places.get(&environment.name));
    let then = |it: &Place| it.deployed.as_ref().is_some_and(|it| it.granted);
    Ok(place.is_some_and(|it| it.is_granted() || then(it))
        || holds_newest_grant(state, artifact, environment)?)
}

/// A denial closes its own request: the artifact with the environment's newest grant keeps it until
/// another one is granted there.
pub fn holds_newest_grant(
    state: &State,
    artifact: &Digest,
    environment: &Environment,
) -> Result<bool, Missing> {
    let granted = state.environment(environment)?.and_then(|it| it.granted.as_ref());
    Ok(granted.is_some_and(|granted| granted.is_about(artifact)))
}

/// How long a request is open, where the policy gives it less than the longest time.
pub fn expiry_ms(rule: &EnvironmentRule) -> Option<i64> {
    rule.expires.as_ref().map(|_| rule.expires_ms())
}

/// The review that a granted emergency brings with it.
pub fn review(rule: Option<&EnvironmentRule>) -> Review {
    match rule.and_then(|rule| rule.emergency.as_ref()) {
        Some(path) => {
            Review { within_ms: path.review.within.ms(), roles: path.review.roles.clone() }
        }
        None => Review { within_ms: REVIEW_MS, roles: Vec::new() },
    }
}

#[cfg(test)]
mod tests;
