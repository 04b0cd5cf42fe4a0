use schemas::predicate::approval::ApprovalOutcome;

use super::*;
use crate::fixture::cast::{APPROVER, SECURITY, document, grant};
use crate::fixture::{World, artifact, commit, environment, project};
use crate::policy::Evaluation;

/// The people who would count, of all in the fixture; `sara` approves releases too.
fn who(world: &World, evaluation: &Evaluation) -> String {
    let Some(wanted) = evaluation.wanted.get("approvals") else { return "nobody is asked".into() };
    let trust = world.sequence.state.trust().unwrap();
    let here = environment("prod").name;
    let identities = trust.document.identities.iter().map(|it| &it.name).filter(|name| {
        let has = |role: &str| trust.has_role(name, role, &project(), Some(&here));
        !trust.is_admin(name) && wanted.may(name, has)
    });
    let names: Vec<&str> = identities.map(IdentityName::as_str).collect();
    format!("{}: {}", wanted.roles.join("+"), names.join(" "))
}

fn world(gate: &str) -> World {
    let mut people = document();
    people.grants.push(grant("sara", APPROVER, &[], "payments"));
    let mut world = World::of(people, &["root-1", "root-2"]);
    let gates = format!("[{{\"approvals\":{gate}}}]");
    world.policy("paul", &crate::fixture::body::policy_json("[]", &gates)).unwrap();
    world
}

/// Approvals one after the other, and who is waited for after each.
#[track_caller]
fn check(gate: &str, steps: &[(&str, &str, &str)]) {
    let mut world = world(gate);
    let it = artifact("first");
    let p = world.request(&it, "prod").unwrap();
    for (by, role, expected) in steps {
        if !by.is_empty() {
            world.approve(by, role, p).unwrap();
        }
        let found = who(&world, &world.evaluate("prod", &it, Some(p)));
        assert_eq!(found, *expected, "after {by} as {role}");
    }
}

const BOTH: &str = "release-approver+security";

#[test]
fn people_are_missing_or_people_of_a_role() {
    let roles = r#""roles":["release-approver","security"],"not":["requester"]"#;
    let both = |names: &str| format!("{BOTH}: {names}");
    let done = "nobody is asked";
    check(
        &format!(r#"{{"count":2,{roles}}}"#),
        &[
            ("", "", &both("anna ben sara alex")),
            ("sara", SECURITY, &both("anna ben alex")),
            // Who is there already adds nobody.
            ("sara", APPROVER, &both("anna ben alex")),
            ("ben", APPROVER, done),
        ],
    );
    check(
        &format!(r#"{{"count":2,{roles},"each":{{"security":1}}}}"#),
        &[
            ("", "", &both("anna ben sara alex")),
            ("anna", APPROVER, "security: sara"),
            ("ben", APPROVER, "security: sara"),
            ("sara", SECURITY, done),
        ],
    );
    // Fewer people than roles: one of them may sign for both.
    check(
        &format!(r#"{{"count":1,{roles},"each":{{"security":1,"release-approver":1}}}}"#),
        &[
            ("", "", &both("anna ben sara alex")),
            ("sara", SECURITY, "release-approver: anna ben sara alex"),
            ("sara", APPROVER, done),
        ],
    );
}

#[test]
fn whose_work_it_is_is_not_asked_once_that_is_known() {
    let gate = r#"{"count":1,"roles":["release-approver"],"not":["author","requester"]}"#;
    let mut world = world(gate);
    let it = artifact("first");
    let who_now = |world: &World, p| who(world, &world.evaluate("prod", &it, p));
    assert_eq!(who_now(&world, None), "release-approver: mia anna ben sara alex");
    world.build(&it, &commit("one")).unwrap();
    world.review(&commit("one"), "alexcodes").unwrap();
    // Nobody has asked yet, and the author is known.
    assert_eq!(who_now(&world, None), "release-approver: mia anna ben sara");
    let p = world.request(&it, "prod").unwrap();
    assert_eq!(who_now(&world, Some(p)), "release-approver: anna ben sara");
    // An author who is nobody that is known could be any of them; they are named once.
    world.build(&it, &commit("two")).unwrap();
    world.review(&commit("two"), "who@acme.example").unwrap();
    assert_eq!(who_now(&world, Some(p)), "release-approver: anna ben sara alex");
    world.approve("ben", APPROVER, p).unwrap();
    assert_eq!(who_now(&world, Some(p)), "release-approver: anna sara alex");
}

/// Nobody's approval helps against an objection; and what does not count can be given again.
#[test]
fn an_objection_is_settled_and_what_does_not_count_is_given_again() {
    let gate = r#"{"count":1,"roles":["release-approver"],"meaning":"release"}"#;
    let mut world = world(gate);
    let it = artifact("first");
    let p = world.request(&it, "prod").unwrap();
    let mut body = world.approval_body(p, APPROVER);
    body.meaning = "review".to_owned();
    world.answer("ben", &body).unwrap();
    let who_now = |world: &World| who(world, &world.evaluate("prod", &it, Some(p)));
    assert_eq!(who_now(&world), "release-approver: mia anna ben sara alex");
    let mut body = world.approval_body(p, APPROVER);
    body.outcome = ApprovalOutcome::Rejected;
    world.answer("ben", &body).unwrap();
    assert_eq!(who_now(&world), ": ");
}
