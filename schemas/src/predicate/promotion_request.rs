//! The question whether an artifact may enter an environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EnvironmentName, Origin, Project};
use crate::predicate::{Nonce, Seen};

pub const TYPE: &str = "urn:attestry:promotion-request:v1";

/// The subject is the artifact. The request is named by its entry index: `P-118`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromotionRequest {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    /// The environment that the artifact shall enter.
    pub to: EnvironmentName,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<Plans>,
    pub seen: Seen,
}

/// Digests of the plans that go with the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plans {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Digest>,
}
