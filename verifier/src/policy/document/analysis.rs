//! The parameters of the analysis gate: at least one limit, of levels that there are.

use schemas::policy::Analysis;

use super::words::{check_list, name_trouble};
use super::{Complaints, Site};

/// The levels of SARIF results.
pub(super) const LEVELS: [&str; 4] = ["error", "warning", "note", "none"];

pub(super) fn check(gate: &Analysis, site: &Site, complaints: &mut Complaints) {
    check_list(&site.at("suites"), &gate.suites, complaints, name_trouble);
    if gate.max.is_empty() && gate.max_new.is_empty() && gate.max_secrets.is_none() {
        let message = "limits nothing, so everything would pass; write for example \
                       `max: { error: 0 }`";
        complaints.add(&site.path, message);
    }
    for (field, levels) in [("max", &gate.max), ("max_new", &gate.max_new)] {
        for level in levels.keys().filter(|level| !LEVELS.contains(&level.as_str())) {
            let message = format!("`{level}` is no level; write one of {}", LEVELS.join(", "));
            complaints.add(site.at(&format!("{field}.{level}")), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one;

    #[test]
    fn an_analysis_limits_something() {
        let check = |fields: &str, expected: &[(&str, &str)]| {
            check_one(&format!(r#"{{"analysis":{{{fields}}}}}"#), expected);
        };
        check(r#""max":{"error":0},"suites":["lint"]"#, &[]);
        check(r#""max_new":{"error":0}"#, &[]);
        check(r#""max_secrets":0"#, &[]);
        check("", &[("", "limits nothing")]);
        check(r#""max":{"fatal":0}"#, &[(".max.fatal", "error, warning")]);
        check(r#""max_new":{"fatal":0}"#, &[(".max_new.fatal", "error, warning")]);
        check(r#""max_secrets":0,"suites":[""]"#, &[(".suites[0]", "empty")]);
    }
}
