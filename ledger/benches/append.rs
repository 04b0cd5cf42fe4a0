//! Durable append through every check, beside the bound that its two unavoidable parts give: bare
//! strict verification of the same envelopes, and bare insertion of the same bytes.
//!
//! `cargo bench --bench append [-- --database postgres] [--events N] [--batch N] [--pipelines N]`

#![allow(clippy::unwrap_used, reason = "a bench")]

#[path = "append/bare.rs"]
mod bare;
#[path = "../../verifier/benches/machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with tests that use more of it")]
#[path = "../../tests/harness/postgres.rs"]
mod postgres;

use std::path::Path;
use std::sync::Arc;

use bare::Bare;
use ed25519_dalek::{Signature, VerifyingKey};
use ledger::clock::SystemClock;
use ledger::init::sign_trust;
use ledger::{Database, Ledger, Submission};
use machine::{cpu_seconds, median, option, time};
use schemas::id::EntryIndex;
use schemas::statement::PAYLOAD_TYPE;
use verifier::dsse::{pae, parse_envelope};
use verifier::fixture::traffic::{PIPELINES, Traffic, enrol};
use verifier::fixture::{ORIGIN, key, project};
use verifier::signature::PublicKey;
use verifier::signed::KeyRing;
use verifier::trust::Trust;

const ARTIFACTS: u64 = 2_000;
/// Events of one batch, unless asked otherwise.
const BATCH: u64 = 1_024;
/// Events of one window; the three kinds of windows alternate.
const WINDOW: usize = 51_200;
/// Whoever submits waits for the answer; with several, one batch is read while another is
/// written.
const SUBMITTERS: usize = 6;

fn main() {
    println!("{}", machine::describe());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let events = option("--events", 100_000) as usize;
    let folder = tempfile::tempdir().unwrap();
    let (database, mut bare) = databases(folder.path()).await;
    let ledger = Arc::new(new_ledger(folder.path(), &database).await);
    let document = ledger.control().await.unwrap().trust.unwrap().document;
    let ring = KeyRing::of_document(&Trust::of(document).unwrap());
    let pipelines = option("--pipelines", PIPELINES);
    let mut traffic = Traffic::about(ARTIFACTS).with_pipelines(pipelines);
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    let batch = option("--batch", BATCH) as usize;
    println!(
        "batches of {batch}, {SUBMITTERS} submitters, {pipelines} pipelines, windows of {WINDOW} events"
    );
    println!(
        "{:>8} {:>10} {:>11} {:>11} {:>10} {:>7} {:>10} {:>10}",
        "size", "append/s", "verify us", "insert us", "bound/s", "ratio", "batch ms", "core us"
    );
    let (mut sent, mut appending, mut bounding) = (0.0, 0.0, 0.0);
    for _ in 0..events.div_ceil(WINDOW) {
        let envelopes: Vec<Vec<u8>> = (0..WINDOW).map(|_| traffic.send().0).collect();
        let count = envelopes.len() as f64;
        let verify = verify(&envelopes, &ring) / count;
        let from = ledger.size().await.unwrap();
        let before = cpu_seconds();
        let (latencies, append) = submit(&ledger, &envelopes, batch).await;
        let core = (cpu_seconds() - before) / count;
        let entries = entries(&ledger, from).await;
        let insert = bare.insert(from, &entries, &envelopes, batch).await / count;
        let (rate, bound) = (count / append, cores / (verify + insert));
        let us = |seconds: f64| seconds * 1e6;
        println!(
            "{:>8} {rate:>10.0} {:>11.1} {:>11.1} {bound:>10.0} {:>7.3} {:>10.1} {:>10.1}",
            from + count as u64,
            us(verify),
            us(insert),
            rate / bound,
            median(latencies) * 1e3,
            us(core),
        );
        sent += count;
        appending += append;
        bounding += count / bound;
    }
    let (rate, bound) = (sent / appending, sent / bounding);
    println!("in all {rate:.0}/s of {bound:.0}/s, ratio {:.3} (asked for: 0.6)", rate / bound);
}

/// The databases of the ledger and of what it is compared with, side by side.
async fn databases(folder: &Path) -> (Database, Bare) {
    let mut words = std::env::args().skip_while(|word| word != "--database");
    match words.nth(1).as_deref() {
        Some("postgres") => {
            let server = postgres::server().expect("a PostgreSQL server");
            let (ledger, bare) = (server.database(), server.database());
            (Database::of_name(&ledger).unwrap(), Bare::on_server(&bare).await)
        }
        Some("sqlite") | None => {
            let bare = Bare::in_file(&folder.join("bare.db")).await;
            (Database::Sqlite(folder.join("ledger.db")), bare)
        }
        Some(other) => panic!("--database is sqlite or postgres, not {other}"),
    }
}

async fn new_ledger(folder: &Path, database: &Database) -> Ledger {
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

/// Seconds in which one core checks the signatures, and does nothing else.
fn verify(envelopes: &[Vec<u8>], ring: &KeyRing) -> f64 {
    let signed: Vec<_> = envelopes
        .iter()
        .map(|bytes| {
            let mut envelope = parse_envelope(bytes).unwrap();
            let signature = envelope.signatures.remove(0);
            let named = signature.keyid.unwrap().parse().unwrap();
            let PublicKey::Ed25519(key) = &**ring.get(&named).unwrap();
            let key = VerifyingKey::from_bytes(key.as_bytes()).unwrap();
            let signature = Signature::from_slice(&signature.sig).unwrap();
            (pae(PAYLOAD_TYPE, &envelope.payload), signature, key)
        })
        .collect();
    let holds = || signed.iter().all(|(message, sig, key)| key.verify_strict(message, sig).is_ok());
    let (hold, took) = time(holds);
    assert!(hold);
    took.as_secs_f64()
}

/// Submits batch after batch; gives the seconds that each took, and that all took together.
async fn submit(ledger: &Arc<Ledger>, envelopes: &[Vec<u8>], batch: usize) -> (Vec<f64>, f64) {
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
async fn entries(ledger: &Ledger, from: EntryIndex) -> Vec<Vec<u8>> {
    let size = ledger.size().await.unwrap();
    let mut entries = Vec::new();
    while from + (entries.len() as u64) < size {
        let next = from + entries.len() as u64;
        let stored = ledger.entries(next, size).await.unwrap();
        entries.extend(stored.into_iter().map(|stored| stored.entry));
    }
    entries
}
