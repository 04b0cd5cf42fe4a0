//! `attestry policy test`: given these events, at this time, a policy says this.
//!
//! The events go through the rules of admission and the fold as they would in a ledger: a log in
//! memory, with keys made from the names of people. So a fixture that passes here is what the
//! policy will say, and one whose events could not be logged is told so.

mod events;
mod shown;
pub mod simulate;
mod stage;

use std::collections::BTreeMap;

use schemas::policy::PolicyDocument;
use schemas::predicate::decision::Outcome;
use schemas::report::{GateVerdict, Verdict};
use serde::Deserialize;
use serde_json::Value;
use verifier::policy::Evaluation;

use events::Happening;
use stage::Stage;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// The policy's file, beside this one.
    pub policy: String,
    /// When the log begins, such as `2026-11-20T09:00:00.000Z`; cases move on from there.
    #[serde(default)]
    pub begins: Option<schemas::id::Time>,
    /// Who takes part: roles and aliases. `ci` records everything without being named.
    #[serde(default)]
    pub people: BTreeMap<String, Person>,
    pub cases: Vec<Case>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub aliases: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// The environment that is asked about.
    pub to: String,
    /// The artifact that is asked about; any word.
    #[serde(default = "app")]
    pub artifact: String,
    /// Further artifacts that stand or fall with it.
    #[serde(default)]
    pub with: Vec<String>,
    #[serde(default)]
    pub events: Vec<Happening>,
    pub expect: Expected,
}

fn app() -> String {
    "app".to_owned()
}

/// What the policy should say in the end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    #[serde(default)]
    pub outcome: Option<ExpectedOutcome>,
    #[serde(default)]
    pub gates: BTreeMap<String, ExpectedGate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedOutcome {
    Granted,
    Denied,
    Open,
}

/// A verdict, or a verdict and a part of its reason.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum ExpectedGate {
    Verdict(Verdict),
    Reasoned { verdict: Verdict, reason: String },
}

/// What became of a case.
#[derive(Debug)]
pub struct Told {
    pub name: String,
    /// What came out differently; empty where everything is as expected.
    pub wrong: Vec<String>,
    pub gates: Vec<GateVerdict>,
}

/// Reads the fixture's text, as strict YAML.
pub fn read(text: &str) -> Result<Fixture, String> {
    let yaml = crate::policy_text::yaml::read(text).map_err(|problems| {
        let lines = problems.iter().map(|it| format!("line {}: {}", it.line, it.message));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    serde_path_to_error::deserialize::<_, Fixture>(&yaml.value).map_err(|cause| {
        let path = cause.path().to_string();
        let line = yaml.place(&path).0.value.line;
        format!("line {line}: {}", cause.inner())
    })
}

/// Plays every case against the policy.
pub fn play(fixture: &Fixture, policy: &PolicyDocument) -> Vec<Told> {
    fixture.cases.iter().map(|case| play_one(fixture, policy, case)).collect()
}

fn play_one(fixture: &Fixture, policy: &PolicyDocument, case: &Case) -> Told {
    let mut told = Told { name: case.name.clone(), wrong: Vec::new(), gates: Vec::new() };
    match evaluate(fixture, policy, case, &mut case.events.iter()) {
        Err(cause) => told.wrong.push(cause),
        Ok(evaluation) => {
            told.wrong = differences(&case.expect, evaluation.outcome(), &evaluation.gates);
            told.gates = evaluation.gates;
        }
    }
    told
}

/// Lets events happen in a log of their own, and asks the policy in the end.
fn evaluate(
    fixture: &Fixture,
    policy: &PolicyDocument,
    case: &Case,
    events: &mut dyn Iterator<Item = &Happening>,
) -> Result<Evaluation, String> {
    let mut stage = Stage::set(fixture, policy)?;
    for (number, event) in events.enumerate() {
        let about = |cause| format!("event {}: {cause}", number + 1);
        events::happen(&mut stage, event, case).map_err(about)?;
    }
    stage.ask(case)
}

fn differences(
    expected: &Expected,
    outcome: Option<Outcome>,
    gates: &[GateVerdict],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let found = match outcome {
        Some(Outcome::Granted) => ExpectedOutcome::Granted,
        Some(Outcome::Denied) => ExpectedOutcome::Denied,
        None => ExpectedOutcome::Open,
    };
    if expected.outcome.is_some_and(|it| it != found) {
        wrong.push(format!("it is {found:?}").to_lowercase());
    }
    for (id, expected) in &expected.gates {
        let Some(gate) = gates.iter().find(|gate| gate.id == *id) else {
            wrong.push(format!("there is no gate {id}"));
            continue;
        };
        let (verdict, reason) = match expected {
            ExpectedGate::Verdict(verdict) => (verdict, ""),
            ExpectedGate::Reasoned { verdict, reason } => (verdict, reason.as_str()),
        };
        if gate.verdict != *verdict || !gate.reason.contains(reason) {
            wrong.push(format!("{id} is {}: {}", gate.verdict.name(), gate.reason));
        }
    }
    wrong
}

/// The members of a mapping that a fixture wrote, as JSON.
type Members = serde_json::Map<String, Value>;

#[cfg(test)]
mod tests;
