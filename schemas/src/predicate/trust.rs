//! Who may say what, signed by the root keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Hash, Origin};
use crate::predicate::Nonce;
use crate::trust::TrustDocument;

pub const TYPE: &str = "urn:attestry:trust:v1";

/// The subject is the SHA-256 of the document's canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trust {
    pub ledger: Origin,
    pub nonce: Nonce,
    pub trust: TrustDocument,
    /// Statement digest of the document that this one replaces; absent in entry 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Hash>,
}
