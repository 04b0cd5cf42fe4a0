//! Logs whose holder re-hashed everything: only the rules are broken.

use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::predicate::{heads, measurement, promotion_request, test};
use schemas::statement::{Statement, Subject};
use schemas::thread::ThreadId;

use super::tampered::flip_signature;
use super::{Class, Code, Hash, World, artifact, found, story, verify};
use crate::fixture::forge::{Filed, forge};
use crate::fixture::{body, cast, envelope, environment, project};
use schemas::predicate::test::TestResult;

/// Puts one more envelope behind the story and verifies: one finding, at its entry, no effect.
#[track_caller]
pub(super) fn appended(code: Code, class: Class, make: impl FnOnce(&mut World) -> Vec<u8>) {
    let mut world = story();
    let envelope = make(&mut world);
    let (project, time) = (Some(project()), world.now);
    let mut filed = world.filed();
    filed.push(Filed { envelope, project, time });
    let report = verify(&world, forge(world.origin(), &filed));
    assert_eq!(found(&report), [(code, class, Some(world.size()))]);
    assert_eq!(report.halted, class == Class::Integrity);
    assert_eq!(report.size, world.size() + 1);
    for (thread, _) in world.sequence.state.all_heads() {
        let before = world.sequence.state.slice_json(thread);
        assert_eq!(report.state.slice_json(thread), before, "{thread}");
    }
}

fn unit(by: &[&str]) -> Vec<u8> {
    let body = body::test("unit", TestResult::Failed);
    let subject = vec![Subject::of(&artifact("first"), None)];
    envelope(&Statement::new(subject, test::TYPE, body), by)
}

#[test]
fn a_log_laid_out_anew_is_the_same_log() {
    let world = story();
    let report = verify(&world, forge(world.origin(), &world.filed()));
    assert_eq!((found(&report), report.root), (vec![], world.root()));
}

#[test]
fn a_key_without_the_role_has_no_effect() {
    for who in ["mia", "anna", "stranger", "adam"] {
        appended(Code::RoleMissing, Class::Rule, |_| unit(&[who]));
    }
    for who in ["nobody", "log", "root-1"] {
        appended(Code::SignatureInvalid, Class::Rule, |_| unit(&[who]));
    }
    appended(Code::SignatureInvalid, Class::Rule, |_| {
        let mut envelope = unit(&["ci"]);
        flip_signature(&mut envelope, 0);
        envelope
    });
}

#[test]
fn rules_hold_in_a_log_as_at_its_door() {
    let measured = |w: &mut World, ledger: &str| {
        let mut body = w.measurement_body(&[("p99", "1")]);
        body.ledger = ledger.parse().unwrap();
        Statement::new(vec![Subject::of(&artifact("first"), None)], measurement::TYPE, body)
    };
    let here = crate::fixture::ORIGIN;
    appended(Code::OtherLedger, Class::Rule, |w| envelope(&measured(w, "b.example"), &["ci"]));
    appended(Code::SignatureExtra, Class::Rule, |w| {
        envelope(&measured(w, here), &["ci", "nobody"])
    });
    appended(Code::PredicateInvalid, Class::Rule, |w| {
        let text = String::from_utf8(envelope(&measured(w, here), &["ci"])).unwrap();
        text.replace("\",\"", "\", \"").into_bytes()
    });
    appended(Code::ThresholdMissed, Class::Rule, |w| {
        let statement = w.trust_of_itself();
        envelope(&statement, &["root-1"])
    });
    appended(Code::NotReplacing, Class::Rule, |w| {
        let mut statement = w.policy_statement(body::FULL_POLICY);
        statement.predicate.replaces = None;
        envelope(&statement, &["paul"])
    });
    appended(Code::UnknownEnvironment, Class::Rule, |w| {
        let body = w.request_body("moon");
        let subject = vec![Subject::of(&artifact("first"), None)];
        envelope(&Statement::new(subject, promotion_request::TYPE, body), &["mia"])
    });
    appended(Code::StatementRepeated, Class::Rule, |w| w.records[2].envelope.clone().unwrap());
}

/// A statement of our own with a member that its kind does not have.
fn malformed<P: serde::Serialize>(statement: &Statement<P>, by: &str) -> Vec<u8> {
    let mut json = serde_json::to_value(statement).unwrap();
    json["predicate"]["surprise"] = 1.into();
    let predicate = &json["predicate"];
    let subject = statement.subject.clone();
    envelope(&Statement::new(subject, &statement.predicate_type, predicate), &[by])
}

