use schemas::predicate::observation::{self, Observation};
use schemas::statement::{Annotations, Statement, Subject};

use super::DriftKind::*;
use super::*;
use crate::fixture::{DAY, HOUR, World, artifact, body, environment};
use crate::projection::State;
use crate::view::Lacking;

/// An environment that anything may enter.
fn world() -> World {
    World::with_gates("[]", "[]")
}

fn build(world: &mut World, digest: &Digest, name: &str, version: &str) {
    let mut subject = Subject::of(digest, Some(name));
    subject.annotations = Some(Annotations { version: Some(version.to_owned()) });
    let build = body::build(body::BUILDER, &[]);
    let statement = Statement::new(vec![subject], schemas::predicate::build::TYPE, build);
    world.log(&statement, &["ci"], Some("payments")).unwrap();
}

/// Gives the decision's entry.
fn grant(world: &mut World, digest: &Digest) -> EntryIndex {
    let request = world.request(digest, "prod").unwrap();
    world.decide(request).unwrap()
}

/// Grants and deploys; gives the decision's entry.
fn bring(world: &mut World, digest: &Digest) -> EntryIndex {
    let decision = grant(world, digest);
    world.deploy(digest, "prod").unwrap();
    decision
}

fn look(world: &mut World, change: impl FnOnce(&mut Observation), seen: &[&Digest]) {
    world.wait(HOUR);
    let mut body = world.observation_body("prod", seen);
    change(&mut body);
    world.record_of_itself("ci", observation::TYPE, &body).unwrap();
}

fn see(world: &mut World, seen: &[&Digest]) {
    look(world, |_| {}, seen);
}

fn drift_of(world: &World) -> Drift {
    let view = View { state: &world.sequence.state, at: world.now, lacking: Lacking::Asks };
    drift(&view, &environment("prod")).unwrap()
}

