//! Which gates of an open request have waited for too long, and who is told.
//!
//! No part of a verdict: a decision says what the gates say, and being late changes none of it.

use schemas::id::Time;
use schemas::policy::{EnvironmentRule, GateRule};
use schemas::report::GateVerdict;

use super::path;
use crate::projection::slice::Request;

/// A gate that has not admitted within its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    pub gate: String,
    pub since: Time,
    /// The role next in line, where the policy names one.
    pub role: Option<String>,
}

/// Lists the overdue gates of a request that was made at `requested`, as of `at`.
pub fn overdue(
    rules: &[GateRule],
    verdicts: &[GateVerdict],
    requested: Time,
    at: Time,
) -> Vec<Overdue> {
    let of = |rule: &GateRule| {
        let since = requested.plus_ms(rule.labels.limit.as_ref()?.ms());
        let verdict = verdicts.iter().find(|verdict| verdict.id == rule.id)?;
        let late = !verdict.verdict.admits() && at >= since;
        late.then(|| Overdue { gate: rule.id.clone(), since, role: rule.labels.escalate.clone() })
    };
    rules.iter().filter_map(of).collect()
}

/// The overdue gates of an open request, by the gates of the path that it asks by.
pub fn of_request(
    rule: Option<&EnvironmentRule>,
    request: &Request,
    verdicts: &[GateVerdict],
    at: Time,
) -> Vec<Overdue> {
    let rules = rule.and_then(|rule| path::gates(rule, request.path)).unwrap_or_default();
    overdue(rules, verdicts, request.time, at)
}

#[cfg(test)]
mod tests {
    use schemas::report::Verdict;

    use super::*;

    #[test]
    fn a_gate_is_late_where_it_does_not_admit_within_its_limit() {
        let rule: GateRule = serde_json::from_str(
            r#"{"limit":"4h","escalate":"lead","approvals":{"count":1,"roles":["qa"]}}"#,
        )
        .unwrap();
        let verdict = |verdict| GateVerdict {
            id: "approvals".to_owned(),
            gate: "approvals".to_owned(),
            verdict,
            reason: String::new(),
            next: None,
            entries: Vec::new(),
            until: None,
        };
        const LIMIT: i64 = 4 * 3_600_000;
        for (found, at, late) in [
            (Verdict::Waiting, LIMIT - 1, false),
            (Verdict::Waiting, LIMIT, true),
            (Verdict::Indeterminate, LIMIT, true),
            (Verdict::Fail, LIMIT, true),
            (Verdict::Pass, LIMIT, false),
            (Verdict::Waived, LIMIT, false),
        ] {
            let found =
                overdue(std::slice::from_ref(&rule), &[verdict(found)], Time(7), Time(7 + at));
            let role = Some("lead".to_owned());
            let expected = Overdue { gate: "approvals".to_owned(), since: Time(7 + LIMIT), role };
            assert_eq!(found, if late { vec![expected] } else { vec![] });
        }
        let without = GateRule { labels: Default::default(), ..rule };
        assert_eq!(overdue(&[without], &[verdict(Verdict::Waiting)], Time(0), Time(i64::MAX)), []);
    }
}
