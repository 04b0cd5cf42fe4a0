//! `dependency`: another project's artifact is there already.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EnvironmentName, Project};

/// Asks for what runs in an environment of another project, granted there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    pub project: Project,
    /// Absent: the environment of the same name.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Just this artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
    /// A version in this range, such as `>=2.1.0, <3.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
}
