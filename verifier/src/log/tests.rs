//! Whole logs: good ones, and every way of tampering with one.

mod forged;
mod granted;
mod tampered;

use std::collections::BTreeSet;

use schemas::id::{EntryIndex, Hash};
use schemas::predicate::promotion_request;
use schemas::report::Class;
use schemas::trust::Compromise;

use super::*;
use crate::fixture::body::FULL_POLICY;
use crate::fixture::cast::key_text;
use crate::fixture::{MemoryLog, World, artifact, commit, environment, key_id, project};

/// A log with every kind that a release needs, two decisions and heads at its end.
fn story() -> World {
    let mut world = World::new();
    world.policy("paul", FULL_POLICY).unwrap();
    world.release("first");
    world.heads().unwrap();
    world
}

fn verify(world: &World, records: Vec<Record>) -> LogReport {
    verify_log(world.origin(), &mut MemoryLog::new(records)).unwrap()
}

/// Code, class and entry of every finding.
fn found(report: &LogReport) -> Vec<(Code, Class, Option<EntryIndex>)> {
    let parts = |it: &Finding| (it.code, it.class, it.index);
    report.findings.iter().map(parts).collect()
}

#[test]
fn a_good_log_has_no_findings() {
    let world = story();
    let report = world.verify();
    assert_eq!(report.findings, []);
    assert!(!report.halted);
    assert_eq!((report.size, report.root), (world.size(), world.root()));
    assert_eq!(report.genesis, world.leaves.first().copied());
    let counts = &report.counts;
    assert_eq!((counts.decisions, counts.heads, counts.findings), (2, 1, 0));
    // One signature each, and two roots at entry 0.
    assert_eq!((counts.events, counts.signatures), (world.size(), world.size() + 1));
    assert_eq!(counts.kinds.values().sum::<u64>(), counts.events);
    assert_eq!(counts.kinds[&EventKind::Approval], 2);
    let mut state = report.state;
    assert_eq!(state.heads_root(), world.sequence.state.clone().heads_root());
    let prod = state.environment(&environment("prod")).unwrap().unwrap();
    assert_eq!(prod.granted.as_ref().unwrap().artifact, artifact("first"));
    assert_eq!(prod.deployed.as_ref().unwrap().artifact, artifact("first"));
    assert!(prod.requests.is_empty());
}

/// How a log is read makes no difference to what is found.
#[test]
fn batches_of_any_size_give_the_same_report() {
    let mut world = story();
    world.amend(|it| it.identities[0].keys.push(key_text("ci-2"))).unwrap();
    world.record("ci-2", &artifact("x"), "https://example.com/v1", &()).unwrap();
    let whole = found(&world.verify());
    for batch in [1, 2, 3, 7, 1000] {
        let mut source = world.source();
        source.batch = batch;
        let report = verify_log(world.origin(), &mut source).unwrap();
        assert_eq!((found(&report), report.root), (whole.clone(), world.root()));
    }
    assert_eq!(whole, []);
}

#[test]
fn an_empty_log_is_empty() {
    let world = World::new();
    let report = verify(&world, Vec::new());
    assert_eq!((report.size, report.root), (0, crate::merkle::EMPTY_ROOT));
    assert_eq!((report.findings, report.genesis), (Vec::new(), None));
}

#[test]
fn a_notice_taints_what_decisions_relied_on() {
    let notice = |name: &str, from| {
        let mut world = story();
        let key = key_id(name);
        world.amend(|it| it.compromises.push(Compromise { key, from })).unwrap();
        let report = world.verify();
        let codes: BTreeSet<Code> = report.findings.iter().map(|it| it.code).collect();
        let decisions: BTreeSet<_> = report.findings.iter().filter_map(|it| it.index).collect();
        assert!(!report.halted);
        (codes.into_iter().collect::<Vec<_>>(), decisions.len())
    };
    let relied = vec![Code::ReliedOnCompromisedKey];
    assert_eq!(notice("ci", 0), (relied.clone(), 2));
    assert_eq!(notice("anna", 0), (relied.clone(), 1));
    assert_eq!(notice("sara", 0), (relied, 1));
    assert_eq!(notice("ci", 1000), (vec![], 0));
    assert_eq!(notice("anna-2", 0), (vec![], 0));
    assert_eq!(Code::ReliedOnCompromisedKey.class(), Class::Rule);
}

#[test]
fn revoked_and_rotated_keys_speak_for_their_time_only() {
    let mut world = story();
    world.amend(|it| it.identities[0].keys = vec![key_text("ci-2")]).unwrap();
    let it = artifact("second");
    assert!(world.build(&it, &commit("second")).is_err());
    let body = crate::fixture::body::build("x", &[]);
    world.record("ci-2", &it, schemas::predicate::build::TYPE, &body).unwrap();
    world.amend(|it| it.grants.retain(|grant| grant.identity.as_str() != "ci")).unwrap();
    assert!(world.record("ci-2", &it, schemas::predicate::build::TYPE, &body).is_err());
    world.heads().unwrap();
    assert_eq!(world.verify().findings, []);
    let known = world.sequence.state.artifact(&it).unwrap().unwrap();
    let signer = &known.projects[&project()].build.as_ref().unwrap().signers[0];
    assert_eq!((signer.identity.as_str(), signer.key), ("ci", key_id("ci-2")));
}

#[test]
fn roots_rotate_with_old_and_new() {
    let mut world = story();
    let mut next = world.document.clone();
    next.roots.keys = ["root-4", "root-5"].map(key_text).to_vec();
    world.trust(next.clone(), &["root-1", "root-2", "root-4", "root-5"]).unwrap();
    next.identities[0].keys = vec![key_text("ci-2")];
    world.trust(next, &["root-4", "root-5"]).unwrap();
    assert_eq!(world.verify().findings, []);
}

/// What somebody signed to have seen is a prefix of the log, or the log was another one.
#[test]
fn what_was_seen_is_a_prefix() {
    let world = story();
    for (size, root, good) in [
        (0, crate::merkle::EMPTY_ROOT, true),
        (3, crate::merkle::root_of(&world.leaves[..3]), true),
        (3, crate::merkle::root_of(&world.leaves[..4]), false),
        (0, Hash([7; 32]), false),
    ] {
        let mut told = world.clone();
        let mut body = told.request_body("prod");
        body.seen = Seen { size, root };
        let it = artifact("first");
        let entry = told.record("mia", &it, promotion_request::TYPE, &body).unwrap();
        let expected = (Code::NotExtending, Class::Integrity, Some(entry));
        let expected = if good { vec![] } else { vec![expected] };
        assert_eq!(found(&told.verify()), expected, "{size}");
    }
}
