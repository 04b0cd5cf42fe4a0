//! The parameters of the window gate: times, a zone, and calendars that the policy has.

use schemas::policy::Window;

use super::shared::check_known;
use super::{Complaints, Site};
use crate::policy::weekly::{Weekly, zone};

pub(super) fn check(gate: &Window, site: &Site, complaints: &mut Complaints) {
    if let Err(message) = Weekly::parse(&gate.allow) {
        complaints.add(site.at("allow"), message);
    }
    if zone(&gate.zone).is_none() {
        let message = "no zone of the IANA database; write one like `Europe/Berlin` or `UTC`";
        complaints.add(site.at("zone"), message);
    }
    let calendars = &site.document.calendars;
    check_known(&site.at("not_on"), "calendar", &gate.not_on, calendars, complaints);
    check_known(&site.at("only_on"), "calendar", &gate.only_on, calendars, complaints);
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one;

    #[test]
    fn a_window_names_times_a_zone_and_calendars() {
        let check = |allow: &str, rest: &str, expected: &[(&str, &str)]| {
            check_one(&format!(r#"{{"window":{{"allow":"{allow}",{rest}}}}}"#), expected);
        };
        check("Mon-Thu 09:00-16:00", r#""zone":"Europe/Berlin""#, &[]);
        check("Mon 16:00-09:00", r#""zone":"UTC""#, &[(".allow", "two ranges")]);
        check("always", r#""zone":"UTC""#, &[(".allow", "Mon-Thu 09:00-16:00")]);
        check("Mon 09:00-16:00", r#""zone":"Berlin""#, &[(".zone", "IANA")]);
        check(
            "Mon 09:00-16:00",
            r#""zone":"UTC","not_on":["x"]"#,
            &[(".not_on[0]", "no calendar")],
        );
    }
}
