//! Which results are secrets: only where a tool leaves no doubt.

use verifier::json::Value;

use super::rule::Rules;
use crate::adapter::document::text;

/// Tools that look for secrets and for nothing else, by the names of their drivers in lower case.
///
/// gitleaks writes SARIF itself. TruffleHog does not, and those who turn its output into SARIF name
/// it as the tool.
const TOOLS: [&str; 2] = ["gitleaks", "trufflehog"];

/// What a run tells of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// Every result is one, so that no result means none.
    ForNothingElse,
    /// Trivy tags the rule of each with `secret`. It does not say for what it has looked: a run
    /// without one may have looked for vulnerabilities alone.
    Among,
    /// Nobody can tell.
    Unknown,
}

impl Looked {
    pub fn of(run: &Value<'_>) -> Looked {
        let driver = run.find(&["tool", "driver"]).and_then(|driver| text(driver, "name"));
        let driver = driver.map(str::to_ascii_lowercase);
        match driver.as_deref() {
            Some(name) if TOOLS.contains(&name) => Looked::ForNothingElse,
            Some("trivy") => Looked::Among,
            Some(_) | None => Looked::Unknown,
        }
    }

    /// Whether a result is a secret that was found; some results say that all is well.
    pub fn is_secret(self, result: &Value<'_>, rules: &Rules<'_>) -> bool {
        let well = ["pass", "notApplicable", "informational"];
        let found = !text(result, "kind").is_some_and(|kind| well.contains(&kind));
        found
            && match self {
                Looked::ForNothingElse => true,
                Looked::Among => rules.is_secret(result),
                Looked::Unknown => false,
            }
    }
}
