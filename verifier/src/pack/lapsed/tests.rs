use schemas::predicate::waiver::{Waiver, WaiverOutcome};

use super::*;
use crate::entry::Entry;
use crate::fixture::{DAY, World, artifact, project};
use crate::merkle;
use crate::pack::replay::replay;

const GATE: &str = r#"[{"vulnerabilities":{"max":{"critical":0}},
    "waiver":{"by":["security"],"max":"30d"}}]"#;

/// A world in which a critical artifact runs by a waiver of seven days; with its deployment.
fn world() -> (World, Digest, EntryIndex, EntryIndex) {
    let mut world = World::with_gates("[]", GATE);
    let it = artifact("first");
    world.scan(&it, &["critical"]).unwrap();
    let waiver = waive(&mut world, |_| {});
    let deployment = bring(&mut world, &it);
    (world, it, waiver, deployment)
}

fn waive(world: &mut World, change: impl FnOnce(&mut Waiver)) -> EntryIndex {
    let mut body = world.waiver_body("vulnerabilities", Some("prod"));
    change(&mut body);
    world.waive("sara", &body).unwrap()
}

fn grant(world: &mut World, it: &Digest) {
    let request = world.request(it, "prod").unwrap();
    world.decide(request).unwrap();
}

/// Gives the deployment's entry.
fn bring(world: &mut World, it: &Digest) -> EntryIndex {
    grant(world, it);
    world.deploy(it, "prod").unwrap()
}

/// The deployments for which something was found, in a period that begins and ends so many days
/// after the world's first one.
#[track_caller]
fn check(world: &World, days: (i64, i64), expected: &[EntryIndex]) {
    let mut shown = Shown::default();
    for record in &world.records {
        let it = ShownEntry {
            entry: Entry::parse(&record.entry).unwrap(),
            leaf: merkle::leaf_hash(&record.entry),
            event: record.envelope.as_ref().map(|bytes| Event::read(bytes).unwrap()),
            keys: Vec::new(),
            signers: Vec::new(),
        };
        shown.entries.insert(it.entry.index, it);
    }
    let begin = shown.entries[&0].entry.time;
    let scope = Scope {
        origin: world.origin().clone(),
        project: project(),
        environment: "prod".parse().unwrap(),
        from: begin.plus_ms(days.0 * DAY),
        to: begin.plus_ms(days.1 * DAY),
        size: world.size(),
        framework: None,
    };
    let replay = replay(&scope, shown);
    let found = findings(&scope, &replay.shown);
    let told: Vec<EntryIndex> = found.iter().filter_map(|it| it.index).collect();
    assert_eq!(told, expected, "{found:?}");
    assert!(found.iter().all(|it| it.code == Code::WaiverExpiredInUse));
}

/// Something is logged, so that a pack tells of the time until then.
fn tick(world: &mut World, days: i64) {
    world.wait(days * DAY);
    world.scan(&artifact("tick"), &[]).unwrap();
}

#[test]
fn what_runs_on_after_the_end_is_found_in_the_period_in_which_it_does() {
    let (mut world, it, waiver, deployment) = world();
    check(&world, (0, 100), &[]);
    tick(&mut world, 6);
    check(&world, (0, 100), &[]);
    tick(&mut world, 2);
    check(&world, (0, 100), &[deployment]);
    // The period was over before it, or begins when it still runs so.
    check(&world, (0, 7), &[]);
    check(&world, (8, 100), &[deployment]);
    let replaced = artifact("mended");
    world.scan(&replaced, &[]).unwrap();
    bring(&mut world, &replaced);
    tick(&mut world, 5);
    check(&world, (0, 100), &[deployment]);
    check(&world, (9, 100), &[]);
    assert!(waiver < deployment && it != replaced);
}

#[test]
fn another_grant_without_it_ends_what_rests_on_a_waiver() {
    let (mut world, it, ..) = world();
    tick(&mut world, 5);
    world.scan(&it, &[]).unwrap();
    grant(&mut world, &it);
    tick(&mut world, 30);
    check(&world, (0, 100), &[]);
}

/// What was granted in time and deployed too late never ran by a waiver in force.
#[test]
fn deployed_after_the_end_it_is_found_too() {
    let mut world = World::with_gates("[]", GATE);
    let it = artifact("first");
    world.scan(&it, &["critical"]).unwrap();
    waive(&mut world, |_| {});
    grant(&mut world, &it);
    world.wait(8 * DAY);
    let deployment = world.deploy(&it, "prod").unwrap();
    tick(&mut world, 1);
    check(&world, (0, 100), &[deployment]);
}

#[test]
fn a_waiver_that_is_taken_back_has_ended() {
    let (mut world, _, waiver, deployment) = world();
    let statement = world.statement_at(waiver);
    world.wait(DAY);
    waive(&mut world, |it| {
        (it.outcome, it.withdraws) = (WaiverOutcome::Withdrawn, Some(statement));
    });
    tick(&mut world, 1);
    check(&world, (0, 100), &[deployment]);
}

/// A rollback brings something to run as a deployment does.
#[test]
fn what_is_gone_back_to_runs_again() {
    let (mut world, it, _, deployment) = world();
    let next = artifact("next");
    world.scan(&next, &[]).unwrap();
    bring(&mut world, &next);
    tick(&mut world, 9);
    check(&world, (0, 100), &[]);
    let back = world.roll_back(&it, "prod", &next).unwrap();
    tick(&mut world, 1);
    check(&world, (0, 100), &[back]);
    assert!(deployment < back);
}

#[test]
fn what_needed_no_waiver_is_never_found() {
    let mut world = World::with_gates("[]", GATE);
    let it = artifact("first");
    world.scan(&it, &[]).unwrap();
    waive(&mut world, |_| {});
    bring(&mut world, &it);
    tick(&mut world, 20);
    check(&world, (0, 100), &[]);
}
