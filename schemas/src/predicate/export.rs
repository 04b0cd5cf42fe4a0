//! The custody of a pack: who took it out, for whom, why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EnvironmentName, Origin, Project, Time, TreeSize};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:export:v1";

/// The subject is the pack id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub from: Time,
    pub to: Time,
    /// Closing tree size of the pack.
    pub size: TreeSize,
    #[serde(rename = "for")]
    pub audience: String,
    pub reason: String,
}
