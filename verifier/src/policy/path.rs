//! What a policy says of the ways into an environment: how long a request is open, and the review
//! that an emergency brings with it.

use schemas::policy::EnvironmentRule;

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
pub fn expiry_ms(_rule: &EnvironmentRule) -> Option<i64> {
    None
}

/// The review that a granted emergency brings with it.
pub fn review(_rule: Option<&EnvironmentRule>) -> Review {
    Review { within_ms: REVIEW_MS, roles: Vec::new() }
}
