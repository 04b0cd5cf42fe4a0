//! A person's signed answer to a promotion request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EnvironmentName, Hash, Origin, Project, Time};
use crate::predicate::{EntryRef, Nonce, Seen};

pub const TYPE: &str = "urn:attestry:approval:v1";

/// The meaning of a review of an emergency after the fact: its request is closed by then.
pub const POST_HOC_REVIEW: &str = "post-hoc-review";

/// Bound to the artifacts (the subjects: exactly those of the request), the environment, the request and the policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub request: EntryRef,
    /// Statement digest of the policy that the approver saw.
    pub policy: Hash,
    pub outcome: ApprovalOutcome,
    /// Statement digest of the approval that a withdrawal takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraws: Option<Hash>,
    /// What the signature means: `release`, `security-review`, …
    pub meaning: String,
    /// The role in which the approver signs.
    pub role: String,
    pub reason: String,
    pub expires_at: Time,
    pub signing_mode: SigningMode,
    /// Digest of the person card under whose name and title the approver signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Digest>,
    pub seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalOutcome {
    Granted,
    Rejected,
    Withdrawn,
}

/// How the approver's key was held. Checked against the key that signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SigningMode {
    /// A key file.
    Key,
    /// An SSH key, from a file or an agent.
    Ssh,
    /// A security key that was touched.
    SecurityKey,
    /// A passkey, whose holder was verified by PIN or finger.
    Passkey,
}

impl SigningMode {
    pub fn name(self) -> &'static str {
        match self {
            SigningMode::Key => "key",
            SigningMode::Ssh => "ssh",
            SigningMode::SecurityKey => "security-key",
            SigningMode::Passkey => "passkey",
        }
    }
}
