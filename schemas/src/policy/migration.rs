//! `migration`: a database migration that can be taken back and was tried.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::id::EnvironmentName;

/// Asks for a declaration of what the artifact migrates: reversible, with a plan for the way back,
/// rehearsed. One that migrates nothing passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Where it was rehearsed since it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed_in: Option<EnvironmentName>,
    /// Oldest rehearsal that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// Let migrations through that cannot be taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
}
