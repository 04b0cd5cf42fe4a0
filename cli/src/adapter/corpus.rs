//! Every report of the public corpus, with what we make of it.
//!
//! One row for each file: what is read and the number of warnings, or the code of the refusal.
//! What upstream says about the file (`expected.json`) is compared too; where we differ there is
//! an exception with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemas::kind::EventKind;
use verifier::json::{self, Value};

use super::{Body, Reading, read};

type Row = (&'static str, &'static str, usize);

const JUNIT: [Row; 36] = [
    ("TEST-null.xml", "Failed: 0 passed, 1 failed, 0 skipped", 0),
    ("bazel-suite-logs.xml", "Failed: 0 passed, 1 failed, 0 skipped", 0),
    ("catch2-report.xml", "Failed: 0 passed, 1 failed, 0 skipped", 0),
    ("chainloop-junit-invalid.xml", "format-unknown", 0),
    ("chainloop-junit.xml", "Failed: 8 passed, 1 failed, 0 skipped", 0),
    ("cunit-testEmpty.xml", "report-empty", 0),
    ("dorny-empty-java-junit.xml", "report-empty", 0),
    ("dorny-empty-jest-junit-empty-testsuite.xml", "report-empty", 0),
    (
        "dorny-nette-tester-BootstrapFormRenderer-report.xml",
        "Passed: 4 passed, 0 failed, 0 skipped",
        0,
    ),
    ("dorny-test-errors-jest-jest-test-results.xml", "Failed: 0 passed, 2 failed, 0 skipped", 0),
    ("empty-system-out-err.xml", "Passed: 1 passed, 0 failed, 0 skipped", 0),
    ("flaky_retries-flaky_all_failures.xml", "Failed: 0 passed, 3 failed, 0 skipped", 1),
    ("issues-testDisabled.xml", "Failed: 6 passed, 6 failed, 10 skipped", 0),
    ("jest-jest-junit.xml", "Passed: 2 passed, 0 failed, 0 skipped", 0),
    ("junit-report-1233.xml", "Passed: 5 passed, 0 failed, 0 skipped", 1),
    ("junit-report-20090516.xml", "Failed: 5 passed, 3 failed, 0 skipped", 0),
    ("junit-report-bad-duration.xml", "Passed: 2 passed, 0 failed, 0 skipped", 1),
    ("junit-report-empty-testcasename.xml", "Failed: 0 passed, 1 failed, 0 skipped", 0),
    (
        "junit-report-nested-testsuites.xml",
        "Failed: 2 passed, 0 failed, 0 skipped, 1 suite failed outside its tests",
        2,
    ),
    ("junit-report-with-properties.xml", "Failed: 1 passed, 1 failed, 0 skipped", 0),
    ("minimal-attributes.xml", "Failed: 1 passed, 2 failed, 1 skipped", 0),
    ("nested-multi-level.xml", "Passed: 3 passed, 0 failed, 0 skipped", 2),
    ("nextest-basic.xml", "Failed: 2 passed, 1 failed, 0 skipped", 0),
    ("no-attributes.xml", "Failed: 1 passed, 2 failed, 1 skipped", 1),
    ("no-cases-but-tests.xml", "Failed: 3 passed, 1 failed, 2 skipped", 1),
    ("no-cases.xml", "report-empty", 0),
    ("non-junit.xml", "format-unknown", 0),
    ("pytest-corrupt-xml.xml", "xml-truncated", 0),
    ("pytest-junit.fail.xml", "Failed: 3 passed, 1 failed, 1 skipped", 0),
    ("pytest-junit.gloo.standalone.xml", "Passed: 80 passed, 0 failed, 17 skipped", 0),
    ("testXxe-oob.xml", "xml-malformed", 0),
    ("testXxe-xxe.xml", "xml-document-type", 0),
    ("testsuite-in-testsuite.xml", "Passed: 5 passed, 0 failed, 0 skipped", 0),
    ("trivy-alpine-310.junit.xml", "Failed: 0 passed, 4 failed, 0 skipped", 0),
    ("with-xml-entities.xml", "Failed: 0 passed, 2 failed, 2 skipped", 0),
    ("xunit-xunit.xml", "Passed: 2 passed, 0 failed, 0 skipped", 1),
];

