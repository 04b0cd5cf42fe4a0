//! Whole logs: a good one, and every way of tampering with it.

use schemas::report::Code;

use crate::fixture::body::FULL_POLICY;
use crate::fixture::{World, environment};

fn story() -> World {
    let mut world = World::new();
    world.policy("paul", FULL_POLICY).unwrap();
    world.release("first");
    world.heads().unwrap();
    world
}

#[test]
fn a_good_log_has_no_findings() {
    let world = story();
    let report = world.verify();
    assert_eq!(report.findings, []);
    assert!(!report.halted);
    assert_eq!((report.size, report.root), (world.size(), world.root()));
    assert_eq!(report.genesis, world.leaves.first().copied());
    assert_eq!((report.counts.decisions, report.counts.heads), (2, 1));
    let slice = report.state.environment(&environment("prod")).unwrap();
    assert!(slice.unwrap().granted.is_some());
    let _ = Code::ALL;
}
