//! How a promotion request is told.

use schemas::id::{Digest, EntryIndex, Environment, Hash, Time};
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::promotion_request::{Plans, RequestPath};
use schemas::report::GateVerdict;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use verifier::projection::slice::ApprovalGiven;

use super::notes::NoteBody;
use crate::http::artifacts::ArtifactName;
use crate::http::gate::GateBody;
use crate::http::reviews::DueReview;

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionState {
    /// It waits for evidence, for time or for a person.
    Open,
    Granted,
    Denied,
    /// Nobody decided it in its time.
    Expired,
    /// Somebody took it back.
    Withdrawn,
}

/// A promotion request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionBody {
    #[schema(example = "P-27")]
    pub request: String,
    pub index: EntryIndex,
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    pub artifact: ArtifactName,
    /// All artifacts of the request, the first one too: they stand or fall together.
    pub artifacts: Vec<ArtifactName>,
    pub state: PromotionState,
    /// By which path it asks: `normal`, `emergency` or `rollback`.
    #[schema(value_type = String, example = "normal")]
    pub path: RequestPath,
    pub reason: String,
    /// The change ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The entry of the incident that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<EntryIndex>,
    /// The plans that go with it, by their digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plans: Option<PlansBody>,
    /// The identity that asked, by the trust document in force now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// When it was logged, RFC 3339.
    #[schema(value_type = String)]
    pub requested_at: Time,
    #[schema(value_type = String)]
    pub expires_at: Time,
    /// SHA-256 of what was signed.
    #[schema(value_type = String)]
    pub statement: Hash,
    /// What the gates say now of an open request; of a decided one what the decision says.
    #[schema(value_type = Vec<GateBody>)]
    pub gates: Vec<GateVerdict>,
    /// Approvals and rejections of an open request.
    pub approvals: Vec<ApprovalBody>,
    /// The entry of the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<EntryIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub decided_at: Option<Time>,
    /// The entry that took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<EntryIndex>,
    /// The review of an emergency, until somebody has signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<DueReview>,
    /// Notes about the request and about the deployments that carry it out, oldest first: where one
    /// promotion is read, never in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteBody>,
}

/// Digests of plans.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlansBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rollback: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub migration: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub release_notes: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub risk_assessment: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub configuration: Option<Digest>,
}

impl From<Plans> for PlansBody {
    fn from(it: Plans) -> PlansBody {
        let Plans { rollback, migration, release_notes, risk_assessment, configuration } = it;
        PlansBody { rollback, migration, release_notes, risk_assessment, configuration }
    }
}

/// A person's answer to a request. Whether it counts is what the gates say.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalBody {
    pub index: EntryIndex,
    #[schema(example = "bob")]
    pub identity: String,
    #[schema(example = "release-approver")]
    pub role: String,
    #[schema(example = "release")]
    pub meaning: String,
    /// `granted` or `rejected`.
    #[schema(value_type = String)]
    pub outcome: ApprovalOutcome,
    pub reason: String,
    #[schema(value_type = String)]
    pub expires_at: Time,
}

impl From<&ApprovalGiven> for ApprovalBody {
    fn from(it: &ApprovalGiven) -> ApprovalBody {
        ApprovalBody {
            index: it.entry,
            identity: it.signer.identity.to_string(),
            role: it.role.clone(),
            meaning: it.meaning.clone(),
            outcome: it.outcome,
            reason: it.reason.clone(),
            expires_at: it.expires_at,
        }
    }
}
