//! `approvals`: people's signed answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::predicate::approval::SigningMode;

/// Asks for people's signed approvals, each bound to the artifact, the environment and the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// How many people.
    pub count: u32,
    /// Any of these roles counts; a role listed here need not be there unless `each` asks for it.
    pub roles: Vec<String>,
    /// How many people of a role there must be among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub each: BTreeMap<String, u32>,
    /// Only people of these groups of the policy count; empty: of any or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// Who does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<Excluded>,
    /// Oldest approval that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// How the approver's key must have been held; empty: in any way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing: Vec<SigningMode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Excluded {
    /// Whoever wrote a commit that it was built from.
    Author,
    /// Whoever put such a commit there.
    Committer,
    /// Whoever asks for the promotion.
    Requester,
    /// Whoever signed its newest build, or a deployment of it.
    Implementer,
}

impl Excluded {
    pub fn name(self) -> &'static str {
        match self {
            Excluded::Author => "author",
            Excluded::Committer => "committer",
            Excluded::Requester => "requester",
            Excluded::Implementer => "implementer",
        }
    }
}