const SARIF: [Row; 21] = [
    ("JSON1001.SyntaxError.sarif", "json-malformed", 0),
    ("Minimal.sarif", "sarif-version", 0),
    (
        "SARIF1007.RegionPropertiesMustBeConsistent_Invalid.sarif",
        "2 errors, 0 warnings, 0 notes",
        0,
    ),
    ("SARIF1007.RegionPropertiesMustBeConsistent_Valid.sarif", "2 errors, 0 warnings, 0 notes", 0),
    ("SARIF1009.IndexPropertiesMustBeConsistentWithArrays_Invalid.sarif", "sarif-run-failed", 0),
    ("SARIF1011.ReferenceFinalSchema_Invalid.sarif", "0 errors, 0 warnings, 0 notes", 0),
    ("appendix_k1.sarif", "0 errors, 0 warnings, 0 notes", 0),
    ("appendix_k2.sarif", "0 errors, 1 warning, 0 notes", 0),
    ("appendix_k3.sarif", "0 errors, 1 warning, 0 notes", 1),
    ("appendix_k4.sarif", "0 errors, 0 warnings, 0 notes, 1 suppressed", 2),
    ("chainloop-report.sarif", "7 errors, 2 warnings, 0 notes", 1),
    ("checkmarx-multi-run.sarif", "2 errors, 0 warnings, 0 notes", 0),
    ("cxf-3.4.6.sarif", "0 errors, 22 warnings, 0 notes", 0),
    ("dockle_0_3_15.sarif", "1 error, 0 warnings, 3 notes", 0),
    ("grype-image.sarif", "1 error, 0 warnings, 1 note", 0),
    ("njsscan.sarif", "1 error, 1 warning, 0 notes", 0),
    ("no_runs.sarif", "report-empty", 0),
    ("sarif-2.1.0-rtm.5.json", "format-unknown", 0),
    ("suppression_test.sarif", "0 errors, 2 warnings, 0 notes, 3 suppressed", 0),
    ("taint-python-report.sarif", "8 errors, 1 warning, 2 notes", 0),
    ("trivy-alpine-310.sarif", "0 errors, 4 warnings, 0 notes", 0),
];

const CYCLONEDX: [Row; 34] = [
    ("chainloop-1.6.json", "cyclonedx-1.6: 8 components", 0),
    ("chainloop-duplicated.json", "cyclonedx-1.6: 2 components", 0),
    ("guac-components-nested.json", "cyclonedx-1.4: 3 components", 0),
    ("guac-invalid.json", "cyclonedx-format", 0),
    ("invalid-bomformat-1.6.json", "cyclonedx-format", 0),
    ("invalid-citations-1.7.json", "cyclonedx-1.7: 1 component", 0),
    ("invalid-component-type-1.6.json", "cyclonedx-1.6: 1 component", 1),
    ("invalid-dependency-1.6.json", "cyclonedx-1.6: 3 components", 1),
    ("invalid-hash-alg-1.6.json", "cyclonedx-1.6: 1 component", 1),
    ("invalid-hash-sha256-1.5.json", "cyclonedx-1.5: 1 component", 1),
    ("invalid-license-choice-1.5.json", "cyclonedx-1.5: 1 component", 0),
    ("invalid-license-id-1.6.json", "cyclonedx-1.6: 1 component", 0),
    ("invalid-metadata-timestamp-1.6.json", "cyclonedx-1.6: 0 components", 2),
    ("invalid-missing-component-type-1.7.json", "report-shape", 0),
    ("invalid-serialnumber-1.4.json", "cyclonedx-1.4: 0 components", 2),
    ("invalid-serialnumber-1.6.xml", "cyclonedx-xml", 0),
    ("trivy-conda.cdx.json", "cyclonedx-1.7: 2 components", 0),
    ("valid-attestation-1.6.json", "cyclonedx-1.6: 0 components", 1),
    ("valid-bom-1.5.json", "cyclonedx-1.5: 2 components", 0),
    ("valid-bom-1.6.json", "cyclonedx-1.6: 3 components", 0),
    ("valid-bom-1.6.xml", "cyclonedx-xml", 0),
    ("valid-bom-1.7.json", "cyclonedx-1.7: 3 components", 0),
    ("valid-citations-1.7.json", "cyclonedx-1.7: 1 component", 0),
    ("valid-component-hashes-1.6.json", "cyclonedx-1.6: 1 component", 0),
    ("valid-compositions-1.5.json", "cyclonedx-1.5: 3 components", 0),
    ("valid-dependency-1.6.json", "cyclonedx-1.6: 3 components", 0),
    ("valid-evidence-1.6.json", "cyclonedx-1.6: 2 components", 0),
    ("valid-license-choice-1.7.json", "cyclonedx-1.7: 1 component", 0),
    ("valid-license-expression-1.6.json", "cyclonedx-1.6: 1 component", 0),
    ("valid-metadata-tool-deprecated-1.6.json", "cyclonedx-1.6: 0 components", 1),
    ("valid-minimal-viable-1.6.json", "cyclonedx-1.6: 1 component", 0),
    ("valid-signatures-1.6.json", "cyclonedx-1.6: 1 component", 0),
    ("valid-vulnerability-1.4.json", "cyclonedx-1.4: 1 component", 0),
    ("valid-vulnerability-1.6.json", "cyclonedx-1.6: 1 component", 0),
];

