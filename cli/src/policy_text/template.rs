//! Templates: policies to start from, and policies that others extend.
//!
//! A template is text with places to fill: `{{name}}`, or `{{name=what stands there otherwise}}`.
//! It is filled and merged before anything is signed, so what is logged is whole, and a template
//! that changes changes no policy. Its digest says which text that was.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use verifier::merkle::sha256;

use super::yaml;

/// A policy that `attestry policy new --template` writes.
pub struct Template {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! templates {
    ($($name:literal)*) => {
        /// The templates that come with the program; the first is what no name gives.
        pub const TEMPLATES: &[Template] = &[$(Template {
            name: $name,
            text: include_str!(concat!("../policy_template/", $name, ".yaml")),
        }),*];
    };
}

templates! {
    "plain" "regulated" "web-service" "library" "database" "ml-model" "edge-config" "serverless"
}

pub fn named(name: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.name == name)
}

/// The digest of a template's text, as `extends` names it.
pub fn digest(text: &str) -> String {
    format!("sha256:{}", sha256(&[text.as_bytes()]))
}

/// Fills every place of a template, or says what is missing.
///
/// Values may not hold what could end a quoted text: a parameter is a word of the policy, never a
/// piece of it.
pub fn fill(text: &str, parameters: &BTreeMap<String, String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((place, after)) = after.split_once("}}") else {
            return Err("a place that begins with `{{` has no end".to_owned());
        };
        let (name, default) = match place.split_once('=') {
            Some((name, default)) => (name, Some(default)),
            None => (place, None),
        };
        let Some(value) = parameters.get(name).map(String::as_str).or(default) else {
            return Err(format!("the template asks for `{name}`; write it under `parameters`"));
        };
        if !value.chars().all(is_plain) {
            return Err(format!(
                "`{name}` holds a character that no parameter may; write it plainer"
            ));
        }
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " ._:/@+*-,=?%~".contains(c)
}

/// The names of the places of a template.
fn places(text: &str) -> Vec<&str> {
    let ends = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    ends.map(|(place, _)| place.split('=').next().unwrap_or(place)).collect()
}

