//! Every state, and everything that can happen in it.

use schemas::id::{Digest, EntryIndex};
use schemas::predicate::approval::{ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::decision::Decision;
use schemas::predicate::promotion_request::{self, RequestPath};
use schemas::predicate::{EntryRef, deployment};
use schemas::report::Code;
use schemas::statement::Statement;

use super::*;
use crate::admission::Refusal;
use crate::fixture::cast::{APPROVER, SECURITY};
use crate::fixture::{DAY, HOUR, World, artifact, environment};
use crate::projection::slice::EnvironmentSlice;
use schemas::predicate::deployment::DeploymentResult;

const CLEAN: &str = r#"[{"vulnerabilities":{"max":{"critical":0}}}]"#;

fn app() -> Digest {
    artifact("app")
}

/// A world with one promotion of the app to `prod`, and what was known when it was asked for.
struct Story {
    world: World,
    request: EntryRef,
    decision: Statement<Decision>,
}

impl Story {
    /// Another artifact ran there before.
    fn of(vulnerabilities: &[&str]) -> Story {
        let mut world = World::with_gates("[]", CLEAN);
        world.deploy(&artifact("before"), "prod").unwrap();
        world.scan(&app(), vulnerabilities).unwrap();
        let index = world.request(&app(), "prod").unwrap();
        let statement = world.open_request(index).1.statement;
        let decision = world.decision(index).unwrap();
        Story { world, request: EntryRef { index, statement }, decision }
    }

    fn in_state(state: &str) -> Story {
        let mut story = Story::of(if state == "denied" { &["critical"] } else { &[] });
        let way: &[&str] = match state {
            "open" => &[],
            "granted" | "denied" => &["decide"],
            "expired" => &["wait"],
            "withdrawn" => &["withdraw"],
            "deployed" => &["decide", "deploy"],
            "verified" => &["decide", "deploy", "observe"],
            "rolled back" => &["decide", "deploy", "roll back"],
            "superseded" => &["decide", "deploy", "deploy another"],
            state => panic!("{state}"),
        };
        for event in way {
            story.happen(event).unwrap();
        }
        assert_eq!(story.state(), state);
        story
    }

    fn slice(&self) -> &EnvironmentSlice {
        let state = &self.world.sequence.state;
        state.environment(&environment("prod")).unwrap().unwrap()
    }

    fn state(&self) -> &'static str {
        state_of(&self.world, self.request.index)
    }

    fn happen(&mut self, event: &str) -> Result<EntryIndex, Refusal> {
        let world = &mut self.world;
        match event {
            "decide" => {
                self.decision.predicate.extension.nonce = world.nonce();
                world.log(&self.decision, &["service"], None)
            }
            "withdraw" => {
                let mut body = world.request_body("prod");
                body.withdraws = Some(self.request.clone());
                world.record("mia", &app(), promotion_request::TYPE, &body)
            }
            "wait" => {
                world.wait(30 * DAY);
                world.observe("prod", &[])
            }
            "deploy" => world.deploy(&app(), "prod"),
            "fail" => {
                let body = world.deployment_body("prod", DeploymentResult::Failed);
                world.record("ci", &app(), deployment::TYPE, &body)
            }
            "deploy another" => world.deploy(&artifact("another"), "prod"),
            "roll back" => world.roll_back(&artifact("before"), "prod", &app()),
            "roll back again" => world.roll_back(&artifact("third"), "prod", &app()),
            "observe" => world.observe("prod", &[&artifact("x"), &app()]),
            "observe another" => world.observe("prod", &[&artifact("another")]),
            "pass a canary" => world.canary(&app(), "prod", CanaryVerdict::Passed),
            "fail a canary" => world.canary(&app(), "prod", CanaryVerdict::Failed),
            event => panic!("{event}"),
        }
    }
}

fn state_of(world: &World, request: EntryIndex) -> &'static str {
    let slice = world.sequence.state.environment(&environment("prod")).unwrap().unwrap();
    if slice.requests.contains_key(&request) {
        return "open";
    }
    slice.closed.iter().find(|it| it.request() == request).map_or("unknown", Closed::state)
}