/// Only Trivy's: the others have no adapter.
const SCANNERS: [Row; 14] = [
    ("grype-check_all_fields.json", "6 vulnerabilities: 2 critical, 3 high, 1 negligible", 0),
    ("grype-empty.json", "0 vulnerabilities", 2),
    ("grype-image.json", "2 vulnerabilities: 1 critical, 1 low", 1),
    ("grype-many_vulns4.json", "9 vulnerabilities: 2 critical, 2 high, 5 medium", 0),
    ("grype-no_vuln.json", "0 vulnerabilities", 1),
    ("trivy-all_statuses.json", "8 vulnerabilities: 8 low", 0),
    ("trivy-alpine-310.json", "4 vulnerabilities: 4 medium", 0),
    ("trivy-cargo.lock.json", "0 vulnerabilities", 0),
    ("trivy-dockerfile.json", "trivy-no-packages", 0),
    ("trivy-helm-badname.json", "trivy-no-results", 0),
    ("trivy-issue_9092.json", "1 vulnerability: 1 high", 0),
    ("trivy-legacy_no_vuln.json", "json-not-an-object", 0),
    ("trivy-scheme_2_many_vulns.json", "5 vulnerabilities: 1 critical, 1 high, 3 medium", 0),
    ("trivy-scheme_2_no_vuln.json", "0 vulnerabilities", 0),
];

/// Where our reading is not upstream's, and why.
const EXCEPTIONS: [(&str, &str); 23] = [
    ("cyclonedx/chainloop-duplicated.json", "uniqueness of list items is not checked"),
    ("cyclonedx/invalid-citations-1.7.json", "citations are not looked at"),
    (
        "cyclonedx/invalid-component-type-1.6.json",
        "warned of: tools are ahead of the list of types",
    ),
    ("cyclonedx/invalid-dependency-1.6.json", "warned of: dependencies decide nothing here"),
    ("cyclonedx/invalid-hash-alg-1.6.json", "warned of: hashes of components decide nothing here"),
    (
        "cyclonedx/invalid-hash-sha256-1.5.json",
        "warned of: hashes of components decide nothing here",
    ),
    ("cyclonedx/invalid-license-choice-1.5.json", "licences are not looked at"),
    ("cyclonedx/invalid-license-id-1.6.json", "licences are not looked at"),
    ("cyclonedx/invalid-metadata-timestamp-1.6.json", "warned of, and no time is taken from it"),
    ("cyclonedx/invalid-serialnumber-1.4.json", "warned of: serial numbers decide nothing here"),
    ("cyclonedx/valid-bom-1.6.xml", "only CycloneDX in JSON is read"),
    ("junit/cunit-testEmpty.xml", "a run without tests has not passed"),
    (
        "junit/issues-testDisabled.xml",
        "skipped by the attribute `status`, which upstream's count of elements leaves out",
    ),
    (
        "junit/no-cases-but-tests.xml",
        "counted by declared totals, as upstream's totals are; its count of elements is 0",
    ),
    ("junit/no-cases.xml", "a run without tests has not passed"),
    (
        "sarif/SARIF1007.RegionPropertiesMustBeConsistent_Invalid.sarif",
        "regions decide nothing here",
    ),
    (
        "sarif/SARIF1011.ReferenceFinalSchema_Invalid.sarif",
        "the version decides, not the address of a schema",
    ),
    ("sarif/njsscan.sarif", "upstream counts each location of a result"),
    ("sarif/no_runs.sarif", "a log without runs proves no scan"),
    ("scanners/grype-check_all_fields.json", "upstream makes one of two matches"),
    (
        "scanners/trivy-dockerfile.json",
        "nobody looked for vulnerabilities: the scan was of configuration",
    ),
    ("scanners/trivy-helm-badname.json", "no Results: nothing was scanned"),
    ("scanners/trivy-legacy_no_vuln.json", "null is no report"),
];

