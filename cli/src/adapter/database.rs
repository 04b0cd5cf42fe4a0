//! What a scanner knew: the time and the version of its database.
//!
//! Grype writes it into its reports. Trivy does where a server of its own has looked; else only
//! `trivy version --format json` says it, or the file `metadata.json` of its cache, and that file is
//! named beside the report.

use schemas::id::Time;
use schemas::predicate::vulnerabilities::ScannerDatabase;
use verifier::json::{self, Value};

use super::document::text;
use super::error::shown;

/// Largest accepted file about a database, in bytes.
pub const DATABASE_BYTES_MAX: u64 = 64 << 10;

/// Reads what `trivy version --format json` says, or Trivy's `metadata.json`; none where the file
/// is neither.
pub fn read(bytes: &[u8]) -> Option<ScannerDatabase> {
    let root = json::parse(bytes).ok()?;
    of_trivy(root.get("VulnerabilityDB").unwrap_or(&root))
}

/// The database that a Trivy server says to have looked into.
pub fn of_trivy(database: &Value<'_>) -> Option<ScannerDatabase> {
    let updated = text(database, "UpdatedAt")?;
    dated(None, version(database.get("Version")), updated)
}

/// The database in a report of Grype: a flat one up to its schema 5, and one with a status since.
pub fn of_grype(database: &Value<'_>) -> Option<ScannerDatabase> {
    let status = database.get("status").unwrap_or(database);
    // Grype looks into a database that it could not check only where it is told to.
    let failed = text(status, "error").is_some();
    if failed || matches!(status.get("valid"), Some(Value::Bool(false))) {
        return None;
    }
    let built = text(status, "built")?;
    dated(text(status, "from"), version(status.get("schemaVersion")), built)
}

/// A database with a time; without one nobody could tell its age.
fn dated(uri: Option<&str>, version: Option<String>, at: &str) -> Option<ScannerDatabase> {
    Time::parse_rfc3339(at)?;
    Some(ScannerDatabase { uri: uri.map(shown), version, last_update: Some(at.to_owned()) })
}

fn version(value: Option<&Value<'_>>) -> Option<String> {
    match value {
        Some(Value::Number(number)) => Some(shown(number)),
        Some(Value::String(text)) if !text.is_empty() => Some(shown(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Option<ScannerDatabase>, expected: Option<(&str, &str)>) {
        let found = found.map(|it| (it.version.unwrap_or_default(), it.last_update.unwrap()));
        let found = found.as_ref().map(|(version, at)| (version.as_str(), at.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn trivy_says_it_beside_its_report() {
        // As `trivy version --format json` and the cache's metadata.json are written.
        let metadata = r#"{"Version":2,"NextUpdate":"2023-07-20T18:11:37.696263532Z",
            "UpdatedAt":"2023-07-20T12:11:37.696263932Z","DownloadedAt":"2023-07-25T07:01:41.239158Z"}"#;
        let expected = Some(("2", "2023-07-20T12:11:37.696263932Z"));
        check(read(metadata.as_bytes()), expected);
        let version = format!(r#"{{"Version":"0.71.0","VulnerabilityDB":{metadata}}}"#);
        check(read(version.as_bytes()), expected);
        for none in [
            "",
            "[]",
            r#"{"Version":"0.71.0"}"#,
            r#"{"UpdatedAt":"yesterday"}"#,
            r#"{"UpdatedAt":7}"#,
            r#"{"VulnerabilityDB":null,"UpdatedAt":"2023-07-20T12:11:37Z"}"#,
        ] {
            check(read(none.as_bytes()), None);
        }
    }

    #[test]
    fn grype_says_it_in_its_report() {
        let of = |text: &str| of_grype(&json::parse(text.as_bytes()).unwrap());
        let flat = r#"{"built":"2021-12-24T08:14:02Z","schemaVersion":3,"location":"/db/3",
            "checksum":"sha256:6c47","error":null}"#;
        check(of(flat), Some(("3", "2021-12-24T08:14:02Z")));
        let status = r#"{"status":{"schemaVersion":"v6.0.2","from":"https://db.example/v6.tar.zst",
            "built":"2026-08-20T06:14:02Z","path":"/db","valid":true},"providers":{}}"#;
        check(of(status), Some(("v6.0.2", "2026-08-20T06:14:02Z")));
        check(of(&status.replace("true", "false")), None);
        check(of(&flat.replace("null", "\"checksum mismatch\"")), None);
        check(of(r#"{"status":null,"providers":null}"#), None);
        check(of(r#"{"status":{"schemaVersion":"v6"}}"#), None);
    }
}
