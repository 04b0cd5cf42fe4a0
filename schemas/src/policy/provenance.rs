//! `provenance`: who built the artifact, and from which source.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks who built the artifact, and from which source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// `builder.id` is one of these, letter for letter.
    pub builders: Vec<String>,
    /// A source dependency equals this, up to `@`.
    pub source: String,
    /// What stands behind the `@` of that source fits one of these globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<String>,
    /// The SLSA build level that each builder's platform reaches, as whoever sets the policy has
    /// found out. What this gate proves stands in the decision's `verifiedLevels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, u8>,
    /// The lowest of these that is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Every resolved dependency is named with a digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Every commit that it was built from has an approving review by somebody else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reviewed: bool,
}
