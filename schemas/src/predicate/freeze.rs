//! A freeze: for a time nothing is admitted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EnvironmentName, Hash, Origin, Project, Time};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:freeze:v1";

/// Most environments that a freeze names.
pub const ENVIRONMENTS_MAX: usize = 64;

/// The subject is the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Freeze {
    pub ledger: Origin,
    /// Absent: every project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    pub nonce: Nonce,
    /// Empty: every environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentName>,
    pub from: Time,
    /// From then on it freezes nothing.
    pub until: Time,
    pub reason: String,
    /// The emergency path stays open.
    pub except_emergency: bool,
    pub outcome: FreezeOutcome,
    /// Statement digest of the freeze that is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifts: Option<Hash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FreezeOutcome {
    Set,
    Lifted,
}
