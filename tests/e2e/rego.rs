//! Rego as we evaluate it beside Open Policy Agent: the same rules over the same inputs.
//!
//! What OPA says is kept beside the cases, so that an engine that changes its mind is found without
//! OPA too; where Go is installed the real one is asked again.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::go;
use serde_json::{Value, json};
use verifier::policy::rego::{self, BUILTINS};

use cases::{BODIES, EXPRESSIONS, INPUTS};

const OPA: &str = "v1.22.4";

/// What a rule says, as `data.NAME.allow`; none where it has no value.
type Answers = BTreeMap<String, Option<Value>>;

/// Cases in which the two differ, and how; docs/rego.md tells whoever writes rules.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("a_boolean_as_text", "nothing; OPA, which does not know the verb either, says so in the text"),
    ("a_version_with_a_letter", "no version; OPA leaves a leading v out"),
    ("binary_fractions", "0.30000000000000004; OPA has 0.3"),
    ("a_verdict_with_a_reason", "refused: the engine passes some over"),
    ("else_by_else", "refused: the engine passes some over"),
    ("functions_with_patterns", "refused: not before more than a reference"),
    ("negation", "refused: not before more than a reference"),
    ("objects_below_a_name", "refused: the engine would read another rule"),
    ("order_of_kinds", "values of different kinds have no order, and so no value"),
    ("overlapping_occurrences", "2, as they overlap; OPA has 1"),
    ("people_below_a_name", "refused: the engine would read another rule"),
    ("people_of_each_role", "refused: the engine would read another rule"),
    ("rules_below_a_name", "refused: the engine would read another rule"),
    ("texts_to_the_left", "the text itself; OPA fills it up"),
    ("with_another_input", "refused: the engine does not know `with`"),
];

/// Every case with a name of its own, as a whole module.
fn modules() -> BTreeMap<String, String> {
    let module = |name: &str, body: &str| {
        (name.to_owned(), format!("package {name}\nimport rego.v1\n{body}\n"))
    };
    let expressions = EXPRESSIONS.iter().enumerate().map(|(number, expression)| {
        module(&format!("expression_{number:03}"), &format!("allow := {expression}"))
    });
    let bodies = BODIES.iter().map(|(name, body)| module(name, body));
    expressions.chain(bodies).collect()
}

fn ours(input: &str) -> Answers {
    let answer = |(name, text): (String, String)| {
        let rule = format!("data.{name}.allow");
        // A module that we refuse to read is told apart from a rule without a value.
        let refused = |cause| json!({ "refused": format!("{cause}") });
        let answer = match rego::check(&text, &rule) {
            Ok(()) => rego::evaluate(&text, &rule, input).ok(),
            Err(cause) => Some(refused(cause)),
        };
        (name, answer)
    };
    modules().into_iter().map(answer).collect()
}

/// Asks the real one about everything at once. Where a builtin fails it goes on with `undefined`,
/// as it does by itself.
fn theirs(opa: &Path, input: &str) -> Answers {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    for (name, text) in modules() {
        std::fs::write(rules.join(format!("{name}.rego")), text).unwrap();
    }
    let file = folder.path().join("input.json");
    std::fs::write(&file, input).unwrap();
    let output = Command::new(opa)
        .args(["eval", "--format", "json", "--data"])
        .arg(&rules)
        .arg("--input")
        .arg(&file)
        .arg("data")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let data = &answer["result"][0]["expressions"][0]["value"];
    modules().into_keys().map(|name| (name.clone(), data[&name].get("allow").cloned())).collect()
}

fn record() -> PathBuf {
    harness::repository().join("tests/vectors/rego/opa.json")
}

/// The answers for every input, as they are kept: `undefined` is told apart from `null`.
fn kept(answers: &[Answers]) -> Value {
    let one = |answers: &Answers| -> Value {
        let told = answers.iter().map(|(name, value)| match value {
            Some(value) => (name.clone(), json!({ "value": value })),
            None => (name.clone(), json!({})),
        });
        told.collect()
    };
    json!({ "opa": OPA, "inputs": answers.iter().map(one).collect::<Vec<_>>() })
}

/// Numbers are compared as numbers: OPA writes 1.0 as 1.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let number = |it: &serde_json::Number| it.to_string().parse::<f64>().ok();
            one == other || number(one) == number(other)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        (one, other) => one == other,
    }
}

#[test]
fn rules_say_what_opa_says() {
    let ours: Vec<Answers> = INPUTS.iter().map(|input| ours(input)).collect();
    if let Some(opa) = go::program("github.com/open-policy-agent/opa", OPA) {
        let theirs: Vec<Answers> = INPUTS.iter().map(|input| theirs(&opa, input)).collect();
        let kept = serde_json::to_string_pretty(&kept(&theirs)).unwrap() + "\n";
        if std::env::var_os("ATTESTRY_BLESS").is_some() {
            std::fs::create_dir_all(record().parent().unwrap()).unwrap();
            std::fs::write(record(), &kept).unwrap();
        }
        let recorded = std::fs::read_to_string(record()).unwrap_or_default();
        assert!(recorded == kept, "what OPA says is not what is kept: ATTESTRY_BLESS=1");
    }
    let recorded: Value = serde_json::from_slice(&std::fs::read(record()).unwrap()).unwrap();
    assert_eq!(recorded["opa"], OPA);
    let texts = modules();
    let (mut differing, mut unexpected) = (BTreeSet::new(), Vec::new());
    for (number, answers) in ours.iter().enumerate() {
        let theirs = recorded["inputs"][number].as_object().unwrap();
        assert_eq!(answers.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (name, value) in answers {
            let agree = match (value, theirs[name].get("value")) {
                (Some(one), Some(other)) => same(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            let excepted = EXCEPTIONS.iter().find(|(except, _)| except == name);
            if !agree && excepted.is_none() {
                let (theirs, text) = (&theirs[name], &texts[name]);
                unexpected
                    .push(format!("input {number}: {text}\n  ours {value:?}\n  OPA {theirs}"));
            }
            differing.extend(excepted.filter(|_| !agree).map(|(name, _)| *name));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let excepted: BTreeSet<&str> = EXCEPTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(differing, excepted, "an exception that is none any more");
}

/// Whatever a rule may call is called in some case.
#[test]
fn every_builtin_is_compared() {
    let texts: String = modules().into_values().collect::<Vec<_>>().join("\n");
    let public = BUILTINS.iter().filter(|name| !name.starts_with("__"));
    let without: Vec<&&str> = public.filter(|name| !texts.contains(&format!("{name}("))).collect();
    assert_eq!(without, Vec::<&&str>::new());
}
