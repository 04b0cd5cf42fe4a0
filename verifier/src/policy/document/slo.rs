//! The parameters of the SLO gate.

use schemas::policy::Slo;

use super::words::name_trouble;
use super::{Complaints, Site};

pub(super) fn check(gate: &Slo, site: &Site, complaints: &mut Complaints) {
    if gate.min_budget_left.is_none() && gate.max_burn_rate.is_none() {
        let message = "limits nothing, so everything would pass; write `min_budget_left`, \
                       `max_burn_rate` or both";
        complaints.add(&site.path, message);
    }
    if let Some(message) = gate.objective.as_deref().and_then(name_trouble) {
        complaints.add(site.at("objective"), message);
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn an_slo_limits_something() {
        check(r#"{"slo":{"min_budget_left":"20","max_age":"1h"}}"#, &[]);
        check(r#"{"slo":{"objective":"checkout","max_burn_rate":2,"max_age":"1h"}}"#, &[]);
        check(r#"{"slo":{"max_age":"1h"}}"#, &[("", "limits nothing")]);
        let unnamed = r#"{"slo":{"objective":"","max_burn_rate":2,"max_age":"1h"}}"#;
        check(unnamed, &[(".objective", "empty")]);
    }
}