const STATES: [&str; 9] = [
    "open",
    "granted",
    "denied",
    "expired",
    "withdrawn",
    "deployed",
    "verified",
    "rolled back",
    "superseded",
];

/// What each event makes of each state, in the order of [`STATES`]; `-` leaves it as it is, and a
/// code refuses it.
const MOVES: [(&str, [&str; 9]); 12] = {
    const U: &str = "request-unknown";
    const I: &str = "illegal-move";
    [
        ("decide", ["granted", U, U, U, U, U, U, U, U]),
        ("withdraw", ["withdrawn", U, U, U, U, U, U, U, U]),
        ("wait", ["expired", "-", "-", "-", "-", "-", "-", "-", "-"]),
        ("deploy", ["-", "deployed", "-", "-", "-", "-", "-", "-", "-"]),
        ("fail", ["-", "-", "-", "-", "-", "-", "-", "-", "-"]),
        ("deploy another", ["-", "-", "-", "-", "-", "superseded", "superseded", "-", "-"]),
        ("roll back", [I, I, I, I, I, "rolled back", "rolled back", "-", I]),
        ("roll back again", [I, I, I, I, I, "rolled back", "rolled back", I, I]),
        ("observe", ["-", "-", "-", "-", "-", "verified", "-", "-", "-"]),
        ("observe another", ["-", "-", "-", "-", "-", "-", "-", "-", "-"]),
        ("pass a canary", ["-", "-", "-", "-", "-", "verified", "-", "-", "-"]),
        ("fail a canary", ["-", "-", "-", "-", "-", "-", "-", "-", "-"]),
    ]
};

#[test]
fn every_event_moves_every_state_as_the_table_says() {
    for (event, row) in MOVES {
        for (state, expected) in STATES.into_iter().zip(row) {
            let mut story = Story::in_state(state);
            let before = story.world.sequence.state.clone();
            match story.happen(event) {
                Ok(_) => {
                    let expected = if expected == "-" { state } else { expected };
                    assert_eq!(story.state(), expected, "{event} in {state}");
                }
                Err(Refusal::Rule(finding)) => {
                    assert_eq!(finding.code.name(), expected, "{event} in {state}: {finding:?}");
                    let same = before.environment(&environment("prod")).unwrap();
                    assert_eq!(same, Some(story.slice()), "{event} in {state}");
                }
                Err(other) => panic!("{event} in {state}: {other:?}"),
            }
            let known = [Code::DeployedWithoutGrant];
            let findings = story.world.verify().findings;
            assert!(findings.iter().all(|it| known.contains(&it.code)), "{findings:?}");
        }
    }
}

#[test]
fn a_closed_promotion_tells_its_moves() {
    for (state, expected) in [
        ("granted", &["granted"][..]),
        ("denied", &["denied"]),
        ("expired", &[]),
        ("withdrawn", &["withdrawn"]),
        ("deployed", &["granted", "deployed"]),
        ("verified", &["granted", "deployed", "verified"]),
        ("rolled back", &["granted", "deployed", "rolled back"]),
        ("superseded", &["granted", "deployed", "superseded"]),
    ] {
        let story = Story::in_state(state);
        let mut closed = story.slice().closed.iter();
        let closed = closed.find(|it| it.request() == story.request.index).unwrap();
        let moves = closed.moves();
        let words: Vec<&str> = moves.iter().map(|(word, _)| *word).collect();
        assert_eq!(words, expected, "{state}");
        assert!(moves.is_sorted_by_key(|(_, step)| step.entry), "{state}: {moves:?}");
        assert_eq!(closed.reviewed(), None);
    }
}

#[test]
fn a_refusal_names_the_state() {
    for state in ["granted", "denied", "expired", "withdrawn", "rolled back"] {
        let mut story = Story::in_state(state);
        let Err(Refusal::Rule(finding)) = story.happen("withdraw") else { panic!("{state}") };
        let expected = format!("P-{} is {state} in payments/prod", story.request.index);
        assert_eq!(finding.detail, expected);
    }
}

