//! What is kept of the control thread.

use std::collections::BTreeMap;

use schemas::id::{EntryIndex, Hash, Project};
use schemas::policy::PolicyDocument;
use schemas::trust::TrustDocument;
use serde::{Deserialize, Serialize};

use super::{Freezes, Waivers};

/// What changes the rules for everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSlice {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustInForce>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<Project, PolicyInForce>,
    /// The newest heads event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<EntryIndex>,
    /// Waivers of a project that are not for one environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waivers: BTreeMap<Project, Waivers>,
    /// Freezes that are not for one environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub freezes: Freezes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustInForce {
    pub entry: EntryIndex,
    pub statement: Hash,
    pub document: TrustDocument,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    pub entry: EntryIndex,
    pub statement: Hash,
    /// SHA-256 of the document's canonical JSON.
    pub digest: Hash,
    /// 1 for the project's first policy.
    pub revision: u64,
    pub document: PolicyDocument,
}
