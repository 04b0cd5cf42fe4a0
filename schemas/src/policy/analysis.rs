//! `analysis`: findings of static analysis by level, new ones, and secrets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Asks for a static analysis with at most so many findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// All of these; where none is named, every suite that was recorded, and at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    /// Most findings of each level (`error`, `warning`, `note`, `none`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max: BTreeMap<String, u64>,
    /// Most findings of each level that the analysis before did not have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_new: BTreeMap<String, u64>,
    /// Most secrets found in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_secrets: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}
