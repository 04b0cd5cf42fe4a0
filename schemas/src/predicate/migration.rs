//! What an artifact does to a database when it is deployed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, Origin, Project};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:migration:v1";

/// The subject is the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Migration {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    /// SHA-256 of what is run; absent: the artifact migrates nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Digest>,
    /// The artifact before this one works on the migrated data, or the data can be taken back.
    pub reversible: bool,
    /// SHA-256 of the plan by which one goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_plan: Option<Digest>,
    /// Something is dropped or overwritten; absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
}
