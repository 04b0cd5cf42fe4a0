//! The vulnerabilities that a scanner found, counted by its own words for their severity.

use std::collections::BTreeMap;

use schemas::predicate::vulnerabilities::{Annotation, Severity, Vulnerability};

/// The words that scanners use, the gravest first. Another keeps its own wording in the list, and
/// has one count with all others.
const KNOWN: [&str; 6] = ["critical", "high", "medium", "low", "negligible", "unknown"];
const OTHER: &str = "other";

#[derive(Debug, Default)]
pub struct Found {
    pub vulnerabilities: Vec<Vulnerability>,
    pub counts: BTreeMap<String, u64>,
}

impl Found {
    pub fn count(&mut self, name: &str, more: usize) {
        *self.counts.entry(name.to_owned()).or_default() += more as u64;
    }

    /// Adds one by a scanner, in a package; without a word for its severity it is `unknown`.
    pub fn add(&mut self, id: &str, scanner: &str, severity: Option<&str>, about: Annotation) {
        let severity = severity.unwrap_or("unknown").to_ascii_lowercase();
        let known = KNOWN.into_iter().find(|known| *known == severity);
        self.count(known.unwrap_or(OTHER), 1);
        self.count("vulnerabilities", 1);
        self.count("fixable", usize::from(about.fixed_in.is_some()));
        self.vulnerabilities.push(Vulnerability {
            id: id.to_owned(),
            severity: vec![Severity { method: scanner.to_owned(), score: severity }],
            annotations: vec![about],
        });
    }

    pub fn summary(&self) -> String {
        let of = |name: &str| self.counts.get(name).copied().unwrap_or_default();
        let parts: Vec<String> = KNOWN
            .into_iter()
            .chain([OTHER])
            .filter(|name| of(name) > 0)
            .map(|name| format!("{} {name}", of(name)))
            .collect();
        let total = self.vulnerabilities.len();
        let ending = if total == 1 { "y" } else { "ies" };
        match parts.is_empty() {
            true => format!("{total} vulnerabilit{ending}"),
            false => format!("{total} vulnerabilit{ending}: {}", parts.join(", ")),
        }
    }
}
