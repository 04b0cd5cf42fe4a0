use schemas::id::Digest;
use schemas::predicate::build;
use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::predicate::promotion_request;
use schemas::report::Verdict::{Pass, Waiting, Waived};
use schemas::statement::{Annotations, Statement, Subject};
use schemas::thread::ThreadId;
use schemas::trust::role;

use crate::fixture::cast::grant;
use crate::fixture::{World, artifact, body};
use crate::policy::gate::cases::{Row, Table, app, check, compromise, refused, unseen, waived};

const GATE: &str = r#"{"dependency":{"project":"shop","versions":">=2.1.0, <3.0.0"},
    "waiver":{"by":["security"],"max":"30d"}}"#;
const ANY: &str = r#"{"dependency":{"project":"shop"}}"#;
const STAGED: &str = r#"{"dependency":{"project":"shop","in":"staging"}}"#;

fn api() -> Digest {
    artifact("the other project's")
}

/// The other project has people, and a policy that asks for nothing.
fn enrol(world: &mut World) {
    world
        .amend(|it| {
            let kinds = ["build", "deployment"];
            it.grants.push(grant("ci", role::EMITTER, &kinds, "shop"));
            it.grants.push(grant("mia", role::RELEASE_MANAGER, &[], "shop"));
            it.grants.push(grant("paul", role::POLICY_ADMIN, &[], "shop"));
        })
        .unwrap();
    let json = body::policy_json("[]", "[]").replace("payments", "shop");
    let mut statement = world.policy_statement(&json);
    statement.predicate.project = "shop".parse().unwrap();
    statement.predicate.replaces = None;
    world.log(&statement, &["paul"], None).unwrap();
}

fn deploy(world: &mut World, of: &Digest, to: &str) -> u64 {
    let mut body = world.deployment_body(to, DeploymentResult::Succeeded);
    body.project = "shop".parse().unwrap();
    let subject = vec![Subject::of(of, None)];
    world.log(&Statement::new(subject, deployment::TYPE, body), &["ci"], None).unwrap()
}

/// Version 2.1.4 of the other project is granted and deployed there.
fn ready(to: &'static str, version: Option<&'static str>) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        enrol(world);
        let mut subject = Subject::of(&api(), None);
        subject.annotations =
            version.map(|version| Annotations { version: Some(version.to_owned()) });
        let built = Statement::new(vec![subject], build::TYPE, body::build(body::BUILDER, &[]));
        world.log(&built, &["ci"], Some("shop")).unwrap();
        let mut asked = world.request_body(to);
        asked.project = "shop".parse().unwrap();
        let subject = vec![Subject::of(&api(), None)];
        let statement = Statement::new(subject, promotion_request::TYPE, asked);
        let request = world.log(&statement, &["mia"], None).unwrap();
        world.decide_in("shop", to, request);
        vec![deploy(world, &api(), to)]
    }
}

pub const TABLE: Table = Table {
    gate: r#"{"dependency":{"project":"shop","versions":">=2.1.0, <3.0.0"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| ready("prod", Some("2.1.4"))(w), Pass, "2.1.4 sha256:"),
    fail: Row::No("what is not there yet may still come: another project's release is waited for"),
    waived: Row::case(
        |w| waived(w, "dependency", vec![]),
        Waived,
        "\"not reachable\"; nothing is deployed in shop/prod",
    ),
    waiting: Row::case(
        |w| ready("prod", Some("2.0.9"))(w),
        Waiting,
        "in shop/prod, policy asks for >=2.1.0, <3.0.0",
    ),
    indeterminate: Row::No(
        "deployments are read strictly before they are logged, and a policy whose range of versions is \
         none is refused",
    ),
    // It runs in our own environment, and not in the other project's.
    another_artifact: Row::case(
        |w| unseen(w.deploy(&api(), "prod").unwrap()),
        Waiting,
        "nothing is deployed in shop/prod",
    ),
    too_old: Row::No("what runs there runs there, however long ago it was deployed"),
    without_role: Row::case(
        |w| {
            enrol(w);
            let mut body = w.deployment_body("prod", DeploymentResult::Succeeded);
            body.project = "shop".parse().unwrap();
            let subject = vec![Subject::of(&api(), None)];
            refused(w.log(&Statement::new(subject, deployment::TYPE, body), &["bot"], None))
        },
        Waiting,
        "nothing is deployed in shop/prod",
    ),
};

