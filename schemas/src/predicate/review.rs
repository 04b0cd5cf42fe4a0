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
    /// Who put the commits there, where that is somebody else than their authors; absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committers: Option<Vec<String>>,
    #[serde(default)]
    pub reviewers: Vec<String>,
    pub outcome: ReviewOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_at: Option<Time>,
    /// What was changed, as the forge counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// Most paths, labels or owners of a change; where a forge counts more, the list is left out.
pub const CHANGE_LIST_MAX: usize = 256;

/// The facts of a change by which policies route it. What is absent is unknown, and unknown counts
/// as the strictest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The class in the change process's words: `standard`, `normal`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Every path that was touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Who owns the code that was touched, in the forge's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<Vec<String>>,
    /// A word such as `none`, `low`, `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_impact: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewOutcome {
    Approved,
    ChangesRequested,
    Commented,
}
