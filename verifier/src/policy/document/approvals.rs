//! The parameters of the approvals gate.

use schemas::policy::Approvals;
use schemas::trust::role;

use super::shared::check_known;
use super::words::check_list;
use super::{Complaints, Site};

/// Most approvals that a gate may ask for.
const APPROVALS_MAX: u32 = 16;

pub(super) fn check(gate: &Approvals, site: &Site, complaints: &mut Complaints) {
    if !(1..=APPROVALS_MAX).contains(&gate.count) {
        let message = format!("{} approvals; write 1 to {APPROVALS_MAX}", gate.count);
        complaints.add(site.at("count"), message);
    }
    if gate.roles.is_empty() {
        let message = "names no role, so nobody could approve; write for example \
                       `roles: [release-approver]`";
        complaints.add(site.at("roles"), message);
    }
    check_list(&site.at("roles"), &gate.roles, complaints, role_trouble);
    if gate.meaning.as_deref().is_some_and(|word| !role::is_word(word)) {
        let message = "not a word; write lower-case letters, digits and hyphens, at most 63 of \
                       them, such as `meaning: release`";
        complaints.add(site.at("meaning"), message);
    }
    let excluded: Vec<String> = gate.not.iter().map(|who| who.name().to_owned()).collect();
    check_list(&site.at("not"), &excluded, complaints, |_| None);
    let signing: Vec<String> = gate.signing.iter().map(|mode| mode.name().to_owned()).collect();
    check_list(&site.at("signing"), &signing, complaints, |_| None);
    check_known(&site.at("groups"), "group", &gate.groups, &site.document.groups, complaints);
    for (role, count) in &gate.each {
        let at = site.at(&format!("each.{role}"));
        if !gate.roles.contains(role) {
            complaints.add(at, format!("`{role}` is not among `roles`; write it there too"));
        } else if !(1..=gate.count).contains(count) {
            let message = format!("{count} of {0} approvals; write 1 to {0}", gate.count);
            complaints.add(at, message);
        }
    }
}

/// Says why a word is no role that could approve, waive or review.
pub(super) fn role_trouble(word: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use schemas::trust::role;

    use crate::policy::document::tests::check_one as check;

    #[test]
    fn approvals_come_from_approval_roles() {
        let approvals = |fields: &str, expected: &[(&str, &str)]| {
            check(&format!(r#"{{"approvals":{{{fields}}}}}"#), expected);
        };
        approvals(r#""count":16,"roles":["qa"],"meaning":"release","not":["author"]"#, &[]);
        approvals(r#""count":0,"roles":["qa"]"#, &[(".count", "1 to 16")]);
        approvals(r#""count":17,"roles":["qa"]"#, &[(".count", "1 to 16")]);
        approvals(r#""count":1,"roles":[]"#, &[(".roles", "nobody")]);
        approvals(r#""count":2,"roles":["qa"],"each":{"qa":2},"signing":["key"]"#, &[]);
        approvals(r#""count":1,"roles":["qa"],"each":{"qa":2}"#, &[(".each.qa", "1 to 1")]);
        approvals(
            r#""count":1,"roles":["qa"],"each":{"dev":1}"#,
            &[(".each.dev", "among `roles`")],
        );
        approvals(r#""count":1,"roles":["qa"],"groups":["x"]"#, &[(".groups[0]", "no group `x`")]);
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