#[test]
fn the_other_artifact_is_there_by_a_grant() {
    check(GATE, |_| vec![], Waiting, "nothing is deployed in shop/prod");
    check(GATE, ready("prod", Some("2.1.4")), Pass, "2.1.4 sha256:");
    check(GATE, ready("prod", Some("2.0.9")), Waiting, "policy asks for >=2.1.0, <3.0.0");
    check(GATE, ready("prod", None), Waiting, "an unknown version");
    check(ANY, ready("prod", None), Pass, "an unknown version");
    check(STAGED, ready("staging", Some("2.1.4")), Pass, "in shop/staging");
    check(
        GATE,
        |w| ready("staging", Some("2.1.4"))(w).split_off(1),
        Waiting,
        "nothing is deployed",
    );
    let ungranted = |w: &mut World| {
        enrol(w);
        vec![deploy(w, &api(), "prod")]
    };
    check(ANY, ungranted, Waiting, "which nothing has granted there");
}

#[test]
fn just_this_artifact_may_be_asked_for() {
    let of =
        |digest: &Digest| format!(r#"{{"dependency":{{"project":"shop","artifact":"{digest}"}}}}"#);
    check(&of(&api()), ready("prod", None), Pass, "in shop/prod");
    check(&of(&app()), ready("prod", None), Waiting, "policy asks for sha256:");
    // Our own deployment of it says nothing of theirs.
    let ours = |w: &mut World| {
        w.deploy(&api(), "prod").unwrap();
        vec![]
    };
    check(&of(&api()), ours, Waiting, "nothing is deployed in shop/prod");
}

/// Of several that run together the one that is named, or each of them.
#[test]
fn of_several_the_named_one_or_each_must_do() {
    let both = |version: &'static str| {
        move |w: &mut World| {
            enrol(w);
            let helper = artifact("their helper");
            for (of, version) in [(api(), "2.1.4"), (helper.clone(), version)] {
                let mut subject = Subject::of(&of, None);
                subject.annotations = Some(Annotations { version: Some(version.to_owned()) });
                let body = body::build(body::BUILDER, &[]);
                let built = Statement::new(vec![subject], build::TYPE, body);
                w.log(&built, &["ci"], Some("shop")).unwrap();
            }
            let mut asked = w.request_body("prod");
            asked.project = "shop".parse().unwrap();
            let subjects = vec![Subject::of(&api(), None), Subject::of(&helper, None)];
            let statement = Statement::new(subjects, promotion_request::TYPE, asked);
            let request = w.log(&statement, &["mia"], None).unwrap();
            w.decide_in("shop", "prod", request);
            vec![deploy(w, &helper, "prod"), deploy(w, &api(), "prod")]
        }
    };
    check(GATE, both("2.2.0"), Pass, "2.2.0 sha256:");
    check(GATE, both("1.0.0"), Waiting, "1.0.0 sha256:");
    let named = format!(r#"{{"dependency":{{"project":"shop","artifact":"{}"}}}}"#, api());
    check(&named, |w| both("1.0.0")(w).split_off(1), Pass, "2.1.4 sha256:");
}

#[test]
fn a_compromised_key_deploys_nothing_and_the_threads_are_read() {
    let tainted = |w: &mut World| {
        let entries = ready("prod", Some("2.1.4"))(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(GATE, tainted, Waiting, "compromised");
    let mut world = World::with_gates("[]", &format!("[{GATE}]"));
    ready("prod", Some("2.1.4"))(&mut world);
    let evaluation = world.evaluate("prod", &app(), None);
    assert!(evaluation.reads.contains(&ThreadId::Environment("shop/prod".parse().unwrap())));
    assert!(evaluation.reads.contains(&ThreadId::Artifact(api())));
}
