//! What a policy says of the ways into an environment: which gates, how long a request is open, and
//! the review that an emergency brings with it.

use schemas::policy::{EnvironmentRule, GateRule};
use schemas::predicate::promotion_request::RequestPath;

/// A way into an environment.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    pub gates: &'a [GateRule],
    /// The artifact must come from an earlier environment.
    pub asks_from: bool,
}

/// The gates of a way in; none where the policy has no such way.
///
/// Going back needs what going forward needs, where the policy does not say less.
pub fn way(rule: &EnvironmentRule, path: RequestPath) -> Option<Way<'_>> {
    let normal = Way { gates: &rule.gates, asks_from: true };
    let own = |gates| Way { gates, asks_from: false };
    match path {
        RequestPath::Normal => Some(normal),
        RequestPath::Emergency => rule.emergency.as_ref().map(|it| own(&it.gates)),
        RequestPath::Rollback => Some(rule.rollback.as_ref().map_or(normal, |it| own(&it.gates))),
    }
}

/// Where the policy does not say when an emergency is to be reviewed: within so long.
pub const REVIEW_MS: i64 = 7 * 86_400_000;

/// The review after the fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub within_ms: i64,
    /// Empty: any role that approves.
    pub roles: Vec<String>,
}

/// How long a request is open, where the policy gives it less than the longest time.
pub fn expiry_ms(rule: &EnvironmentRule) -> Option<i64> {
    rule.expires.as_ref().map(|_| rule.expires_ms())
}

/// The review that a granted emergency brings with it.
pub fn review(rule: Option<&EnvironmentRule>) -> Review {
    match rule.and_then(|rule| rule.emergency.as_ref()) {
        Some(it) => Review { within_ms: it.review.within.ms(), roles: it.review.roles.clone() },
        None => Review { within_ms: REVIEW_MS, roles: Vec::new() },
    }
}
