//! The parameters of the canary gate.

use schemas::policy::Canary;

use super::{Complaints, Site, no_environment};

pub(super) fn check(gate: &Canary, site: &Site, complaints: &mut Complaints) {
    if let Some(message) =
        gate.environment.as_ref().and_then(|name| no_environment(site.document, name))
    {
        complaints.add(site.at("in"), message);
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn a_canary_runs_in_an_environment_of_the_policy() {
        check(r#"{"canary":{}}"#, &[]);
        check(r#"{"canary":{"in":"staging","min_samples":1,"min_duration":"30m"}}"#, &[]);
        check(r#"{"canary":{"in":"prod"}}"#, &[]);
        check(r#"{"canary":{"in":"moon"}}"#, &[(".in", "no environment is named `moon`")]);
    }
}
