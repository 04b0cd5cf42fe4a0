//! The JSON Schemas in `json/` are those of the types, and every kind has an example that reads.
//!
//! `ATTESTRY_BLESS=1 cargo test -p attestry-schemas` writes them anew.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests read and write files")]

use std::path::{Path, PathBuf};

use schemars::{JsonSchema, schema_for};
use schemas::kind::{EventKind, KINDS};
use schemas::predicate::{
    analysis::Analysis, approval::Approval, build::Build, canary::Canary,
    configuration::Configuration, decision::Decision, deployment::Deployment, export::Export,
    freeze::Freeze, heads::Heads, incident::Incident, measurement::Measurement,
    migration::Migration, note::Note, observation::Observation, policy::Policy,
    promotion_request::PromotionRequest, rehearsal::Rehearsal, review::Review, rollback::Rollback,
    sbom::Reference, test::Test, trust::Trust, vex::Vex, vulnerabilities::Vulnerabilities,
    waiver::Waiver,
};
use schemas::statement::Statement;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("json")
}

/// Compares a generated file with the committed one, or writes it when blessed.
fn check_file(path: &Path, expected: &str) {
    if std::env::var_os("ATTESTRY_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{} is stale: ATTESTRY_BLESS=1 cargo test", path.display());
}

fn check<P: JsonSchema + Serialize + DeserializeOwned>(name: &str) {
    let mut schema = schema_for!(Statement<P>);
    let kind = EventKind::from_name(name).unwrap().line();
    schema.insert("title".to_owned(), format!("in-toto statement: {name}").into());
    schema.insert("x-predicate-type".to_owned(), kind.predicate_type.into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    check_file(&folder().join(format!("{name}.schema.json")), &text);
    let example = folder().join("examples").join(format!("{name}.json"));
    let example = std::fs::read_to_string(&example).unwrap();
    let body: P = serde_json::from_str(&example).unwrap();
    let again = serde_json::to_value(&body).unwrap();
    let read: Value = serde_json::from_str(&example).unwrap();
    assert_eq!(again, read, "{name}: the example says more than is read");
}

#[test]
fn schemas_are_fresh_and_examples_read() {
    check::<Analysis>("analysis");
    check::<Approval>("approval");
    check::<Build>("build");
    check::<Canary>("canary");
    check::<Configuration>("configuration");
    check::<Decision>("decision");
    check::<Deployment>("deployment");
    check::<Export>("export");
    check::<Freeze>("freeze");
    check::<Heads>("heads");
    check::<Incident>("incident");
    check::<Measurement>("measurement");
    check::<Migration>("migration");
    check::<Note>("note");
    check::<Observation>("observation");
    check::<Policy>("policy");
    check::<PromotionRequest>("promotion-request");
    check::<Rehearsal>("rehearsal");
    check::<Review>("review");
    check::<Rollback>("rollback");
    check::<Reference>("sbom");
    check::<Test>("test");
    check::<Trust>("trust");
    check::<Vex>("vex");
    check::<Vulnerabilities>("vulnerabilities");
    check::<Waiver>("waiver");
}

#[test]
fn every_kind_has_its_schema_and_example() {
    for line in KINDS.iter().filter(|line| line.kind != EventKind::Other) {
        for file in [format!("{}.schema.json", line.name), format!("examples/{}.json", line.name)] {
            assert!(folder().join(&file).exists(), "{file}");
        }
    }
    let files = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, KINDS.len(), "one schema for each kind but `other`, and the examples");
}
