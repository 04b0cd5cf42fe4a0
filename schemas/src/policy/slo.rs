//! `slo`: the service level that is left to spend.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::predicate::DecimalText;

/// Asks for error budget that is left and a burn rate below a limit, as measurements of the
/// artifact that runs in the environment: `slo.budget-left` in percent and `slo.burn-rate`, or
/// `slo.OBJECTIVE.budget-left` and `slo.OBJECTIVE.burn-rate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Least budget left, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_budget_left: Option<DecimalText>,
    /// Highest burn rate: 1 spends the budget in just its period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_burn_rate: Option<DecimalText>,
    /// Older numbers say nothing of now.
    pub max_age: Duration,
}
