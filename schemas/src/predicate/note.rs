//! A comment or a postmortem about an artifact or about the ledger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EntryIndex, Origin, Project};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:note:v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub text: String,
    /// The entry that the note is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<EntryIndex>,
}
