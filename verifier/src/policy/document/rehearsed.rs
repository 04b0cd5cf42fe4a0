//! What gates that ask for a rehearsal have in common.

use schemas::id::EnvironmentName;
use schemas::policy::Duration;

use super::{Complaints, Site};

/// Checks where it was rehearsed, of which `trouble` says what is wrong, and how long ago at most.
pub(super) fn check(
    place: Option<&EnvironmentName>,
    max_age: Option<&Duration>,
    trouble: impl Fn(&EnvironmentName) -> Option<String>,
    site: &Site,
    complaints: &mut Complaints,
) {
    if let Some(message) = place.and_then(trouble) {
        complaints.add(site.at("rehearsed_in"), message);
    }
    if max_age.is_some() && place.is_none() {
        let message = "is the age of a rehearsal, and none is asked for; write `rehearsed_in`";
        complaints.add(site.at("max_age"), message);
    }
}
