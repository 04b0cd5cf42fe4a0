//! What our client notes about the tool's report that it read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, Time};

/// The note about a report: a member `report` in our own kinds, and the extension member
/// `attestry_report` in kinds that the field has defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportNote {
    /// The format as recognised by content: `junit`, `sarif-2.1.0`, `trivy`, `cyclonedx`, `json`.
    pub format: String,
    /// The report's bytes, kept as an attachment.
    pub digest: Digest,
    pub size_bytes: u64,
    pub binding: Binding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// When the tool says that it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// Whether the report itself names the artifact that it was recorded about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// The report names the subject's digest.
    Subject,
    /// The report names no comparable digest: only the signer says what it is about.
    Unbound,
}

/// The program that wrote a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