#[track_caller]
fn check(world: &World, expected: &[(DriftKind, Option<&Digest>, Option<EntryIndex>)]) {
    let found = drift_of(world);
    let found: Vec<_> = found
        .differences
        .iter()
        .map(|it| (it.kind, it.artifact.as_ref().map(|it| &it.digest), it.entry))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_runs_as_it_was_granted_differs_in_nothing() {
    let mut world = world();
    check(&world, &[]);
    let it = artifact("first");
    bring(&mut world, &it);
    see(&mut world, &[&it]);
    check(&world, &[]);
    let found = drift_of(&world);
    let look = found.look.unwrap();
    assert_eq!((look.artifacts, look.instances, look.source.as_str()), (1, 3, "kubernetes"));
    assert_eq!(found.expected.len(), 1);
    assert!(found.known && !found.expected[0].rollback);
}

#[test]
fn a_digest_that_nothing_granted_there_is_unapproved() {
    let mut world = world();
    let (it, other) = (artifact("first"), artifact("other"));
    let decision = bring(&mut world, &it);
    see(&mut world, &[&it, &other]);
    check(&world, &[(UnapprovedDigest, Some(&other), None)]);
    // A grant in another environment is none here.
    let request = world.request(&other, "staging").unwrap();
    world.decide(request).unwrap();
    see(&mut world, &[&it, &other]);
    check(&world, &[(UnapprovedDigest, Some(&other), None)]);
    // Deployed without a grant it is as unapproved as before, and takes nothing from what was.
    world.deploy(&other, "prod").unwrap();
    see(&mut world, &[&other]);
    let unapproved = (UnapprovedDigest, Some(&other), None);
    check(&world, &[unapproved, (GrantedNotRunning, Some(&it), Some(decision))]);
}

#[test]
fn what_was_granted_before_the_look_is_to_be_seen_by_it() {
    let mut world = world();
    let (old, new) = (artifact("old"), artifact("new"));
    let first = bring(&mut world, &old);
    see(&mut world, &[]);
    check(&world, &[(GrantedNotRunning, Some(&old), Some(first))]);
    see(&mut world, &[&old]);
    let second = grant(&mut world, &new);
    // The look is older than the grant.
    check(&world, &[]);
    see(&mut world, &[&old]);
    let older = (OlderThanGranted, Some(&old), Some(second));
    check(&world, &[older, (GrantedNotRunning, Some(&new), Some(second))]);
    // Half way.
    see(&mut world, &[&old, &new]);
    check(&world, &[older]);
    world.deploy(&new, "prod").unwrap();
    see(&mut world, &[&new]);
    check(&world, &[]);
    // Brought back without asking anybody.
    world.deploy(&old, "prod").unwrap();
    see(&mut world, &[&old]);
    check(&world, &[older, (GrantedNotRunning, Some(&new), Some(second))]);
}

#[test]
fn a_rollback_says_what_should_run() {
    let mut world = world();
    let (old, new) = (artifact("old"), artifact("new"));
    bring(&mut world, &old);
    bring(&mut world, &new);
    let back = world.roll_back(&old, "prod", &new).unwrap();
    see(&mut world, &[&old]);
    check(&world, &[]);
    assert!(drift_of(&world).expected[0].rollback);
    see(&mut world, &[&new]);
    let runs = (RolledBackRuns, Some(&new), Some(back));
    check(&world, &[runs, (GrantedNotRunning, Some(&old), Some(back))]);
    // Granted and deployed once more it is what should run.
    bring(&mut world, &new);
    see(&mut world, &[&new]);
    check(&world, &[]);
}

#[test]
fn artifacts_of_other_names_are_no_versions_of_one_another() {
    let mut world = world();
    let (api, worker) = (artifact("api"), artifact("worker"));
    build(&mut world, &api, "api", "1.4.2");
    build(&mut world, &worker, "worker", "1.4.2");
    bring(&mut world, &api);
    let second = grant(&mut world, &worker);
    see(&mut world, &[&api]);
    check(&world, &[(GrantedNotRunning, Some(&worker), Some(second))]);
    look(&mut world, |it| tag(it, "1.4.2"), &[&api, &worker]);
    check(&world, &[]);
}

/// Names and tags everything that was seen alike.
fn tag(body: &mut Observation, tag: &str) {
    for it in &mut body.artifacts {
        it.tag = Some(tag.to_owned());
        it.name = Some(format!("registry.example/{}", it.digest.short()));
    }
}

#[test]
fn a_tag_that_is_two_digests_or_another_one_has_drifted() {
    let mut world = world();
    let (it, other) = (artifact("first"), artifact("other"));
    build(&mut world, &it, "payments", "1.4.2");
    let decision = bring(&mut world, &it);
    look(&mut world, |it| tag(it, "1.4.2"), &[&it]);
    check(&world, &[]);
    // The tag was pushed again: another digest runs by the granted version's name.
    look(&mut world, |it| tag(it, "1.4.2"), &[&other]);
    let moved = (TagDrift, Some(&other), Some(decision));
    let unapproved = (UnapprovedDigest, Some(&other), None);
    check(&world, &[unapproved, moved, (GrantedNotRunning, Some(&it), Some(decision))]);
    // Two digests by one name and tag, neither of them the version that was granted.
    let same = |body: &mut Observation| {
        for it in &mut body.artifacts {
            (it.name, it.tag) = (Some("payments".to_owned()), Some("stable".to_owned()));
        }
    };
    look(&mut world, same, &[&it, &other]);
    let found: Vec<DriftKind> = drift_of(&world).differences.iter().map(|it| it.kind).collect();
    assert_eq!(found, [UnapprovedDigest, TagDrift, TagDrift]);
}

#[test]
fn an_environment_is_to_be_looked_at() {
    let mut world = world();
    let it = artifact("first");
    grant(&mut world, &it);
    check(&world, &[(NeverObserved, None, None)]);
    let deployment = world.deploy(&it, "prod").unwrap();
    check(&world, &[(NeverObserved, None, Some(deployment))]);
    see(&mut world, &[&it]);
    let entry = drift_of(&world).look.unwrap().entry;
    let taken = drift_of(&world).look.unwrap().taken_at;
    world.wait(DAY - world.now.since(taken));
    check(&world, &[]);
    world.wait(1);
    check(&world, &[(ObservedLongAgo, None, Some(entry))]);
}

/// A pack shows some threads: of the others nothing is known, and that is no yes.
#[test]
fn what_cannot_be_told_is_told() {
    let mut world = world();
    let (it, other) = (artifact("first"), artifact("other"));
    bring(&mut world, &it);
    see(&mut world, &[&it, &other]);
    let state = &world.sequence.state;
    let mut part = State::partial(state.control().clone(), None).unwrap();
    let here = environment("prod");
    let slice = state.environment(&here).unwrap().cloned();
    part.know_environment(here.clone(), slice, None);
    let view = View { state: &part, at: world.now, lacking: Lacking::GoesOn };
    let found = drift(&view, &here).unwrap();
    let kinds: Vec<_> = found.differences.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [CannotBeTold]);
    assert_eq!(found.differences[0].artifact.as_ref().unwrap().digest, other);
    let left_out = drift(&view, &environment("staging")).unwrap();
    assert!(!left_out.known && left_out.differences.is_empty());
    // A ledger asks for what it lacks.
    let asks = View { lacking: Lacking::Asks, ..view };
    assert!(drift(&asks, &here).is_err());
}

/// The slice keeps a number of promotions, and an artifact its newest decision: one that was denied
/// since is not forgotten to have been granted.
#[test]
fn what_was_granted_long_ago_and_denied_since_is_no_stranger() {
    let mut world = world();
    let (first, second) = (artifact("first"), artifact("second"));
    bring(&mut world, &first);
    let newer = bring(&mut world, &second);
    let gate = r#"[{"vulnerabilities":{"max":{"critical":0}}}]"#;
    world.policy("paul", &body::policy_json("[]", gate)).unwrap();
    let names = (0..crate::projection::promotion::CLOSED_MAX).map(|nth| format!("other {nth}"));
    for it in names.map(|name| artifact(&name)).chain([first.clone()]) {
        world.scan(&it, &["critical"]).unwrap();
        grant(&mut world, &it);
    }
    let slice = world.sequence.state.environment(&environment("prod")).unwrap().unwrap();
    let kept = slice.closed.iter().filter(|it| *it.artifact() == first);
    assert!(kept.clone().all(|it| it.state() == "denied") && kept.count() == 1);
    see(&mut world, &[&first, &second]);
    check(&world, &[(OlderThanGranted, Some(&first), Some(newer))]);
}
