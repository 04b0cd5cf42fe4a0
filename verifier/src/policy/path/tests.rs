use schemas::predicate::promotion_request::{self, RequestPath};
use schemas::report::Verdict;

use super::*;
use crate::fixture::cast::APPROVER;
use crate::fixture::{World, environment};
use crate::policy::gate::cases::{app, ask};
use crate::policy::{Ask, evaluate_path};

/// `prod` takes what `staging` has, or what one other person lets through in an emergency.
const POLICY: &str = r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
    {"name":"staging","gates":[]},
    {"name":"prod","from":["staging"],"expires":"7d","gates":[{"evidence":{"kind":"sbom"}}],
     "emergency":{"gates":[{"approvals":{"count":1,"roles":["release-approver"],
        "not":["requester"]}}],"review":{"within":"2d","roles":["security"]}},
     "rollback":{"gates":[]}}]}"#;

fn world(policy: &str) -> World {
    let mut world = World::new();
    world.policy("paul", policy).unwrap();
    world
}

fn request(world: &mut World, path: RequestPath) -> u64 {
    let mut body = world.request_body("prod");
    body.path = path;
    world.record("mia", &app(), promotion_request::TYPE, &body).unwrap()
}

fn verdicts(world: &World) -> Vec<(String, Verdict)> {
    ask(world).into_iter().map(|it| (it.id, it.verdict)).collect()
}

#[test]
fn a_request_is_asked_by_its_path() {
    let mut normal = world(POLICY);
    request(&mut normal, RequestPath::Normal);
    let expected =
        [("from".to_owned(), Verdict::Waiting), ("evidence".to_owned(), Verdict::Waiting)];
    assert_eq!(verdicts(&normal), expected);
    let mut emergency = world(POLICY);
    let entry = request(&mut emergency, RequestPath::Emergency);
    assert_eq!(verdicts(&emergency), [("approvals".to_owned(), Verdict::Waiting)]);
    emergency.approve("mia", APPROVER, entry).unwrap();
    assert_eq!(verdicts(&emergency), [("approvals".to_owned(), Verdict::Waiting)]);
    emergency.approve("ben", APPROVER, entry).unwrap();
    assert_eq!(verdicts(&emergency), [("approvals".to_owned(), Verdict::Pass)]);
}

#[test]
fn a_path_that_there_is_not_admits_nobody() {
    let start = POLICY.find("\"emergency\"").unwrap();
    let end = POLICY.find("\"rollback\"").unwrap();
    let mut world = world(&format!("{}{}", &POLICY[..start], &POLICY[end..]));
    let entry = request(&mut world, RequestPath::Emergency);
    let evaluation = world.evaluate("prod", &app(), Some(entry));
    let answer = &evaluation.gates[0];
    assert_eq!(answer.verdict, Verdict::Fail);
    assert_eq!(answer.reason, "the policy has no emergency path into payments/prod");
    // The request waits all the same: another policy may have it.
    assert_eq!(evaluation.outcome(), None);
}

#[test]
fn a_policy_says_how_long_and_who_reviews() {
    let world = world(POLICY);
    let policy = world.sequence.state.policy(&crate::fixture::project()).unwrap();
    let [staging, prod] = ["staging", "prod"]
        .map(|name| policy.document.environment(&environment(name).name).unwrap());
    assert_eq!(expiry_ms(prod), Some(7 * 86_400_000));
    assert_eq!(expiry_ms(staging), None);
    let expected = Review { within_ms: 2 * 86_400_000, roles: vec!["security".to_owned()] };
    assert_eq!(review(Some(prod)), expected);
    assert_eq!(review(Some(staging)), Review { within_ms: REVIEW_MS, roles: Vec::new() });
    assert_eq!(gates(prod, RequestPath::Rollback), Some(&[][..]));
    assert_eq!(gates(staging, RequestPath::Rollback), Some(&staging.gates[..]));
    assert_eq!(gates(staging, RequestPath::Emergency), None);
}

/// What the gates say of a path by which nobody has asked.
fn without_request(world: &World, way: RequestPath) -> Vec<(String, Verdict)> {
    let ask = Ask { environment: &environment("prod"), artifact: &app(), request: None };
    let found = evaluate_path(&world.sequence.state, &ask, way, world.now).unwrap();
    found.gates.into_iter().map(|it| (it.id, it.verdict)).collect()
}

#[test]
fn a_path_can_be_asked_about_before_anybody_takes_it() {
    let mut world = world(POLICY);
    let named = |list: &[(&str, Verdict)]| -> Vec<(String, Verdict)> {
        list.iter().map(|(id, verdict)| ((*id).to_owned(), *verdict)).collect()
    };
    let normal = named(&[("from", Verdict::Waiting), ("evidence", Verdict::Waiting)]);
    assert_eq!(without_request(&world, RequestPath::Normal), normal);
    let emergency = named(&[("approvals", Verdict::Waiting)]);
    assert_eq!(without_request(&world, RequestPath::Emergency), emergency);
    // Such a request would be refused: nobody goes back to where he has never been.
    let never = named(&[("granted-before", Verdict::Fail)]);
    assert_eq!(without_request(&world, RequestPath::Rollback), never);
    let entry = request(&mut world, RequestPath::Emergency);
    world.approve("ben", APPROVER, entry).unwrap();
    world.decide(entry).unwrap();
    assert_eq!(without_request(&world, RequestPath::Rollback), []);
}

#[test]
fn approvals_of_another_path_are_not_asked_for() {
    let mut world = world(POLICY);
    let normal = request(&mut world, RequestPath::Normal);
    let emergency = request(&mut world, RequestPath::Emergency);
    let again = request(&mut world, RequestPath::Normal);
    let open = |world: &World, way, at| {
        let slice = world.sequence.state.environment(&environment("prod")).unwrap().unwrap();
        open_request_of(slice, &[app()], way, at)
    };
    assert!(normal < again);
    assert_eq!(open(&world, RequestPath::Normal, world.now), Some(again));
    assert_eq!(open(&world, RequestPath::Emergency, world.now), Some(emergency));
    assert_eq!(open(&world, RequestPath::Rollback, world.now), None);
    assert_eq!(open(&world, RequestPath::Normal, world.now.plus_ms(7 * 86_400_000)), None);
}
