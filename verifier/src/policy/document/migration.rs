//! The parameters of the migration gate.

use schemas::policy::Migration;

use super::{Complaints, Site, not_earlier};

pub(super) fn check(gate: &Migration, site: &Site, complaints: &mut Complaints) {
    let trouble = |name| not_earlier(site.document, site.environment, name);
    if let Some(message) = gate.rehearsed_in.as_ref().and_then(trouble) {
        complaints.add(site.at("rehearsed_in"), message);
    }
    if gate.max_age.is_some() && gate.rehearsed_in.is_none() {
        let message = "is the age of a rehearsal, and none is asked for; write `rehearsed_in`";
        complaints.add(site.at("max_age"), message);
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn a_migration_is_rehearsed_in_an_earlier_environment() {
        check(r#"{"migration":{}}"#, &[]);
        check(r#"{"migration":{"rehearsed_in":"staging","max_age":"7d"}}"#, &[]);
        check(r#"{"migration":{"rehearsed_in":"prod"}}"#, &[(".rehearsed_in", "itself")]);
        check(r#"{"migration":{"max_age":"7d"}}"#, &[(".max_age", "rehearsed_in")]);
    }
}
