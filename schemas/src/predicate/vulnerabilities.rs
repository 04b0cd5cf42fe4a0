//! A vulnerability scan: in-toto vulns v0.2 (v0.1 is read), with our note about the report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::predicate::report::ReportNote;

pub const TYPE: &str = "https://in-toto.io/attestation/vulns/v0.2";
pub const TYPE_V01: &str = "https://in-toto.io/attestation/vulns/v0.1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vulnerabilities {
    pub scanner: Scanner,
    #[serde(default)]
    pub metadata: ScanMetadata,
    #[serde(default, rename = "attestry_report", skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportNote>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scanner {
    pub uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db: Option<ScannerDatabase>,
    /// Required by the predicate: a scan that lists no results says so with an empty list.
    pub result: Vec<Vulnerability>,
}

/// What the scanner knew of vulnerabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScannerDatabase {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vulnerability {
    pub id: String,
    #[serde(default)]
    pub severity: Vec<Severity>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// A severity in the words of one method: `{"method": "trivy", "score": "critical"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Severity {
    pub method: String,
    pub score: String,
}

/// Where the vulnerability sits, as our adapters note it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Annotation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanMetadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_started_on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_finished_on: Option<String>,
}
