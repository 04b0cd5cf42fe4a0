//! Measured delivery: numbers about promotions, each with what it is made of.

use schemars::JsonSchema;
use serde::Serialize;

use crate::id::{EntryIndex, EnvironmentName, Project, TreeSize};
use crate::time::Time;

/// Most entries that a number names; `n` counts all of them.
pub const INDEXES_MAX: usize = 1_000;

/// All numbers of a project, at one size of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsReport {
    pub project: Project,
    /// Empty: every environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentName>,
    /// From this time, and before the other.
    pub from: Time,
    pub to: Time,
    /// The size of the log, and the time of its newest entry: nothing later is known.
    pub size: TreeSize,
    pub as_of: Time,
    /// How long a deployment is watched before it is called good, in ms.
    pub watch_ms: i64,
    pub metrics: Vec<Metric>,
    pub gates: Vec<GateUse>,
}

/// One number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    pub id: &'static str,
    pub definition: &'static str,
    /// What it is made of.
    pub n: u64,
    /// What is too young to count, or not over yet.
    pub pending: u64,
    #[serde(flatten)]
    pub value: Value,
    /// The entries behind it, ascending; at most 1,000 of them.
    pub indexes: Vec<EntryIndex>,
}

/// The value of a number; absent where nothing is there to count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Value {
    /// A part of `n`.
    Rate(Rate),
    /// Spans of time, in ms.
    DurationMs(Statistic),
    /// Plain numbers, in millionths.
    Millionths(Statistic),
    /// So many in so many days.
    Frequency(Frequency),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    pub part: u64,
    pub of: u64,
    /// Rounded half up to hundredths of a percent; none of nothing.
    pub basis_points: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Frequency {
    pub count: u64,
    /// The days of the period that are over, rounded up, at least 1.
    pub days: u64,
}

/// A mean never comes alone. The median and the 90th percentile are values that occurred (nearest
/// rank); the mean is rounded towards zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Statistic {
    pub mean: Option<i64>,
    pub median: Option<i64>,
    pub p90: Option<i64>,
}

/// What one gate did in the decisions of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateUse {
    pub environment: EnvironmentName,
    pub id: String,
    pub gate: String,
    pub evaluations: u64,
    pub failures: u64,
    pub waived: u64,
    /// Failures after which the same gate admitted the same artifact there.
    pub overturned: u64,
    /// From the request to the newest entry that the gate rested on, where that came after it.
    pub waited_ms: Statistic,
    pub indexes: Vec<EntryIndex>,
}
