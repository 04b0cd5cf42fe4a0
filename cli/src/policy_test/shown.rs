//! An event as a fixture writes it, on one line.

use std::fmt;

use serde_json::Value;

use super::Members;
use super::events::Happening;

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, members): (&str, &Members) = match self {
            Happening::Wait(time) => return write!(f, "wait: {time}"),
            Happening::Build(it) => ("build", it),
            Happening::Review(it) => ("review", it),
            Happening::Test(it) => ("test", it),
            Happening::Scan(it) => ("scan", it),
            Happening::Measurement(it) => ("measurement", it),
            Happening::Analysis(it) => ("analysis", it),
            Happening::Deployment(it) => ("deployment", it),
            Happening::Request(it) => ("request", it),
            Happening::Approval(it) => ("approval", it),
            Happening::Decide(it) => ("decide", it),
            Happening::Record(it) => ("record", it),
        };
        write!(f, "{name}: {}", mapping(members))
    }
}

/// Longest value that is shown, in characters; the fixture has the rest.
const SHOWN_MAX: usize = 60;

fn mapping(members: &Members) -> String {
    let shown: Vec<String> =
        members.iter().map(|(name, value)| format!("{name}: {}", value_of(value))).collect();
    if shown.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", shown.join(", ")) }
}

fn value_of(value: &Value) -> String {
    match value {
        Value::Object(members) => mapping(members),
        Value::Array(list) => {
            let shown: Vec<String> = list.iter().map(value_of).collect();
            format!("[{}]", shown.join(", "))
        }
        Value::String(text) => crate::output::cut(&word(text), SHOWN_MAX),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Without quotation marks where YAML reads the same without them.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    match begins && text.chars().all(plain) && !reserved.contains(&&*text.to_lowercase()) {
        true => text.to_owned(),
        false => Value::String(text.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_as_it_is_written() {
        let check = |yaml: &str, expected: &str| {
            let read = crate::policy_text::yaml::read(yaml).unwrap().value;
            let event: Happening = serde_json::from_value(read).unwrap();
            assert_eq!(event.to_string(), expected);
        };
        check("wait: 24h", "wait: 24h");
        check("build: {}", "build: {}");
        check(
            "test: {suite: unit, counts: {passed: 3}, failed: [a::b, c]}",
            r#"test: { suite: unit, counts: { passed: 3 }, failed: ["a::b", c] }"#,
        );
        check("analysis: {suite: \"no\"}", r#"analysis: { suite: "no" }"#);
    }
}