/// What went wrong, and at which member of the policy.
pub type Trouble = (&'static str, String);

/// Puts what a policy extends into it, where it says that it extends something.
///
/// `read` reads another file, for templates that do not come with the program.
pub fn expand(
    value: &mut Value,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<(), Trouble> {
    let Some(extends) = value.get("extends") else { return Ok(()) };
    let Some(name) = extends.get("template").and_then(Value::as_str) else { return Ok(()) };
    let text = match named(name) {
        Some(template) => template.text.to_owned(),
        None => read(name).map_err(|cause| ("extends.template", cause))?,
    };
    let found = digest(&text);
    match extends.get("digest").and_then(Value::as_str) {
        Some(digest) if digest == found => {}
        Some(_) => {
            let message = format!("`{name}` is another text by now; look at it and write {found}");
            return Err(("extends.digest", message));
        }
        None => {
            return Err(("extends", format!("names no digest; write `digest: {found}`")));
        }
    }
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in extends.get("parameters").and_then(Value::as_object).into_iter().flatten()
    {
        if !places(&text).contains(&name.as_str()) {
            let message = format!("the template has no place `{name}`; leave it out");
            return Err(("extends.parameters", message));
        }
        parameters.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    let project = value.get("project").and_then(Value::as_str).unwrap_or_default().to_owned();
    parameters.insert("project".to_owned(), project);
    let text = fill(&text, &parameters).map_err(|cause| ("extends.parameters", cause))?;
    let template = yaml::read(&text).map_err(|problems| {
        let first = problems.into_iter().next();
        let line = first.map_or(String::new(), |it| format!(", line {}: {}", it.line, it.message));
        ("extends.template", format!("`{name}` cannot be read{line}"))
    })?;
    merge(value, template.value);
    Ok(())
}

/// What the policy says itself stands; environments, groups and calendars are joined by name.
fn merge(policy: &mut Value, template: Value) {
    let (Value::Object(policy), Value::Object(template)) = (policy, template) else { return };
    for (member, below) in template {
        match (policy.get_mut(&member), below) {
            (None, below) => {
                policy.insert(member, below);
            }
            (Some(Value::Object(own)), Value::Object(below)) if member != "extends" => {
                join(own, below);
            }
            (Some(Value::Array(own)), Value::Array(below)) if member == "environments" => {
                *own = environments(std::mem::take(own), below);
            }
            (Some(_), _) => {}
        }
    }
}

fn join(own: &mut Map<String, Value>, below: Map<String, Value>) {
    for (name, value) in below {
        own.entry(name).or_insert(value);
    }
}

/// The template's environments in their order, each replaced by the policy's own of that name; the
/// policy's others come after them.
fn environments(mut own: Vec<Value>, below: Vec<Value>) -> Vec<Value> {
    let mut all = Vec::new();
    for environment in below {
        let same = own.iter().position(|it| it.get("name") == environment.get("name"));
        all.push(match same {
            Some(position) => own.remove(position),
            None => environment,
        });
    }
    all.extend(own);
    all
}

/// Puts the text of each Rego rule that stands in a file beside the policy into it.
pub fn include_rego(
    value: &mut Value,
    path: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
    troubles: &mut Vec<(String, String)>,
) {
    match value {
        Value::Object(object) => {
            for (key, below) in object.iter_mut() {
                let path = yaml::key_path(path, key);
                if key == "rego" {
                    include_one(below, &path, read, troubles);
                } else {
                    include_rego(below, &path, read, troubles);
                }
            }
        }
        Value::Array(list) => {
            for (index, below) in list.iter_mut().enumerate() {
                include_rego(below, &format!("{path}[{index}]"), read, troubles);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn include_one(
    gate: &mut Value,
    path: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
    troubles: &mut Vec<(String, String)>,
) {
    let Value::Object(gate) = gate else { return };
    let Some(file) = gate.get("file").and_then(Value::as_str) else { return };
    if gate.contains_key("text") {
        return;
    }
    match read(file) {
        Ok(text) => {
            gate.insert("text".to_owned(), Value::String(text));
        }
        Err(cause) => troubles.push((format!("{path}.file"), cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_text::{parse_policy, parse_policy_in};

    fn parameters(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_template_is_a_policy_that_fits_the_screen() {
        for template in TEMPLATES {
            let text = fill(template.text, &parameters(&[("project", "payments")])).unwrap();
            let (document, _) = parse_policy(&text)
                .unwrap_or_else(|problems| panic!("{}: {problems:#?}", template.name));
            assert_eq!(document.project.as_str(), "payments");
            assert!(document.environments.len() >= 2, "{}", template.name);
            let long = text.lines().find(|line| line.len() > 90);
            assert_eq!(long, None, "{}", template.name);
            assert!(text.starts_with("# "), "{}", template.name);
        }
    }

    #[test]
    fn places_are_filled() {
        let fill = |text: &str, list: &[(&str, &str)]| fill(text, &parameters(list));
        assert_eq!(fill("a {{b}} c {{d=e}}", &[("b", "x")]), Ok("a x c e".to_owned()));
        assert_eq!(fill("{{d=e}}", &[("d", "y")]), Ok("y".to_owned()));
        assert!(fill("{{b}}", &[]).unwrap_err().contains("asks for `b`"));
        assert!(fill("{{b", &[]).is_err());
        for bad in ["x\"", "x\ny", "x\\", "{x}", "[x]", "x#y", "x'", "x\u{202e}"] {
            assert!(fill("{{b}}", &[("b", bad)]).is_err(), "{bad:?}");
        }
    }

    /// A policy that extends a template with these further lines.
    fn extending(template: &str, digest: &str, rest: &str) -> String {
        format!(
            "apiVersion: attestry/policy/v1\nproject: payments\nextends:\n  template: {template}\n  \
             digest: \"{digest}\"\n{rest}"
        )
    }

    #[test]
    fn a_policy_extends_a_template() {
        let own = digest(named("regulated").unwrap().text);
        let text = extending("regulated", &own, "  parameters: { source: \"git+https://h/p\" }\n");
        let (document, value) = parse_policy(&text).unwrap();
        let names: Vec<&str> = document.environments.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["staging", "prod"]);
        let extends = document.extends.as_ref().unwrap();
        assert_eq!(extends.template, "regulated");
        assert!(value.to_string().contains("git+https://h/p"));
        // One environment of its own takes the place of the template's; another comes after.
        let rest = "environments:\n  - name: staging\n    gates: []\n  - name: moon\n    gates: []\n\
                    calendars: { holidays: [\"2027-05-01\"] }\n";
        let (document, _) = parse_policy(&extending("regulated", &own, rest)).unwrap();
        let gates: Vec<(&str, bool)> = document
            .environments
            .iter()
            .map(|it| (it.name.as_str(), it.gates.is_empty()))
            .collect();
        assert_eq!(gates, [("staging", true), ("prod", false), ("moon", true)]);
        assert_eq!(document.calendars["holidays"], ["2027-05-01"]);
    }

    #[test]
    fn what_cannot_be_extended_is_said() {
        let own = digest(named("plain").unwrap().text);
        let refuse = |text: &str, line: usize, part: &str| {
            let found = parse_policy(text).unwrap_err();
            assert!(found[0].message.contains(part), "{found:?}");
            assert_eq!(found[0].line, line, "{found:?}");
        };
        let other = format!("sha256:{}", "0".repeat(64));
        refuse(&extending("plain", &other, ""), 5, &own);
        refuse(&extending("nobody", &own, ""), 4, "no template");
        refuse(&extending("plain", &own, "  parameters: { sauce: x }\n"), 6, "no place `sauce`");
        let without = extending("plain", &own, "").replace(&format!("  digest: \"{own}\"\n"), "");
        refuse(&without, 4, "write `digest: sha256:");
    }

    #[test]
    fn a_template_and_a_rule_may_stand_in_files() {
        let rule = "package release\nimport rego.v1\nallow := true\n";
        let template = "apiVersion: attestry/policy/v1\nproject: \"{{project}}\"\nenvironments:\n  \
                        - name: prod\n    gates:\n      - rego: { file: a.rego, rule: \
                        data.release.allow }\n";
        let read = |name: &str| match name {
            "own.yaml" => Ok(template.to_owned()),
            "a.rego" => Ok(rule.to_owned()),
            other => Err(format!("there is no {other}")),
        };
        let text = extending("own.yaml", &digest(template), "");
        let (document, value) = parse_policy_in(&text, &read).unwrap();
        assert_eq!(document.environments[0].gates[0].gate.kind(), "rego");
        assert!(value.to_string().contains("allow := true"));
        let text = "apiVersion: attestry/policy/v1\nproject: p\nenvironments:\n  - name: prod\n    \
                    gates:\n      - rego: { file: b.rego, rule: data.release.allow }\n";
        let found = parse_policy_in(text, &read).unwrap_err();
        assert_eq!((found[0].line, found.len()), (6, 1), "{found:?}");
        assert!(found[0].message.contains("there is no b.rego"), "{found:?}");
    }
}
