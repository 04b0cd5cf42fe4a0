//! Reports of other tools: bytes in, the fields of a predicate and warnings out.
//!
//! A report is somebody else's file. It is recognised by its content and never by its name, read
//! within limits, and never repaired: where real tools break their own schema the reading says so
//! in a warning, and where a file does not prove that the tool ran it is refused. An empty report
//! is not "no findings".

mod argo;
mod cyclonedx;
pub mod database;
mod document;
mod error;
mod fields;
mod found;
mod grype;
mod junit;
mod k6;
pub mod measurement;
mod sarif;
pub mod snapshot;
mod spelling;
pub mod times;
mod trivy;
mod vex;
mod warnings;
mod xml;

#[cfg(test)]
mod corpus;

use std::collections::BTreeMap;

use schemas::id::{Digest, Time};
use schemas::kind::EventKind;
use schemas::predicate::analysis::Levels;
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::measurement::Metric;
use schemas::predicate::report::Tool;
use schemas::predicate::test::TestResult;
use schemas::predicate::vulnerabilities::{ScanMetadata, Scanner};

pub use error::AdapterError;
pub use xml::XmlError;

/// Largest accepted report, in bytes.
///
/// Reports are read whole: what a verdict rests on must have been seen to its last byte. The
/// caller checks the file's size before it allocates; [`read`] checks again.
pub const REPORT_BYTES_MAX: usize = 256 << 20;

/// What a report says, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The format, as the report note keeps it: `junit`, `sarif-2.1.0`, `trivy`.
    pub format: &'static str,
    /// The format's name for people: `JUnit`.
    pub format_name: &'static str,
    pub body: Body,
    /// Digests by which the report itself names its artifact; only those that are computed as the
    /// digest of an artifact is.
    pub named: Vec<Digest>,
    /// Where they stand: `image digest in RepoDigests`.
    pub named_where: Option<&'static str>,
    pub tool: Option<Tool>,
    pub counts: BTreeMap<String, u64>,
    /// When the tool says that it finished; absent where its words leave that open.
    pub finished_at: Option<Time>,
    pub warnings: Vec<String>,
    /// One line for people: `412 passed, 0 failed, 3 skipped`.
    pub summary: String,
}

/// The part of a predicate that comes from the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Test {
        result: TestResult,
        passed: Vec<String>,
        warned: Vec<String>,
        failed: Vec<String>,
    },
    Vulnerabilities {
        scanner: Scanner,
        metadata: ScanMetadata,
    },
    /// The document's bytes are the predicate (or its attachment): they are not copied here.
    Sbom {
        predicate_type: &'static str,
        /// The version of the format: `1.6`.
        version: &'static str,
    },
    Analysis {
        levels: Levels,
        suppressed: u64,
        /// Those that an earlier run did not have, where the report compares with one.
        new: Option<Levels>,
        /// Absent where the report does not tell whether anybody looked.
        secrets: Option<u64>,
    },
    Measurement {
        metrics: Vec<Metric>,
        measured_at: Option<Time>,
    },
    Canary {
        verdict: CanaryVerdict,
        started_at: Time,
        finished_at: Option<Time>,
        /// How many times it was looked at.
        windows: Option<u64>,
        metrics: Vec<Metric>,
    },
    /// The text of one JSON object: the predicate's own fields, strictly read and not rewritten but
    /// for the spelling of times.
    Fields(String),
}

/// Reads a report that somebody records as an event of `kind`.
pub fn read(bytes: &[u8], kind: EventKind) -> Result<Reading, AdapterError> {
    if bytes.len() > REPORT_BYTES_MAX {
        return Err(AdapterError::TooLarge { bytes: bytes.len() });
    }
    let content = without_mark(bytes).unwrap_or(bytes).trim_ascii_start();
    match content.first() {
        None => Err(AdapterError::NoContent),
        Some(b'<') => read_xml(bytes, kind),
        Some(_) => document::read(bytes, kind),
    }
}

