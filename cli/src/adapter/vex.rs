//! OpenVEX: which vulnerabilities of which products do not matter. The document is the predicate
//! as it is.

use std::collections::BTreeMap;

use schemas::id::{Digest, DigestAlgorithm, Time};
use schemas::predicate::vex::{Vex, VexProduct, VexStatus};
use verifier::json::{self, Value};

use super::error::shown;
use super::warnings::Warnings;
use super::{AdapterError, Body, Reading, count};

/// Every status, in the order of a summary.
const STATUSES: [(VexStatus, &str); 4] = [
    (VexStatus::NotAffected, "notAffected"),
    (VexStatus::Fixed, "fixed"),
    (VexStatus::Affected, "affected"),
    (VexStatus::UnderInvestigation, "underInvestigation"),
];

/// Reads the document.
pub fn read(
    text: &[u8],
    root: &Value<'_>,
    mut warnings: Warnings,
) -> Result<Reading, AdapterError> {
    let vex: Vex = json::read(root).map_err(|cause| AdapterError::Shape {
        at: shown(&cause.path),
        expected: "what OpenVEX says",
        found: shown(&cause.message),
    })?;
    if vex.statements.is_empty() {
        return Err(AdapterError::NothingInside { what: "statement" });
    }
    let unexplained = vex
        .statements
        .iter()
        .filter(|it| it.status == VexStatus::NotAffected && it.justification.is_none());
    warnings.push_count(
        unexplained.count() as u64,
        "statement says not_affected without a justification, and excuses nothing",
        "statements say not_affected without a justification, and excuse nothing",
    );
    let of = |status| vex.statements.iter().filter(|it| it.status == status).count();
    let mut counts: BTreeMap<String, u64> =
        STATUSES.iter().map(|(status, name)| count(name, of(*status))).collect();
    counts.extend([count("statements", vex.statements.len())]);
    let summary: Vec<String> = STATUSES
        .iter()
        .filter(|(status, _)| of(*status) > 0)
        .map(|(status, _)| format!("{} {}", of(*status), status.name()))
        .collect();
    let mut named: Vec<Digest> = vex
        .statements
        .iter()
        .flat_map(|statement| &statement.products)
        .flat_map(VexProduct::names)
        .filter_map(digest_in)
        .collect();
    named.sort_unstable();
    named.dedup();
    Ok(Reading {
        format: "openvex",
        format_name: "OpenVEX",
        body: Body::Fields(str::from_utf8(text.trim_ascii()).unwrap_or_default().to_owned()),
        named_where: (!named.is_empty()).then_some("digest of a product"),
        named,
        tool: None,
        counts,
        finished_at: vex.timestamp.as_deref().and_then(Time::parse_rfc3339),
        warnings: warnings.into_lines(),
        summary: summary.join(", "),
    })
}

/// The SHA-256 in a purl, or one that stands by itself.
fn digest_in(text: &str) -> Option<Digest> {
    let text = text.replace("%3A", ":").replace("%3a", ":");
    let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
    let hex = words.find(|word| word.len() == 64)?;
    Digest::new(DigestAlgorithm::Sha256, hex).ok()
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use crate::adapter;

    fn document(statements: &str) -> String {
        format!(r#"{{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{statements}]}}"#)
    }

    fn check(text: &str, expected: &str) {
        let found = match adapter::read(text.as_bytes(), EventKind::Vex) {
            Ok(reading) => {
                format!("{}: {} {}", reading.format, reading.summary, reading.named.len())
            }
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn statements_are_counted_by_status() {
        let one = |status: &str, rest: &str| {
            format!(r#"{{"vulnerability":{{"name":"CVE-1"}},"status":"{status}"{rest}}}"#)
        };
        check(&document(&one("fixed", "")), "openvex: 1 fixed 0");
        let two = format!("{},{}", one("not_affected", ""), one("under_investigation", ""));
        check(&document(&two), "openvex: 1 not affected, 1 under investigation 0");
        let hex = "ab".repeat(32);
        let product = format!(r#","products":[{{"@id":"pkg:oci/a@sha256%3A{hex}"}}]"#);
        check(&document(&one("fixed", &product)), "openvex: 1 fixed 1");
        check(&document(""), "report-empty");
        check(&document(&one("harmless", "")), "report-shape");
        check(&document("{}"), "report-shape");
        let wrong = adapter::read(document(&one("fixed", "")).as_bytes(), EventKind::Sbom);
        assert_eq!(wrong.unwrap_err().code(), "wrong-kind");
    }

    #[test]
    fn what_excuses_nothing_is_warned_of() {
        let text = document(r#"{"vulnerability":"CVE-1","status":"not_affected"}"#);
        let reading = adapter::read(text.as_bytes(), EventKind::Vex).unwrap();
        assert!(reading.warnings[0].contains("without a justification"), "{:?}", reading.warnings);
    }

    #[test]
    fn public_documents_of_every_age_are_read() {
        for (file, expected, named) in [
            ("open-vex-affected.json", "1 affected", 0),
            ("v0.0.1.json", "1 fixed", 0),
            ("v0.2.0.json", "2 not affected, 3 fixed", 1),
            ("v020-1.vex.json", "1 under investigation", 0),
        ] {
            let Some(bytes) = adapter::corpus::file(&format!("openvex/{file}")) else { return };
            let (found, digests) = match adapter::read(&bytes, EventKind::Vex) {
                Ok(reading) => (reading.summary, reading.named.len()),
                Err(error) => (error.code().to_owned(), 0),
            };
            assert_eq!((found.as_str(), digests), (expected, named), "{file}");
        }
    }
}
