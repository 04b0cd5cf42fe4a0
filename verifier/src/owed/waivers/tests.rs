use schemas::id::Digest;
use schemas::predicate::waiver::{Waiver, WaiverOutcome};

use super::*;
use crate::event::{Body, Event};
use crate::fixture::{DAY, World, artifact, project};
use crate::view::Lacking;

const GATE: &str = r#"[{"vulnerabilities":{"max":{"critical":0}},
    "waiver":{"by":["security"],"max":"30d"}}]"#;

fn view(world: &World) -> View<'_> {
    View { state: &world.sequence.state, at: world.now, lacking: Lacking::Asks }
}

fn waive(world: &mut World, change: impl FnOnce(&mut Waiver)) -> EntryIndex {
    let mut body = world.waiver_body("vulnerabilities", Some("prod"));
    change(&mut body);
    world.waive("sara", &body).unwrap()
}

/// Asks, decides and deploys; gives the decision's entry.
fn bring(world: &mut World, it: &Digest) -> EntryIndex {
    let request = world.request(it, "prod").unwrap();
    let decision = world.decide(request).unwrap();
    world.deploy(it, "prod").unwrap();
    decision
}

/// What runs, with what the log says in the decisions, as a command reads them.
fn running_by(world: &World) -> Vec<RunsBy> {
    let found = running(&view(world), &[project()]).unwrap();
    let read = |runs: Runs| {
        let envelope = world.records[runs.decision as usize].envelope.as_ref().unwrap();
        let Body::Decision(body) = Event::read(envelope).unwrap().body else { panic!("{runs:?}") };
        RunsBy { runs, gates: body.extension.gates }
    };
    found.into_iter().map(read).collect()
}

fn rows(world: &World) -> Vec<Row> {
    waivers(&view(world), &[project()], &running_by(world)).unwrap()
}

#[track_caller]
fn check(world: &World, expected: &[(Standing, Option<EntryIndex>, &[EntryIndex])]) {
    let found = rows(world);
    let found: Vec<(Standing, Option<EntryIndex>, Vec<EntryIndex>)> = found
        .iter()
        .map(|it| {
            let waiver = match &it.waiver {
                Held::Kept(waiver) => Some(waiver.entry),
                Held::Gone { .. } => None,
            };
            (it.standing, waiver, it.relied.iter().map(|it| it.decision).collect())
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|it| (it.0, it.1, it.2.to_vec())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_waiver_that_ended_is_told_as_long_as_something_runs_by_it() {
    let mut world = World::with_gates("[]", GATE);
    let it = artifact("first");
    world.scan(&it, &["critical"]).unwrap();
    let waiver = waive(&mut world, |it| {
        it.expires_at = it.expires_at.plus_ms(13 * DAY);
        it.review_at = it.review_at.plus_ms(5 * DAY);
    });
    check(&world, &[(Standing::Open, Some(waiver), &[])]);
    let decision = bring(&mut world, &it);
    check(&world, &[(Standing::Open, Some(waiver), &[decision])]);
    assert_eq!(rows(&world)[0].relied[0].artifact.digest, it);
    world.wait(6 * DAY);
    check(&world, &[(Standing::Expiring, Some(waiver), &[decision])]);
    assert!(!rows(&world)[0].review_due);
    world.wait(5 * DAY);
    assert!(rows(&world)[0].review_due);
    world.wait(9 * DAY);
    check(&world, &[(Standing::ExpiredRelied, Some(waiver), &[decision])]);
    // So long after its end no slice has it any more; the decision still tells.
    world.wait(100 * DAY);
    world.scan(&artifact("other"), &[]).unwrap();
    let request = world.request(&artifact("other"), "prod").unwrap();
    check(&world, &[(Standing::ExpiredRelied, None, &[decision])]);
    let Held::Gone { said, until } = &rows(&world)[0].waiver else { panic!() };
    assert!(said.contains("by sara (security)") && until.is_some(), "{said}");
    world.decide(request).unwrap();
    world.deploy(&artifact("other"), "prod").unwrap();
    check(&world, &[]);
}

#[test]
fn granted_again_without_it_nothing_rests_on_a_waiver() {
    let mut world = World::with_gates("[]", GATE);
    let it = artifact("first");
    world.scan(&it, &["critical"]).unwrap();
    waive(&mut world, |_| {});
    bring(&mut world, &it);
    world.wait(8 * DAY);
    assert_eq!(rows(&world)[0].standing, Standing::ExpiredRelied);
    world.scan(&it, &[]).unwrap();
    let request = world.request(&it, "prod").unwrap();
    world.decide(request).unwrap();
    check(&world, &[]);
}

/// Whoever takes a waiver back ends it, and with it what it has let in.
#[test]
fn a_waiver_that_was_taken_back_is_relied_upon_as_well() {
    let mut world = World::with_gates("[]", GATE);
    let it = artifact("first");
    world.scan(&it, &["critical"]).unwrap();
    let waiver = waive(&mut world, |_| {});
    let decision = bring(&mut world, &it);
    let statement = world.statement_at(waiver);
    waive(&mut world, |it| {
        (it.outcome, it.withdraws) = (WaiverOutcome::Withdrawn, Some(statement));
    });
    check(&world, &[(Standing::ExpiredRelied, None, &[decision])]);
}

#[test]
fn waivers_of_every_environment_are_of_their_project() {
    let mut world = World::with_gates("[]", GATE);
    let everywhere = world.waiver_body("vulnerabilities", None);
    let everywhere = world.waive("sara", &everywhere).unwrap();
    check(&world, &[(Standing::Expiring, Some(everywhere), &[])]);
    assert_eq!(rows(&world)[0].environment, None);
    // One that ended, and lets nothing run, is nothing to look at.
    world.wait(8 * DAY);
    check(&world, &[]);
}