/// The folder with the corpus, from `ATTESTRY_CORPUS` or beside the workspace.
fn corpus() -> Option<PathBuf> {
    let folder = match std::env::var_os("ATTESTRY_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
    };
    let found = folder.join("expected.json").is_file();
    if !found {
        eprintln!("SKIPPED: the corpus of reports is not at {}", folder.display());
    }
    found.then_some(folder)
}

/// One file of the corpus, where it is here.
pub fn file(name: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(corpus()?.join(name)).unwrap())
}

/// Every row with its folder and the kind that it is recorded as.
fn rows() -> impl Iterator<Item = (String, EventKind, Row)> {
    let folder = |name: &'static str, kind: EventKind, rows: &'static [Row]| {
        rows.iter().map(move |row| (format!("{name}/{}", row.0), kind, *row))
    };
    folder("junit", EventKind::Test, &JUNIT)
        .chain(folder("sarif", EventKind::Analysis, &SARIF))
        .chain(folder("cyclonedx", EventKind::Sbom, &CYCLONEDX))
        .chain(folder("scanners", EventKind::Vulnerabilities, &SCANNERS))
}

#[test]
fn every_file_has_its_row() {
    let Some(folder) = corpus() else { return };
    let listed: BTreeSet<String> = rows().map(|(file, _, _)| file).collect();
    let mut found = BTreeSet::new();
    for name in ["junit", "sarif", "cyclonedx", "scanners"] {
        for entry in std::fs::read_dir(folder.join(name)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let read = file.starts_with("trivy-") || file.starts_with("grype-");
            if file != "SOURCE.md" && (name != "scanners" || read) {
                found.insert(format!("{name}/{file}"));
            }
        }
    }
    assert_eq!(found, listed);
}

#[test]
fn every_file_is_read_as_its_row_says() {
    let Some(folder) = corpus() else { return };
    for (file, kind, (_, expected, warned)) in rows() {
        let (found, warnings) = match read_file(&folder, &file, kind) {
            Ok(reading) => (shown(&reading), reading.warnings),
            Err(code) => (code.to_owned(), Vec::new()),
        };
        assert_eq!((found.as_str(), warnings.len()), (expected, warned), "{file}: {warnings:#?}");
    }
}

#[test]
fn every_difference_from_upstream_has_its_reason() {
    let Some(folder) = corpus() else { return };
    let text = std::fs::read(folder.join("expected.json")).unwrap();
    let expected = json::parse(&text).unwrap();
    let vectors = expected.get("vectors").and_then(Value::as_array).unwrap();
    let mut found = BTreeMap::new();
    for (file, kind, _) in rows() {
        let named = |vector: &&Value<'_>| vector.get("file").unwrap().as_str() == Some(&file);
        let Some(vector) = vectors.iter().find(named) else {
            assert_eq!(file, "sarif/sarif-2.1.0-rtm.5.json", "only the schema is no report");
            continue;
        };
        let differences = differences(vector, read_file(&folder, &file, kind));
        if !differences.is_empty() {
            found.insert(file, differences);
        }
    }
    let differing: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(differing, EXCEPTIONS.iter().map(|(file, _)| *file).collect(), "{found:#?}");
}

#[test]
fn no_prefix_of_a_report_is_more_than_the_report() {
    let Some(folder) = corpus() else { return };
    for (file, kind, _) in rows() {
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        let end = bytes.trim_ascii_end().len();
        let step = (end / 64).max(1);
        for cut in (0..end).step_by(step).chain([end.saturating_sub(1)]) {
            let reading = read(&bytes[..cut], kind);
            assert!(reading.is_err(), "{file} cut to {cut} of {end} bytes is read: {reading:?}");
        }
    }
}

