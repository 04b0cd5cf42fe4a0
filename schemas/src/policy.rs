//! The policy document: environments in order, and the gates that each requires.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EnvironmentName, Project};
use crate::predicate::DecimalText;

pub const API_VERSION: &str = "attestry/policy/v1";

/// Most environments of a policy, and most gates of an environment.
pub const ENVIRONMENTS_MAX: usize = 64;
pub const GATES_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    pub api_version: String,
    pub project: Project,
    pub environments: Vec<EnvironmentRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRule {
    pub name: EnvironmentName,
    /// The artifact must be granted in one of these first; empty: it may come from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<EnvironmentName>,
    pub gates: Vec<GateRule>,
}

impl PolicyDocument {
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentRule> {
        self.environments.iter().find(|environment| environment.name == *name)
    }
}

/// One gate: exactly one kind with its parameters, and optionally `id` and `why`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "GateText", into = "GateText")]
#[schemars(with = "GateText")]
pub struct GateRule {
    /// Unique in its environment; the gate's kind unless the policy says otherwise.
    pub id: String,
    pub why: Option<String>,
    pub gate: Gate,
}

/// The kinds of gates with their parameters; each is evaluated in the verifier's file of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    Provenance(Provenance),
    Evidence(Evidence),
    Vulnerabilities(VulnerabilityLimits),
    Soak(Soak),
    Approvals(Approvals),
}

impl Gate {
    pub fn kind(&self) -> &'static str {
        match self {
            Gate::Provenance(_) => "provenance",
            Gate::Evidence(_) => "evidence",
            Gate::Vulnerabilities(_) => "vulnerabilities",
            Gate::Soak(_) => "soak",
            Gate::Approvals(_) => "approvals",
        }
    }
}

/// Asks who built the artifact, and from which source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// `builder.id` is one of these, letter for letter.
    pub builders: Vec<String>,
    /// A source dependency equals this, up to `@`.
    pub source: String,
}

/// Asks for recorded evidence of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub kind: EvidenceKind,
    /// All of these; where none is named, every suite that was recorded, and at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    /// For `test`: `passed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RequiredResult>,
    /// For `analysis`: most findings of each level (`error`, `warning`, `note`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, u64>,
    /// For `measurement`: the metric's name, with `min` or `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<DecimalText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<DecimalText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    Test,
    Analysis,
    Measurement,
    Sbom,
    Review,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequiredResult {
    Passed,
}

/// Asks for a scan with at most so many vulnerabilities of each severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VulnerabilityLimits {
    pub max: BTreeMap<SeverityWord, u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
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

/// Asks for time in another environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    #[serde(rename = "in")]
    pub environment: EnvironmentName,
    #[serde(rename = "for")]
    pub duration: Duration,
}

/// Asks for people's signed approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    pub count: u32,
    /// Any of these roles counts; a role listed here need not be there unless `count` asks for it.
    pub roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// Who does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<Excluded>,
    /// Oldest approval that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Excluded {
    Author,
    Requester,
}

/// A gate as it is written down.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GateText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vulnerabilities: Option<VulnerabilityLimits>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    soak: Option<Soak>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approvals: Option<Approvals>,
}

impl TryFrom<GateText> for GateRule {
    type Error = String;
    fn try_from(text: GateText) -> Result<GateRule, String> {
        let mut gates = [
            text.provenance.map(Gate::Provenance),
            text.evidence.map(Gate::Evidence),
            text.vulnerabilities.map(Gate::Vulnerabilities),
            text.soak.map(Gate::Soak),
            text.approvals.map(Gate::Approvals),
        ]
        .into_iter()
        .flatten();
        match (gates.next(), gates.next()) {
            (Some(gate), None) => {
                let id = text.id.unwrap_or_else(|| gate.kind().to_owned());
                Ok(GateRule { id, why: text.why, gate })
            }
            (None, _) => Err("a gate names one of provenance, evidence, vulnerabilities, soak, \
                              approvals"
                .to_owned()),
            (Some(first), Some(second)) => Err(format!(
                "one gate holds both {} and {}; write them as two",
                first.kind(),
                second.kind()
            )),
        }
    }
}

impl From<GateRule> for GateText {
    fn from(rule: GateRule) -> GateText {
        let id = (rule.id != rule.gate.kind()).then_some(rule.id);
        let mut text = GateText { id, why: rule.why, ..GateText::default() };
        match rule.gate {
            Gate::Provenance(gate) => text.provenance = Some(gate),
            Gate::Evidence(gate) => text.evidence = Some(gate),
            Gate::Vulnerabilities(gate) => text.vulnerabilities = Some(gate),
            Gate::Soak(gate) => text.soak = Some(gate),
            Gate::Approvals(gate) => text.approvals = Some(gate),
        }
        text
    }
}

/// A length of time: a whole number and one of `s`, `m`, `h`, `d`.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "DurationText")]
pub struct Duration {
    ms: i64,
    text: String,
}

/// A length of time: a whole number and one of `s`, `m`, `h`, `d`.
#[derive(JsonSchema)]
#[schemars(rename = "Duration")]
#[allow(dead_code, reason = "only its schema is used")]
struct DurationText(#[schemars(regex(pattern = r"^[1-9][0-9]{0,5}[smhd]$"))] String);

impl Duration {
    pub fn ms(&self) -> i64 {
        self.ms
    }
}

impl FromStr for Duration {
    type Err = String;
    fn from_str(text: &str) -> Result<Duration, String> {
        let wrong = || format!("{text:?} is no duration; write 30s, 15m, 24h or 7d");
        let (number, unit) = text.split_at_checked(text.len().wrapping_sub(1)).ok_or_else(wrong)?;
        let unit_ms = match unit {
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let plain = number.len() <= 6
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.starts_with('0');
        let count: i64 = plain.then(|| number.parse().ok()).flatten().ok_or_else(wrong)?;
        Ok(Duration { ms: count * unit_ms, text: text.to_owned() })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, ms) in [("30s", 30_000), ("24h", 86_400_000), ("7d", 604_800_000)] {
            assert_eq!(text.parse::<Duration>().unwrap().ms(), ms);
        }
        for bad in ["", "s", "1", "01h", "-1h", "1.5h", "1w", "9999999d", "1 h", "é"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_gate_is_exactly_one_kind() {
        let read = |text: &str| serde_json::from_str::<GateRule>(text);
        let gate = read(r#"{"soak":{"in":"staging","for":"24h"}}"#).unwrap();
        assert_eq!(gate.id, "soak");
        assert_eq!(
            serde_json::to_string(&gate).unwrap(),
            r#"{"soak":{"in":"staging","for":"24h"}}"#
        );
        assert!(read("{}").is_err());
        assert!(read(r#"{"sook":{}}"#).is_err());
        let both = r#"{"soak":{"in":"a","for":"1h"},"provenance":{"builders":[],"source":"x"}}"#;
        assert!(read(both).unwrap_err().to_string().contains("write them as two"));
    }
}
