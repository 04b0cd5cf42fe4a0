//! The ways into an environment: the normal one, the emergency path, and back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, GateRule};

/// What an emergency needs instead of the environment's gates, and the review that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmergencyPath {
    pub gates: Vec<GateRule>,
    pub review: ReviewDue,
}

/// The review after the fact: it falls due, and stays due until somebody signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewDue {
    /// Counted from the grant.
    pub within: Duration,
    /// Who may sign it: not the requester, and nobody who approved the emergency.
    pub roles: Vec<String>,
}

/// What going back needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackPath {
    pub gates: Vec<GateRule>,
}
