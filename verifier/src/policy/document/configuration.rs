//! The parameters of the configuration gate.

use schemas::policy::Configuration;
use schemas::trust::role;

use super::words::check_list;
use super::{Complaints, Site, not_earlier};

pub(super) fn check(gate: &Configuration, site: &Site, complaints: &mut Complaints) {
    if gate.roles.is_empty() {
        complaints.add(site.at("roles"), "names nobody; write the roles that approve it");
    }
    check_list(&site.at("roles"), &gate.roles, complaints, |role| {
        let message =
            format!("`{role}` approves nothing; write an approval role such as `security`");
        (!role::is_approval(role)).then_some(message)
    });
    let trouble = |name| not_earlier(site.document, site.environment, name);
    if let Some(message) = gate.parity.as_ref().and_then(trouble) {
        complaints.add(site.at("parity"), message);
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn a_configuration_is_approved_by_roles() {
        check(r#"{"configuration":{"roles":["security"],"parity":"staging"}}"#, &[]);
        check(r#"{"configuration":{"roles":[]}}"#, &[(".roles", "names nobody")]);
        let admin = r#"{"configuration":{"roles":["admin"]}}"#;
        check(admin, &[(".roles[0]", "approves nothing")]);
        let itself = r#"{"configuration":{"roles":["qa"],"parity":"prod"}}"#;
        check(itself, &[(".parity", "itself")]);
    }
}
