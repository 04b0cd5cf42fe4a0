//! Reviews of emergencies that are due: shown until somebody has signed them.

use std::fmt::Write as _;

use schemas::id::EnvironmentName;
use serde_json::{Value, json};
use verifier::status::ReviewStatus;

use super::{minute, paragraph};

/// Two lines for each: since when, and what to do.
pub fn render(environment: &EnvironmentName, reviews: &[ReviewStatus]) -> String {
    let mut text = String::new();
    for it in reviews {
        let word = if it.overdue { "is OVERDUE since" } else { "is due by" };
        let (request, due) = (it.request, minute(it.due_at));
        text.push_str(&paragraph(
            2,
            &format!("P-{request} was an emergency in {environment}: its review {word} {due} UTC"),
        ));
        let roles = match it.roles.as_slice() {
            [] => String::new(),
            roles => format!(" (as {})", roles.join(" or ")),
        };
        let _ =
            writeln!(text, "    -> attestry approve P-{request} --meaning post-hoc-review{roles}");
    }
    text
}

/// The same below other text, with a line between.
pub fn below(environment: &EnvironmentName, reviews: &[ReviewStatus]) -> String {
    match render(environment, reviews) {
        text if text.is_empty() => text,
        text => format!("\n{text}"),
    }
}

pub fn to_json(reviews: &[ReviewStatus]) -> Value {
    let one = |it: &ReviewStatus| {
        json!({
            "request": format!("P-{}", it.request), "artifact": it.artifact,
            "artifacts": it.artifacts().collect::<Vec<_>>(),
            "grantedAt": it.granted_at, "dueAt": it.due_at, "overdue": it.overdue,
            "roles": it.roles,
        })
    };
    Value::Array(reviews.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use schemas::id::{Digest, Time};

    use super::*;

    fn review(overdue: bool, roles: &[&str]) -> ReviewStatus {
        ReviewStatus {
            request: 118,
            artifact: Digest::sha256(&schemas::id::Hash([7; 32])),
            with: vec![Digest::sha256(&schemas::id::Hash([8; 32]))],
            granted: 119,
            granted_at: Time(0),
            due_at: Time(86_400_000),
            overdue,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        }
    }

    #[test]
    fn every_artifact_is_named_and_the_first_one_twice() {
        let listed = to_json(&[review(false, &[])]);
        let all = [7, 8].map(|byte| Digest::sha256(&schemas::id::Hash([byte; 32])));
        assert_eq!(
            (&listed[0]["artifact"], &listed[0]["artifacts"]),
            (&json!(all[0]), &json!(all))
        );
    }

    #[test]
    fn a_review_says_when_and_who() {
        let prod = "prod".parse().unwrap();
        let text = render(&prod, &[review(true, &["security", "qa"]), review(false, &[])]);
        let expected = "  P-118 was an emergency in prod: its review is OVERDUE since 1970-01-02 \
                        00:00\n  UTC\n    -> attestry approve P-118 --meaning post-hoc-review (as \
                        security or qa)\n  P-118 was an emergency in prod: its review is due by \
                        1970-01-02 00:00 UTC\n    -> attestry approve P-118 --meaning \
                        post-hoc-review\n";
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| crate::output::columns(line) <= 80), "{text}");
    }
}
