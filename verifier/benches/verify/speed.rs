//! The rate of full verification, against bare strict verification of the same envelopes.

use rayon::prelude::*;
use schemas::id::{Hash, Origin, TreeSize};
use verifier::fixture::traffic::History;
use verifier::log::{LogReport, LogSource, Record, verify_log};
use verifier::merkle::MemoryTree;
use verifier::merkle::NoSubtree;
use verifier::merkle::proof::{ProveError, prove_consistency};

use crate::bare::signatures;
use crate::machine::{cpu_seconds, median, option, time};

const ARTIFACTS: u64 = 2_000;

/// Records of one read, about the 4 MiB that a ledger reads at a time.
const BATCH: usize = 1_500;

pub fn measure() {
    let events = option("--events", 200_000);
    let rounds = option("--rounds", 9);
    let mut history = History::about(ARTIFACTS);
    while (history.world.records.len() as u64) < events {
        history.step();
    }
    let world = history.world;
    let origin = world.origin().clone();
    let signatures = signatures(&world.records);
    let bytes: usize = world.records.iter().map(|it| it.envelope.as_ref().unwrap().len()).sum();
    println!(
        "verify: {} events about {ARTIFACTS} artifacts, envelopes of {} bytes, {} signatures",
        world.records.len(),
        bytes / world.records.len(),
        signatures.len()
    );
    let tree = MemoryTree::new(world.leaves.clone());
    let mut rounds_of = Rounds::default();
    for round in 0..=rounds {
        let source = Batches::of(&world.records, tree.clone());
        let before = cpu_seconds();
        let (report, whole) = time(|| verify(&origin, source));
        let between = cpu_seconds();
        assert_eq!(report.findings, []);
        assert_eq!(report.root, world.sequence.chain.root());
        let (valid, alone) = time(|| signatures.par_iter().filter(|it| it.holds()).count());
        let cpu = (between - before, cpu_seconds() - between);
        assert_eq!(valid, signatures.len());
        // The first round warms up.
        if round > 0 {
            rounds_of.add((whole.as_secs_f64(), alone.as_secs_f64()), cpu);
        }
    }
    rounds_of.print(world.records.len() as f64);
}

/// Seconds of each round: of full verification, and of the signatures alone.
#[derive(Default)]
struct Rounds {
    wall: Vec<(f64, f64)>,
    cpu: Vec<(f64, f64)>,
}

impl Rounds {
    fn add(&mut self, wall: (f64, f64), cpu: (f64, f64)) {
        self.wall.push(wall);
        self.cpu.push(cpu);
    }

    fn print(&self, events: f64) {
        println!(
            "{:>8} {:>14} {:>14} {:>7} {:>17}",
            "by", "full", "signatures", "ratio", "lowest..highest"
        );
        for (name, rounds) in [("wall", &self.wall), ("core", &self.cpu)] {
            let rate = |of: fn(&(f64, f64)) -> f64| {
                median(rounds.iter().map(|it| events / of(it)).collect())
            };
            let ratios: Vec<f64> = rounds.iter().map(|(full, bare)| bare / full).collect();
            let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let high = ratios.iter().copied().fold(0.0, f64::max);
            let range = format!("{low:.3}..{high:.3}");
            let (full, bare) = (rate(|it| it.0), rate(|it| it.1));
            println!("{name:>8} {full:>12.0}/s {bare:>12.0}/s {:>7.3} {range:>17}", median(ratios));
        }
        println!("(bound: 0.8 by the wall; {} rounds, medians)", self.wall.len());
    }
}

fn verify(origin: &Origin, mut source: Batches) -> LogReport {
    verify_log(origin, &mut source).unwrap()
}

/// A log in memory that gives its records away.
struct Batches {
    batches: std::vec::IntoIter<Vec<Record>>,
    tree: MemoryTree,
}

impl Batches {
    fn of(records: &[Record], tree: MemoryTree) -> Batches {
        let batches: Vec<Vec<Record>> = records.chunks(BATCH).map(<[Record]>::to_vec).collect();
        let batches = batches.into_iter();
        Batches { batches, tree }
    }
}

impl LogSource for Batches {
    type Error = ProveError<NoSubtree>;

    fn next_records(&mut self) -> Result<Vec<Record>, Self::Error> {
        Ok(self.batches.next().unwrap_or_default())
    }

    fn consistency(&mut self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, Self::Error> {
        prove_consistency(&mut self.tree, from, to)
    }
}
