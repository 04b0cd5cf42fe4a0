//! A test run: in-toto test-result v0.1, with our note about the report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::predicate::report::ReportNote;
use crate::statement::ResourceDescriptor;

pub const TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// The outcome and the tests by name. Test names beyond the first thousand of each list are
/// counted in the report note and not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    pub result: TestResult,
    #[serde(default)]
    pub configuration: Vec<ResourceDescriptor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_tests: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned_tests: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_tests: Vec<String>,
    #[serde(default, rename = "attestry_report", skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportNote>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TestResult {
    Passed,
    Warned,
    Failed,
}
