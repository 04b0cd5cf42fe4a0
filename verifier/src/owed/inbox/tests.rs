use schemas::predicate::approval::POST_HOC_REVIEW;
use schemas::predicate::promotion_request::{self, RequestPath};
use schemas::report::Verdict;

use super::*;
use crate::fixture::cast::{APPROVER, SECURITY};
use crate::fixture::{DAY, HOUR, World, artifact, body, project};
use crate::view::Lacking;

const GATES: &str = r#"[{"approvals":{"count":2,"roles":["release-approver","security"],
    "not":["requester"]},"limit":"4h","escalate":"lead"},
    {"id":"unit","evidence":{"kind":"test","suites":["unit"],"result":"passed"}}]"#;

fn items(world: &World, whose: Whose) -> Vec<Item> {
    let view = View { state: &world.sequence.state, at: world.now, lacking: Lacking::Asks };
    inbox(&view, &[project()], whose).unwrap()
}

/// Each item in a line: request, what, roles, people, and the role it has gone to.
#[track_caller]
fn check(world: &World, whose: Whose, expected: &[String]) {
    let line = |it: &Item| {
        let what = match &it.what {
            What::Gate(gate) => format!("{} {}", gate.id, gate.verdict.name()),
            What::Decision(outcome) => format!("{outcome:?}"),
            What::Review { .. } => "review".to_owned(),
            What::Unknown => "unknown".to_owned(),
        };
        let people: Vec<&str> = it.people.iter().map(IdentityName::as_str).collect();
        let late = match &it.late {
            None => "in time".to_owned(),
            Some(late) => format!("late: {}", late.role.as_deref().unwrap_or("nobody")),
        };
        let (roles, people) = (it.roles.join("+"), people.join("+"));
        format!("P-{} {what} [{roles}] [{people}] {late}", it.request)
    };
    let found: Vec<String> = items(world, whose).iter().map(line).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_waits_is_listed_with_whoever_can_supply_it() {
    let mut world = World::with_gates("[]", GATES);
    check(&world, Whose::Everybody, &[]);
    let it = artifact("first");
    let p = world.request(&it, "prod").unwrap();
    let approvals = |people: &str, late: &str| {
        format!("P-{p} approvals waiting [release-approver+security] [{people}] {late}")
    };
    let unit = format!("P-{p} unit waiting [emitter] [ci+bot] in time");
    // `mia` has asked, and does not count.
    let all = "anna+ben+sara+alex";
    check(&world, Whose::Everybody, &[approvals(all, "in time"), unit.clone()]);
    check(&world, Whose::Role(SECURITY), &[approvals(all, "in time")]);
    check(&world, Whose::Role("emitter"), std::slice::from_ref(&unit));
    check(&world, Whose::Role("lead"), &[]);
    check(&world, Whose::Identity(&"bot".parse().unwrap()), std::slice::from_ref(&unit));
    check(&world, Whose::Identity(&"mia".parse().unwrap()), &[]);
    world.approve("sara", SECURITY, p).unwrap();
    check(&world, Whose::Identity(&"sara".parse().unwrap()), &[]);
    world.wait(4 * HOUR);
    let late = approvals("anna+ben+alex", "late: lead");
    check(&world, Whose::Everybody, &[late.clone(), unit]);
    check(&world, Whose::Role("lead"), &[late]);
    // Nothing waits for a request that is over.
    world.wait(31 * DAY);
    check(&world, Whose::Everybody, &[]);
}

/// Whoever wrote it, whoever has answered, and whoever's role is there already is not waited for.
#[test]
fn only_those_whose_approval_would_count_are_named() {
    let gates = r#"[{"fails":"wait","approvals":{"count":2,"roles":["release-approver","security"],
        "each":{"security":1},"not":["author","requester"]}}]"#;
    let mut world = World::with_gates("[]", gates);
    let (it, source) = (artifact("first"), crate::fixture::commit("one"));
    let p = world.request(&it, "prod").unwrap();
    let line = |verdict: &str, roles: &str, people: &str| {
        [format!("P-{p} approvals {verdict} [{roles}] [{people}] in time")]
    };
    let both = "release-approver+security";
    // Nobody knows yet who wrote it.
    check(&world, Whose::Everybody, &line("waiting", both, "anna+ben+sara+alex"));
    world.build(&it, &source).unwrap();
    world.review(&source, "alexcodes").unwrap();
    check(&world, Whose::Everybody, &line("waiting", both, "anna+ben+sara"));
    check(&world, Whose::Identity(&"alex".parse().unwrap()), &[]);
    world.approve("anna", APPROVER, p).unwrap();
    check(&world, Whose::Everybody, &line("waiting", SECURITY, "sara"));
    check(&world, Whose::Role(SECURITY), &line("waiting", SECURITY, "sara"));
    check(&world, Whose::Role(APPROVER), &[]);
    check(&world, Whose::Identity(&"ben".parse().unwrap()), &[]);
    // Against an objection nobody's approval helps.
    let mut body = world.approval_body(p, APPROVER);
    body.outcome = schemas::predicate::approval::ApprovalOutcome::Rejected;
    world.answer("ben", &body).unwrap();
    check(&world, Whose::Everybody, &line("fail", "", ""));
}

