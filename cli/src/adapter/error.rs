//! Why a report cannot be recorded, and what to do about it.

use schemas::kind::EventKind;
use verifier::json::JsonError;

use super::REPORT_BYTES_MAX;
use super::document::ELEMENTS_MAX;
use super::xml::XmlError;

/// Why a report was refused. Codes are stable; hints name the next action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdapterError {
    #[error("the report has {bytes} bytes, at most {REPORT_BYTES_MAX} are read")]
    TooLarge { bytes: usize },
    #[error("the report is an empty file")]
    NoContent,
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the JSON cannot be read: {0}")]
    Json(#[from] JsonError),
    #[error("the JSON starts with a byte order mark")]
    ByteOrderMark,
    #[error("the JSON has more than {ELEMENTS_MAX} elements")]
    TooManyElements,
    #[error("the JSON is {found}, where an object is expected")]
    NotAnObject { found: &'static str },
    #[error("the XML root element {root:?} belongs to no format that is read")]
    UnknownRoot { root: String },
    #[error("the JSON is in no format that is read as {kind}", kind = .kind.name())]
    UnknownJson { kind: EventKind },
    #[error("this is {found}, which is no {asked}", asked = .asked.name())]
    WrongKind { found: &'static str, asked: EventKind, fits: EventKind },
    #[error("the report holds no {what}")]
    NothingInside { what: &'static str },
    #[error("{at} is {found}, where {expected} is expected")]
    Shape { at: String, expected: &'static str, found: String },
    #[error("a <{inner}> stands inside a <testcase>")]
    NestedCase { inner: &'static str },
    #[error("SARIF version {found:?} is not read")]
    SarifVersion { found: String },
    #[error("run {run} of the SARIF log does not hold its results")]
    SarifNoResults { run: usize },
    #[error("run {run} of the SARIF log says that its execution was not successful")]
    SarifRunFailed { run: usize },
    #[error("{found:?} is not the bomFormat of CycloneDX")]
    CycloneDxFormat { found: String },
    #[error("CycloneDX version {found:?} is not read")]
    CycloneDxVersion { found: String },
    #[error("this is CycloneDX in XML")]
    CycloneDxXml,
    #[error("Trivy's SchemaVersion {found} is not read")]
    TrivyVersion { found: String },
    #[error("the Trivy report has no Results: nothing was scanned")]
    TrivyNoResults,
    #[error("the Trivy report has no result about packages: no vulnerability was looked for")]
    TrivyNoPackages,
    #[error("the member {member:?} that {kind} needs is missing", kind = .kind.name())]
    FieldMissing { kind: EventKind, member: &'static str },
    #[error("the member {member:?} is written by attestry itself")]
    FieldReserved { member: &'static str },
    #[error("{name:?} is no name for a metric")]
    MetricName { name: String },
    #[error("{container} runs without a digest that could be compared")]
    NoDigest { container: String },
    #[error("{found} artifacts run; an observation names at most 1,024")]
    TooManyArtifacts { found: usize },
    #[error("the JSON is no snapshot of what runs")]
    SnapshotUnknown,
    #[error("metric {name:?} occurs twice")]
    MetricTwice { name: String },
    #[error("the number {found:?} of metric {name:?} is not a plain decimal")]
    MetricNumber { name: String, found: String },
}

impl AdapterError {
    /// The stable code, for machines.
    pub fn code(&self) -> &'static str {
        use AdapterError as E;
        match self {
            E::TooLarge { .. } => "report-too-large",
            E::NoContent | E::NothingInside { .. } => "report-empty",
            E::Xml(error) => error.code(),
            E::Json(_) => "json-malformed",
            E::ByteOrderMark => "json-byte-order-mark",
            E::TooManyElements => "json-limit",
            E::NotAnObject { .. } => "json-not-an-object",
            E::UnknownRoot { .. } | E::UnknownJson { .. } => "format-unknown",
            E::WrongKind { .. } => "wrong-kind",
            E::Shape { .. } => "report-shape",
            E::NestedCase { .. } => "junit-nested-case",
            E::SarifVersion { .. } => "sarif-version",
            E::SarifNoResults { .. } => "sarif-no-results",
            E::SarifRunFailed { .. } => "sarif-run-failed",
            E::CycloneDxFormat { .. } => "cyclonedx-format",
            E::CycloneDxVersion { .. } => "cyclonedx-version",
            E::CycloneDxXml => "cyclonedx-xml",
            E::TrivyVersion { .. } => "trivy-version",
            E::TrivyNoResults => "trivy-no-results",
            E::TrivyNoPackages => "trivy-no-packages",
            E::FieldMissing { .. } => "field-missing",
            E::FieldReserved { .. } => "field-reserved",
            E::MetricName { .. } => "metric-name",
            E::NoDigest { .. } => "no-digest",
            E::TooManyArtifacts { .. } => "too-many-artifacts",
            E::SnapshotUnknown => "snapshot-unknown",
            E::MetricTwice { .. } => "metric-twice",
            E::MetricNumber { .. } => "metric-number",
        }
    }

    /// The next action, for people.
    pub fn hint(&self) -> String {
        use AdapterError as E;
        let text = match self {
            E::Xml(error) => error.hint(),
            E::WrongKind { fits, .. } => {
                return format!("record it with `attestry record {}`", fits.name());
            }
            E::UnknownRoot { .. } => {
                "XML is read as JUnit test results, with <testsuites> or <testsuite> at the root"
            }
            E::UnknownJson { kind } => expected_format(*kind),
            E::TooLarge { .. } | E::TooManyElements => "split the report and record its parts",
            E::NoContent | E::NothingInside { .. } => {
                "an empty report proves nothing: check that the tool ran and found what to look at"
            }
            E::Json(_) => "one JSON document in UTF-8, with no member twice, is read",
            E::ByteOrderMark => "save the file as UTF-8 without byte order mark",
            E::NotAnObject { .. } => "check that the tool ran to its end and wrote its JSON report",
            E::Shape { .. } => "check the file against the format's own schema",
            E::NestedCase { .. } => "have the tool write each <testcase> into a <testsuite>",
            E::SarifVersion { .. } => "have the tool write SARIF 2.1.0",
            E::SarifNoResults { .. } | E::SarifRunFailed { .. } => {
                "a scan that did not finish is not a scan without findings: run the tool again"
            }
            E::CycloneDxFormat { .. } | E::CycloneDxVersion { .. } => {
                "CycloneDX JSON from 1.2 to 1.7 is read"
            }
            E::CycloneDxXml => {
                "have the tool write JSON, or convert it: `cyclonedx convert --output-format json`"
            }
            E::TrivyVersion { .. } => "use a Trivy that writes SchemaVersion 2 (0.20 or newer)",
            E::TrivyNoResults => "check the target that Trivy was given: it found nothing to scan",
            E::TrivyNoPackages => "run Trivy with `--scanners vuln` on something with packages",
            E::FieldMissing { .. } => "add it to the file",
            E::FieldReserved { .. } => "remove it from the file",
            E::MetricName { .. } => "use 1 to 255 printable characters, such as coverage.line",
            E::NoDigest { .. } => {
                "start it by digest (name@sha256:…); a look that leaves it out would be no look"
            }
            E::TooManyArtifacts { .. } => "observe its parts as environments of their own",
            E::SnapshotUnknown => {
                "read are kubectl get pods -o json, docker ps --no-trunc --format json, and \
                 {\"takenAt\", \"source\", \"artifacts\": [{\"digest\", \"name\", \"tag\", \"instances\"}]}"
            }
            E::MetricTwice { .. } => "give each metric its own name",
            E::MetricNumber { .. } => {
                "write it without exponent and in at most 40 characters, such as 83.4"
            }
        };
        text.to_owned()
    }
}

/// Refuses a report of a known format that fits another kind than the one asked for.
pub fn check_kind(
    asked: EventKind,
    fits: EventKind,
    found: &'static str,
) -> Result<(), AdapterError> {
    match asked == fits {
        true => Ok(()),
        false => Err(AdapterError::WrongKind { found, asked, fits }),
    }
}

/// A foreign text, short enough for an error message.
pub fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn expected_format(kind: EventKind) -> &'static str {
    use EventKind as K;
    match kind {
        K::Sbom => "CycloneDX JSON from 1.2 to 1.7 is read",
        K::Vulnerabilities => "Trivy's JSON is read: `trivy image --format json`",
        K::Test => "JUnit XML is read",
        K::Analysis => "SARIF 2.1.0 is read",
        K::Vex => "an OpenVEX document is read",
        K::Canary => "an AnalysisRun of Argo Rollouts is read, or an object with its fields",
        K::Configuration
        | K::Freeze
        | K::Incident
        | K::Migration
        | K::Observation
        | K::Rehearsal
        | K::Rollback
        | K::Waiver
        | K::Measurement
        | K::Review
        | K::Note
        | K::Deployment
        | K::Build
        | K::Approval
        | K::Decision
        | K::Export
        | K::Heads
        | K::Other
        | K::Policy
        | K::PromotionRequest
        | K::Trust => "a JSON object with the fields of the predicate is read",
    }
}
