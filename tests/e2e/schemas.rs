//! The JSON Schemas: each example of a kind is valid by the schema of its kind, and not by chance.

use std::path::PathBuf;

use harness::repository;
use schemas::kind::{EventKind, KINDS};
use serde_json::{Value, json};

fn read(path: PathBuf) -> Value {
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn statement(kind: &str, predicate: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "payments", "digest": { "sha256": "ab".repeat(32) } }],
        "predicateType": kind,
        "predicate": predicate,
    })
}

#[test]
fn examples_are_valid_by_the_schema_of_their_kind() {
    let folder = repository().join("schemas/json");
    for line in KINDS.iter().filter(|line| line.kind != EventKind::Other) {
        let schema = read(folder.join(format!("{}.schema.json", line.name)));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let example = read(folder.join(format!("examples/{}.json", line.name)));
        let good = statement(line.predicate_type, &example);
        let wrong: Vec<String> = validator.iter_errors(&good).map(|it| it.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", line.name);
        // Without its predicate, and with a predicate that is no object, it is none.
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove("predicate");
        assert!(!validator.is_valid(&without), "{} without predicate", line.name);
        let text = statement(line.predicate_type, &json!("text"));
        assert!(!validator.is_valid(&text), "{} with a text", line.name);
    }
}

#[test]
fn every_member_that_must_be_there_is_asked_for() {
    let folder = repository().join("schemas/json");
    for line in KINDS.iter().filter(|line| line.kind.is_own()) {
        let schema = read(folder.join(format!("{}.schema.json", line.name)));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let example = read(folder.join(format!("examples/{}.json", line.name)));
        for member in ["ledger", "nonce"] {
            let mut forged = example.clone();
            if forged.as_object_mut().unwrap().remove(member).is_some() {
                let forged = statement(line.predicate_type, &forged);
                assert!(!validator.is_valid(&forged), "{} without {member}", line.name);
            }
        }
    }
}
