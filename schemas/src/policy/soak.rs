//! `soak`: time in another environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::id::EnvironmentName;

/// Asks for time in another environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    #[serde(rename = "in")]
    pub environment: EnvironmentName,
    #[serde(rename = "for")]
    pub duration: Duration,
}