#[test]
fn a_malformed_predicate_has_no_effect_and_the_rest_is_verified() {
    let bad = |make: fn(&mut World) -> Vec<u8>| appended(Code::PredicateInvalid, Class::Rule, make);
    bad(|w| {
        let body = w.measurement_body(&[("p99", "1")]);
        let subject = vec![Subject::of(&artifact("first"), None)];
        malformed(&Statement::new(subject, measurement::TYPE, body), "ci")
    });
    bad(|w| malformed(&w.policy_statement(body::FULL_POLICY), "paul"));
    bad(|w| malformed(&w.trust_of_itself(), "root-1"));
    bad(|w| malformed(&w.heads_statement(), "service"));
    // Two of them, and one thing behind them: all three are found, the entry of the two is told.
    let mut world = story();
    let deployed = world.deployment_body("prod", DeploymentResult::Succeeded);
    let asked = world.request_body("prod");
    let (subject, time) = (vec![Subject::of(&artifact("first"), None)], world.now);
    let envelopes = [
        malformed(&Statement::new(subject.clone(), deployment::TYPE, deployed), "ci"),
        malformed(&Statement::new(subject, promotion_request::TYPE, asked), "mia"),
        unit(&["mia"]),
    ];
    let mut filed = world.filed();
    let here = ThreadId::Environment(environment("prod"));
    for envelope in envelopes {
        filed.push(Filed { envelope, project: Some(project()), time });
    }
    let report = verify(&world, forge(world.origin(), &filed));
    let codes = [Code::PredicateInvalid, Code::PredicateInvalid, Code::RoleMissing];
    let expected: Vec<_> = (world.size()..).zip(codes).map(|(at, code)| (code, at)).collect();
    let rules = found(&report);
    assert!(rules.iter().all(|it| it.1 == Class::Rule));
    assert_eq!(rules.iter().map(|it| (it.0, it.2.unwrap())).collect::<Vec<_>>(), expected);
    assert_eq!((report.halted, report.size), (false, world.size() + 3));
    assert_eq!(report.state.head(&here).unwrap().unwrap().index, world.size() + 1);
}

/// Whoever has no role for heads claims nothing by them.
#[test]
fn heads_by_anybody_else_are_no_claim() {
    for who in ["ci", "adam"] {
        appended(Code::RoleMissing, Class::Rule, |w| {
            let mut statement = w.heads_statement();
            statement.predicate.root = Hash([7; 32]);
            envelope(&statement, &[who])
        });
    }
}

#[test]
fn heads_commit_to_threads_and_state() {
    let of = |code: Code, change: fn(&mut heads::Heads)| {
        let mut world = story();
        let mut statement = world.heads_statement();
        change(&mut statement.predicate);
        let (envelope, project, time) = (envelope(&statement, &["service"]), None, world.now);
        let mut filed = world.filed();
        filed.push(Filed { envelope, project, time });
        let report = verify(&world, forge(world.origin(), &filed));
        assert_eq!(found(&report), [(code, code.class(), Some(world.size()))]);
    };
    of(Code::HeadsMismatch, |it| it.root = Hash([7; 32]));
    of(Code::HeadsMismatch, |it| it.threads += 1);
    of(Code::HeadsStale, |it| it.size -= 1);
    assert_eq!(Code::HeadsMismatch.class(), Class::Integrity);
}

/// One signature of the past is no signature: whatever rested on it falls, and is said.
#[test]
fn every_signature_counts() {
    let world = story();
    let filed = world.filed();
    for at in 1..filed.len() {
        let mut forged = filed.clone();
        flip_signature(&mut forged[at].envelope, 0);
        let report = verify(&world, forge(world.origin(), &forged));
        let first = &found(&report)[0];
        assert_eq!(*first, (Code::SignatureInvalid, Class::Rule, Some(at as u64)));
    }
    let mut forged = filed;
    flip_signature(&mut forged[0].envelope, 1);
    let report = verify(&world, forge(world.origin(), &forged));
    assert_eq!(found(&report)[0], (Code::SignatureExtra, Class::Rule, Some(0)));
}

/// An event left out and everything after it re-hashed: what was decided on it does not replay.
#[test]
fn what_was_left_out_is_missed() {
    let world = story();
    let filed = world.filed();
    for at in 0..filed.len() - 1 {
        let mut forged = filed.clone();
        forged.remove(at);
        let report = verify(&world, forge(world.origin(), &forged));
        assert!(!report.findings.is_empty(), "entry {at}");
        assert_ne!(report.root, world.root());
    }
}

#[test]
fn a_log_of_another_name_is_another_log() {
    let mut document = cast::document();
    document.origin = "b.example".parse().unwrap();
    document.log_key = cast::log_key("b.example", "log");
    let other = World::of(document, &["root-1", "root-2"]);
    let here = World::new();
    let report = verify(&here, other.records.clone());
    assert_eq!(found(&report)[0], (Code::ChainBroken, Class::Integrity, Some(0)));
    let report = verify(&here, forge(here.origin(), &other.filed()));
    assert_eq!(found(&report), [(Code::OtherLedger, Class::Rule, Some(0))]);
    assert!(report.state.trust().is_none());
}
