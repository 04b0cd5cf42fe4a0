//! Durable append through every check, beside the bound that its two unavoidable parts give: bare
//! strict verification of the same envelopes, and bare insertion of the same bytes.
//!
//! `cargo bench --bench append [-- --database postgres] [--events N] [--batch N] [--pipelines N]`

#![allow(clippy::unwrap_used, reason = "a bench")]

#[path = "append/bare.rs"]
mod bare;
#[path = "append/library.rs"]
mod library;
#[allow(dead_code, reason = "shared with benches that use more of it")]
#[path = "../../verifier/benches/machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with tests that use more of it")]
#[path = "../../tests/harness/postgres.rs"]
mod postgres;

use std::path::Path;
use std::sync::Arc;

use bare::{Bare, verify};
use ledger::Database;
use library::{SUBMITTERS, entries, new_ledger, submit};
use machine::{cpu_seconds, median, option};
use verifier::fixture::traffic::{PIPELINES, Traffic};
use verifier::signed::KeyRing;
use verifier::trust::Trust;

const ARTIFACTS: u64 = 2_000;
/// Events of one batch, unless asked otherwise.
const BATCH: u64 = 1_024;
/// Events of one window; the three kinds of windows alternate.
const WINDOW: usize = 51_200;

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
            let bare = Bare::in_file(&folder.join("bare.db"));
            (Database::Sqlite(folder.join("ledger.db")), bare)
        }
        Some(other) => panic!("--database is sqlite or postgres, not {other}"),
    }
}
