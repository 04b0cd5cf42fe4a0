//! Trivy's JSON report, SchemaVersion 2: vulnerabilities of packages.
//!
//! "No vulnerability" is only worth something where somebody looked. A report without Results
//! means that Trivy found nothing to scan, and one whose results are all about configuration,
//! secrets or licences that it looked for no vulnerability: both are refused.
//!
//! Severities are Trivy's own words in lower case; what they weigh is for the policy to say. One
//! vulnerability in two packages is listed twice, as Trivy does.

use schemas::id::{Digest, Time};
use schemas::predicate::report::Tool;
use schemas::predicate::vulnerabilities::{Annotation, ScanMetadata, Scanner};
use verifier::json::Value;

use super::document::{list, shape, text};
use super::error::shown;
use super::found::Found;
use super::warnings::Warnings;
use super::{AdapterError, Body, Reading, database};

const SCANNER_URI: &str = "pkg:github/aquasecurity/trivy";

/// Reads the report.
pub fn read(report: &Value<'_>, mut warnings: Warnings) -> Result<Reading, AdapterError> {
    match report.get("SchemaVersion") {
        Some(Value::Number("2")) => {}
        Some(Value::Number(other)) => {
            return Err(AdapterError::TrivyVersion { found: shown(other) });
        }
        other => {
            let found = other.map_or("missing", Value::kind).to_owned();
            return Err(AdapterError::TrivyVersion { found });
        }
    }
    let results = list(report, "Results", "")?;
    if results.is_empty() {
        return Err(AdapterError::TrivyNoResults);
    }
    let mut read = Results::default();
    for (position, result) in results.iter().enumerate() {
        read.result(result, &format!("Results[{position}]."))?;
    }
    if !read.about_packages {
        return Err(AdapterError::TrivyNoPackages);
    }
    let mut found = read.found;
    let created = text(report, "CreatedAt");
    let finished_at = created.and_then(Time::parse_rfc3339);
    if created.is_some() && finished_at.is_none() {
        warnings.push("CreatedAt is no time, so when the scan finished is not known");
    }
    // Only where a server looked: else `--database` has it, or nobody tells.
    let db = report.find(&["Trivy", "Server", "VulnerabilityDB"]).and_then(database::of_trivy);
    let version = report.get("Trivy").and_then(|trivy| text(trivy, "Version")).map(shown);
    let named = named(report);
    found.count("results", results.len());
    Ok(Reading {
        format: "trivy",
        format_name: "Trivy",
        named_where: (!named.is_empty()).then_some("image digest in RepoDigests"),
        named,
        tool: Some(Tool { name: "trivy".to_owned(), version: version.clone() }),
        finished_at,
        summary: found.summary(),
        warnings: warnings.into_lines(),
        body: Body::Vulnerabilities {
            scanner: Scanner {
                uri: SCANNER_URI.to_owned(),
                version,
                db,
                result: found.vulnerabilities,
            },
            metadata: ScanMetadata {
                scan_started_on: None,
                scan_finished_on: finished_at.and(created).map(str::to_owned),
            },
        },
        counts: found.counts,
    })
}

/// What the results hold.
#[derive(Default)]
struct Results {
    found: Found,
    about_packages: bool,
}

impl Results {
    fn result(&mut self, result: &Value<'_>, at: &str) -> Result<(), AdapterError> {
        if result.as_object().is_none() {
            return Err(shape(at.to_owned(), "an object", result));
        }
        let vulnerabilities = list(result, "Vulnerabilities", at)?;
        let of_packages = matches!(text(result, "Class"), Some("os-pkgs" | "lang-pkgs"));
        self.about_packages |= of_packages || !vulnerabilities.is_empty();
        for (position, vulnerability) in vulnerabilities.iter().enumerate() {
            let at = format!("{at}Vulnerabilities[{position}].VulnerabilityID");
            self.vulnerability(vulnerability, at)?;
        }
        let failed = |check: &&Value<'_>| text(check, "Status") != Some("PASS");
        let misconfigurations = list(result, "Misconfigurations", at)?.iter().filter(failed);
        let found = &mut self.found;
        found.count("vulnerabilities", 0);
        found.count("misconfigurations", misconfigurations.count());
        found.count("secrets", list(result, "Secrets", at)?.len());
        found.count("suppressed", list(result, "ExperimentalModifiedFindings", at)?.len());
        Ok(())
    }

    fn vulnerability(&mut self, found: &Value<'_>, at: String) -> Result<(), AdapterError> {
        let id = match found.get("VulnerabilityID") {
            Some(Value::String(id)) if !id.is_empty() => id,
            other => return Err(shape(at, "an id", other.unwrap_or(&Value::Null))),
        };
        if let Some(status) = text(found, "Status").and_then(status_count) {
            self.found.count(status, 1);
        }
        let about = Annotation {
            package: text(found, "PkgName").map(str::to_owned),
            version: text(found, "InstalledVersion").map(str::to_owned),
            fixed_in: text(found, "FixedVersion").map(str::to_owned),
        };
        self.found.add(id, "trivy", text(found, "Severity"), about);
        Ok(())
    }
}

