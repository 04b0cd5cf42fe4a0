//! A project's policy, logged as canonical JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, Hash, Origin, Project};
use crate::policy::PolicyDocument;
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:policy:v1";

/// The subject is the SHA-256 of the document's canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub policy: PolicyDocument,
    /// Statement digest of the policy that this one replaces; absent for the project's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Hash>,
    /// The YAML that a person wrote, kept as an attachment; it decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Digest>,
}