/// What was seen before it was deployed does not verify it, whenever it is logged.
#[test]
fn only_what_was_seen_afterwards_verifies() {
    let mut story = Story::in_state("deployed");
    let mut early = story.world.observation_body("prod", &[&app()]);
    early.taken_at = story.world.now.plus_ms(-1);
    let kind = schemas::predicate::observation::TYPE;
    story.world.record_of_itself("ci", kind, &early).unwrap();
    assert_eq!(story.state(), "deployed");
    // A canary ends while the rest is being deployed, but not before the grant.
    let mut early = story.world.canary_body("prod", CanaryVerdict::Passed);
    early.finished_at = Some(story.world.now.plus_ms(-HOUR));
    let kind = schemas::predicate::canary::TYPE;
    story.world.record("ci", &app(), kind, &early).unwrap();
    assert_eq!(story.state(), "deployed");
    story.happen("pass a canary").unwrap();
    assert_eq!(story.state(), "verified");
}

/// Grants of several artifacts stand beside each other until one of them is deployed.
#[test]
fn a_grant_that_was_overtaken_is_superseded() {
    let mut world = World::with_gates("[]", "[]");
    let granted = |world: &mut World, name: &str| {
        let request = world.request(&artifact(name), "prod").unwrap();
        world.decide(request).unwrap();
        request
    };
    let [first, second, third] = ["a", "b", "c"].map(|name| granted(&mut world, name));
    world.deploy(&artifact("b"), "prod").unwrap();
    let states = |world: &World| [first, second, third].map(|it| state_of(world, it));
    assert_eq!(states(&world), ["superseded", "deployed", "granted"]);
    world.deploy(&artifact("c"), "prod").unwrap();
    assert_eq!(states(&world), ["superseded", "superseded", "deployed"]);
    // The same artifact by another promotion.
    let again = granted(&mut world, "c");
    let mut body = world.deployment_body("prod", DeploymentResult::Succeeded);
    body.promotion = Some(again);
    world.record("ci", &artifact("c"), deployment::TYPE, &body).unwrap();
    assert_eq!(states(&world), ["superseded"; 3]);
    assert_eq!(state_of(&world, again), "deployed");
    // A promotion of another artifact is not what this deployment carries out.
    body = world.deployment_body("prod", DeploymentResult::Succeeded);
    body.promotion = Some(first);
    let refused = world.record("ci", &artifact("c"), deployment::TYPE, &body);
    let Err(Refusal::Rule(finding)) = refused else { panic!("{refused:?}") };
    assert_eq!(finding.code, Code::RequestMismatch);
}

#[test]
fn so_many_closed_promotions_are_kept_and_those_that_can_move_stay() {
    let mut story = Story::in_state("deployed");
    for number in 0..CLOSED_MAX + 8 {
        let of = artifact(&number.to_string());
        let request = story.world.request(&of, "prod").unwrap();
        story.world.withdraw("mia", request).unwrap();
    }
    assert_eq!(story.slice().closed.len(), CLOSED_MAX);
    assert_eq!(story.state(), "deployed");
    story.happen("deploy another").unwrap();
    let request = story.world.request(&artifact("one more"), "prod").unwrap();
    story.world.withdraw("mia", request).unwrap();
    assert_eq!(story.state(), "unknown");
}

/// A request by another path than the normal one.
fn request_by(world: &mut World, path: RequestPath, of: &Digest) -> Result<EntryIndex, Refusal> {
    let mut body = world.request_body("prod");
    body.path = path;
    world.record("mia", of, promotion_request::TYPE, &body)
}

#[track_caller]
fn refused(result: Result<EntryIndex, Refusal>, code: Code) {
    match result {
        Err(Refusal::Rule(finding)) => assert_eq!(finding.code, code, "{finding:?}"),
        other => panic!("{}: {other:?}", code.name()),
    }
}

