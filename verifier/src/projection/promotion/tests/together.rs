//! The life of a promotion of several artifacts, and what runs meanwhile.

use schemas::report::Code;

use super::*;
use crate::projection::slice::Running;

fn worker() -> Digest {
    artifact("worker")
}

/// Something ran before; both are granted together.
fn granted() -> (World, EntryIndex) {
    let mut world = World::with_gates("[]", "[]");
    let before = world.request(&artifact("before"), "prod").unwrap();
    world.decide(before).unwrap();
    world.deploy(&artifact("before"), "prod").unwrap();
    let request = world.request_together(&[&app(), &worker()], "prod").unwrap();
    world.decide(request).unwrap();
    (world, request)
}

fn slice(world: &World) -> EnvironmentSlice {
    world.sequence.state.environment(&environment("prod")).unwrap().unwrap().clone()
}

/// What runs, newest first, and what ran before that.
fn running(world: &World) -> [Vec<Digest>; 2] {
    let slice = slice(world);
    [slice.deployed, slice.previous].map(|running| {
        running.iter().flat_map(Running::all).map(|it| it.artifact).collect::<Vec<_>>()
    })
}

#[test]
fn it_is_deployed_when_all_of_them_are() {
    let (mut world, request) = granted();
    world.deploy(&app(), "prod").unwrap();
    assert_eq!(state_of(&world, request), "granted");
    world.deploy(&app(), "prod").unwrap();
    assert_eq!(state_of(&world, request), "granted", "the same one twice is not both");
    let closed = slice(&world).closed;
    let moves = closed.iter().find(|it| it.request() == request).unwrap().moves();
    let words: Vec<&str> = moves.into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["granted", "deployed in part"]);
    assert_eq!(running(&world), [vec![app()], vec![artifact("before")]]);
    world.deploy(&worker(), "prod").unwrap();
    assert_eq!(state_of(&world, request), "deployed");
    assert_eq!(running(&world), [vec![worker(), app()], vec![artifact("before")]]);
    // A restart of one leaves both where they are.
    world.deploy(&app(), "prod").unwrap();
    assert_eq!(state_of(&world, request), "deployed");
    assert_eq!(running(&world), [vec![app(), worker()], vec![artifact("before")]]);
    assert_eq!(world.verify().findings, []);
}

#[test]
fn another_artifact_takes_the_place_of_all_of_them() {
    let (mut world, request) = granted();
    world.deploy(&app(), "prod").unwrap();
    world.deploy(&worker(), "prod").unwrap();
    world.deploy(&artifact("another"), "prod").unwrap();
    assert_eq!(state_of(&world, request), "superseded");
    assert_eq!(running(&world), [vec![artifact("another")], vec![worker(), app()]]);
    assert!(slice(&world).previous.is_some_and(|it| it.until.is_some()));
}

/// What was deployed of it no longer runs, so both are to be deployed again.
#[test]
fn what_comes_between_begins_it_anew() {
    let (mut world, request) = granted();
    world.deploy(&app(), "prod").unwrap();
    world.deploy(&artifact("another"), "prod").unwrap();
    world.deploy(&worker(), "prod").unwrap();
    assert_eq!(state_of(&world, request), "granted");
    world.deploy(&app(), "prod").unwrap();
    assert_eq!(state_of(&world, request), "deployed");
}

#[test]
fn it_is_verified_where_one_look_sees_all_of_them() {
    let (mut world, request) = granted();
    world.deploy(&app(), "prod").unwrap();
    world.observe("prod", &[&app(), &worker()]).unwrap();
    assert_eq!(state_of(&world, request), "granted");
    world.deploy(&worker(), "prod").unwrap();
    for one in [app(), worker()] {
        world.observe("prod", &[&one]).unwrap();
        world.canary(&one, "prod", CanaryVerdict::Passed).unwrap();
    }
    assert_eq!(state_of(&world, request), "deployed");
    world.observe("prod", &[&worker(), &artifact("x"), &app()]).unwrap();
    assert_eq!(state_of(&world, request), "verified");
}