#[test]
fn no_altered_byte_reaches_a_panic() {
    let Some(folder) = corpus() else { return };
    const MARKS: &[u8] = b"<>&\"'[]{},:;/0-9e.\\ ";
    // Knuth's multiplier: the same alterations on every machine.
    let mut seed = 0x5eed_0ada_u64;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    for (file, kind, _) in rows() {
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        for _ in 0..(1_000_000 / bytes.len()).clamp(20, 500) {
            let mut altered = bytes.clone();
            let (from, other) = (below(bytes.len()), below(bytes.len()));
            match below(4) {
                0 => altered[from] = below(256) as u8,
                1 => altered[from] = MARKS[below(MARKS.len())],
                2 => altered.swap(from, other),
                _ => {
                    drop(altered.drain(from.min(other)..from.max(other).min(from.min(other) + 40)))
                }
            }
            let _ = read(&altered, kind);
        }
    }
}

fn read_file(folder: &Path, file: &str, kind: EventKind) -> Result<Reading, &'static str> {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    read(&bytes, kind).map_err(|error| {
        assert!(!error.to_string().is_empty() && !error.hint().is_empty());
        error.code()
    })
}

fn shown(reading: &Reading) -> String {
    match &reading.body {
        Body::Test { result, .. } => format!("{result:?}: {}", reading.summary),
        Body::Sbom { .. } => format!("{}: {}", reading.format, reading.summary),
        Body::Analysis { .. } | Body::Vulnerabilities { .. } => reading.summary.clone(),
        other => panic!("no adapter of a tool makes {other:?}"),
    }
}

/// What upstream says and we do not.
fn differences(vector: &Value<'_>, found: Result<Reading, &'static str>) -> Vec<String> {
    let expect = vector.get("expect").and_then(Value::as_str).unwrap_or_default();
    let reading = match (found, verdict(expect)) {
        (Ok(_), Some(false)) => return vec![format!("is read; upstream: {expect}")],
        (Err(code), Some(true)) => return vec![format!("refused as {code}; upstream: {expect}")],
        (Err(_), _) => return Vec::new(),
        (Ok(reading), _) => reading,
    };
    let mut differences = Vec::new();
    let mut compare = |what: &str, theirs: Option<u64>| {
        let ours = reading.counts.get(what).copied();
        if theirs.is_some() && theirs != ours {
            differences.push(format!("{what}: {ours:?}; upstream: {theirs:?}"));
        }
    };
    for (what, path) in COUNTS {
        compare(what, vector.find(path).and_then(total));
    }
    let findings = expect.split_once(" finding").and_then(|(number, _)| number.parse().ok());
    match reading.body {
        Body::Analysis { .. } => compare("results", findings),
        _ => compare("vulnerabilities", findings),
    }
    differences
}

/// Where `expected.json` has a count of ours.
const COUNTS: [(&str, &[&str]); 15] = [
    ("tests", &["upstream_totals", "tests"]),
    ("passed", &["upstream_totals", "tests_succ"]),
    ("failed", &["upstream_totals", "tests_fail"]),
    ("errors", &["upstream_totals", "tests_error"]),
    ("skipped", &["upstream_totals", "tests_skip"]),
    ("tests", &["derived", "testcase_elements"]),
    ("failed", &["derived", "cases_with_failure"]),
    ("errors", &["derived", "cases_with_error"]),
    ("skipped", &["derived", "cases_with_skipped"]),
    ("runs", &["derived", "runs"]),
    ("results", &["derived", "results"]),
    ("suppressed", &["derived", "suppressed"]),
    ("dependencies", &["derived", "dependencies"]),
    ("vulnerabilities", &["derived", "vulnerabilities"]),
    ("misconfigurations", &["derived", "misconfigurations"]),
];

/// A number, or the sum of a list of numbers.
fn total(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Array(numbers) => numbers.iter().map(Value::as_u64).sum(),
        other => other.as_u64(),
    }
}

/// Whether upstream takes the file; `None` where it does not say.
fn verdict(expect: &str) -> Option<bool> {
    const NO: [&str; 6] =
        ["schema reject", "reject", "error", "parse error", "unsupported", "must not read"];
    const YES: [&str; 6] = ["schema accept", "accept", "parse ok", "tests", "0 tests", "22 tests"];
    let starts = |words: &[&str]| words.iter().any(|word| expect.starts_with(word));
    if starts(&NO) || expect.starts_with("rule ") {
        return Some(false);
    }
    (starts(&YES) || expect.contains(" finding")).then_some(true)
}
