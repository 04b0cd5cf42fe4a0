//! What an environment is seen to run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EnvironmentName, Origin, Project, Time};
use crate::predicate::Nonce;
use crate::predicate::report::ReportNote;

pub const TYPE: &str = "urn:attestry:observation:v1";

/// Most artifacts of one observation.
pub const ARTIFACTS_MAX: usize = 1024;

/// The subject is the ledger: what is seen there was perhaps never recorded as anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observation {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub taken_at: Time,
    /// Who looked: `kubernetes`, `docker`, …
    pub source: String,
    /// Everything that runs; each digest once.
    pub artifacts: Vec<Observed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportNote>,
}

/// An artifact that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observed {
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tag by which it was started, which may have moved since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    pub instances: u64,
}
