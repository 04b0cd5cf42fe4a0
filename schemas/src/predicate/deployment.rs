//! A deployment into an environment: started, succeeded or failed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EntryIndex, EnvironmentName, Origin, Project, Time};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:deployment:v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub result: DeploymentResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The request that this deployment carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<EntryIndex>,
    /// Cluster, host or region, in the deployer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentResult {
    Started,
    Succeeded,
    Failed,
}
