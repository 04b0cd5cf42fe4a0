//! Notes: what is refused, and what they may be about.

use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::predicate::note;

use super::*;

#[test]
fn a_note_needs_any_role_and_some_text() {
    let said = |by: &'static str, text: String| {
        move |w: &mut World| {
            let (ledger, nonce) = (w.origin().clone(), w.nonce());
            let body = note::Note { ledger, project: project(), nonce, text, about: None };
            let subject = vec![w.itself()];
            w.log(&Statement::new(subject, note::TYPE, body), &[by], None)
        }
    };
    refused(Code::RoleMissing, said("stranger", "hello".into()));
    refused(Code::PredicateInvalid, said("nora", String::new()));
    refused(Code::PredicateInvalid, said("nora", "x".repeat(65_537)));
    let mut world = world();
    said("nora", "a postmortem".into())(&mut world).unwrap();
    // The ledger itself has no artifact thread, and so no slice.
    let itself = world.itself().thread_digests().unwrap().remove(0);
    assert!(world.sequence.state.artifact(&itself).unwrap().is_none());
    assert!(world.verify().findings.is_empty());
}

/// Grants and deploys; gives the deployment.
fn run(world: &mut World, artifact: &Digest, to: &str) -> EntryIndex {
    let request = world.request(artifact, to).unwrap();
    world.decide(request).unwrap();
    world.deploy(artifact, to).unwrap()
}

/// A world with a deployment and an open request of the artifact, and a deployment of another.
fn happened() -> (World, Digest, [EntryIndex; 3]) {
    let mut world = World::with_gates("[]", "[]");
    let other = artifact("other");
    let deployment = run(&mut world, &app(), "prod");
    let request = world.request(&app(), "staging").unwrap();
    let others = run(&mut world, &other, "staging");
    (world, other, [deployment, request, others])
}

#[test]
fn a_note_is_about_an_earlier_entry() {
    let (mut world, _, [deployment, request, _]) = happened();
    let next = world.size();
    for later in [next, next + 1, 1 << 52] {
        refused_in(&mut world, Code::PredicateInvalid, |w| w.note(&[&app()], "why", later));
    }
    for earlier in [0, deployment, request, next - 1] {
        // A note about no artifact may be about whatever came before it.
        let body = world.note_body("why", Some(earlier));
        world.record_of_itself("nora", note::TYPE, &body).unwrap();
    }
    // Neither is the ledger an artifact beside one.
    let body = world.note_body("why", Some(deployment));
    let subjects = vec![world.itself(), Subject::of(&app(), None)];
    world.log(&Statement::new(subjects, note::TYPE, body), &["nora"], None).unwrap();
}

#[test]
fn a_note_is_not_about_what_happened_to_another_artifact() {
    use Code::SubjectInvalid;
    let (mut world, other, [deployment, request, others]) = happened();
    for (of, entry) in [(&other, deployment), (&other, request), (&app(), others)] {
        refused_in(&mut world, SubjectInvalid, |w| w.note(&[of], "why", entry));
    }
    refused_in(&mut world, SubjectInvalid, |w| w.note(&[&app(), &other], "why", deployment));
    for entry in [deployment, request] {
        world.note(&[&app()], "why", entry).unwrap();
    }
    // A decided request and one that failed, as long as they are remembered.
    world.decide(request).unwrap();
    let body = world.deployment_body("prod", DeploymentResult::Failed);
    let failed = world.record("ci", &other, deployment::TYPE, &body).unwrap();
    for entry in [deployment, request, failed] {
        let (right, wrong) =
            if entry == failed { (other.clone(), app()) } else { (app(), other.clone()) };
        refused_in(&mut world, SubjectInvalid, |w| w.note(&[&wrong], "why", entry));
        world.note(&[&right], "why", entry).unwrap();
    }
    // What ran before is remembered, and what ran before that is not: nobody can tell.
    run(&mut world, &other, "prod");
    refused_in(&mut world, SubjectInvalid, |w| w.note(&[&other], "why", deployment));
    run(&mut world, &artifact("third"), "prod");
    world.note(&[&other], "why", deployment).unwrap();
    // Any other entry is anybody's.
    let built = world.build(&app(), &commit("app")).unwrap();
    world.note(&[&other], "why", built).unwrap();
}

#[test]
fn a_note_about_a_request_for_several_names_some_of_them() {
    let mut world = World::with_gates("[]", "[]");
    let (worker, other) = (artifact("worker"), artifact("other"));
    let request = world.request_together(&[&app(), &worker], "prod").unwrap();
    for named in [vec![&app(), &worker], vec![&worker]] {
        world.note(&named, "why", request).unwrap();
    }
    refused_in(&mut world, Code::SubjectInvalid, |w| w.note(&[&app(), &other], "why", request));
    world.decide(request).unwrap();
    let first = world.deploy(&worker, "prod").unwrap();
    world.deploy(&app(), "prod").unwrap();
    // The first runs beside the second.
    refused_in(&mut world, Code::SubjectInvalid, |w| w.note(&[&app()], "why", first));
    world.note(&[&worker], "why", first).unwrap();
}
