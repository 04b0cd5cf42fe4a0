use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::predicate::incident::IncidentStatus;
use schemas::predicate::test::TestResult;
use schemas::trust::Compromise;

use super::*;
use crate::event::Event;
use crate::fixture::{World, artifact, commit, key_id, project};
use crate::line::InForce;
use crate::view::Lacking;

/// The lines of a tree, each behind its depth.
fn texts(node: &Node, depth: usize, out: &mut Vec<String>) {
    out.push(format!("{depth} {}", node.text));
    node.children.iter().for_each(|child| texts(child, depth + 1, out));
}

/// Every line of the log that names an artifact.
fn thread(world: &World, digest: &Digest) -> Vec<Line> {
    let first = Event::read(world.records[0].envelope.as_deref().unwrap()).unwrap();
    let in_force = InForce::of(first).unwrap();
    let read = |it: &crate::log::Record| {
        Line::read(&it.entry, it.envelope.as_deref(), in_force.as_ref()).unwrap()
    };
    let about =
        |line: &Line| line.event.as_ref().is_some_and(|it| it.digests().any(|it| it == digest));
    world.records.iter().map(read).filter(about).collect()
}

/// The tree of an artifact, a line each behind its depth.
fn shown(world: &World, digest: &Digest) -> Vec<String> {
    let thread = thread(world, digest);
    let view = View { state: &world.sequence.state, at: world.now, lacking: Lacking::GoesOn };
    let trees = lineage(&view, digest, Some(&project()), &thread).unwrap();
    let mut out = Vec::new();
    texts(&trees[0], 0, &mut out);
    out
}

fn check(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|it| it == line), "{line}: {lines:#?}");
    }
}

#[test]
fn what_went_wrong_stands_in_its_environment() {
    let mut world = World::with_gates("[]", "[]");
    let (old, new) = (artifact("old"), artifact("new"));
    world.deploy(&old, "prod").unwrap();
    world.canary(&new, "prod", CanaryVerdict::Failed).unwrap();
    world.deploy(&new, "prod").unwrap();
    world.blame(&new, "prod", "INC-1", IncidentStatus::Opened).unwrap();
    world.roll_back(&old, "prod", &new).unwrap();
    world.blame(&new, "prod", "INC-1", IncidentStatus::Resolved).unwrap();
    check(
        &shown(&world, &new),
        &[
            "1 payments/prod",
            "2 canary failed, by ci",
            "2 INC-1 opened (sev2): refunds fail",
            "2 INC-1 resolved (sev2): refunds fail",
        ],
    );
    let back = format!("2 rollback from {} succeeded, by ci: refunds fail", new.short());
    check(&shown(&world, &old), &[&back]);
}

#[test]
fn what_a_compromised_key_signed_is_marked() {
    let mut world = World::with_gates("[]", "[]");
    let app = artifact("app");
    world.test(&app, "e2e", TestResult::Passed).unwrap();
    let from = world.build(&app, &commit("c")).unwrap();
    world.test(&app, "unit", TestResult::Passed).unwrap();
    world.deploy(&app, "prod").unwrap();
    let count = |world: &World, mark: &str| {
        shown(world, &app).iter().filter(|line| line.ends_with(mark)).count()
    };
    let key = key_id("ci");
    let mark = format!("key {} is compromised from entry {from} on", key.short());
    assert_eq!(count(&world, &mark), 0);
    world.amend(|document| document.compromises.push(Compromise { key, from })).unwrap();
    // The build, the later test and the deployment; the first test was signed before.
    assert_eq!(count(&world, &mark), 3, "{:#?}", shown(&world, &app));
}

#[test]
fn a_note_stands_beneath_what_it_is_about() {
    let mut world = World::with_gates("[]", "[]");
    let (app, other) = (artifact("app"), artifact("other"));
    let built = world.build(&app, &commit("c")).unwrap();
    let request = world.request(&app, "prod").unwrap();
    world.decide(request).unwrap();
    let deployed = world.deploy(&app, "prod").unwrap();
    let elsewhere = world.test(&other, "unit", TestResult::Passed).unwrap();
    let note = world.note(&[&app], "the cache was cold\nand nobody looked", deployed).unwrap();
    world.note(&[&app], "asked too early", request).unwrap();
    world.note(&[&app], "from the old runner", built).unwrap();
    world.note(&[&app], "it should have said so", elsewhere).unwrap();
    world.note(&[&app], "it was the night shift", note).unwrap();
    world.note(&[&other], "nothing to do with it", built).unwrap();
    let lines = shown(&world, &app);
    let below = |above: &str| {
        let at = lines.iter().position(|line| line.contains(above)).unwrap();
        lines[at + 1].clone()
    };
    assert_eq!(below("deployment succeeded"), "3 note by nora: the cache was cold…");
    assert_eq!(below("the cache was cold"), "4 note by nora: it was the night shift");
    assert_eq!(below(" asked by mia"), "3 note by nora: asked too early");
    check(
        &lines,
        &[
            "2 note by nora: from the old runner",
            &format!("1 note of entry {elsewhere} by nora: it should have said so"),
        ],
    );
    assert!(!lines.iter().any(|line| line.contains("nothing to do")), "{lines:#?}");
}

#[test]
fn notes_about_notes_go_only_so_deep() {
    let mut world = World::with_gates("[]", "[]");
    let app = artifact("app");
    let mut last = world.build(&app, &commit("c")).unwrap();
    for _ in 0..100 {
        last = world.note(&[&app], "and so on", last).unwrap();
    }
    let lines = shown(&world, &app);
    let depth = |line: &String| line.split_once(' ').unwrap().0.parse::<usize>().unwrap();
    assert_eq!(lines.iter().filter(|line| line.contains("and so on")).count(), 100);
    assert_eq!(lines.iter().map(depth).max(), Some(32));
}

#[test]
fn the_notes_of_a_promotion_are_those_of_its_deployments_too() {
    let mut world = World::with_gates("[]", "[]");
    let app = artifact("app");
    let request = world.request(&app, "prod").unwrap();
    world.decide(request).unwrap();
    let mut body = world.deployment_body("prod", DeploymentResult::Succeeded);
    body.promotion = Some(request);
    let deployed = world.record("ci", &app, deployment::TYPE, &body).unwrap();
    let again = world.deploy(&app, "prod").unwrap();
    let notes = [request, deployed, again].map(|it| world.note(&[&app], "why", it).unwrap());
    let thread = thread(&world, &app);
    let about = |entry: EntryIndex| -> Vec<EntryIndex> {
        notes::about(&project(), entry, &thread).iter().map(|(line, _)| line.entry.index).collect()
    };
    assert_eq!(about(request), notes[..2]);
    assert_eq!(about(deployed), notes[1..2]);
    assert_eq!(about(again), notes[2..]);
}
