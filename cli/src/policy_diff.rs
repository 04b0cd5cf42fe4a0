//! Two policies side by side: what would be stricter, and what looser.
//!
//! A change whose direction depends on what is recorded (another metric, another rule, another
//! condition) is called changed: this never guesses.

mod direction;
mod effect;
mod named;

use std::collections::{BTreeMap, BTreeSet};

use schemas::policy::{EnvironmentRule, GATES, GateRule, PolicyDocument};
use serde_json::Value;

use direction::{Direction, ENVIRONMENT, RULE, direction};
use effect::effect_of;

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
    changes.named(old, new);
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, effect: Effect, place: impl Into<String>, what: impl Into<String>) {
        self.0.push(Change { effect, place: place.into(), what: what.into() });
    }

    fn environment(&mut self, old: &EnvironmentRule, new: &EnvironmentRule) {
        let name = new.name.as_str();
        let [from, expires] = ["from", "expires"].map(|field| vec![field.to_owned()]);
        self.leaf(ENVIRONMENT, name, &from, &to_value(&old.from), &to_value(&new.from));
        if old.expires_ms() != new.expires_ms() {
            // Where none is written it is the longest that there is.
            let ms = |rule: &EnvironmentRule| Value::from(rule.expires_ms());
            let effect = direction(ENVIRONMENT, &expires);
            let effect = effect.and_then(|it| effect_of(it, &ms(old), &ms(new)));
            let written = |rule: &EnvironmentRule| shown(&to_value(&rule.expires));
            let what = format!("expires: {} -> {}", written(old), written(new));
            self.add(effect.unwrap_or(Effect::Changed), name, what);
        }
        self.gates(name, &old.gates, &new.gates);
        self.emergency(&format!("{name} (emergency)"), old, new);
        self.rollback(&format!("{name} (rollback)"), old, new);
    }

    /// With an emergency path there is more that one may do.
    fn emergency(&mut self, place: &str, old: &EnvironmentRule, new: &EnvironmentRule) {
        match (&old.emergency, &new.emergency) {
            (None, None) => {}
            (None, Some(_)) => self.add(Effect::Looser, place, "a new path"),
            (Some(_), None) => self.add(Effect::Stricter, place, "the path is no more"),
            (Some(old), Some(new)) => {
                self.gates(place, &old.gates, &new.gates);
                let mut path = ["emergency", "review"].map(str::to_owned).to_vec();
                let (old, new) = (to_value(&old.review), to_value(&new.review));
                self.walk(ENVIRONMENT, place, &mut path, Some(&old), Some(&new));
            }
        }
    }

    /// Where a policy says nothing of going back, that needs what going forward needs.
    fn rollback(&mut self, place: &str, old: &EnvironmentRule, new: &EnvironmentRule) {
        let gates = |rule: &EnvironmentRule| match &rule.rollback {
            Some(path) => path.gates.clone(),
            None => rule.gates.clone(),
        };
        match (&old.rollback, &new.rollback) {
            (None, None) => return,
            // Whoever goes back on a path of its own need not have been in another environment.
            (None, Some(_)) if !new.from.is_empty() => {
                self.add(Effect::Looser, place, "a new path, which `from` does not ask");
            }
            (Some(_), None) if !new.from.is_empty() => {
                self.add(Effect::Stricter, place, "the path is no more: `from` asks again");
            }
            (Some(_), Some(_)) | (None, Some(_)) | (Some(_), None) => {}
        }
        self.gates(place, &gates(old), &gates(new));
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
                Some(was) => {
                    let (old, new) = (to_value(was), to_value(rule));
                    self.walk(RULE, &at, &mut Vec::new(), Some(&old), Some(&new));
                }
            }
        }
        let after = by_id(new);
        for rule in old.iter().filter(|rule| !after.contains_key(&rule.id)) {
            let what = format!("the {} gate is no more", rule.gate.kind());
            self.add(Effect::Looser, format!("{place} {}", rule.id), what);
        }
    }

    /// Compares what stands at a path, and in a mapping each member by its own direction. A mapping
    /// that comes or goes does so as a whole where it has a direction, else member by member.
    fn walk(
        &mut self,
        table: &[(&str, Direction)],
        place: &str,
        path: &mut Vec<String>,
        old: Option<&Value>,
        new: Option<&Value>,
    ) {
        let (before, after) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
        let whole = before.is_some() != after.is_some() && direction(table, path).is_some();
        if (before.is_none() && after.is_none()) || whole {
            let null = Value::Null;
            return self.leaf(table, place, path, old.unwrap_or(&null), new.unwrap_or(&null));
        }
        let fields = |it: Option<&serde_json::Map<String, Value>>| {
            it.into_iter().flat_map(|it| it.keys().cloned()).collect::<BTreeSet<String>>()
        };
        for field in &fields(before) | &fields(after) {
            let member = |it: Option<&'_ Value>| it.and_then(|it| it.get(&field)).cloned();
            let (old, new) = (member(old), member(new));
            path.push(field);
            self.walk(table, place, path, old.as_ref(), new.as_ref());
            path.pop();
        }
    }

    fn leaf(
        &mut self,
        table: &[(&str, Direction)],
        place: &str,
        path: &[String],
        old: &Value,
        new: &Value,
    ) {
        // A parameter that nobody knows the way of has only changed.
        let direction = direction(table, path).unwrap_or(Direction::Other);
        let effect = if old == new { None } else { effect_of(direction, old, new) };
        let Some(effect) = effect else { return };
        let is_gate = |name: &String| GATES.iter().any(|line| line.name == name);
        // The gate stands in the place already.
        let path = if path.first().is_some_and(is_gate) { &path[1..] } else { path };
        self.add(effect, place, format!("{}: {} -> {}", path.join("."), shown(old), shown(new)));
    }
}

fn to_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Longest value that is shown, in characters.
const SHOWN_MAX: usize = 200;

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "nothing".to_owned(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match value {
                Value::Array(list) if !list.is_empty() => format!("{name}: [{}]", shown(value)),
                value => format!("{name}: {}", shown(value)),
            };
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    let text = text.replace('\n', " ");
    match text.chars().count() > SHOWN_MAX {
        true => format!("{}…", text.chars().take(SHOWN_MAX).collect::<String>()),
        false => text,
    }
}

#[cfg(test)]
mod tests;
