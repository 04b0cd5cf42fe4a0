//! What is kept of how an environment fares: seen, configured, disturbed, gone back.

use schemas::id::{Digest, EntryIndex, Hash, Time};
use schemas::predicate::incident::{Cause, IncidentSeverity};
use schemas::predicate::observation::Observed;
use serde::{Deserialize, Serialize};

use super::Signer;

/// Most approvals of configurations that an environment keeps; the oldest leave.
pub const CONFIGURATIONS_MAX: usize = 64;
/// Most open incidents of an environment.
pub const INCIDENTS_MAX: usize = 256;

/// The newest look at what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedKept {
    pub entry: EntryIndex,
    pub time: Time,
    pub signer: Signer,
    pub taken_at: Time,
    pub source: String,
    pub artifacts: Vec<Observed>,
}

/// What may be configured, and what is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationsKept {
    /// In the order of the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved: Vec<ConfigurationKept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<ConfigurationKept>,
}

impl ConfigurationsKept {
    pub fn is_empty(&self) -> bool {
        self.approved.is_empty() && self.applied.is_none()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationKept {
    pub entry: EntryIndex,
    pub time: Time,
    pub signer: Signer,
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Digest>,
    /// SHA-256 of the canonical JSON of its secrets, by name; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Hash>,
    /// The role in which it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// An incident that is not resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentOpen {
    /// Its first event.
    pub entry: EntryIndex,
    pub time: Time,
    pub severity: IncidentSeverity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The artifact that it is attributed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentResolved {
    pub id: String,
    pub entry: EntryIndex,
    pub time: Time,
    pub severity: IncidentSeverity,
    pub resolved_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
}

/// The newest rollback event, whatever its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackKept {
    pub entry: EntryIndex,
    pub time: Time,
    pub artifact: Digest,
    pub from: Digest,
    pub result: schemas::predicate::deployment::DeploymentResult,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<EntryIndex>,
}
