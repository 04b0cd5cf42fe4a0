//! A report that was logged before is no newer evidence: whoever records it again is told where
//! something newer stands.

use schemas::id::EntryIndex;
use schemas::kind::EventKind;

use super::suite_key;
use crate::projection::slice::ArtifactInProject;

/// The entry of newer evidence of the same kind and suite about the same artifact.
///
/// Kinds of our own have a nonce and are logged anew each time; the others may repeat.
pub fn entry(
    known: &ArtifactInProject,
    kind: EventKind,
    suite: Option<&str>,
    logged: EntryIndex,
) -> Option<EntryIndex> {
    let suite = suite_key(suite.unwrap_or_default());
    let newest = match kind {
        EventKind::Build => known.build.as_ref().map(|it| it.entry),
        EventKind::Sbom => known.sbom.as_ref().map(|it| it.entry),
        EventKind::Test => known.tests.get(&suite).map(|it| it.entry),
        EventKind::Vulnerabilities => known.scans.get(&suite).map(|it| it.entry),
        _ => None,
    };
    newest.filter(|newest| *newest > logged)
}

#[cfg(test)]
mod tests {
    use schemas::predicate::test::TestResult;

    use super::*;
    use crate::fixture::{World, artifact, project};

    #[test]
    fn newer_evidence_of_the_same_suite_stands() {
        let mut world = World::new();
        let app = artifact("app");
        let first = world.test(&app, "unit", TestResult::Passed).unwrap();
        let second = world.test(&app, "unit", TestResult::Failed).unwrap();
        let slice = world.sequence.state.artifact(&app).unwrap().unwrap().clone();
        let known = &slice.projects[&project()];
        let check = |kind, suite: Option<&str>, logged, expected| {
            assert_eq!(entry(known, kind, suite, logged), expected);
        };
        check(EventKind::Test, Some("unit"), first, Some(second));
        check(EventKind::Test, Some("unit"), second, None);
        check(EventKind::Test, Some("e2e"), first, None);
        check(EventKind::Test, None, first, None);
        check(EventKind::Sbom, None, first, None);
    }
}
