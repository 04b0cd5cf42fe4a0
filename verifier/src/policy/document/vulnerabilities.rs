//! The parameters of the vulnerabilities gate.

use schemas::policy::Vulnerabilities;

use super::words::{check_list, name_trouble};
use super::{Complaints, Site};

pub(super) fn check(gate: &Vulnerabilities, site: &Site, complaints: &mut Complaints) {
    if gate.max.is_empty() {
        let message = "limits nothing, so everything would pass; write for example \
                       `max: { critical: 0, high: 0 }`";
        complaints.add(site.at("max"), message);
    }
    check_list(&site.at("suites"), &gate.suites, complaints, name_trouble);
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn vulnerability_limits_limit_something() {
        check(r#"{"vulnerabilities":{"max":{"critical":0},"suites":["trivy"]}}"#, &[]);
        check(r#"{"vulnerabilities":{"max":{}}}"#, &[(".max", "limits nothing")]);
        check(r#"{"vulnerabilities":{"max":{"low":1},"suites":[""]}}"#, &[(".suites[0]", "empty")]);
    }
}
