//! The parameters of the dependency gate.

use schemas::id::DigestAlgorithm;
use schemas::policy::Dependency;

use super::{Complaints, Site};
use crate::policy::version::Range;

pub(super) fn check(gate: &Dependency, site: &Site, complaints: &mut Complaints) {
    if gate.project == site.document.project {
        let message = "is this project itself; write another one";
        complaints.add(site.at("project"), message);
    }
    if gate.artifact.as_ref().is_some_and(|it| it.algorithm() != DigestAlgorithm::Sha256) {
        complaints.add(site.at("artifact"), "what is deployed has a sha256; write that");
    }
    match &gate.versions {
        Some(_) if gate.artifact.is_some() => {
            let message = "stands beside `artifact`, which says all; write one of the two";
            complaints.add(site.at("versions"), message);
        }
        Some(range) if range.parse::<Range>().is_err() => {
            complaints.add(site.at("versions"), "no range; write one like `>=2.1.0, <3.0.0`");
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn a_dependency_is_another_projects() {
        check(r#"{"dependency":{"project":"ledger-api"}}"#, &[]);
        let ranged = r#"{"dependency":{"project":"ledger-api","in":"prod","versions":">=2.1.0"}}"#;
        check(ranged, &[]);
        let commit = format!("gitCommit:{}", "ab".repeat(20));
        let digest = format!("sha256:{}", "ab".repeat(32));
        let with = |rest: &str| format!(r#"{{"dependency":{{"project":"x",{rest}}}}}"#);
        check(&with(r#""versions":"2.x""#), &[(".versions", "no range")]);
        check(&with(&format!(r#""artifact":"{commit}""#)), &[(".artifact", "sha256")]);
        let both = with(&format!(r#""artifact":"{digest}","versions":">=2.1.0""#));
        check(&both, &[(".versions", "one of the two")]);
    }
}
