//! The parameters of the approvals gate.

use schemas::policy::{Approvals, Excluded};
use schemas::trust::role;

use super::Complaints;
use super::words::check_list;

/// Most approvals that a gate may ask for.
const APPROVALS_MAX: u32 = 16;

pub(super) fn check_approvals(at: &str, gate: &Approvals, complaints: &mut Complaints) {
    let at = format!("{at}.approvals");
    if !(1..=APPROVALS_MAX).contains(&gate.count) {
        let message = format!("{} approvals; write 1 to {APPROVALS_MAX}", gate.count);
        complaints.add(format!("{at}.count"), message);
    }
    if gate.roles.is_empty() {
        let message = "names no role, so nobody could approve; write for example \
                       `roles: [release-approver]`";
        complaints.add(format!("{at}.roles"), message);
    }
    check_list(&format!("{at}.roles"), &gate.roles, complaints, role_trouble);
    if gate.meaning.as_deref().is_some_and(|word| !role::is_word(word)) {
        let message = "not a word; write lower-case letters, digits and hyphens, at most 63 of \
                       them, such as `meaning: release`";
        complaints.add(format!("{at}.meaning"), message);
    }
    let excluded: Vec<String> = gate.not.iter().map(|who| excluded_word(*who)).collect();
    check_list(&format!("{at}.not"), &excluded, complaints, |_| None);
}

fn role_trouble(word: &str) -> Option<String> {
    if role::is_approval(word) {
        return None;
    }
    if role::KNOWN.contains(&word) {
        return Some(format!(
            "`{word}` runs the ledger and approves nothing; write an approval role, such as \
             `release-approver`, and grant it in the trust document"
        ));
    }
    Some(
        "not a role; write lower-case letters, digits and hyphens, at most 63 of them, such as \
         `release-approver`"
            .to_owned(),
    )
}

fn excluded_word(who: Excluded) -> String {
    match who {
        Excluded::Author => "author",
        Excluded::Requester => "requester",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use schemas::policy::{Gate, GateRule};

    use super::*;

    /// `expected` pairs what follows the gate's path with a part of the message.
    fn check(gate: &str, expected: &[(&str, &str)]) {
        let rule: GateRule = serde_json::from_str(gate).unwrap();
        let mut complaints = Complaints::default();
        match &rule.gate {
            Gate::Approvals(gate) => check_approvals("g", gate, &mut complaints),
            other => unreachable!("{} is checked elsewhere", other.kind()),
        }
        complaints.assert_below(&format!("g.{}", rule.gate.kind()), expected);
    }

    #[test]
    fn approvals_come_from_approval_roles() {
        let approvals = |fields: &str, expected: &[(&str, &str)]| {
            check(&format!(r#"{{"approvals":{{{fields}}}}}"#), expected);
        };
        approvals(r#""count":16,"roles":["qa"],"meaning":"release","not":["author"]"#, &[]);
        approvals(r#""count":0,"roles":["qa"]"#, &[(".count", "1 to 16")]);
        approvals(r#""count":17,"roles":["qa"]"#, &[(".count", "1 to 16")]);
        approvals(r#""count":1,"roles":[]"#, &[(".roles", "nobody")]);
        approvals(r#""count":1,"roles":["qa","qa"]"#, &[(".roles[1]", "twice")]);
        approvals(r#""count":1,"roles":["QA"]"#, &[(".roles[0]", "not a role")]);
        approvals(r#""count":1,"roles":["qa"],"meaning":"a b""#, &[(".meaning", "not a word")]);
        approvals(r#""count":1,"roles":["qa"],"meaning":"""#, &[(".meaning", "not a word")]);
        approvals(r#""count":1,"roles":["qa"],"not":["author","author"]"#, &[(".not[1]", "twice")]);
    }

    #[test]
    fn roles_of_the_ledger_do_not_approve() {
        for word in role::KNOWN {
            let gate = format!(r#"{{"approvals":{{"count":1,"roles":["{word}"]}}}}"#);
            check(&gate, &[(".roles[0]", "approves nothing")]);
        }
    }
}