fn read_xml(bytes: &[u8], kind: EventKind) -> Result<Reading, AdapterError> {
    let mut xml = xml::Xml::new(bytes)?;
    let root = xml.root()?;
    match root.name() {
        "testsuites" | "testsuite" => {
            error::check_kind(kind, EventKind::Test, "a JUnit report")?;
            junit::read(xml, &root)
        }
        "bom" => Err(AdapterError::CycloneDxXml),
        other => Err(AdapterError::UnknownRoot { root: error::shown(other) }),
    }
}

/// The bytes behind a UTF-8 byte order mark, where there is one.
fn without_mark(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(b"\xef\xbb\xbf")
}

/// One count of a report note.
fn count(name: &str, value: usize) -> (String, u64) {
    (name.to_owned(), value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], kind: EventKind, expected: &str) {
        let found = match read(bytes, kind) {
            Ok(reading) => format!("{}: {}", reading.format, reading.summary),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
    }

    #[test]
    fn the_format_is_told_from_the_content() {
        use EventKind as K;
        let junit = b"<testsuite><testcase name='a'/></testsuite>".as_slice();
        let cyclonedx = br#"{"bomFormat":"CycloneDX","specVersion":"1.6","version":1}"#.as_slice();
        check(junit, K::Test, "junit: 1 passed, 0 failed, 0 skipped");
        check(junit, K::Sbom, "wrong-kind");
        check(cyclonedx, K::Sbom, "cyclonedx-1.6: 0 components");
        check(cyclonedx, K::Vulnerabilities, "wrong-kind");
        check(br#"{"version":"2.1.0","runs":[]}"#, K::Test, "wrong-kind");
        check(br#"{"SchemaVersion":2,"Results":[]}"#, K::Analysis, "wrong-kind");
        check(br#"{"coverage.line":83.2}"#, K::Measurement, "json: coverage.line 83.2");
        check(br#"{"text":"x"}"#, K::Note, "json: 1 field");
        check(br#"{"text":"x"}"#, K::Sbom, "format-unknown");
        check(b"<html/>", K::Test, "format-unknown");
        check(b"<bom xmlns='http://cyclonedx.org/schema/bom/1.6'/>", K::Sbom, "cyclonedx-xml");
        check(b"PK\x03\x04", K::Test, "json-malformed");
    }

    #[test]
    fn a_file_of_another_kind_names_its_command() {
        let error = read(b"<testsuite/>", EventKind::Sbom).unwrap_err();
        assert_eq!(error.to_string(), "this is a JUnit report, which is no sbom");
        assert_eq!(error.hint(), "record it with `attestry record test`");
    }

    #[test]
    fn hostile_files_of_every_kind_are_refused() {
        let deep = "[".repeat(100_000);
        let nested = format!("{{\"a\":{deep}");
        for (bytes, code) in [
            (b"".as_slice(), "report-empty"),
            (b" \r\n\t", "report-empty"),
            (b"\xef\xbb\xbf", "report-empty"),
            (b"null", "json-not-an-object"),
            (b"[]", "json-not-an-object"),
            (b"0", "json-not-an-object"),
            (b"\"<testsuite/>\"", "json-not-an-object"),
            (b"\0", "json-malformed"),
            (b"{\"a\":\"\0\"}", "json-malformed"),
            (b"{\"a\":1,\"a\":2}", "json-malformed"),
            (b"{\"a\":1,\"\\u0061\":2}", "json-malformed"),
            (b"{\"a\":\"\\ud800\"}", "json-malformed"),
            (b"{\"a\":\"\xff\"}", "json-malformed"),
            (b"{\"a\":1} {}", "json-malformed"),
            (b"{\"a\":1", "json-malformed"),
            (b"\xef\xbb\xbf{\"a\":1}", "json-byte-order-mark"),
            (b"\xff\xfe{\0\"\0", "json-malformed"),
            (deep.as_bytes(), "json-malformed"),
            (nested.as_bytes(), "json-malformed"),
        ] {
            for line in schemas::kind::KINDS {
                check(bytes, line.kind, code);
            }
        }
    }
}
