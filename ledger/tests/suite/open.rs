//! Which open requests are looked at: in other projects only so many, and none whose time is over.

use ledger::init::sign_trust;
use ledger::promotion::TOUCHED_ELSEWHERE_MAX;
use ledger::{Evaluated, Submission, Which};
use schemas::id::{Digest, Hash};
use schemas::predicate::promotion_request;
use schemas::predicate::test::{self, Test, TestResult};
use schemas::statement::{Statement, Subject};
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;

use crate::world::{PROJECT, World, world};

/// Two environments that anything tested may enter, the one within an hour.
const TESTED: &str = r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
  {"name":"staging","gates":[{"evidence":{"kind":"test","result":"passed"}}]},
  {"name":"prod","expires":"1h","gates":[{"evidence":{"kind":"test","result":"passed"}}]}]}"#;

const OPEN: &str = r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
  {"name":"prod","gates":[]}]}"#;

const DEPENDS: &str = r#"{"apiVersion":"attestry/policy/v1","project":"shop","environments":[
  {"name":"prod","gates":[{"dependency":{"project":"payments"}}]}]}"#;

fn artifact(number: u8) -> Digest {
    Digest::sha256(&Hash([number; 32]))
}

async fn asking(world: &World, project: &str, to: &str, artifact: &Digest) -> Submission {
    let body = world.request_body(project, to).await;
    let subject = vec![Subject::of(artifact, None)];
    let statement = Statement::new(subject, promotion_request::TYPE, body);
    let envelope = sign_statement(&statement, &[&world.writer]).unwrap();
    Submission { envelope, project: None, attachments: Vec::new() }
}

async fn ask(world: &World, project: &str, to: &str, artifact: &Digest) -> u64 {
    let one = asking(world, project, to, artifact).await;
    world.submit(one.envelope).await.unwrap().index
}

fn decided(evaluated: &[Evaluated]) -> Vec<u64> {
    let decided = evaluated.iter().filter(|it| it.decision.is_some());
    decided.map(|it| it.request).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_time_is_over_keeps_no_other_from_being_decided() {
    let world = world().await;
    world.set_policy(TESTED).await;
    let late = ask(&world, PROJECT, "prod", &artifact(1)).await;
    let open = ask(&world, PROJECT, "staging", &artifact(2)).await;
    world.clock.advance(2 * 3_600_000);
    for number in [1, 2] {
        let body = Test {
            result: TestResult::Passed,
            configuration: Vec::new(),
            passed_tests: Vec::new(),
            warned_tests: Vec::new(),
            failed_tests: Vec::new(),
            report: None,
        };
        // Evidence joins no environment, so the late one is still in its slice.
        world.log(&artifact(number), test::TYPE, body, &world.ci).await;
    }
    let evaluated = world.ledger.evaluate_open(Which::All).await.unwrap();
    assert_eq!(decided(&evaluated), [open]);
    assert_eq!(evaluated.len(), 1, "nothing is left of {late}");
    assert!(world.ledger.evaluate_open(Which::Request(late)).await.unwrap().is_empty());
    assert_eq!(world.verify().await.findings, vec![]);
}

/// People of the project have the same roles in the shop.
async fn with_a_shop(world: &World) {
    let trust = world.ledger.control().await.unwrap().trust.unwrap();
    let mut document = trust.document;
    document.grants.iter_mut().for_each(|grant| grant.projects.push("shop".to_owned()));
    let root = SigningKey::from_pkcs8_pem(&world.root.to_pkcs8_pem().unwrap()).unwrap();
    let envelope = sign_trust(&document, Some(trust.statement), &[root]).unwrap();
    world.submit(envelope).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_has_so_many_requests_of_other_projects_evaluated() {
    let world = world().await;
    with_a_shop(&world).await;
    world.set_policy(OPEN).await;
    world.set_policy(DEPENDS).await;
    let (many, more) = (TOUCHED_ELSEWHERE_MAX, 3);
    let mut batch = Vec::new();
    for number in 0..many + more {
        batch.push(asking(&world, "shop", "prod", &artifact(number as u8)).await);
    }
    let logged = world.ledger.submit(batch).await.unwrap();
    let asked: Vec<u64> = logged.into_iter().map(|it| it.unwrap().index).collect();
    let own = ask(&world, PROJECT, "prod", &artifact(200)).await;
    let granted = world.ledger.evaluate_open(Which::Request(own)).await.unwrap();
    assert_eq!(decided(&granted), [own]);
    world.deploy(&artifact(200)).await;
    let own = Which::Touched { project: PROJECT.parse().unwrap() };
    // The oldest first; what they touch in the shop is the timer's.
    let touched = world.ledger.evaluate_open(own.clone()).await.unwrap();
    assert_eq!(decided(&touched), asked[..many]);
    let rest = world.ledger.evaluate_open(own).await.unwrap();
    assert_eq!(decided(&rest), asked[many..]);
    // Nothing of the shop's concerns the project: none of its gates reads it.
    let back = ask(&world, PROJECT, "prod", &artifact(201)).await;
    let shop = Which::Touched { project: "shop".parse().unwrap() };
    assert!(world.ledger.evaluate_open(shop).await.unwrap().is_empty());
    let all = world.ledger.evaluate_open(Which::All).await.unwrap();
    assert_eq!(decided(&all), [back]);
    assert_eq!(world.verify().await.findings, vec![]);
}
