//! The question whether an artifact may enter an environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EntryIndex, EnvironmentName, Origin, Project};
use crate::predicate::{EntryRef, Nonce, Seen};

pub const TYPE: &str = "urn:attestry:promotion-request:v1";

/// Most artifacts that one request names.
///
/// Every gate is evaluated for each of them, and what it reads must not move until the decision is
/// logged.
pub const ARTIFACTS_MAX: usize = 16;

/// The subject is the artifact; several subjects are artifacts that stand or fall together. The
/// request is named by its entry index: `P-118`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromotionRequest {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    /// The environment that the artifact shall enter.
    pub to: EnvironmentName,
    pub reason: String,
    /// By which of the policy's paths it shall go in.
    #[serde(default, skip_serializing_if = "RequestPath::is_normal")]
    pub path: RequestPath,
    /// The open request that this one takes back; it asks for nothing itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraws: Option<EntryRef>,
    /// The incident event that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<EntryIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<Plans>,
    pub seen: Seen,
}

/// Digests of the plans that go with the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plans {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_notes: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_assessment: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Digest>,
}

impl Plans {
    /// Those that there are, each with what people call it.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Digest)> {
        [
            ("release notes", &self.release_notes),
            ("risk assessment", &self.risk_assessment),
            ("rollback plan", &self.rollback),
            ("migration plan", &self.migration),
            ("configuration", &self.configuration),
        ]
        .into_iter()
        .filter_map(|(name, digest)| Some((name, digest.as_ref()?)))
    }
}

/// The gates that a request is answered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestPath {
    #[default]
    Normal,
    Emergency,
    Rollback,
}

impl RequestPath {
    pub fn is_normal(&self) -> bool {
        *self == RequestPath::Normal
    }

    pub fn name(self) -> &'static str {
        match self {
            RequestPath::Normal => "normal",
            RequestPath::Emergency => "emergency",
            RequestPath::Rollback => "rollback",
        }
    }
}
