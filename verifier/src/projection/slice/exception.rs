//! What is kept of waivers and freezes: of one environment in its slice, else in control's.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, EnvironmentName, Hash, Project, Time};
use serde::{Deserialize, Serialize};

use super::Signer;

/// Most waivers of an environment, and of a project beside them.
pub const WAIVERS_MAX: usize = 256;
/// Most freezes of an environment, of a project beside them, and of every project.
pub const FREEZES_MAX: usize = 64;
/// So long a waiver or freeze is kept beyond its end: lists tell what has just ended.
pub const ENDED_MS_KEPT: i64 = 90 * 86_400_000;

/// Waivers by their statements.
pub type Waivers = BTreeMap<Hash, WaiverKept>;
/// Freezes by their statements.
pub type Freezes = BTreeMap<Hash, FreezeKept>;

/// A waiver that nobody has withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverKept {
    pub entry: EntryIndex,
    pub time: Time,
    pub signer: Signer,
    pub gate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
    pub reason: String,
    pub role: String,
    pub expires_at: Time,
    pub review_at: Time,
}

impl WaiverKept {
    /// True where it leaves the slice.
    pub fn is_gone(&self, at: Time) -> bool {
        at.since(self.expires_at) >= ENDED_MS_KEPT
    }
}

/// A freeze that nobody has lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeKept {
    pub entry: EntryIndex,
    pub time: Time,
    pub signer: Signer,
    /// Absent: every project. An environment's own slice leaves it out too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    /// Empty: every environment, or the one whose slice this is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentName>,
    pub from: Time,
    pub until: Time,
    pub reason: String,
    pub except_emergency: bool,
}

impl FreezeKept {
    pub fn is_gone(&self, at: Time) -> bool {
        at.since(self.until) >= ENDED_MS_KEPT
    }

    /// True where it freezes at that time.
    pub fn is_active(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }

    /// True where an environment of a project is in its scope.
    pub fn covers(&self, project: &Project, environment: &EnvironmentName) -> bool {
        self.project.as_ref().is_none_or(|it| it == project)
            && (self.environments.is_empty() || self.environments.contains(environment))
    }
}
