//! A build: SLSA provenance v1 (v0.2 is read).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statement::ResourceDescriptor;

pub const TYPE: &str = "https://slsa.dev/provenance/v1";
pub const TYPE_V02: &str = "https://slsa.dev/provenance/v0.2";

/// `buildType` of the builds that `attestry record build` writes.
pub const RECORDED_BUILD: &str = "urn:attestry:recorded-build:v1";

/// SLSA provenance v1, as far as gates and lists read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    pub build_definition: BuildDefinition,
    pub run_details: RunDetails,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    pub build_type: String,
    /// What the caller asked for; ours names the source. Foreign parameters are not read.
    #[serde(default, deserialize_with = "crate::predicate::build::skip")]
    pub external_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    pub builder: Builder,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Builder {
    pub id: String,
}

/// Times are kept as the builder wrote them: RFC 3339 in any offset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
}

/// Reads and drops a member of any shape.
fn skip<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer)?;
    Ok(BTreeMap::new())
}

/// SLSA provenance v0.2, as far as it is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildV02 {
    pub builder: Builder,
    #[serde(default)]
    pub build_type: String,
    #[serde(default)]
    pub materials: Vec<ResourceDescriptor>,
    #[serde(default)]
    pub metadata: Option<MetadataV02>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataV02 {
    #[serde(default)]
    pub build_invocation_id: Option<String>,
    #[serde(default)]
    pub build_started_on: Option<String>,
    #[serde(default)]
    pub build_finished_on: Option<String>,
}

impl From<BuildV02> for Build {
    fn from(old: BuildV02) -> Build {
        let metadata = old.metadata.map(|metadata| Metadata {
            invocation_id: metadata.build_invocation_id,
            started_on: metadata.build_started_on,
            finished_on: metadata.build_finished_on,
        });
        Build {
            build_definition: BuildDefinition {
                build_type: old.build_type,
                external_parameters: BTreeMap::new(),
                resolved_dependencies: old.materials,
            },
            run_details: RunDetails { builder: old.builder, metadata },
        }
    }
}