#[test]
fn a_rollback_goes_to_what_was_granted() {
    let mut story = Story::in_state("superseded");
    let never = request_by(&mut story.world, RequestPath::Rollback, &artifact("never"));
    refused(never, Code::IllegalMove);
    let back = request_by(&mut story.world, RequestPath::Rollback, &app()).unwrap();
    story.world.decide(back).unwrap();
    story.world.roll_back(&app(), "prod", &artifact("another")).unwrap();
    assert_eq!((story.state(), state_of(&story.world, back)), ("superseded", "deployed"));
    let rollback = story.slice().last_rollback.clone().unwrap();
    assert_eq!((rollback.artifact, rollback.from), (app(), artifact("another")));
    let found: Vec<Code> = story.world.verify().findings.iter().map(|it| it.code).collect();
    assert_eq!(found, [Code::DeployedWithoutGrant; 2], "of what ran before and between");
    // What nobody granted is gone back to all the same, and that is said.
    story.world.roll_back(&artifact("another"), "prod", &app()).unwrap();
    assert_eq!(state_of(&story.world, back), "rolled back");
    assert_eq!(story.world.verify().findings.len(), 3);
}

/// Two people for a release, one of them beside the requester in an emergency.
const EMERGENCY: &str = r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
    {"name":"prod","expires":"7d",
     "gates":[{"approvals":{"count":2,"roles":["release-approver"]}}],
     "emergency":{
       "gates":[{"approvals":{"count":1,"roles":["release-approver"],"not":["requester"]}}],
       "review":{"within":"48h","roles":["release-approver","security"]}},
     "rollback":{"gates":[]}}]}"#;

/// An emergency with one approval, granted.
fn emergency() -> (World, EntryRef) {
    let mut world = World::new();
    world.policy("paul", EMERGENCY).unwrap();
    let index = request_by(&mut world, RequestPath::Emergency, &app()).unwrap();
    let statement = world.open_request(index).1.statement;
    world.approve("anna", APPROVER, index).unwrap();
    world.decide(index).unwrap();
    (world, EntryRef { index, statement })
}

fn review(
    world: &mut World,
    by: &str,
    role: &str,
    request: &EntryRef,
) -> Result<EntryIndex, Refusal> {
    // A body like that of another open request, made about the emergency.
    let other = world.request(&artifact("other"), "prod").unwrap();
    let mut body = world.approval_body(other, role);
    body.request = request.clone();
    body.meaning = POST_HOC_REVIEW.to_owned();
    world.record(by, &app(), schemas::predicate::approval::TYPE, &body)
}

#[test]
fn an_emergency_is_reviewed_afterwards_by_somebody_else() {
    let (mut world, request) = emergency();
    let due = |world: &World| {
        let state = &world.sequence.state;
        let slice = state.environment(&environment("prod")).unwrap().unwrap();
        slice.reviews_due.get(&request.index).cloned()
    };
    let opened = due(&world).unwrap();
    let involved: Vec<&str> = opened.involved.iter().map(|it| it.as_str()).collect();
    assert_eq!((opened.artifact, involved), (app(), vec!["anna", "mia"]));
    assert_eq!(opened.due_at, opened.granted_at.plus_ms(2 * DAY));
    // It is about what is deployed by then, too.
    world.deploy(&app(), "prod").unwrap();
    refused(review(&mut world, "anna", APPROVER, &request), Code::ReviewerInvolved);
    refused(review(&mut world, "mia", APPROVER, &request), Code::ReviewerInvolved);
    refused(review(&mut world, "nora", APPROVER, &request), Code::RoleMissing);
    refused(review(&mut world, "adam", APPROVER, &request), Code::AdminApproves);
    let unknown = EntryRef { index: request.index - 1, ..request.clone() };
    refused(review(&mut world, "sara", SECURITY, &unknown), Code::RequestUnknown);
    assert!(due(&world).is_some());
    let entry = review(&mut world, "sara", SECURITY, &request).unwrap();
    assert_eq!(due(&world), None);
    let slice = world.sequence.state.environment(&environment("prod")).unwrap().unwrap();
    let closed = slice.closed.iter().find(|it| it.request() == request.index).unwrap();
    let Closed::Deployed(promotion) = closed else { panic!("{closed:?}") };
    assert_eq!(promotion.reviewed.map(|step| step.entry), Some(entry));
    refused(review(&mut world, "ben", APPROVER, &request), Code::RequestUnknown);
    assert_eq!(world.verify().findings, []);
}

