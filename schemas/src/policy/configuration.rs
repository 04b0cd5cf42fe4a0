//! `configuration`: what the environment is configured with was approved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::EnvironmentName;

/// Asks for an approved configuration: the one that the request names, else the one that is
/// applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Any of these roles approves it.
    pub roles: Vec<String>,
    /// It has the same keys and structure as the one that is applied there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<EnvironmentName>,
}
