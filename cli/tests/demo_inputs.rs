//! The demo's inputs: each is read by its adapter as what `cli/demo/README.md` says it is.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use cli::adapter::{self, Body};
use cli::policy_text::parse_policy;
use schemas::kind::EventKind;
use schemas::policy::Gate;

/// All inputs are compiled into the binary.
const BYTES_MAX: u64 = 300_000;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("demo")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Expects the format and summary, no warning, no named artifact, and whether the report says when
/// its tool finished.
fn check(name: &str, kind: EventKind, expected: &str, timed: bool) -> Body {
    let reading = adapter::read(text(name).as_bytes(), kind).unwrap();
    assert_eq!(format!("{}: {}", reading.format, reading.summary), expected, "{name}");
    assert!(reading.warnings.is_empty(), "{name}: {:?}", reading.warnings);
    assert!(reading.named.is_empty(), "{name} names an artifact");
    assert_eq!(reading.finished_at.is_some(), timed, "{name}");
    reading.body
}

#[test]
fn every_report_is_read_without_warnings() {
    use EventKind as K;
    check("unit.junit.xml", K::Test, "junit: 11 passed, 0 failed, 0 skipped", true);
    check("clippy.sarif", K::Analysis, "sarif-2.1.0: 0 errors, 7 warnings, 0 notes", false);
    check("sbom.cdx.json", K::Sbom, "cyclonedx-1.5: 27 components", true);
    check("coverage.json", K::Measurement, "json: coverage.line 68.04", false);
    check(
        "review.json",
        K::Review,
        "json: approved by bob@acme.example, written by alice@acme.example",
        false,
    );
    check(
        "scan-vulnerable.trivy.json",
        K::Vulnerabilities,
        "trivy: 3 vulnerabilities: 1 critical, 2 medium",
        false,
    );
    check("scan-clean.trivy.json", K::Vulnerabilities, "trivy: 2 vulnerabilities: 2 medium", false);
}

#[test]
fn what_no_scanner_wrote_says_so() {
    for name in ["scan-vulnerable.trivy.json", "scan-clean.trivy.json"] {
        assert!(text(name).contains("no scanner ran"), "{name}");
    }
}

#[test]
fn the_policy_uses_every_kind_of_gate() {
    let (policy, _) = parse_policy(&text("policy.yaml")).unwrap();
    assert_eq!(policy.project.as_str(), "payments");
    let names = policy.environments.iter().map(|rule| rule.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["staging", "prod"]);
    let gates = policy.environments.iter().flat_map(|rule| &rule.gates);
    let kinds: BTreeSet<String> = gates
        .map(|rule| match &rule.gate {
            Gate::Evidence(gate) => format!("evidence {:?}", gate.kind),
            gate => gate.kind().to_owned(),
        })
        .collect();
    let expected = [
        "approvals",
        "evidence Analysis",
        "evidence Measurement",
        "evidence Review",
        "evidence Sbom",
        "evidence Test",
        "provenance",
        "soak",
        "vulnerabilities",
    ];
    assert_eq!(kinds.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn inputs_are_small_and_described() {
    let readme = text("README.md");
    let mut bytes = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        bytes += entry.metadata().unwrap().len();
        assert!(
            name == "README.md" || readme.contains(&format!("| `{name}` |")),
            "README.md does not list {name}"
        );
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}
