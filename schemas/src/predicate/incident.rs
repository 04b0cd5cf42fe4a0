//! An incident: what went wrong in an environment, and what caused it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EntryIndex, EnvironmentName, Origin, Project, Time};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:incident:v1";

/// The subject is the artifact that caused it, where that is known, else the ledger. The events of
/// one incident have the same `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Incident {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    /// The name that their tracker gives it.
    pub id: String,
    pub status: IncidentStatus,
    pub severity: IncidentSeverity,
    /// When it began, was detected or was resolved.
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    pub summary: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentStatus {
    /// It began then.
    Opened,
    /// Somebody or something noticed it then.
    Detected,
    Resolved,
}

/// Worst first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentSeverity {
    Sev1,
    Sev2,
    Sev3,
    Sev4,
}

impl IncidentSeverity {
    pub fn name(self) -> &'static str {
        match self {
            IncidentSeverity::Sev1 => "sev1",
            IncidentSeverity::Sev2 => "sev2",
            IncidentSeverity::Sev3 => "sev3",
            IncidentSeverity::Sev4 => "sev4",
        }
    }
}

/// What an incident is attributed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The entry of the deployment.
    Deployment(EntryIndex),
    Artifact(Digest),
    /// The entry of the request.
    Promotion(EntryIndex),
}
