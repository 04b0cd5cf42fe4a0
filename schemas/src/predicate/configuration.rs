//! What an environment is configured with: by digest, and never a value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EnvironmentName, Origin, Project};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:configuration:v1";

/// Most secrets that a configuration names.
pub const SECRETS_MAX: usize = 256;

/// The subject is the ledger. Approved by a person in a role, applied by an emitter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub state: ConfigurationState,
    /// SHA-256 of the configuration as it is.
    pub digest: Digest,
    /// SHA-256 of its keys and structure without values: what parity with another environment
    /// compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Digest>,
    /// The secrets that it refers to, by name and version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretVersion>,
    /// The role in which it is approved, or an approval taken back; absent where it is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigurationState {
    Approved,
    Applied,
    /// No longer approved.
    Withdrawn,
}

/// A secret by name and version; its value stands nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretVersion {
    pub name: String,
    pub version: String,
}
