//! `canary`: how the artifact did on a part of the traffic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::id::EnvironmentName;

/// Asks for a canary that has passed. One that still runs, or that could not tell, waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Where it ran; absent: the environment whose gate this is.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Shortest canary that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_duration: Option<Duration>,
    /// Fewest requests, jobs or visits that it must have seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}
