//! `rollback-ready`: there is something to go back to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::id::EnvironmentName;

/// Asks whether the artifact that runs there now, to which one would go back, was granted, is
/// still seen, and was gone back to in a rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackReady {
    /// Where going back to it was rehearsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed_in: Option<EnvironmentName>,
    /// Oldest rehearsal that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// An observation no older than this still sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_within: Option<Duration>,
    /// Let the first release through, which has nothing to go back to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
}
