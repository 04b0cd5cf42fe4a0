//! `docs/gates.md` is what the register of gates and the example policies say.
//!
//! `ATTESTRY_BLESS=1 cargo test -p attestry --test gate_catalogue` writes it anew.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cli::policy_text::parse_policy;
use schemas::policy::{GATES, GateLine};
use serde_json::Value;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn example(gate: &str) -> String {
    let path = docs().join(format!("policies/{gate}.yaml"));
    fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()))
}

#[test]
fn every_gate_has_an_example_that_holds_and_shows_it() {
    for line in GATES {
        let text = example(line.name);
        let (policy, _) = parse_policy(&text).unwrap_or_else(|it| panic!("{}: {it:#?}", line.name));
        let mut gates = policy.environments.iter().flat_map(|rule| &rule.gates);
        assert!(gates.any(|rule| rule.gate.kind() == line.name), "{} is not shown", line.name);
        assert!(text.starts_with("# "), "{}: the first line says what it is for", line.name);
        assert!(text.lines().all(|line| line.len() <= 90), "{}", line.name);
    }
    let files = fs::read_dir(docs().join("policies")).unwrap().count();
    assert_eq!(files, GATES.len(), "one example for each gate, and no other file");
}

#[test]
fn the_catalogue_is_fresh() {
    let mut page = HEAD.to_owned();
    for line in GATES {
        let _ = writeln!(page, "- [`{0}`](#{0}): {1}", line.name, line.asks);
    }
    for line in GATES {
        section(&mut page, line);
    }
    let path = docs().join("gates.md");
    if std::env::var_os("ATTESTRY_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/gates.md is stale: ATTESTRY_BLESS=1 cargo test");
}

/// The page on Rego lists what a rule may call, and nothing else.
#[test]
fn the_builtins_are_documented() {
    let page = fs::read_to_string(docs().join("rego.md")).unwrap();
    let list = page.split("## What a rule may call").nth(1).unwrap();
    let list = list.split("\n\n").find(|it| it.starts_with("`abs`")).unwrap();
    let listed: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    let known: Vec<&str> = verifier::policy::REGO_BUILTINS
        .iter()
        .copied()
        .filter(|name| !name.starts_with("__"))
        .collect();
    assert_eq!(listed, known);
}

const HEAD: &str = "\
# Gates

Made from the register of gates and the policies in [policies](policies); a test compares. A gate is
one member of an environment's `gates`, with its parameters. What each says in eight cases, word for
word, is in [gate-cases.md](gate-cases.md).

";

fn section(page: &mut String, line: &GateLine) {
    let schema = (line.schema)().to_value();
    let about = schema["description"].as_str().unwrap_or_default();
    let _ = writeln!(page, "\n## {}\n\n{}\n\n{}\n", line.name, line.asks, one_line(about));
    page.push_str("| parameter | | |\n|---|---|---|\n");
    rows(page, &schema, &schema["$defs"], "");
    let _ = writeln!(page, "\n```yaml\n{}```", example(line.name));
}

/// One row for each field; those of a mapping stand below it.
fn rows(page: &mut String, schema: &Value, defs: &Value, above: &str) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let target = resolve(field, defs);
        let about = field["description"].as_str().or(target["description"].as_str());
        let must = if required.iter().any(|it| it == name) { ", required" } else { "" };
        let word = word(field, defs);
        let about = one_line(about.unwrap_or_default());
        let _ = writeln!(page, "| `{above}{name}` | {word}{must} | {about} |");
        if target["properties"].is_object() {
            rows(page, target, defs, &format!("{above}{name}."));
        } else if resolve(&target["items"], defs)["properties"].is_object() {
            rows(page, resolve(&target["items"], defs), defs, &format!("{above}{name}[]."));
        }
    }
}

fn resolve<'a>(schema: &'a Value, defs: &'a Value) -> &'a Value {
    let choice = schema["anyOf"].as_array().and_then(|list| list.first());
    let schema = choice.unwrap_or(schema);
    match schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
        Some(name) => &defs[name],
        None => schema,
    }
}

/// What may be written: `a duration`, `list of text`, `one of a, b`.
fn word(schema: &Value, defs: &Value) -> String {
    let choice = schema["anyOf"].as_array().and_then(|list| list.first()).unwrap_or(schema);
    match choice["$ref"].as_str() {
        Some("#/$defs/Duration") => return "duration".to_owned(),
        Some("#/$defs/DecimalText") => return "decimal".to_owned(),
        Some(_) | None => {}
    }
    let schema = resolve(schema, defs);
    if let Some(words) = words(schema) {
        return format!("one of {words}");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str(),
        kind => kind.as_str(),
    };
    match kind {
        Some("array") => format!("list of {}", word(&schema["items"], defs)),
        Some("object") => "mapping".to_owned(),
        Some("integer") => "number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("string") | None => "text".to_owned(),
        Some(other) => other.to_owned(),
    }
}

/// The words of an enum, with or without a description of each.
fn words(schema: &Value) -> Option<String> {
    let described = |it: &Value| it["const"].as_str().map(|word| format!("`{word}`"));
    let list: Vec<String> = match (&schema["enum"], &schema["oneOf"]) {
        (Value::Array(plain), _) => {
            plain.iter().map(|it| format!("`{}`", it.as_str().unwrap_or("?"))).collect()
        }
        (_, Value::Array(list)) => list.iter().filter_map(described).collect(),
        _ => return None,
    };
    Some(list.join(", "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
