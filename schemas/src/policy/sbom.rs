//! `sbom`: a bill of materials that covers the artifact.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Asks for a bill of materials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sbom {
    /// The document itself must name the artifact's digest; else its signer's word is enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_artifact: bool,
    /// Fewest components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_components: Option<u64>,
    /// Any of these; empty: any that we know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<SbomFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SbomFormat {
    Cyclonedx,
    Spdx,
}

impl SbomFormat {
    pub fn name(self) -> &'static str {
        match self {
            SbomFormat::Cyclonedx => "cyclonedx",
            SbomFormat::Spdx => "spdx",
        }
    }
}
