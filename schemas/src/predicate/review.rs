//! A code review, from a forge: who wrote a commit, who reviewed it, and the outcome.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Origin, Project, Time};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:review:v1";

/// The subject is the gitCommit. Authors and reviewers are aliases (logins, commit e-mails).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Review {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub authors: Vec<String>,
    #[serde(default)]
    pub reviewers: Vec<String>,
    pub outcome: ReviewOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_at: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewOutcome {
    Approved,
    ChangesRequested,
    Commented,
}
