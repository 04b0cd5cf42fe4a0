//! The parameters of the sbom gate.

use schemas::policy::Sbom;

use super::words::check_list;
use super::{Complaints, Site};

pub(super) fn check(gate: &Sbom, site: &Site, complaints: &mut Complaints) {
    let formats: Vec<String> = gate.formats.iter().map(|it| it.name().to_owned()).collect();
    check_list(&site.at("formats"), &formats, complaints, |_| None);
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn formats_stand_once() {
        check(r#"{"sbom":{}}"#, &[]);
        check(r#"{"sbom":{"formats":["spdx","cyclonedx"],"min_components":1}}"#, &[]);
        check(r#"{"sbom":{"formats":["spdx","spdx"]}}"#, &[(".formats[1]", "twice")]);
    }
}