#[test]
fn it_is_rolled_back_where_one_of_them_is_left() {
    for way in ["deployed", "verified", "half"] {
        let (mut world, request) = granted();
        world.deploy(&app(), "prod").unwrap();
        if way != "half" {
            world.deploy(&worker(), "prod").unwrap();
        }
        if way == "verified" {
            world.observe("prod", &[&app(), &worker()]).unwrap();
        }
        world.roll_back(&artifact("before"), "prod", &app()).unwrap();
        assert_eq!(state_of(&world, request), "rolled back", "{way}");
        if way == "half" {
            assert_eq!(running(&world)[0], [artifact("before")]);
            continue;
        }
        // The other one runs on until it is left too.
        assert_eq!(running(&world)[0], [artifact("before"), worker()]);
        world.roll_back(&artifact("before too"), "prod", &worker()).unwrap();
        assert_eq!(running(&world)[0], [artifact("before too"), artifact("before")]);
        refused(world.roll_back(&app(), "prod", &worker()), Code::IllegalMove);
    }
}

/// Both go back by one request: it is deployed when both have come.
#[test]
fn several_go_back_together() {
    let (mut world, request) = granted();
    world.deploy(&app(), "prod").unwrap();
    world.deploy(&worker(), "prod").unwrap();
    let next = [artifact("app 2"), artifact("worker 2")];
    let second = world.request_together(&[&next[0], &next[1]], "prod").unwrap();
    world.decide(second).unwrap();
    world.deploy(&next[0], "prod").unwrap();
    world.deploy(&next[1], "prod").unwrap();
    assert_eq!(state_of(&world, request), "superseded");
    assert_eq!(running(&world)[1], [worker(), app()]);
    let mut body = world.request_body("prod");
    body.path = RequestPath::Rollback;
    let both = [&app(), &worker()];
    let back = world.record_about("mia", &both, promotion_request::TYPE, &body).unwrap();
    world.decide(back).unwrap();
    world.roll_back(&app(), "prod", &next[0]).unwrap();
    assert_eq!([second, back].map(|it| state_of(&world, it)), ["rolled back", "granted"]);
    world.roll_back(&worker(), "prod", &next[1]).unwrap();
    assert_eq!([second, back].map(|it| state_of(&world, it)), ["rolled back", "deployed"]);
    assert_eq!(running(&world)[0], [worker(), app()]);
    assert_eq!(world.verify().findings, []);
}

/// Time in the environment before counts for each, though one was deployed after the other.
#[test]
fn both_soak_beside_each_other() {
    let mut world = World::with_gates("[]", r#"[{"soak":{"in":"staging","for":"24h"}}]"#);
    let request = world.request_together(&[&app(), &worker()], "staging").unwrap();
    world.decide(request).unwrap();
    world.deploy(&app(), "staging").unwrap();
    world.wait(HOUR);
    world.deploy(&worker(), "staging").unwrap();
    let next = world.request_together(&[&app(), &worker()], "prod").unwrap();
    world.wait(DAY - HOUR);
    let waiting = world.evaluate("prod", &app(), Some(next)).gates.remove(0);
    assert_eq!(waiting.verdict, schemas::report::Verdict::Waiting);
    assert!(waiting.reason.starts_with(&worker().short()), "{waiting:?}");
    world.wait(HOUR);
    let gates = world.evaluate("prod", &app(), Some(next)).gates;
    assert!(gates[0].verdict.admits(), "{gates:?}");
}

/// With one artifact a slice has the bytes that it always had.
#[test]
fn nothing_is_said_of_several_where_there_is_one() {
    let mut story = Story::in_state("granted");
    let text = |story: &Story| serde_json::to_string(story.slice()).unwrap();
    for event in ["deploy", "observe", "deploy another", "roll back again"] {
        let _ = story.happen(event);
        for member in ["\"with\"", "\"beside\"", "\"parts\""] {
            assert!(!text(&story).contains(member), "{member} in {}", text(&story));
        }
    }
}
