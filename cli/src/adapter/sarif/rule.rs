//! The rules of a run, and the level that a result takes from its rule.

use std::collections::HashMap;

use verifier::json::Value;

use crate::adapter::document::text;
use crate::adapter::error::shown;
use crate::adapter::warnings::Warnings;

/// Most levels of a hierarchical id that are looked up: an id of a million slashes has a million
/// prefixes, and hashing each would take the square of it.
const ID_LEVELS_MAX: usize = 16;

/// The levels of SARIF, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Note,
    None,
}

/// Reads the one spelling of a level.
pub fn parse_level(word: &str) -> Option<Level> {
    match word {
        "error" => Some(Level::Error),
        "warning" => Some(Level::Warning),
        "note" => Some(Level::Note),
        "none" => Some(Level::None),
        _ => None,
    }
}

/// The rules of a run: of the tool's driver and of its extensions.
pub struct Rules<'v> {
    driver: Component<'v>,
    extensions: Vec<Component<'v>>,
    /// Whether an invocation changes the level of a rule.
    overridden: bool,
    /// Descriptions that lack the plain text which the schema asks for.
    pub without_text: u64,
}

/// The rules of one tool component, by position and by id.
#[derive(Default)]
struct Component<'v> {
    name: &'v str,
    levels: Vec<Level>,
    /// Whether the rule is tagged as one about secrets.
    secrets: Vec<bool>,
    by_id: HashMap<&'v str, usize>,
}

impl<'v> Rules<'v> {
    pub fn of(run: &'v Value<'_>) -> Rules<'v> {
        let extensions = run.find(&["tool", "extensions"]).and_then(Value::as_array);
        let invocations = run.get("invocations").and_then(Value::as_array).unwrap_or_default();
        let overrides = invocations.iter().filter_map(|invocation| {
            invocation.get("ruleConfigurationOverrides").and_then(Value::as_array)
        });
        let driver_rules = run.find(&["tool", "driver", "rules"]).and_then(Value::as_array);
        Rules {
            without_text: driver_rules.unwrap_or_default().iter().map(without_text).sum(),
            driver: run.find(&["tool", "driver"]).map(Component::of).unwrap_or_default(),
            extensions: extensions.unwrap_or_default().iter().map(Component::of).collect(),
            overridden: overrides
                .flatten()
                .any(|entry| entry.find(&["configuration", "level"]).is_some()),
        }
    }

    /// The level of a failing result that states none: its rule's, or else `warning` (3.27.10).
    ///
    /// Off-spec: what invocations change about rules is not applied, since tools that change a
    /// level write it into the result too; where that would matter there is a warning.
    pub fn level(&self, result: &Value<'_>, warnings: &mut Warnings) -> Level {
        if self.overridden {
            warnings.push("levels that an invocation changes are not applied to a result");
        }
        let rule = self.component(result, warnings).and_then(|it| it.level(result, warnings));
        rule.unwrap_or(Level::Warning)
    }

    /// True where the rule of a result is tagged as one about secrets.
    pub fn is_secret(&self, result: &Value<'_>) -> bool {
        // Who looked for the level has been warned.
        let mut said = Warnings::default();
        let component = self.component(result, &mut said);
        let found = component.and_then(|it| {
            let position = it.position(result, &mut said)?;
            it.secrets.get(position)
        });
        found.copied().unwrap_or(false)
    }

    /// The component that holds a result's rule (3.52.7): the driver, unless one is named.
    fn component(&self, result: &Value<'_>, warnings: &mut Warnings) -> Option<&Component<'v>> {
        let Some(reference) = result.find(&["rule", "toolComponent"]) else {
            return Some(&self.driver);
        };
        if let Some(index) = index_of(reference, "index") {
            let found = self.extensions.get(index);
            if found.is_none() {
                warnings.push(format!("a result names tool extension {index}, which is not there"));
            }
            return found;
        }
        match text(reference, "name") {
            Some(name) if name != self.driver.name => {
                self.extensions.iter().find(|extension| extension.name == name)
            }
            Some(_) | None => Some(&self.driver),
        }
    }
}

