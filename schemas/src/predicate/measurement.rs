//! Named numbers with unit and baseline: coverage, latency, cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Origin, Project, Time};
use crate::predicate::report::ReportNote;
use crate::predicate::{DecimalText, Nonce};

pub const TYPE: &str = "urn:attestry:measurement:v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measurement {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub metrics: Vec<Metric>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportNote>,
}

/// One number. Names are like `coverage.line`; a name stands once in a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metric {
    pub name: String,
    pub value: DecimalText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<DecimalText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
}
