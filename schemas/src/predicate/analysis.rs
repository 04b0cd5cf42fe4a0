//! Static analysis: counts by level and the report's digest, from SARIF.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Origin, Project};
use crate::predicate::Nonce;
use crate::predicate::report::ReportNote;

pub const TYPE: &str = "urn:attestry:analysis:v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Analysis {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub levels: Levels,
    /// Results that the report itself marks as suppressed; not in `levels`.
    pub suppressed: u64,
    /// The findings among `levels` that an earlier run did not have; absent: the report compares
    /// with no earlier run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Levels>,
    /// Secrets that were found; absent: nobody looked for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<u64>,
    pub report: ReportNote,
}

/// SARIF's levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    pub error: u64,
    pub warning: u64,
    pub note: u64,
    pub none: u64,
}
