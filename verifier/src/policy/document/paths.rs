//! The life of a request, the emergency path and the way back.

use schemas::policy::{EXPIRES_MS_MAX, EmergencyPath, EnvironmentRule, Excluded, Gate, GateRule};

use super::Complaints;
use super::approvals::role_trouble;
use super::words::check_list;

pub(super) fn check(at: &str, rule: &EnvironmentRule, complaints: &mut Complaints) {
    if rule.expires.as_ref().is_some_and(|it| it.ms() > EXPIRES_MS_MAX) {
        complaints.add(format!("{at}.expires"), "longer than a request lives; write at most 30d");
    }
    if let Some(emergency) = &rule.emergency {
        check_emergency(&format!("{at}.emergency"), emergency, complaints);
    }
}

/// An emergency has a second person and a review, whatever else it does without.
fn check_emergency(at: &str, emergency: &EmergencyPath, complaints: &mut Complaints) {
    if !emergency.gates.iter().any(asks_for_another) {
        let message = "no second person; write an approvals gate with `not: [requester]` and \
                       without `when`";
        complaints.add(format!("{at}.gates"), message);
    }
    let review = &emergency.review;
    if review.within.ms() > EXPIRES_MS_MAX {
        complaints.add(format!("{at}.review.within"), "too late to learn from; write at most 30d");
    }
    if review.roles.is_empty() {
        let message = "names no role, so nobody could sign the review; write for example \
                       `roles: [release-approver]`";
        complaints.add(format!("{at}.review.roles"), message);
    }
    check_list(&format!("{at}.review.roles"), &review.roles, complaints, role_trouble);
}

/// True for an approvals gate that nothing switches off and that the requester cannot pass alone.
fn asks_for_another(rule: &GateRule) -> bool {
    match &rule.gate {
        Gate::Approvals(gate) => {
            rule.labels.when.is_none()
                && rule.labels.waiver.is_none()
                && gate.not.contains(&Excluded::Requester)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check;

    const ANOTHER: &str = r#"{"approvals":{"count":1,"roles":["qa"],"not":["requester"]}}"#;

    #[test]
    fn a_request_lives_for_thirty_days_at_most() {
        let rule = |expires: &str| format!(r#"[{{"name":"a","expires":"{expires}","gates":[]}}]"#);
        check(&rule("30d"), &[]);
        check(&rule("31d"), &[("environments[0].expires", "30d")]);
    }

    #[test]
    fn an_emergency_has_a_second_person_and_a_review() {
        let emergency = |gates: &str, review: &str, expected: &[(&str, &str)]| {
            let rule = format!(r#"{{"gates":[{gates}],"review":{review}}}"#);
            let text = format!(r#"[{{"name":"a","gates":[],"emergency":{rule}}}]"#);
            let at: Vec<(String, &str)> = expected
                .iter()
                .map(|(path, part)| (format!("environments[0].emergency.{path}"), *part))
                .collect();
            let at: Vec<(&str, &str)> = at.iter().map(|(path, part)| (&path[..], *part)).collect();
            check(&text, &at);
        };
        let review = r#"{"within":"2d","roles":["qa"]}"#;
        emergency(ANOTHER, review, &[]);
        emergency("", review, &[("gates", "second person")]);
        let alone = r#"{"approvals":{"count":1,"roles":["qa"]}}"#;
        emergency(alone, review, &[("gates", "second person")]);
        for beside in [r#""when":{"class":["high"]}"#, r#""waiver":{"by":["qa"],"max":"1d"}"#] {
            let gate = ANOTHER.replacen('{', &format!("{{{beside},"), 1);
            emergency(&gate, review, &[("gates", "second person")]);
        }
        emergency(
            ANOTHER,
            r#"{"within":"31d","roles":[]}"#,
            &[("review.within", "30d"), ("review.roles", "nobody could sign")],
        );
        emergency(
            ANOTHER,
            r#"{"within":"1d","roles":["admin"]}"#,
            &[("review.roles[0]", "approves nothing")],
        );
        // Ids are unique on one path; both paths may ask for the same.
        let twice = format!("{ANOTHER},{ANOTHER}");
        emergency(&twice, review, &[("gates[1].id", "approvals-2")]);
    }
}
