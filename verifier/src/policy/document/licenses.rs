//! The parameters of the licenses gate: identifiers, not expressions.

use schemas::policy::Licenses;

use super::words::check_list;
use super::{Complaints, Site};
use crate::policy::spdx::{self, Expression};

pub(super) fn check(gate: &Licenses, site: &Site, complaints: &mut Complaints) {
    if gate.allow.is_empty() && gate.deny.is_empty() {
        let message = "admits every licence; write for example `allow: [MIT, Apache-2.0]`";
        complaints.add(&site.path, message);
    }
    check_list(&site.at("allow"), &gate.allow, complaints, licence_trouble);
    check_list(&site.at("deny"), &gate.deny, complaints, |text| {
        let both = gate.allow.iter().any(|it| it.eq_ignore_ascii_case(text));
        let both = both.then(|| "allowed and denied; write it once".to_owned());
        licence_trouble(text).or(both)
    });
}

fn licence_trouble(text: &str) -> Option<String> {
    match spdx::parse(text) {
        Some(Expression::Licence(_)) => None,
        Some(Expression::And(_) | Expression::Or(_)) => {
            Some("an expression; write each licence by itself".to_owned())
        }
        None => Some("no SPDX identifier; write one such as `Apache-2.0`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one;

    #[test]
    fn licences_are_named_one_by_one() {
        let check = |fields: &str, expected: &[(&str, &str)]| {
            check_one(&format!(r#"{{"licenses":{{{fields}}}}}"#), expected);
        };
        check(r#""allow":["MIT","GPL-2.0-only WITH Classpath-exception-2.0"]"#, &[]);
        check("", &[("", "admits every licence")]);
        check(r#""allow":["MIT OR Apache-2.0"]"#, &[(".allow[0]", "each licence by itself")]);
        check(r#""deny":["the GPL"]"#, &[(".deny[0]", "no SPDX identifier")]);
        check(r#""allow":["MIT"],"deny":["mit"]"#, &[(".deny[0]", "allowed and denied")]);
    }
}
