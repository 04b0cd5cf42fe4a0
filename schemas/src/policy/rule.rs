//! One gate as a policy writes it: the kind with its parameters, and what holds for every kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::register::GateText;
use super::{Duration, GATES, Gate, When};

/// One gate: exactly one kind with its parameters, and what may stand beside any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "GateText", into = "GateText")]
#[schemars(with = "GateText")]
pub struct GateRule {
    /// Unique among the gates of its path; the gate's kind unless the policy says otherwise.
    pub id: String,
    pub labels: GateLabels,
    pub gate: Gate,
}

/// What may stand beside any kind of gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateLabels {
    /// One sentence for those who meet the gate.
    pub why: Option<String>,
    pub when: Option<When>,
    pub fails: Fails,
    /// A gate that still does not admit this long after the request is overdue.
    pub limit: Option<Duration>,
    /// The role that is told when the gate is overdue.
    pub escalate: Option<String>,
    /// Who may waive the gate; absent: nobody.
    pub waiver: Option<WaiverRule>,
}

/// Who may waive a gate, and for how long at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaiverRule {
    pub by: Vec<String>,
    pub max: Duration,
}

/// What a fail does to the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fails {
    /// It is denied at once.
    #[default]
    Deny,
    /// It stays open: better evidence may come.
    Wait,
}

impl GateRule {
    /// A gate with its kind as id and nothing beside it.
    pub fn of(gate: Gate) -> GateRule {
        GateRule { id: gate.kind().to_owned(), labels: GateLabels::default(), gate }
    }
}

impl TryFrom<GateText> for GateRule {
    type Error = String;
    fn try_from(mut text: GateText) -> Result<GateRule, String> {
        let mut gates = text.take_gates().into_iter();
        match (gates.next(), gates.next()) {
            (Some(gate), None) => {
                let id = text.id.take().unwrap_or_else(|| gate.kind().to_owned());
                Ok(GateRule { id, labels: text.take_labels(), gate })
            }
            (None, _) => {
                let names: Vec<&str> = GATES.iter().map(|line| line.name).collect();
                Err(format!("a gate names one of {}", names.join(", ")))
            }
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
        let mut text = GateText::of(id, rule.labels);
        text.put(rule.gate);
        text
    }
}