/// The count of a status. The list has no place for it: policies that tell vulnerabilities by
/// status read VEX.
fn status_count(status: &str) -> Option<&'static str> {
    Some(match status {
        "unknown" => "statusUnknown",
        "not_affected" => "statusNotAffected",
        "affected" => "statusAffected",
        "fixed" => "statusFixed",
        "under_investigation" => "statusUnderInvestigation",
        "will_not_fix" => "statusWillNotFix",
        "fix_deferred" => "statusFixDeferred",
        "end_of_life" => "statusEndOfLife",
        _ => return None,
    })
}

/// The digests by which the report names an image.
///
/// Only those in RepoDigests are of the manifest, as an image is named everywhere else. ImageID
/// is the digest of the configuration inside, and ArtifactID one that Trivy makes up: neither is
/// ever the digest of a subject, so that comparing them would unbind every honest report.
fn named(report: &Value<'_>) -> Vec<Digest> {
    if text(report, "ArtifactType") != Some("container_image") {
        return Vec::new();
    }
    let digests = report.find(&["Metadata", "RepoDigests"]).and_then(Value::as_array);
    let digests = digests.unwrap_or_default().iter().filter_map(Value::as_str);
    let mut named: Vec<Digest> =
        digests.filter_map(|reference| reference.rsplit_once('@')?.1.parse().ok()).collect();
    named.sort();
    named.dedup();
    named
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use crate::adapter::read;

    fn check(report: &str, expected: &str) {
        let found = match read(report.as_bytes(), EventKind::Vulnerabilities) {
            Ok(reading) => reading.summary,
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{report}");
    }

    fn check_results(results: &str, expected: &str) {
        check(&format!(r#"{{"SchemaVersion":2,"Results":{results}}}"#), expected);
    }

    #[test]
    fn only_a_scan_of_packages_counts() {
        check_results(r#"[{"Class":"os-pkgs"}]"#, "0 vulnerabilities");
        check_results(r#"[{"Class":"config"},{"Class":"lang-pkgs"}]"#, "0 vulnerabilities");
        check_results(r#"[{"Class":"config"},{"Class":"secret"}]"#, "trivy-no-packages");
        check_results(r#"[{"Target":"x"}]"#, "trivy-no-packages");
        check_results("[]", "trivy-no-results");
        check_results("null", "trivy-no-results");
        check_results("{}", "report-shape");
        check_results("[null]", "report-shape");
        check(r#"{"SchemaVersion":2,"ArtifactName":"x"}"#, "trivy-no-results");
        for version in ["1", "3", "2.0", "\"2\"", "null"] {
            check(&format!(r#"{{"SchemaVersion":{version},"Results":[]}}"#), "trivy-version");
        }
        check(r#"{"ArtifactName":"x","Results":[{"Class":"os-pkgs"}]}"#, "trivy-version");
    }

    #[test]
    fn severities_are_the_words_of_the_scanner() {
        let found = |members: &str| {
            format!(r#"[{{"Vulnerabilities":[{{"VulnerabilityID":"CVE-1"{members}}}]}}]"#)
        };
        check_results(&found(""), "1 vulnerability: 1 unknown");
        check_results(&found(r#","Severity":"CRITICAL""#), "1 vulnerability: 1 critical");
        check_results(&found(r#","Severity":"Severe""#), "1 vulnerability: 1 other");
        check_results(r#"[{"Vulnerabilities":[{}]}]"#, "report-shape");
        check_results(r#"[{"Vulnerabilities":[{"VulnerabilityID":""}]}]"#, "report-shape");
        check_results(r#"[{"Vulnerabilities":[7]}]"#, "report-shape");
    }

    /// In client/server mode Trivy (since 0.70) writes what its server looked into.
    #[test]
    fn a_server_tells_the_age_of_its_database() {
        let db = |trivy: &str| {
            let report = format!(
                r#"{{"SchemaVersion":2,"Trivy":{trivy},"Results":[{{"Class":"os-pkgs"}}]}}"#
            );
            let reading = read(report.as_bytes(), EventKind::Vulnerabilities).unwrap();
            let crate::adapter::Body::Vulnerabilities { scanner, .. } = reading.body else {
                panic!()
            };
            scanner.db.and_then(|db| db.last_update)
        };
        let server = r#"{"Version":"0.71.0","Server":{"Version":"0.71.0","VulnerabilityDB":
            {"Version":2,"UpdatedAt":"2026-08-20T12:11:37.696Z"}}}"#;
        assert_eq!(db(server).as_deref(), Some("2026-08-20T12:11:37.696Z"));
        assert_eq!(db(r#"{"Version":"0.71.0"}"#), None);
        assert_eq!(db(&server.replace("2026-08-20T", "soon")), None);
    }

    #[test]
    fn an_image_is_named_by_its_manifest() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let named = |artifact: &str| {
            let report = format!(
                r#"{{"SchemaVersion":2,"ArtifactType":"{artifact}","Metadata":{{
                    "ImageID":"sha256:{}","RepoDigests":["", "a@b", "r/x@{digest}", "r/y@{digest}"]
                }},"Results":[{{"Class":"os-pkgs"}}]}}"#,
                "cd".repeat(32)
            );
            let reading = read(report.as_bytes(), EventKind::Vulnerabilities).unwrap();
            assert_eq!(reading.named_where.is_some(), !reading.named.is_empty());
            reading.named
        };
        assert_eq!(named("container_image"), [digest.parse().unwrap()]);
        assert_eq!(named("filesystem"), []);
    }
}
