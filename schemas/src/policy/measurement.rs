//! `measurement`: a number against a limit, or against the version that runs there now.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::predicate::DecimalText;

/// Asks for a number within limits. Compared are exact decimals; nothing is rounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// As recorded, such as `latency.p95`.
    pub metric: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<DecimalText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<DecimalText>,
    /// Most percent above the version that runs in the target environment now. Where nothing ran
    /// there yet, there is nothing to compare with, and this asks nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_increase_percent: Option<DecimalText>,
    /// Most percent below the version that runs in the target environment now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_decrease_percent: Option<DecimalText>,
    /// The unit that the number must be in, as recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Fewest samples behind the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
    /// Counted from `measuredAt`, else from the entry. Asked is the number that was logged last, also
    /// where one before it was measured later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}
