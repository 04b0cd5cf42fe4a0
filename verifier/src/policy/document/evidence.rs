//! The parameters of the evidence gate: which fields go with which kind.

use schemas::policy::{CountBound, Evidence, EvidenceKind, RequiredResult};

use super::analysis::LEVELS;
use super::approvals::role_trouble;
use super::shared::day_trouble;
use super::words::{check_list, name_trouble};
use super::{Complaints, Site};
use crate::decimal::Decimal;

pub(super) fn check(gate: &Evidence, site: &Site, complaints: &mut Complaints) {
    let at = site.path.clone();
    check_fit(&at, gate, complaints);
    check_list(&format!("{at}.suites"), &gate.suites, complaints, name_trouble);
    check_list(&format!("{at}.signed_by"), &gate.signed_by, complaints, role_trouble);
    check_test_fields(&at, gate, complaints);
    match gate.kind {
        EvidenceKind::Test => match gate.result {
            Some(RequiredResult::Passed) => {}
            None => complaints.add(at, "evidence of kind test needs a `result: passed`"),
        },
        EvidenceKind::Analysis => check_levels(&at, gate, complaints),
        EvidenceKind::Measurement => check_measurement(&at, gate, complaints),
        EvidenceKind::Sbom | EvidenceKind::Review => {}
    }
}

/// Complains about fields that mean nothing for this kind of evidence.
///
/// Ignoring them would leave people believing in a limit that nobody checks.
fn check_fit(at: &str, gate: &Evidence, complaints: &mut Complaints) {
    use EvidenceKind::{Analysis, Measurement, Test};
    let fields: [(&str, bool, &[EvidenceKind]); 8] = [
        ("suites", !gate.suites.is_empty(), &[Test, Analysis]),
        ("result", gate.result.is_some(), &[Test]),
        ("levels", !gate.levels.is_empty(), &[Analysis]),
        ("metric", gate.metric.is_some(), &[Measurement]),
        ("min", gate.min.is_some(), &[Measurement]),
        ("max", gate.max.is_some(), &[Measurement]),
        ("counts", !gate.counts.is_empty(), &[Test]),
        ("quarantine", !gate.quarantine.is_empty(), &[Test]),
    ];
    for (field, present, kinds) in fields {
        if present && !kinds.contains(&gate.kind) {
            let kind = kind_word(gate.kind);
            let owners: Vec<&str> = kinds.iter().map(|kind| kind_word(*kind)).collect();
            let message = format!(
                "evidence of kind {kind} has no `{field}` (it belongs to {}); leave it out",
                owners.join(" and ")
            );
            complaints.add(format!("{at}.{field}"), message);
        }
    }
}

fn check_test_fields(at: &str, gate: &Evidence, complaints: &mut Complaints) {
    for (name, CountBound { min, max }) in &gate.counts {
        let at = format!("{at}.counts.{name}");
        match (min, max) {
            (None, None) => complaints.add(at, "bounds nothing; write `min`, `max` or both"),
            (Some(min), Some(max)) if min > max => {
                let message = format!("at least {min} and at most {max} fits no count; swap them");
                complaints.add(at, message);
            }
            (Some(_), _) | (None, Some(_)) => {}
        }
    }
    let names: Vec<String> = gate.quarantine.iter().map(|it| it.test.clone()).collect();
    check_list(&format!("{at}.quarantine"), &names, complaints, name_trouble);
    for (index, held) in gate.quarantine.iter().enumerate().take(names.len().min(64)) {
        let at = format!("{at}.quarantine[{index}]");
        if let Some(message) = day_trouble(&held.until) {
            complaints.add(format!("{at}.until"), message);
        }
        if let Some(message) = name_trouble(&held.why) {
            complaints.add(format!("{at}.why"), message);
        }
    }
}

fn check_levels(at: &str, gate: &Evidence, complaints: &mut Complaints) {
    if gate.levels.is_empty() {
        let message = "evidence of kind analysis needs a limit, such as `levels: { error: 0 }`";
        complaints.add(at, message);
    }
    for level in gate.levels.keys().filter(|level| !LEVELS.contains(&level.as_str())) {
        let message = format!("`{level}` is no level; write one of {}", LEVELS.join(", "));
        complaints.add(format!("{at}.levels.{level}"), message);
    }
}

fn check_measurement(at: &str, gate: &Evidence, complaints: &mut Complaints) {
    match gate.metric.as_deref() {
        None => complaints.add(
            at,
            "evidence of kind measurement needs a metric, such as `metric: coverage.line`",
        ),
        Some(metric) => {
            if let Some(message) = name_trouble(metric) {
                complaints.add(format!("{at}.metric"), message);
            }
        }
    }
    match (&gate.min, &gate.max) {
        (None, None) => {
            complaints.add(at, "evidence of kind measurement needs `min`, `max` or both");
        }
        (Some(min), Some(max)) if exceeds(min.as_str(), max.as_str()) => {
            let message = format!("at least {min} and at most {max} fits no value; swap them");
            complaints.add(format!("{at}.min"), message);
        }
        (Some(_), _) | (None, Some(_)) => {}
    }
}

