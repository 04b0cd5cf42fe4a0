//! The library's own way: a ledger that knows the machines that send, and batches of what they send.

use std::path::Path;
use std::sync::Arc;

use ledger::clock::SystemClock;
use ledger::init::sign_trust;
use ledger::{Database, Ledger, Submission};
use schemas::id::EntryIndex;
use verifier::fixture::traffic::enrol;
use verifier::fixture::{ORIGIN, key, project};

/// Whoever submits waits for the answer; with several, one batch is read while another is
/// written.
pub const SUBMITTERS: usize = 6;

/// A ledger in `folder/ledger` that lets the machines that send record.
pub async fn new_ledger(folder: &Path, database: &Database) -> Ledger {
    let roots = [key("root-1")];
    let (root, state) = (folder.join("ledger"), folder.join("state"));
    let clock = Arc::new(SystemClock);
    let origin = ORIGIN.parse().unwrap();
    let ledger = Ledger::init_in(database, &root, &origin, &roots, &state, clock).await.unwrap();
    let trust = ledger.control().await.unwrap().trust.unwrap();
    let mut document = trust.document;
    enrol(&mut document);
    let envelope = sign_trust(&document, Some(trust.statement), &roots).unwrap();
    let trust = Submission { envelope, project: None, attachments: Vec::new() };
    ledger.submit(vec![trust]).await.unwrap().remove(0).unwrap();
    ledger
}

/// Submits batch after batch; gives the seconds that each took, and that all took together.
pub async fn submit(ledger: &Arc<Ledger>, envelopes: &[Vec<u8>], batch: usize) -> (Vec<f64>, f64) {
    let batches: Vec<Vec<Submission>> = envelopes
        .chunks(batch)
        .map(|batch| batch.iter().map(|envelope| file(envelope.clone())).collect())
        .collect();
    let batches = Arc::new(std::sync::Mutex::new(batches));
    let start = std::time::Instant::now();
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|_| {
            let (ledger, batches) = (Arc::clone(ledger), Arc::clone(&batches));
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let next = || batches.lock().unwrap().pop();
                while let Some(batch) = next() {
                    let start = std::time::Instant::now();
                    let answers = ledger.submit(batch).await.unwrap();
                    assert!(answers.iter().all(|it| it.as_ref().is_ok_and(|it| !it.repeated)));
                    latencies.push(start.elapsed().as_secs_f64());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for submitter in submitters {
        latencies.extend(submitter.await.unwrap());
    }
    (latencies, start.elapsed().as_secs_f64())
}

fn file(envelope: Vec<u8>) -> Submission {
    Submission { envelope, project: Some(project()), attachments: Vec::new() }
}

/// The entries from an index to the end, as the ledger wrote them.
pub async fn entries(ledger: &Ledger, from: EntryIndex) -> Vec<Vec<u8>> {
    let size = ledger.size().await.unwrap();
    let mut entries = Vec::new();
    while from + (entries.len() as u64) < size {
        let next = from + entries.len() as u64;
        let stored = ledger.entries(next, size).await.unwrap();
        entries.extend(stored.into_iter().map(|stored| stored.entry));
    }
    entries
}
