//! The parameters of the migration gate.

use schemas::id::EnvironmentName;
use schemas::policy::Migration;

use super::{Complaints, Site, not_earlier, rehearsed};

pub(super) fn check(gate: &Migration, site: &Site, complaints: &mut Complaints) {
    let trouble = |name: &EnvironmentName| not_earlier(site.document, site.environment, name);
    let (place, max_age) = (gate.rehearsed_in.as_ref(), gate.max_age.as_ref());
    rehearsed::check(place, max_age, trouble, site, complaints);
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
