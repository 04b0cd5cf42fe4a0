//! `vulnerabilities`: a scan that found at most so many of each severity.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Asks for a scan with at most so many vulnerabilities of each severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vulnerabilities {
    pub max: BTreeMap<SeverityWord, u64>,
    /// Count only those that a newer version of their package mends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixable_only: bool,
    /// Vulnerabilities that are let through until a day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AllowedVulnerability>,
    /// Whether VEX statements about the artifact excuse what they say does not matter.
    #[serde(default, skip_serializing_if = "VexUse::is_ignore")]
    pub vex: VexUse,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    /// The scanner's address is one of these, letter for letter; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scanners: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// How old what the scanner knows may be when it scans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_database_age: Option<Duration>,
}

/// A vulnerability that is let through, by its whole name, until a day begins (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedVulnerability {
    pub id: String,
    /// A day like `2026-12-24`.
    pub until: String,
    pub why: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VexUse {
    #[default]
    Ignore,
    /// `not_affected` with its justification, and `fixed`.
    Honour,
}

impl VexUse {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_ignore(&self) -> bool {
        *self == VexUse::Ignore
    }
}

/// The severities that limits can name, worst first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SeverityWord {
    Critical,
    High,
    Medium,
    Low,
    Negligible,
}

impl SeverityWord {
    pub const ALL: [SeverityWord; 5] = [
        SeverityWord::Critical,
        SeverityWord::High,
        SeverityWord::Medium,
        SeverityWord::Low,
        SeverityWord::Negligible,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SeverityWord::Critical => "critical",
            SeverityWord::High => "high",
            SeverityWord::Medium => "medium",
            SeverityWord::Low => "low",
            SeverityWord::Negligible => "negligible",
        }
    }

    /// Reads a scanner's own word; a word that is none of these is no severity.
    pub fn from_scanner(word: &str) -> Option<SeverityWord> {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Some(SeverityWord::Critical),
            "high" => Some(SeverityWord::High),
            "medium" | "moderate" => Some(SeverityWord::Medium),
            "low" => Some(SeverityWord::Low),
            "negligible" | "none" | "info" | "informational" => Some(SeverityWord::Negligible),
            _ => None,
        }
    }
}
