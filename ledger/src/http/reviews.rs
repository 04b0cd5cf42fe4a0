//! Reviews of emergencies that are due: shown wherever their environment is.

use schemas::id::{Digest, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use verifier::status::ReviewStatus;

/// An emergency that was granted, and that nobody has reviewed since.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DueReview {
    #[schema(example = "P-27")]
    pub request: String,
    #[schema(value_type = String)]
    pub artifact: Digest,
    /// All artifacts that were granted together, the first one too.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub artifacts: Vec<Digest>,
    #[schema(value_type = String)]
    pub granted_at: Time,
    #[schema(value_type = String)]
    pub due_at: Time,
    /// Nobody has signed it in time. It stays due until somebody does.
    pub overdue: bool,
    /// Who may sign it; empty: any role that approves.
    #[schema(example = json!(["security"]))]
    pub roles: Vec<String>,
}

impl From<ReviewStatus> for DueReview {
    fn from(it: ReviewStatus) -> DueReview {
        let artifacts = it.artifacts().cloned().collect();
        let ReviewStatus { request, artifact, granted_at, due_at, overdue, roles, .. } = it;
        let request = crate::promotion::name(request);
        DueReview { request, artifact, artifacts, granted_at, due_at, overdue, roles }
    }
}