impl<'v> Component<'v> {
    fn of(component: &'v Value<'_>) -> Component<'v> {
        let rules = component.get("rules").and_then(Value::as_array).unwrap_or_default();
        let level = |rule: &Value<'_>| match rule.find(&["defaultConfiguration", "level"]) {
            None | Some(Value::Null) => Level::Warning,
            Some(level) => level.as_str().and_then(parse_level).unwrap_or(Level::Error),
        };
        let mut by_id = HashMap::new();
        for (position, rule) in rules.iter().enumerate() {
            if let Some(id) = text(rule, "id") {
                by_id.entry(id).or_insert(position);
            }
        }
        let name = text(component, "name").unwrap_or_default();
        let levels = rules.iter().map(level).collect();
        Component { name, levels, secrets: rules.iter().map(is_tagged_secret).collect(), by_id }
    }

    fn level(&self, result: &Value<'_>, warnings: &mut Warnings) -> Option<Level> {
        self.levels.get(self.position(result, warnings)?).copied()
    }

    /// Finds a result's rule by position, else by id; a hierarchical id `CA1000/1` is of the rule
    /// `CA1000` (3.52.4).
    fn position(&self, result: &Value<'_>, warnings: &mut Warnings) -> Option<usize> {
        let rule = result.get("rule");
        let index = rule.and_then(|rule| index_of(rule, "index"));
        if let Some(index) = index.or_else(|| index_of(result, "ruleIndex")) {
            match self.levels.get(index) {
                Some(_) => return Some(index),
                None => warnings.push(format!("a result names rule {index}, which is not there")),
            }
        }
        let id = rule.and_then(|rule| text(rule, "id")).or_else(|| text(result, "ruleId"))?;
        let prefixes = std::iter::successors(Some(id), |prefix| Some(prefix.rsplit_once('/')?.0))
            .take(ID_LEVELS_MAX);
        let found = prefixes.into_iter().find_map(|prefix| self.by_id.get(prefix));
        if found.is_none() && !self.levels.is_empty() {
            warnings.push(format!("a result names rule {:?}, which is not there", shown(id)));
        }
        found.copied()
    }
}

fn is_tagged_secret(rule: &Value<'_>) -> bool {
    let tags = rule.find(&["properties", "tags"]).and_then(Value::as_array).unwrap_or_default();
    tags.iter().any(|tag| tag.as_str() == Some("secret"))
}

fn without_text(rule: &Value<'_>) -> u64 {
    let descriptions = ["shortDescription", "fullDescription", "help"];
    let descriptions = descriptions.iter().filter_map(|name| rule.get(name));
    descriptions.filter(|description| description.get("text").is_none()).count() as u64
}

/// A position; -1 is SARIF's way to give none.
fn index_of(value: &Value<'_>, name: &str) -> Option<usize> {
    value
        .get(name)
        .and_then(Value::as_u64)
        .map(|index| usize::try_from(index).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use verifier::json;

    use super::*;

    const RUN: &str = r#"{
        "tool": {
            "driver": {"name": "d", "rules": [
                {"id": "N", "defaultConfiguration": {"level": "note"}},
                {"id": "E/x", "defaultConfiguration": {"level": "error"}},
                {"id": "W"},
                {"id": "O", "defaultConfiguration": {"level": "odd"}}
            ]},
            "extensions": [{"name": "x", "rules": [
                {"id": "N", "defaultConfiguration": {"level": "none"}}
            ]}]
        }
    }"#;

    fn check(result: &str, expected: Level, warned: usize) {
        let run = json::parse(RUN.as_bytes()).unwrap();
        let result = json::parse(result.as_bytes()).unwrap();
        let mut warnings = Warnings::default();
        assert_eq!(Rules::of(&run).level(&result, &mut warnings), expected, "{result:?}");
        assert_eq!(warnings.into_lines().len(), warned, "{result:?}");
    }

    #[test]
    fn the_rule_gives_the_level() {
        check("{}", Level::Warning, 0);
        check(r#"{"ruleId":"N"}"#, Level::Note, 0);
        check(r#"{"ruleId":"E/x/1/2"}"#, Level::Error, 0);
        check(r#"{"ruleId":"E"}"#, Level::Warning, 1);
        check(r#"{"ruleId":"W"}"#, Level::Warning, 0);
        check(r#"{"ruleId":"O"}"#, Level::Error, 0);
        check(r#"{"ruleIndex":1}"#, Level::Error, 0);
        check(r#"{"ruleIndex":-1,"ruleId":"N"}"#, Level::Note, 0);
        check(r#"{"rule":{"index":0}}"#, Level::Note, 0);
        check(r#"{"rule":{"id":"E/x"},"ruleId":"N"}"#, Level::Error, 0);
        check(r#"{"rule":{"index":0,"toolComponent":{"index":0}}}"#, Level::None, 0);
        check(r#"{"rule":{"id":"N","toolComponent":{"name":"x"}}}"#, Level::None, 0);
        check(r#"{"rule":{"id":"N","toolComponent":{"name":"d"}}}"#, Level::Note, 0);
        check(r#"{"rule":{"id":"N","toolComponent":{"name":"y"}}}"#, Level::Warning, 0);
    }

    #[test]
    fn positions_that_do_not_exist_are_harmless() {
        check(r#"{"ruleIndex":4}"#, Level::Warning, 1);
        check(r#"{"ruleIndex":18446744073709551615,"ruleId":"N"}"#, Level::Note, 1);
        check(r#"{"ruleIndex":99999999999999999999999}"#, Level::Warning, 0);
        check(r#"{"ruleIndex":1.5}"#, Level::Warning, 0);
        check(r#"{"rule":{"index":0,"toolComponent":{"index":7}}}"#, Level::Warning, 1);
        check(&format!(r#"{{"ruleId":"N{}"}}"#, "/".repeat(1 << 20)), Level::Warning, 1);
        check(r#"{"rule":5,"ruleId":[]}"#, Level::Warning, 0);
    }
}
