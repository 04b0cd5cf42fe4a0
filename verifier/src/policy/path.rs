//! What a policy says of the ways into an environment: their gates, how long a request is open, and
//! the review that an emergency brings with it.

use schemas::policy::{EnvironmentRule, GateRule};
use schemas::predicate::promotion_request::RequestPath;

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
