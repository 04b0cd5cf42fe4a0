//! The parameters of the soak gate.

use schemas::policy::Soak;

use super::{Complaints, Site, not_earlier};

pub(super) fn check(gate: &Soak, site: &Site, complaints: &mut Complaints) {
    if let Some(message) = not_earlier(site.document, site.environment, &gate.environment) {
        complaints.add(site.at("in"), message);
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn an_artifact_soaks_in_an_earlier_environment() {
        check(r#"{"soak":{"in":"staging","for":"1h"}}"#, &[]);
        check(r#"{"soak":{"in":"prod","for":"1h"}}"#, &[(".in", "itself")]);
        check(r#"{"soak":{"in":"moon","for":"1h"}}"#, &[(".in", "this one: staging")]);
    }
}