/// True where both are numbers and the first is greater.
fn exceeds(min: &str, max: &str) -> bool {
    match (min.parse::<Decimal>(), max.parse::<Decimal>()) {
        (Ok(min), Ok(max)) => min > max,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn kind_word(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Test => "test",
        EvidenceKind::Analysis => "analysis",
        EvidenceKind::Measurement => "measurement",
        EvidenceKind::Sbom => "sbom",
        EvidenceKind::Review => "review",
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    fn check_all(cases: &[(&str, &[(&str, &str)])]) {
        for (fields, expected) in cases {
            check(&format!(r#"{{"evidence":{{{fields}}}}}"#), expected);
        }
    }

    #[test]
    fn tests_pass_in_named_suites() {
        let long = format!(r#""kind":"test","result":"passed","suites":["{}"]"#, "x".repeat(201));
        check_all(&[
            (r#""kind":"test","result":"passed","suites":["unit"],"max_age":"7d""#, &[]),
            (r#""kind":"test""#, &[("", "`result: passed`")]),
            (r#""kind":"test","result":"passed","levels":{"error":0}"#, &[(".levels", "analysis")]),
            (r#""kind":"test","result":"passed","min":1"#, &[(".min", "belongs to measurement")]),
            (r#""kind":"test","result":"passed","suites":[""]"#, &[(".suites[0]", "empty")]),
            (r#""kind":"test","result":"passed","suites":["a","a"]"#, &[(".suites[1]", "twice")]),
            (r#""kind":"test","result":"passed","suites":["a\t"]"#, &[(".suites[0]", "invisible")]),
            (&long, &[(".suites[0]", "at most 200")]),
        ]);
    }

    #[test]
    fn counts_and_quarantines_are_bounded() {
        let test = |rest: &str| format!(r#""kind":"test","result":"passed",{rest}"#);
        let held = |test: &str, until: &str, why: &str| {
            format!(r#"{{"test":"{test}","until":"{until}","why":"{why}"}}"#)
        };
        let quarantine = |list: &str| test(&format!(r#""quarantine":[{list}]"#));
        check_all(&[
            (&test(r#""counts":{"passed":{"min":1,"max":2}},"signed_by":["qa"]"#), &[]),
            (&test(r#""counts":{"passed":{}}"#), &[(".counts.passed", "bounds nothing")]),
            (&test(r#""counts":{"a":{"min":2,"max":1}}"#), &[(".counts.a", "swap")]),
            (&test(r#""signed_by":["admin"]"#), &[(".signed_by[0]", "approves nothing")]),
            (&quarantine(&held("a", "2026-12-24", "flaky")), &[]),
            (&quarantine(&held("a", "soon", "flaky")), &[(".quarantine[0].until", "`2026-12-24`")]),
            (&quarantine(&held("a", "2026-12-24", "")), &[(".quarantine[0].why", "empty")]),
            (&quarantine(&held("", "2026-12-24", "x")), &[(".quarantine[0]", "empty")]),
            (r#""kind":"sbom","counts":{"a":{"min":1}}"#, &[(".counts", "belongs to test")]),
        ]);
    }

    #[test]
    fn analyses_limit_levels() {
        check_all(&[
            (r#""kind":"analysis","levels":{"error":0,"none":9},"suites":["lint"]"#, &[]),
            (r#""kind":"analysis""#, &[("", "`levels: { error: 0 }`")]),
            (r#""kind":"analysis","levels":{"fatal":0}"#, &[(".levels.fatal", "error, warning")]),
            (
                r#""kind":"analysis","levels":{"note":0},"result":"passed""#,
                &[(".result", "leave it out")],
            ),
        ]);
    }

    #[test]
    fn measurements_have_a_metric_and_bounds() {
        check_all(&[
            (r#""kind":"measurement","metric":"coverage.line","min":80"#, &[]),
            (r#""kind":"measurement","metric":"m","min":"0.9","max":"0.90""#, &[]),
            (r#""kind":"measurement","metric":"m","min":"-3","max":"-2.5""#, &[]),
            (r#""kind":"measurement","metric":"m","min":"0.91","max":"0.9""#, &[(".min", "swap")]),
            (r#""kind":"measurement","metric":"m","min":10,"max":9"#, &[(".min", "swap")]),
            (r#""kind":"measurement","metric":"m""#, &[("", "`min`, `max` or both")]),
            (r#""kind":"measurement","max":1"#, &[("", "metric: coverage.line")]),
            (r#""kind":"measurement","metric":" ","max":1"#, &[(".metric", "empty")]),
            (r#""kind":"measurement","metric":"m","max":1,"suites":["a"]"#, &[(".suites", "test")]),
        ]);
    }

    #[test]
    fn other_reports_have_only_an_age() {
        check_all(&[
            (r#""kind":"sbom","max_age":"1d""#, &[]),
            (
                r#""kind":"sbom","suites":["a"]"#,
                &[(".suites", "kind sbom has no `suites` (it belongs to test and analysis)")],
            ),
            (r#""kind":"review","metric":"a""#, &[(".metric", "review")]),
        ]);
    }
}
