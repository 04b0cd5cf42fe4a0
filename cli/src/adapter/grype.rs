//! Grype's JSON report: vulnerabilities of packages, and the database that it looked into.
//!
//! Severities are Grype's own words in lower case. What its configuration ignored is counted as
//! suppressed, and not listed.

use schemas::id::{Digest, Time};
use schemas::predicate::report::Tool;
use schemas::predicate::vulnerabilities::{Annotation, ScanMetadata, Scanner};
use verifier::json::Value;

use super::document::{list, shape, text};
use super::error::shown;
use super::found::Found;
use super::warnings::Warnings;
use super::{AdapterError, Body, Reading, database};

const SCANNER_URI: &str = "pkg:github/anchore/grype";

/// Reads the report.
pub fn read(report: &Value<'_>, mut warnings: Warnings) -> Result<Reading, AdapterError> {
    let Some(Value::Array(matches)) = report.get("matches") else {
        let found = report.get("matches").unwrap_or(&Value::Null);
        return Err(shape("matches".to_owned(), "a list", found));
    };
    let mut found = Found::default();
    for (position, one) in matches.iter().enumerate() {
        add(&mut found, one, &format!("matches[{position}]."))?;
    }
    found.count("vulnerabilities", 0);
    found.count("suppressed", list(report, "ignoredMatches", "")?.len());
    let descriptor = report.get("descriptor").unwrap_or(&Value::Null);
    let source = report.find(&["source", "type"]).and_then(Value::as_str);
    if source.is_none_or(|source| source == "unknown") {
        warnings.push("the report does not say what was scanned");
    }
    let db = descriptor.get("db").and_then(database::of_grype);
    if db.is_none() {
        warnings.push("the report does not say how old its database was");
    }
    let stated = text(descriptor, "timestamp");
    let finished_at = stated.and_then(Time::parse_rfc3339);
    let version = text(descriptor, "version").map(shown);
    let named = named(report);
    Ok(Reading {
        format: "grype",
        format_name: "Grype",
        named_where: (!named.is_empty()).then_some("image digest in repoDigests"),
        named,
        tool: Some(Tool { name: "grype".to_owned(), version: version.clone() }),
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
                scan_finished_on: finished_at.and(stated).map(str::to_owned),
            },
        },
        counts: found.counts,
    })
}

fn add(found: &mut Found, one: &Value<'_>, at: &str) -> Result<(), AdapterError> {
    let wrong = |place: &str, what, value: Option<&Value<'_>>| {
        Err(shape(format!("{at}{place}"), what, value.unwrap_or(&Value::Null)))
    };
    let Some(vulnerability) = one.get("vulnerability").filter(|it| it.as_object().is_some()) else {
        return wrong("vulnerability", "an object", one.get("vulnerability"));
    };
    let Some(id) = text(vulnerability, "id") else {
        return wrong("vulnerability.id", "an id", vulnerability.get("id"));
    };
    let versions = vulnerability.find(&["fix", "versions"]).and_then(Value::as_array);
    let versions = versions.unwrap_or_default().iter().filter_map(Value::as_str);
    let versions = versions.map(str::to_owned).collect::<Vec<_>>().join(", ");
    let package = one.get("artifact").unwrap_or(&Value::Null);
    let about = Annotation {
        package: text(package, "name").map(str::to_owned),
        version: text(package, "version").map(str::to_owned),
        fixed_in: (!versions.is_empty()).then_some(versions),
    };
    found.add(id, "grype", text(vulnerability, "severity"), about);
    Ok(())
}

/// The digests by which a registry names the image. The manifest's own digest is not among them: of
/// an image that came from no registry it is made up.
fn named(report: &Value<'_>) -> Vec<Digest> {
    let digests = report.find(&["source", "target", "repoDigests"]).and_then(Value::as_array);
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

    use super::*;
    use crate::adapter::read;

    fn reading(matches: &str, rest: &str) -> Result<Reading, AdapterError> {
        let report = format!(
            r#"{{"matches":{matches},"source":{{"type":"image","target":{{{rest}}}}},
                "descriptor":{{"name":"grype","version":"0.99.0","timestamp":"2026-08-21T07:00:00Z",
                    "db":{{"status":{{"built":"2026-08-20T06:14:02Z","valid":true}}}}}}}}"#
        );
        read(report.as_bytes(), EventKind::Vulnerabilities)
    }

    fn check(matches: &str, expected: &str) {
        let found = match reading(matches, "") {
            Ok(reading) => reading.summary,
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{matches}");
    }

    #[test]
    fn matches_are_counted_by_their_severity() {
        check("[]", "0 vulnerabilities");
        let one = |rest: &str| format!(r#"[{{"vulnerability":{{"id":"CVE-1"{rest}}}}}]"#);
        check(&one(""), "1 vulnerability: 1 unknown");
        check(&one(r#","severity":"Negligible""#), "1 vulnerability: 1 negligible");
        check(&one(r#","severity":"Severe""#), "1 vulnerability: 1 other");
        check("null", "report-shape");
        check("[1]", "report-shape");
        check(r#"[{"vulnerability":{}}]"#, "report-shape");
    }

    #[test]
    fn times_and_the_database_are_told() {
        let reading = reading("[]", "").unwrap();
        assert_eq!(reading.finished_at, Time::parse_rfc3339("2026-08-21T07:00:00Z"));
        assert_eq!(reading.warnings, [""; 0]);
        let Body::Vulnerabilities { scanner, .. } = reading.body else { panic!() };
        let built = scanner.db.and_then(|db| db.last_update);
        assert_eq!(built.as_deref(), Some("2026-08-20T06:14:02Z"));
    }

    #[test]
    fn an_image_is_named_as_its_registry_does() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let rest = format!(
            r#""manifestDigest":"sha256:{}","repoDigests":["r/x@{digest}"]"#,
            "cd".repeat(32)
        );
        let reading = reading("[]", &rest).unwrap();
        assert_eq!(reading.named, [digest.parse().unwrap()]);
        assert!(reading.named_where.is_some());
    }
}
