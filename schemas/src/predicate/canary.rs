//! A canary: how an artifact did in an environment on a part of the traffic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EntryIndex, EnvironmentName, Origin, Project, Time};
use crate::predicate::Nonce;
use crate::predicate::measurement::Metric;
use crate::predicate::report::ReportNote;

pub const TYPE: &str = "urn:attestry:canary:v1";

/// The subject is the artifact. One that still runs has no end; every other verdict has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    pub ledger: Origin,
    pub project: Project,
    pub nonce: Nonce,
    pub environment: EnvironmentName,
    pub verdict: CanaryVerdict,
    pub started_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How many times it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<u64>,
    /// How many requests, jobs or visits it saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// The request that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<EntryIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportNote>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CanaryVerdict {
    Passed,
    Failed,
    Inconclusive,
    Running,
}

impl CanaryVerdict {
    pub fn name(self) -> &'static str {
        match self {
            CanaryVerdict::Passed => "passed",
            CanaryVerdict::Failed => "failed",
            CanaryVerdict::Inconclusive => "inconclusive",
            CanaryVerdict::Running => "running",
        }
    }

    /// True where it will not change any more.
    pub fn is_final(self) -> bool {
        self != CanaryVerdict::Running
    }
}
