//! JSON reports: one strict reading, then the format by its own members.

use schemas::kind::EventKind;
use verifier::json::{self, Value};

use super::error::{check_kind, shown};
use super::warnings::Warnings;
use super::{
    AdapterError, Reading, argo, cyclonedx, fields, grype, k6, measurement, sarif, trivy, vex,
    without_mark,
};

/// Most accepted values of a JSON report, bounded before anything is allocated.
///
/// A value takes 32 bytes in memory and two in the file; without this bound the largest report
/// would take sixteen times its size. There is at most one value for each comma and each opening
/// bracket; those inside of strings count too, which only errs on the safe side.
pub const ELEMENTS_MAX: usize = 16 << 20;

/// The formats that are told apart.
#[derive(Clone, Copy)]
enum Format {
    AnalysisRun,
    CycloneDx,
    Grype,
    K6,
    OpenVex,
    Sarif,
    Trivy,
    Plain,
}

/// Reads a JSON report.
pub fn read(bytes: &[u8], kind: EventKind) -> Result<Reading, AdapterError> {
    let (text, marked) = match without_mark(bytes) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    if text.iter().filter(|byte| matches!(**byte, b',' | b'[' | b'{')).count() > ELEMENTS_MAX {
        return Err(AdapterError::TooManyElements);
    }
    let root = json::parse(text)?;
    if root.as_object().is_none() {
        return Err(AdapterError::NotAnObject { found: root.kind() });
    }
    let mut warnings = Warnings::default();
    let format = format_of(&root);
    match format {
        // Their bytes go into the statement as they are, and there a mark may not stand.
        Format::CycloneDx | Format::OpenVex | Format::Plain if marked => {
            return Err(AdapterError::ByteOrderMark);
        }
        Format::AnalysisRun | Format::Grype | Format::K6 | Format::Sarif | Format::Trivy
            if marked =>
        {
            warnings.push("the report starts with a byte order mark");
        }
        Format::AnalysisRun
        | Format::CycloneDx
        | Format::Grype
        | Format::K6
        | Format::OpenVex
        | Format::Sarif
        | Format::Trivy
        | Format::Plain => {}
    }
    match (format, kind) {
        (Format::Plain, EventKind::Measurement) => measurement::read(&root),
        // Some documents leave their context empty.
        (Format::Plain, EventKind::Vex) if root.get("statements").is_some() => {
            vex::read(text, &root, warnings)
        }
        (Format::Plain, _) | (_, EventKind::Other) => fields::read(text, &root, kind),
        (Format::AnalysisRun, _) => {
            check_kind(kind, EventKind::Canary, "an AnalysisRun of Argo Rollouts")?;
            argo::read(&root, warnings)
        }
        (Format::K6, _) => {
            check_kind(kind, EventKind::Measurement, "a summary of k6")?;
            k6::read(&root, warnings)
        }
        (Format::OpenVex, _) => {
            check_kind(kind, EventKind::Vex, "an OpenVEX document")?;
            vex::read(text, &root, warnings)
        }
        (Format::CycloneDx, _) => {
            check_kind(kind, EventKind::Sbom, "a CycloneDX bill of materials")?;
            cyclonedx::read(&root, warnings)
        }
        (Format::Sarif, _) => {
            check_kind(kind, EventKind::Analysis, "a SARIF log")?;
            sarif::read(&root, warnings)
        }
        (Format::Grype, _) => {
            check_kind(kind, EventKind::Vulnerabilities, "a Grype report")?;
            grype::read(&root, warnings)
        }
        (Format::Trivy, _) => {
            check_kind(kind, EventKind::Vulnerabilities, "a Trivy report")?;
            trivy::read(&root, warnings)
        }
    }
}

fn format_of(root: &Value<'_>) -> Format {
    let has = |name: &str| root.get(name).is_some();
    let schema = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
    if has("bomFormat") || (has("specVersion") && schema.contains("cyclonedx")) {
        Format::CycloneDx
    } else if has("version") && (has("runs") || schema.contains("sarif")) {
        Format::Sarif
    } else if has("SchemaVersion") || (has("ArtifactName") && has("Results")) {
        Format::Trivy
    } else if has("matches") && has("descriptor") && has("source") {
        Format::Grype
    } else if text(root, "@context").is_some_and(|it| it.starts_with("https://openvex.dev/ns")) {
        Format::OpenVex
    } else if text(root, "kind") == Some("AnalysisRun") {
        Format::AnalysisRun
    } else if root.get("metrics").is_some_and(|it| it.as_object().is_some())
        && (has("state") || has("root_group") || has("options"))
    {
        Format::K6
    } else {
        Format::Plain
    }
}

/// The elements of a list that may be absent; anything but a list is refused.
pub fn list<'v, 'a>(
    parent: &'v Value<'a>,
    name: &str,
    at: &str,
) -> Result<&'v [Value<'a>], AdapterError> {
    match parent.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(values)) => Ok(values),
        Some(other) => Err(shape(format!("{at}{name}"), "a list", other)),
    }
}

/// The text of a member, unless it is absent or empty.
pub fn text<'v>(parent: &'v Value<'_>, name: &str) -> Option<&'v str> {
    parent.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Says what stands where something else is expected.
pub fn shape(at: String, expected: &'static str, found: &Value<'_>) -> AdapterError {
    let found = match found {
        Value::String(text) => format!("{:?}", shown(text)),
        Value::Number(text) => shown(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            found.kind().to_owned()
        }
    };
    AdapterError::Shape { at, expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bounded_before_they_are_read() {
        let list = format!("{{\"a\":[0{}]}}", ",0".repeat(ELEMENTS_MAX));
        let error = read(list.as_bytes(), EventKind::Note).unwrap_err();
        assert_eq!(error.code(), "json-limit");
    }
}
