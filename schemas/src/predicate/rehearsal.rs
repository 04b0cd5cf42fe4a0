//! A rehearsal: a migration or a rollback that was tried.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EnvironmentName, Origin, Project, Time};
use crate::predicate::Nonce;
use crate::predicate::report::ReportNote;

pub const TYPE: &str = "urn:attestry:rehearsal:v1";

/// The subject is the artifact: the one that migrates, or the one that was gone back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rehearsal {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    /// Where it was tried.
    pub environment: EnvironmentName,
    pub of: RehearsalOf,
    pub result: RehearsalResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportNote>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RehearsalOf {
    Migration,
    Rollback,
}

impl RehearsalOf {
    pub fn name(self) -> &'static str {
        match self {
            RehearsalOf::Migration => "migration",
            RehearsalOf::Rollback => "rollback",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RehearsalResult {
    Passed,
    Failed,
}
