//! A rollback: an environment goes back to an artifact that it has had.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EntryIndex, EnvironmentName, Origin, Project, Time};
use crate::predicate::Nonce;
use crate::predicate::deployment::DeploymentResult;

pub const TYPE: &str = "urn:attestry:rollback:v1";

/// The subject is the artifact that is gone back to. Recorded by whoever records deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollback {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub result: DeploymentResult,
    pub reason: String,
    /// The artifact that is left.
    pub from: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The request that this rollback carries out, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<EntryIndex>,
    /// The incident event that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<EntryIndex>,
    /// Cluster, host or region, in the deployer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}
