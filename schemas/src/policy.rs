//! The policy document: environments in order, and the gates that each requires.

pub mod analysis;
pub mod approvals;
pub mod canary;
pub mod condition;
pub mod configuration;
pub mod dependency;
pub mod duration;
pub mod evidence;
pub mod freeze;
pub mod licenses;
pub mod measurement;
pub mod migration;
pub mod path;
pub mod provenance;
pub mod register;
pub mod rego;
pub mod rollback_ready;
pub mod rule;
pub mod sbom;
pub mod slo;
pub mod soak;
pub mod vulnerabilities;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EnvironmentName, IdentityName, Project};
pub use analysis::Analysis;
pub use approvals::{Approvals, Excluded};
pub use canary::Canary;
pub use condition::When;
pub use configuration::Configuration;
pub use dependency::Dependency;
pub use duration::Duration;
pub use evidence::{CountBound, Evidence, EvidenceKind, QuarantinedTest, RequiredResult};
pub use freeze::Freeze;
pub use licenses::{Licenses, UnknownLicence};
pub use measurement::Measurement;
pub use migration::Migration;
pub use path::{EmergencyPath, ReviewDue, RollbackPath};
pub use provenance::Provenance;
pub use register::{GATES, Gate, GateLine};
pub use rego::Rego;
pub use rollback_ready::RollbackReady;
pub use rule::{Fails, GateLabels, GateRule, WaiverRule};
pub use sbom::{Sbom, SbomFormat};
pub use slo::Slo;
pub use soak::Soak;
pub use vulnerabilities::{AllowedVulnerability, SeverityWord, VexUse, Vulnerabilities};
pub use window::Window;

pub const API_VERSION: &str = "attestry/policy/v1";

/// Most environments of a policy, and most gates of an environment.
pub const ENVIRONMENTS_MAX: usize = 64;
pub const GATES_MAX: usize = 64;

/// Longest life of a request, where an environment does not say less.
pub const EXPIRES_MS_MAX: i64 = 30 * 86_400_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    pub api_version: String,
    pub project: Project,
    /// The template that this was expanded from. It decides nothing: the document is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<Extends>,
    /// Identities by the name of their group, for gates that ask for somebody of a group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<IdentityName>>,
    /// Days by the name of their calendar, for gates that ask for a day on or off it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calendars: BTreeMap<String, Vec<String>>,
    pub environments: Vec<EnvironmentRule>,
}

/// The versioned template that a policy was expanded from, before it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extends {
    /// Its name, or the path of its file.
    pub template: String,
    /// Of the template's bytes.
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRule {
    pub name: EnvironmentName,
    /// The artifact must be granted in one of these first; empty: it may come from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<EnvironmentName>,
    /// A request that nobody decides expires after this; absent: 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
    pub gates: Vec<GateRule>,
    /// Absent: there is no emergency path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<EmergencyPath>,
    /// Absent: going back needs what going forward needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackPath>,
}

impl PolicyDocument {
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentRule> {
        self.environments.iter().find(|environment| environment.name == *name)
    }
}

impl EnvironmentRule {
    /// An environment with these gates and nothing beside them.
    pub fn of(name: EnvironmentName, gates: Vec<GateRule>) -> EnvironmentRule {
        EnvironmentRule {
            name,
            from: Vec::new(),
            expires: None,
            gates,
            emergency: None,
            rollback: None,
        }
    }

    /// How long a request for this environment stays open.
    pub fn expires_ms(&self) -> i64 {
        self.expires.as_ref().map_or(EXPIRES_MS_MAX, |it| it.ms().min(EXPIRES_MS_MAX))
    }

    /// Every list of gates with the path of the list in the environment.
    pub fn gate_lists(&self) -> impl Iterator<Item = (&'static str, &[GateRule])> {
        let emergency = self.emergency.as_ref().map(|it| ("emergency.gates", &it.gates[..]));
        let rollback = self.rollback.as_ref().map(|it| ("rollback.gates", &it.gates[..]));
        [Some(("gates", &self.gates[..])), emergency, rollback].into_iter().flatten()
    }
}

/// The names of the fields that hold lists, wherever they stand in a policy.
///
/// The types would read a list where a mapping belongs by the positions of its members: whoever
/// reads a policy strictly refuses lists elsewhere.
pub fn list_fields() -> BTreeSet<String> {
    fn collect(schema: &serde_json::Value, into: &mut BTreeSet<String>) {
        match schema {
            serde_json::Value::Object(object) => {
                let fields = object.get("properties").and_then(serde_json::Value::as_object);
                for (name, field) in fields.into_iter().flatten() {
                    if is_list(field) {
                        into.insert(name.clone());
                    }
                }
                object.values().for_each(|below| collect(below, into));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|below| collect(below, into)),
            _ => {}
        }
    }
    let mut fields = BTreeSet::new();
    collect(&schemars::schema_for!(PolicyDocument).to_value(), &mut fields);
    fields
}

fn is_list(schema: &serde_json::Value) -> bool {
    match &schema["type"] {
        serde_json::Value::Array(kinds) => kinds.iter().any(|kind| kind == "array"),
        kind => kind == "array",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_gates_have_one_name() {
        let mut names: Vec<&str> = GATES.iter().map(|line| line.name).collect();
        let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(names.iter().all(plain));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), GATES.len());
    }

    #[test]
    fn lists_are_known_by_their_fields() {
        let lists = list_fields();
        for name in ["environments", "from", "gates", "builders", "suites", "roles", "by", "paths"]
        {
            assert!(lists.contains(name), "{name}");
        }
        for name in ["soak", "when", "max", "emergency", "calendars"] {
            assert!(!lists.contains(name), "{name}");
        }
    }

    #[test]
    fn what_stands_beside_a_gate_is_kept() {
        let text = concat!(
            r#"{"id":"a","why":"b","when":{"class":["high"]},"fails":"wait","limit":"4h","#,
            r#""escalate":"lead","waiver":{"by":["risk"],"max":"7d"},"#,
            r#""soak":{"in":"a","for":"1h"}}"#
        );
        let gate: GateRule = serde_json::from_str(text).unwrap();
        assert_eq!(gate.labels.fails, Fails::Wait);
        assert_eq!(serde_json::to_string(&gate).unwrap(), text);
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