/// A review that finds fault is a review.
#[test]
fn a_review_may_say_no_and_takes_nothing_back() {
    let (mut world, request) = emergency();
    let other = world.request(&artifact("other"), "prod").unwrap();
    let mut body = world.approval_body(other, SECURITY);
    body.request = request.clone();
    body.meaning = POST_HOC_REVIEW.to_owned();
    let mut log = |world: &mut World, outcome| {
        body.outcome = outcome;
        body.nonce = world.nonce();
        world.record("sara", &app(), schemas::predicate::approval::TYPE, &body)
    };
    refused(log(&mut world, ApprovalOutcome::Withdrawn), Code::PredicateInvalid);
    log(&mut world, ApprovalOutcome::Rejected).unwrap();
    assert_eq!(state_of(&world, request.index), "granted");
    // A normal grant needs none.
    let mut story = Story::in_state("granted");
    let request = story.request.clone();
    refused(review(&mut story.world, "sara", SECURITY, &request), Code::RequestUnknown);
}

#[test]
fn a_request_is_withdrawn_by_who_asked_or_may_ask() {
    let mut story = Story::of(&[]);
    let request = story.request.index;
    refused(story.world.withdraw("anna", request), Code::RoleMissing);
    story.world.amend(|it| it.grants.retain(|grant| grant.identity.as_str() != "mia")).unwrap();
    story.world.withdraw("mia", request).unwrap();
    assert_eq!(story.state(), "withdrawn");
    refused(story.world.request(&app(), "prod"), Code::RoleMissing);
    let mut other = Story::of(&[]);
    other.request.statement = schemas::id::Hash([7; 32]);
    refused(other.happen("withdraw"), Code::RequestMismatch);
}

#[test]
fn each_path_has_its_own_gates() {
    let (mut world, _) = emergency();
    let verdicts = |world: &World, request: EntryIndex| {
        let gates = world.evaluate("prod", &app(), Some(request)).gates;
        gates.into_iter().map(|it| it.reason).collect::<Vec<_>>()
    };
    let normal = request_by(&mut world, RequestPath::Normal, &app()).unwrap();
    assert_eq!(verdicts(&world, normal), ["0 of 2"]);
    let again = request_by(&mut world, RequestPath::Emergency, &app()).unwrap();
    assert_eq!(verdicts(&world, again), ["0 of 1"]);
    let back = request_by(&mut world, RequestPath::Rollback, &app()).unwrap();
    assert_eq!(verdicts(&world, back), [""; 0]);
    world.decide(back).unwrap();
    assert_eq!(state_of(&world, back), "granted");
    // A policy that has lost the path admits nobody by it.
    let mut late = world.clone();
    late.policy("paul", &crate::fixture::body::policy_json("[]", "[]")).unwrap();
    let told = late.evaluate("prod", &app(), Some(again));
    assert_eq!(told.outcome(), None);
    assert_eq!(told.gates[0].verdict, schemas::report::Verdict::Fail);
    assert_eq!(told.gates[0].reason, "the policy has no emergency path into payments/prod");
}

/// A policy may give a request less than 30 days; a later policy changes nothing for it.
#[test]
fn a_request_expires_when_its_policy_said() {
    let (mut world, _) = emergency();
    let request = request_by(&mut world, RequestPath::Normal, &app()).unwrap();
    let asked = world.open_request(request).1;
    assert_eq!(asked.ends_at(), asked.time.plus_ms(7 * DAY));
    world.policy("paul", &EMERGENCY.replace("7d", "14d")).unwrap();
    world.wait(7 * DAY);
    refused(world.withdraw("mia", request), Code::RequestUnknown);
    world.observe("prod", &[]).unwrap();
    assert_eq!(state_of(&world, request), "expired");
}

mod together;
