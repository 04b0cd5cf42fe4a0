//! `licenses`: which licences the components of an artifact may have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Asks of the bill of materials that every component has an admitted licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Licenses {
    /// SPDX identifiers, with an exception where one is meant: only these. Empty: all but those
    /// that are denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// SPDX identifiers: never these. Of a choice (`OR`) one admitted licence is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// What to make of components whose licence nobody states, or states in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownLicence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// What to make of a component whose licence cannot be told; where nothing is said: indeterminate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownLicence {
    Allow,
    Deny,
}
