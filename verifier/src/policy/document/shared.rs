//! What the gates of a policy share: groups of people, calendars, and the template behind it all.

use std::collections::BTreeSet;

use schemas::policy::PolicyDocument;
use schemas::trust::role;

use super::words::{check_list, name_trouble};
use super::{Complaints, is_hidden};

/// Most groups and calendars of a policy.
const NAMED_MAX: usize = 64;
/// Most members of a group, and most days of a calendar.
const MEMBERS_MAX: usize = 1000;
/// Longest value of a template's parameter.
const VALUE_BYTES_MAX: usize = 1000;

pub(super) fn check(document: &PolicyDocument, complaints: &mut Complaints) {
    let groups = document.groups.iter().map(|(name, people)| {
        (name, people.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>())
    });
    check_named("groups", groups.collect(), complaints, |_| None);
    let calendars = document.calendars.iter().map(|(name, days)| (name, days.clone()));
    check_named("calendars", calendars.collect(), complaints, day_trouble);
    let Some(extends) = &document.extends else { return };
    if let Some(message) = name_trouble(&extends.template) {
        complaints.add("extends.template", message);
    }
    if extends.parameters.len() > NAMED_MAX {
        let count = extends.parameters.len();
        let message = format!("{count} parameters; write at most {NAMED_MAX}");
        complaints.add("extends.parameters", message);
    }
    for (name, value) in extends.parameters.iter().take(NAMED_MAX) {
        let hidden = value.chars().any(|c| is_hidden(c) && c != '\n');
        if !role::is_word(name) || value.len() > VALUE_BYTES_MAX || hidden {
            let message = "names are lower-case letters, digits and hyphens, values are at most \
                           1000 visible bytes; write a plainer one";
            complaints.add(format!("extends.parameters.{name}"), message);
        }
    }
}

fn check_named(
    at: &str,
    lists: Vec<(&String, Vec<String>)>,
    complaints: &mut Complaints,
    trouble: fn(&str) -> Option<String>,
) {
    if lists.len() > NAMED_MAX {
        complaints.add(at, format!("{} of them; write at most {NAMED_MAX}", lists.len()));
    }
    for (name, members) in lists.iter().take(NAMED_MAX) {
        let at = format!("{at}.{name}");
        if !role::is_word(name) {
            let message = "not a name; write lower-case letters, digits and hyphens, at most 63";
            complaints.add(&at, message);
        }
        if members.is_empty() || members.len() > MEMBERS_MAX {
            let message = format!("{} members; write 1 to {MEMBERS_MAX}", members.len());
            complaints.add(&at, message);
        }
        let mut seen = BTreeSet::new();
        for (index, member) in members.iter().take(MEMBERS_MAX).enumerate() {
            let twice = !seen.insert(member);
            let twice = twice.then(|| format!("`{member}` stands here twice; write it once"));
            if let Some(message) = trouble(member).or(twice) {
                complaints.add(format!("{at}[{index}]"), message);
            }
        }
    }
}

/// True where a list of names of groups or calendars names only what there is.
pub(super) fn check_known<T>(
    at: &str,
    what: &str,
    names: &[String],
    known: &std::collections::BTreeMap<String, T>,
    complaints: &mut Complaints,
) {
    check_list(at, names, complaints, |name| {
        let unknown = !known.contains_key(name);
        unknown.then(|| format!("the policy has no {what} `{name}`; write it under `{what}s`"))
    });
}

/// Says why a text is no day.
pub(super) fn day_trouble(day: &str) -> Option<String> {
    let midnight = format!("{day}T00:00:00.000Z");
    let sound = day.len() == 10 && schemas::id::Time::parse(midnight.as_bytes()).is_some();
    (!sound).then(|| "not a day; write it like `2026-12-24`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::check_document;

    /// `expected` pairs a path with a part of its message.
    fn check(members: &str, expected: &[(&str, &str)]) {
        let text = format!(
            r#"{{"apiVersion":"attestry/policy/v1","project":"p",{members},
                "environments":[{{"name":"a","gates":[]}}]}}"#
        );
        let document: PolicyDocument = serde_json::from_str(&text).unwrap();
        let found = check_document(&document);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (complaint, (path, part)) in found.iter().zip(expected) {
            assert_eq!(complaint.path, *path);
            assert!(complaint.message.contains(part), "{}", complaint.message);
        }
    }

    #[test]
    fn groups_and_calendars_are_named_lists() {
        check(r#""groups":{"leads":["anna","ben"]},"calendars":{"off":["2026-12-24"]}"#, &[]);
        check(r#""groups":{"leads":[]}"#, &[("groups.leads", "1 to 1000")]);
        check(r#""groups":{"The leads":["a"]}"#, &[("groups.The leads", "not a name")]);
        check(r#""groups":{"leads":["a","a"]}"#, &[("groups.leads[1]", "twice")]);
        for bad in ["2026-02-30", "26-12-24", "2026-12-24T00:00:00.000Z", "today"] {
            let text = format!(r#""calendars":{{"off":["{bad}"]}}"#);
            check(&text, &[("calendars.off[0]", "`2026-12-24`")]);
        }
    }

    #[test]
    fn a_template_is_named_with_its_parameters() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let extends = |rest: &str| format!(r#""extends":{{{rest},"digest":"{digest}"}}"#);
        check(&extends(r#""template":"regulated","parameters":{"source":"x"}"#), &[]);
        check(&extends(r#""template":"""#), &[("extends.template", "empty")]);
        let odd = extends(r#""template":"a","parameters":{"A":"x","b":"\u0007"}"#);
        check(&odd, &[("extends.parameters.A", "plainer"), ("extends.parameters.b", "plainer")]);
    }
}