#[test]
fn what_is_overdue_comes_first_and_goes_to_the_next_in_line() {
    let mut world = World::with_gates("[]", GATES);
    world
        .amend(|it| it.grants.push(crate::fixture::cast::grant("nora", "lead", &[], "payments")))
        .unwrap();
    let early = world.request(&artifact("first"), "prod").unwrap();
    world.test(&artifact("first"), "unit", schemas::predicate::test::TestResult::Passed).unwrap();
    world.approve("sara", SECURITY, early).unwrap();
    world.wait(2 * HOUR);
    let late = world.request(&artifact("second"), "prod").unwrap();
    world.wait(3 * HOUR);
    let found = items(&world, Whose::Everybody);
    assert_eq!(found.first().map(|it| it.request), Some(early));
    assert_eq!(found.last().map(|it| it.request), Some(late));
    let over = found[0].late.as_ref().unwrap();
    assert_eq!(over.people, ["nora".parse::<IdentityName>().unwrap()]);
    assert_eq!(over.since, found[0].since.plus_ms(4 * HOUR));
    let nora: IdentityName = "nora".parse().unwrap();
    let hers: Vec<_> = items(&world, Whose::Identity(&nora)).iter().map(|it| it.request).collect();
    assert_eq!(hers, [early]);
    world.wait(2 * HOUR);
    // The one that is late for longer is first.
    let order: Vec<_> = items(&world, Whose::Everybody).iter().map(|it| it.request).collect();
    assert_eq!(order, [early, late, late]);
}

#[test]
fn what_only_has_to_be_evaluated_says_what_would_come_out() {
    let mut world = World::with_gates("[]", "[]");
    let p = world.request(&artifact("first"), "prod").unwrap();
    check(&world, Whose::Everybody, &[format!("P-{p} Granted [service] [service] in time")]);
    check(&world, Whose::Role(SECURITY), &[]);
}

/// An emergency that was granted is due for a review by somebody else, until it is there.
#[test]
fn an_emergency_waits_for_its_review() {
    let mut world = World::new();
    let approval = r#"{"approvals":{"count":1,"roles":["release-approver"],"not":["requester"]}}"#;
    let policy = |roles: &str| {
        format!(
            r#"{{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
            {{"name":"prod","gates":[{approval}],"emergency":{{"gates":[{approval}],
            "review":{{"within":"24h","roles":{roles}}}}}}}]}}"#
        )
    };
    world.policy("paul", &policy(r#"["security"]"#)).unwrap();
    let emergency = |world: &mut World, name: &str| {
        let mut body = world.request_body("prod");
        body.path = RequestPath::Emergency;
        let it = artifact(name);
        let p = world.record("mia", &it, promotion_request::TYPE, &body).unwrap();
        world.approve("anna", APPROVER, p).unwrap();
        world.decide(p).unwrap();
        p
    };
    let first = emergency(&mut world, "first");
    let line = |p: EntryIndex, who: &str, late: &str| format!("P-{p} review {who} {late}");
    check(&world, Whose::Everybody, &[line(first, "[security] [sara]", "in time")]);
    check(&world, Whose::Role(APPROVER), &[]);
    world.policy("paul", &policy(r#"["release-approver","security"]"#)).unwrap();
    let second = emergency(&mut world, "second");
    // But not by who has approved it or asked for it.
    let others = "[release-approver+security] [ben+sara+alex]";
    check(&world, Whose::Role(APPROVER), &[line(second, others, "in time")]);
    check(&world, Whose::Identity(&"anna".parse().unwrap()), &[]);
    check(&world, Whose::Role("emitter"), &[]);
    world.wait(DAY);
    let late = |p, who| line(p, who, "late: nobody");
    let both = [late(first, "[security] [sara]"), late(second, others)];
    check(&world, Whose::Everybody, &both);
    let due = match &items(&world, Whose::Everybody)[0] {
        Item { what: What::Review { due, .. }, late: Some(late), .. } => (*due, late.since),
        other => panic!("{other:?}"),
    };
    assert_eq!(due.0, due.1);
    review(&mut world, first, &artifact("first"));
    check(&world, Whose::Everybody, &both[1..]);
}

/// `sara` reviews an emergency after the fact.
fn review(world: &mut World, request: EntryIndex, of: &schemas::id::Digest) {
    use schemas::predicate::EntryRef;
    use schemas::predicate::approval::{self, Approval, ApprovalOutcome, SigningMode};
    let state = &world.sequence.state;
    let slice = state.environment(&crate::fixture::environment("prod")).unwrap().unwrap();
    let statement = slice.reviews_due[&request].statement;
    let policy = state.policy(&project()).unwrap().statement;
    let body = Approval {
        ledger: world.origin().clone(),
        project: project(),
        nonce: world.nonce(),
        environment: "prod".parse().unwrap(),
        request: EntryRef { index: request, statement },
        policy,
        outcome: ApprovalOutcome::Granted,
        withdraws: None,
        meaning: POST_HOC_REVIEW.to_owned(),
        role: SECURITY.to_owned(),
        reason: "it was right".to_owned(),
        expires_at: world.now.plus_ms(DAY),
        signing_mode: SigningMode::Key,
        card: None,
        seen: world.seen(),
    };
    world.record("sara", of, approval::TYPE, &body).unwrap();
}

/// What the gates say of the policy's `from` has no rule, and nobody who could supply it.
#[test]
fn what_the_policy_itself_asks_waits_for_nobody_by_name() {
    let mut world = World::new();
    world.policy("paul", body::FULL_POLICY).unwrap();
    let p = world.request(&artifact("first"), "prod").unwrap();
    let found = items(&world, Whose::Everybody);
    let of = |id: &str| {
        found.iter().find(|it| matches!(&it.what, What::Gate(gate) if gate.id == id)).cloned()
    };
    let source = of("from").unwrap();
    assert!(source.roles.is_empty() && source.people.is_empty(), "{source:?}");
    assert!(found.iter().all(|it| it.request == p));
    let gate = of("review").unwrap();
    assert!(matches!(gate.what, What::Gate(gate) if gate.verdict == Verdict::Waiting));
}
