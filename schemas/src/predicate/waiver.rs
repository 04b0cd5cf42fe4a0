//! A waiver: somebody accepts the risk of one gate's verdict, in one scope, until a date.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EnvironmentName, Hash, Origin, Project, Time};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:waiver:v1";

/// The subject is the artifact where the scope names one, else the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    /// Absent: every environment of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The id of the gate that it stands in for.
    pub gate: String,
    /// The one artifact that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
    /// The versions that it is for, such as `>=1.4.0, <1.5.0`. Without artifact and versions it is
    /// for whatever stands before the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
    pub reason: String,
    /// The role in which the signer accepts the risk.
    pub role: String,
    /// From then on it admits nothing.
    pub expires_at: Time,
    /// When somebody looks again whether it is still needed.
    pub review_at: Time,
    pub outcome: WaiverOutcome,
    /// Statement digest of the waiver that a withdrawal takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraws: Option<Hash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverOutcome {
    Accepted,
    Withdrawn,
}
