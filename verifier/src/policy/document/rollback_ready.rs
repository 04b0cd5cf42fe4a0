//! The parameters of the rollback-ready gate.

use schemas::id::EnvironmentName;
use schemas::policy::RollbackReady;

use super::{Complaints, Site, no_environment, rehearsed};

pub(super) fn check(gate: &RollbackReady, site: &Site, complaints: &mut Complaints) {
    let trouble = |name: &EnvironmentName| no_environment(site.document, name);
    let (place, max_age) = (gate.rehearsed_in.as_ref(), gate.max_age.as_ref());
    rehearsed::check(place, max_age, trouble, site, complaints);
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
