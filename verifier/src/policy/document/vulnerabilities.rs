//! The parameters of the vulnerabilities gate.

use schemas::policy::Vulnerabilities;

use super::shared::day_trouble;
use super::words::{check_list, name_trouble};
use super::{Complaints, Site};

pub(super) fn check(gate: &Vulnerabilities, site: &Site, complaints: &mut Complaints) {
    if gate.max.is_empty() {
        let message = "limits nothing, so everything would pass; write for example \
                       `max: { critical: 0, high: 0 }`";
        complaints.add(site.at("max"), message);
    }
    check_list(&site.at("suites"), &gate.suites, complaints, name_trouble);
    check_list(&site.at("scanners"), &gate.scanners, complaints, name_trouble);
    let names: Vec<String> = gate.allow.iter().map(|it| it.id.clone()).collect();
    check_list(&site.at("allow"), &names, complaints, name_trouble);
    for (nth, allowed) in gate.allow.iter().enumerate() {
        let at = format!("{}[{nth}]", site.at("allow"));
        if let Some(message) = day_trouble(&allowed.until) {
            complaints.add(format!("{at}.until"), message);
        }
        if let Some(message) = name_trouble(&allowed.why) {
            complaints.add(format!("{at}.why"), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn vulnerability_limits_limit_something() {
        check(r#"{"vulnerabilities":{"max":{"critical":0},"suites":["trivy"]}}"#, &[]);
        check(r#"{"vulnerabilities":{"max":{}}}"#, &[(".max", "limits nothing")]);
        check(r#"{"vulnerabilities":{"max":{"low":1},"suites":[""]}}"#, &[(".suites[0]", "empty")]);
        let allow = |id: &str, until: &str, why: &str, expected: &[(&str, &str)]| {
            let one = format!(r#"{{"id":"{id}","until":"{until}","why":"{why}"}}"#);
            check(
                &format!(r#"{{"vulnerabilities":{{"max":{{"low":1}},"allow":[{one}]}}}}"#),
                expected,
            );
        };
        allow("CVE-1", "2026-12-24", "no network", &[]);
        allow("", "2026-12-24", "no network", &[(".allow[0]", "empty")]);
        allow("CVE-1", "soon", "no network", &[(".allow[0].until", "not a day")]);
        allow("CVE-1", "2026-12-24", "", &[(".allow[0].why", "empty")]);
    }
}
