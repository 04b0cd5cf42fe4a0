use schemas::predicate::promotion_request::{self, RequestPath};
use schemas::report::Verdict;

use super::*;
use crate::fixture::cast::APPROVER;
use crate::fixture::{World, environment};
use crate::policy::gate::cases::{app, ask};

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
    request(&mut world, RequestPath::Emergency);
    let answer = ask(&world).remove(0);
    assert_eq!(answer.verdict, Verdict::Indeterminate);
    assert_eq!(answer.reason, "the policy has no emergency path");
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
