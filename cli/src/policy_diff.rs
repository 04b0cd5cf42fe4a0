//! Two policies side by side: what would be stricter, and what looser.
//!
//! A change whose direction depends on what is recorded (another metric, another rule, another
//! condition) is called changed: this never guesses.

mod direction;

use std::collections::BTreeMap;

use schemas::policy::{EnvironmentRule, GateRule, PolicyDocument};
use serde_json::Value;

use direction::effect_of;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Stricter,
    Looser,
    Changed,
}

impl Effect {
    pub fn name(self) -> &'static str {
        match self {
            Effect::Stricter => "stricter",
            Effect::Looser => "looser",
            Effect::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub effect: Effect,
    /// The environment, its path if it is not the normal one, and the gate.
    pub place: String,
    pub what: String,
}

/// Lists every difference, in the order of the new policy.
pub fn compare(old: &PolicyDocument, new: &PolicyDocument) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    for environment in &new.environments {
        match old.environment(&environment.name) {
            Some(before) => changes.environment(before, environment),
            None => changes.add(Effect::Changed, environment.name.as_str(), "a new environment"),
        }
    }
    for environment in &old.environments {
        if new.environment(&environment.name).is_none() {
            let place = environment.name.as_str();
            changes.add(Effect::Stricter, place, "is no more: nothing enters it");
        }
    }
    for (what, before, after) in [
        ("groups", to_value(&old.groups), to_value(&new.groups)),
        ("calendars", to_value(&old.calendars), to_value(&new.calendars)),
    ] {
        if before != after {
            changes.add(Effect::Changed, what, "other members");
        }
    }
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, effect: Effect, place: impl Into<String>, what: impl Into<String>) {
        self.0.push(Change { effect, place: place.into(), what: what.into() });
    }

    fn environment(&mut self, old: &EnvironmentRule, new: &EnvironmentRule) {
        let name = new.name.as_str();
        self.members(name, "from", &to_value(&old.from), &to_value(&new.from));
        let expires = |rule: &EnvironmentRule| rule.expires_ms();
        if expires(old) != expires(new) {
            let shorter = expires(new) < expires(old);
            let effect = if shorter { Effect::Stricter } else { Effect::Looser };
            self.add(effect, name, "requests live for another time");
        }
        self.gates(name, &old.gates, &new.gates);
        self.way(
            &format!("{name} (emergency)"),
            old.emergency.as_ref().map(|it| (&it.gates[..], to_value(&it.review))),
            new.emergency.as_ref().map(|it| (&it.gates[..], to_value(&it.review))),
        );
        self.way(
            &format!("{name} (rollback)"),
            old.rollback.as_ref().map(|it| (&it.gates[..], Value::Null)),
            new.rollback.as_ref().map(|it| (&it.gates[..], Value::Null)),
        );
    }

    /// Another way into an environment: with one there is more than one may do.
    fn way(
        &mut self,
        place: &str,
        old: Option<(&[GateRule], Value)>,
        new: Option<(&[GateRule], Value)>,
    ) {
        match (old, new) {
            (None, None) => {}
            (None, Some(_)) => self.add(Effect::Looser, place, "a new path"),
            (Some(_), None) => self.add(Effect::Stricter, place, "the path is no more"),
            (Some((old, before)), Some((new, after))) => {
                self.gates(place, old, new);
                if before != after {
                    self.members(place, "review", &before, &after);
                }
            }
        }
    }

    fn gates(&mut self, place: &str, old: &[GateRule], new: &[GateRule]) {
        let by_id = |rules: &[GateRule]| -> BTreeMap<String, GateRule> {
            rules.iter().map(|rule| (rule.id.clone(), rule.clone())).collect()
        };
        let before = by_id(old);
        for rule in new {
            let at = format!("{place} {}", rule.id);
            match before.get(&rule.id) {
                None => self.add(Effect::Stricter, at, format!("a new {} gate", rule.gate.kind())),
                Some(was) if was.gate.kind() != rule.gate.kind() => {
                    let what = format!("{} instead of {}", rule.gate.kind(), was.gate.kind());
                    self.add(Effect::Changed, at, what);
                }
                Some(was) => self.rule(&at, was, rule),
            }
        }
        let after = by_id(new);
        for rule in old.iter().filter(|rule| !after.contains_key(&rule.id)) {
            let what = format!("the {} gate is no more", rule.gate.kind());
            self.add(Effect::Looser, format!("{place} {}", rule.id), what);
        }
    }

    fn rule(&mut self, place: &str, old: &GateRule, new: &GateRule) {
        let (before, after) = (to_value(old), to_value(new));
        let empty = serde_json::Map::new();
        let (before, after) =
            (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
        let mut fields: Vec<&String> = before.keys().chain(after.keys()).collect();
        fields.sort();
        fields.dedup();
        // What a gate is called and why it is there asks nothing.
        for field in fields.into_iter().filter(|it| !matches!(it.as_str(), "id" | "why")) {
            let (old, new) = (before.get(field), after.get(field));
            if field == new_kind(after, field) {
                self.parameters(place, "", old, new);
            } else {
                let null = Value::Null;
                self.members(place, field, old.unwrap_or(&null), new.unwrap_or(&null));
            }
        }
    }

    /// Compares the parameters of a gate, each by its own direction.
    fn parameters(&mut self, place: &str, path: &str, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                let mut fields: Vec<&String> = before.keys().chain(after.keys()).collect();
                fields.sort();
                fields.dedup();
                for field in fields {
                    let path =
                        if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                    self.parameters(place, &path, before.get(field), after.get(field));
                }
            }
            (old, new) if old == new => {}
            // A mapping that comes or goes does so member by member.
            (None, Some(Value::Object(after))) => {
                for (field, value) in after {
                    self.parameters(place, &format!("{path}.{field}"), None, Some(value));
                }
            }
            (Some(Value::Object(before)), None) => {
                for (field, value) in before {
                    self.parameters(place, &format!("{path}.{field}"), Some(value), None);
                }
            }
            (old, new) => {
                let null = Value::Null;
                self.members(place, path, old.unwrap_or(&null), new.unwrap_or(&null));
            }
        }
    }

    fn members(&mut self, place: &str, path: &str, old: &Value, new: &Value) {
        if old != new {
            let what = format!("{path}: {} -> {}", shown(old), shown(new));
            self.add(effect_of(path, old, new), place, what);
        }
    }
}

/// The field itself where it is the gate's kind: what else stands in a rule is beside it.
fn new_kind<'a>(rule: &serde_json::Map<String, Value>, field: &'a str) -> &'a str {
    const BESIDE: [&str; 7] = ["id", "why", "when", "fails", "limit", "escalate", "waiver"];
    if !BESIDE.contains(&field) && rule.contains_key(field) { field } else { "" }
}

fn to_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Longest value that is shown, in characters.
const SHOWN_MAX: usize = 60;

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "nothing".to_owned(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let text = text.replace('\n', " ");
    match text.chars().count() > SHOWN_MAX {
        true => format!("{}…", text.chars().take(SHOWN_MAX).collect::<String>()),
        false => text,
    }
}

#[cfg(test)]
mod tests;
