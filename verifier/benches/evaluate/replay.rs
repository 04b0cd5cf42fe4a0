//! All decisions of a log once more, as `attestry replay` does: the whole log is verified on the way.

use std::time::Duration;

use rayon::prelude::*;
use schemas::id::{Hash, TreeSize};
use verifier::fixture::traffic::{History, RELEASE_DECISIONS, RELEASE_EVENTS};
use verifier::log::{LogSource, Record, verify_log_heard};
use verifier::merkle::proof::{ProveError, prove_consistency};
use verifier::merkle::{MemoryTree, NoSubtree};
use verifier::replay::{Replay, Scope};

use crate::bare::signatures;
use crate::machine::{cpu_seconds, option, time};

/// What is asked of a replay on two cores, in seconds.
const ASKED_SECS: f64 = 60.0;

/// Records of one read, about the 4 MiB that a ledger reads at a time.
const BATCH: usize = 1_500;

/// Records whose signatures are made ready at a time: all of them would need more memory than the log.
const READY: usize = 20_000;

pub fn measure() {
    let (events, decisions) = (option("--events", 1_000_000), option("--decisions", 10_000));
    let history = history(events, decisions);
    let world = history.world;
    let origin = world.origin().clone();
    let (bound, bound_cpu, checked) = bare(&world.records);
    let size = world.records.len();
    let mut source = Batches::of(world.records, MemoryTree::new(world.leaves));
    let mut replay = Replay::of(Scope::default());
    let before = cpu_seconds();
    let (report, took) = time(|| verify_log_heard(&origin, &mut source, &mut replay).unwrap());
    let cpu = cpu_seconds() - before;
    assert_eq!((report.findings.len(), report.size), (0, size as u64));
    assert_eq!((replay.agreed, replay.disagreed), (decisions, 0));
    println!(
        "replay: {decisions} decisions in a log of {size} events: {:.1} s by the wall, {cpu:.1} s of cores; \
         of {} signatures",
        took.as_secs_f64(),
        report.counts.signatures,
    );
    println!(
        "bound: {checked} bare strict signature checks over the same cores: {:.1} s by the wall, \
         {bound_cpu:.1} s of cores; bound by replay {:.2}",
        bound.as_secs_f64(),
        bound.as_secs_f64() / took.as_secs_f64()
    );
    println!("(asked of 10,000 decisions in a million events on two cores: under {ASKED_SECS} s)");
}

/// A log of so many events, with releases in it all along.
fn history(events: u64, decisions: u64) -> History {
    let releases = decisions / RELEASE_DECISIONS;
    assert_eq!(releases * RELEASE_DECISIONS, decisions, "a release has two decisions");
    let others = events.saturating_sub(releases * RELEASE_EVENTS);
    let every = (others / releases.max(1)).max(1);
    let mut history = History::about(releases.max(10_000)).with_releases(releases, every);
    while (history.world.records.len() as u64) < events {
        history.step();
    }
    history
}

/// How long the signatures alone take, by the wall and of all cores, and how many there are.
fn bare(records: &[Record]) -> (Duration, f64, usize) {
    let (mut wall, mut cpu, mut checked) = (Duration::ZERO, 0.0, 0);
    for part in records.chunks(READY) {
        let signatures = signatures(part);
        let before = cpu_seconds();
        let (valid, took) = time(|| signatures.par_iter().filter(|it| it.holds()).count());
        assert_eq!(valid, signatures.len());
        wall += took;
        cpu += cpu_seconds() - before;
        checked += valid;
    }
    (wall, cpu, checked)
}

/// A log in memory that gives its records away.
struct Batches {
    records: std::vec::IntoIter<Record>,
    tree: MemoryTree,
}

impl Batches {
    fn of(records: Vec<Record>, tree: MemoryTree) -> Batches {
        Batches { records: records.into_iter(), tree }
    }
}

impl LogSource for Batches {
    type Error = ProveError<NoSubtree>;

    fn next_records(&mut self) -> Result<Vec<Record>, Self::Error> {
        Ok(self.records.by_ref().take(BATCH).collect())
    }

    fn consistency(&mut self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, Self::Error> {
        prove_consistency(&mut self.tree, from, to)
    }
}
