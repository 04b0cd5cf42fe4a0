//! Gates that look at what runs, where several artifacts run beside each other.

use super::*;
use crate::fixture::body::{self, policy_json};
use schemas::statement::{Statement, Subject};

/// Both run in `prod` by one grant; then this gate is in force.
fn running(gate: &str) -> World {
    let (mut world, request) = asked("[]", |_| {});
    world.decide(request).unwrap();
    world.deploy(&app(), "prod").unwrap();
    world.deploy(&worker(), "prod").unwrap();
    world.policy("paul", &policy_json("[]", &format!("[{gate}]"))).unwrap();
    world
}

/// What the gate says of another release of both.
fn next(world: &World) -> GateVerdict {
    let (place, next) = (environment("prod"), artifact("app 2"));
    let ask = Ask { environment: &place, artifact: &next, request: None };
    let with = [artifact("worker 2")];
    let found = evaluate_together(&world.sequence.state, &ask, &with, WAY, world.now);
    found.unwrap().gates.remove(0)
}

#[track_caller]
fn says(world: &World, verdict: Verdict, reason: &str) {
    let said = next(world);
    assert_eq!(said.verdict, verdict, "{said:?}");
    assert!(said.reason.contains(reason), "{reason}: {said:?}");
}

#[test]
fn the_budget_is_that_of_each() {
    let mut world = running(r#"{"slo":{"min_budget_left":"20","max_age":"1h"}}"#);
    world.measurement(&app(), "slo.budget-left", "50").unwrap();
    says(&world, Waiting, &format!("{}: no slo.budget-left", worker().short()));
    world.measurement(&worker(), "slo.budget-left", "5").unwrap();
    says(&world, Fail, &format!("{}: slo.budget-left is 5", worker().short()));
    world.measurement(&worker(), "slo.budget-left", "30").unwrap();
    says(&world, Pass, "slo.budget-left is 30");
}

#[test]
fn one_goes_back_to_all_that_ran() {
    let mut world = running(r#"{"rollback-ready":{"seen_within":"1h"}}"#);
    world.observe("prod", &[&app()]).unwrap();
    says(&world, Waiting, &format!("back to {}, which is not seen", worker().short()));
    world.observe("prod", &[&app(), &worker()]).unwrap();
    says(&world, Pass, &format!("back to {}", app().short()));
    // Where both run already, what ran before them is the way back: nothing here.
    let (place, app) = (environment("prod"), app());
    let ask = Ask { environment: &place, artifact: &app, request: None };
    let found = evaluate_together(&world.sequence.state, &ask, &[worker()], WAY, world.now);
    assert!(found.unwrap().gates[0].reason.contains("nothing else has run"));
}

/// A number is compared with what has the same name.
#[test]
fn a_number_is_compared_with_its_namesake() {
    let gate = r#"{"measurement":{"metric":"latency.p95","max_increase_percent":"10"}}"#;
    let mut world = running(gate);
    let named = |world: &mut World, of: &str, name: &str| {
        let subject = Subject::of(&artifact(of), Some(name));
        let mut build = body::build(body::BUILDER, &[]);
        world.own_run(&mut build);
        let built = Statement::new(vec![subject], schemas::predicate::build::TYPE, build);
        world.log(&built, &["ci"], Some("payments")).unwrap();
    };
    for (of, value) in [("app", "100"), ("worker", "500"), ("app 2", "105"), ("worker 2", "510")] {
        world.measurement(&artifact(of), "latency.p95", value).unwrap();
    }
    says(&world, Indeterminate, "not one has this one's name");
    for (of, name) in [("app", "web"), ("worker", "queue"), ("app 2", "web"), ("worker 2", "queue")]
    {
        named(&mut world, of, name);
    }
    says(&world, Pass, "latency.p95 of");
    world.measurement(&artifact("worker 2"), "latency.p95", "600").unwrap();
    says(&world, Fail, "more than 10 % above 500");
    // Two of one name are not told apart.
    named(&mut world, "worker", "web");
    says(&world, Indeterminate, "not one has this one's name");
}
