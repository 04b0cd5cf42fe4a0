//! The parameters of the rollback-ready gate.

use schemas::policy::RollbackReady;

use super::{Complaints, Site, no_environment};

pub(super) fn check(gate: &RollbackReady, site: &Site, complaints: &mut Complaints) {
    let trouble = |name| no_environment(site.document, name);
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
    fn a_rollback_is_rehearsed_in_an_environment_of_the_policy() {
        check(r#"{"rollback-ready":{}}"#, &[]);
        check(r#"{"rollback-ready":{"rehearsed_in":"prod","seen_within":"1h"}}"#, &[]);
        let moon = r#"{"rollback-ready":{"rehearsed_in":"moon"}}"#;
        check(moon, &[(".rehearsed_in", "no environment")]);
        check(r#"{"rollback-ready":{"max_age":"7d"}}"#, &[(".max_age", "rehearsed_in")]);
    }
}
