//! What is kept of a bill of materials.

use schemas::policy::SbomFormat;
use serde::{Deserialize, Serialize};

use super::{is_false, is_zero};

/// Most spellings of licences that a slice keeps of a bill of materials.
pub const LICENCES_MAX: usize = 256;

/// What a bill of materials says by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillFacts {
    pub format: SbomFormat,
    /// Whose SHA-256 it names as what it is about.
    pub covers: Covers,
    pub components: u64,
    /// Components that state no licence.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlicensed: u64,
    /// Each spelling of a licence once, in order.
    pub licences: Vec<LicenceUse>,
    /// There were more spellings than a slice keeps, or longer ones.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// Whether a document names the artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// It names this artifact's SHA-256.
    Named,
    /// It names others only.
    Other,
    /// It names none.
    Unnamed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceUse {
    pub licence: String,
    pub components: u64,
    /// The first component that has it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}
