//! The answer to a promotion request: a SLSA verification summary with our extension member.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EntryIndex, EnvironmentName, Hash, Origin, Project, Time};
use crate::predicate::{EntryRef, Nonce};
use crate::report::GateVerdict;
use crate::statement::ResourceDescriptor;

pub const TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// The member that makes a verification summary a decision of this ledger.
pub const EXTENSION: &str = "attestry_decision";

/// `verifiedLevels` word of a granting decision.
pub const ADMITTED: &str = "ATTESTRY_ADMITTED";
/// `verifiedLevels` word of a denying decision.
pub const FAILED: &str = "FAILED";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    pub verifier: SummaryVerifier,
    pub time_verified: Time,
    /// `attestry:<origin>/<project>/<environment>`.
    pub resource_uri: String,
    pub policy: ResourceDescriptor,
    /// The envelopes that the gates looked at, by digest.
    #[serde(default)]
    pub input_attestations: Vec<ResourceDescriptor>,
    pub verification_result: VerificationResult,
    pub verified_levels: Vec<String>,
    pub slsa_version: String,
    #[serde(rename = "attestry_decision")]
    pub extension: DecisionExtension,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryVerifier {
    pub id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    Passed,
    Failed,
}

/// Everything that is needed to evaluate the decision again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionExtension {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub request: EntryRef,
    pub policy: EntryRef,
    pub rules: u32,
    /// The time at which the gates were evaluated.
    pub at: Time,
    pub outcome: Outcome,
    pub gates: Vec<GateVerdict>,
    /// The head of every thread that the evaluation read, empty ones included.
    pub reads: Vec<ThreadRead>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Granted,
    Denied,
}

/// The newest entry of a thread when it was read; `head` is absent for a thread without entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThreadRead {
    pub kind: String,
    pub id: String,
    pub head: Option<ReadHead>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadHead {
    pub position: u64,
    pub index: EntryIndex,
    pub leaf: Hash,
}
