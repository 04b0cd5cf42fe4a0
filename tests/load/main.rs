//! The load generator: signed events over HTTP against servers that it starts itself, beside the
//! bounds that the same machine gives in the same run.
//!
//! A server is this program again with `attestry serve` as its arguments: the code and the
//! allocator of the binary, in a process of its own.

#![allow(clippy::unwrap_used, reason = "a bench")]

mod ask;
mod bound;
mod client;
mod fleet;
mod measured;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use serde_json::json;
use verifier::fixture::traffic::Traffic;

use crate::ask::{Request, requests};
use crate::fleet::Fleet;
use crate::measured::{Cores, Measured};

#[path = "../../ledger/benches/append/bare.rs"]
mod bare;
#[path = "../../ledger/benches/append/library.rs"]
mod library;
#[allow(dead_code, reason = "shared with benches that use more of it")]
#[path = "../../verifier/benches/machine.rs"]
mod machine;

/// Events that are sent before anything is measured: keys that are known well get a table.
const WARM_UP: usize = 16_384;

/// Sends signed events of 1.5 KB to servers that it starts, and measures them.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "load",
    before_help = "Example:\n  cargo run --release -p attestry-tests --bin load -- --batch 256"
)]
struct Options {
    /// Where the log is
    #[arg(long, value_name = "DATABASE", default_value = "sqlite")]
    database: DatabaseKind,
    /// Server processes on one log; more than one with postgres alone
    #[arg(long, value_name = "N", default_value_t = 1)]
    servers: usize,
    /// Connections that are kept alive, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Events in a request; more than one go as a batch of NDJSON
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Events to send and to measure
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    events: usize,
    /// Events that the log has before that
    #[arg(long, value_name = "N", default_value_t = 0)]
    events_before: u64,
    /// Keep the log in this folder, and go on with the one that is there (sqlite alone)
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Artifacts that the events are about, in turn
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    artifacts: u64,
    /// Pipelines that send at the same time, each about an artifact of its own
    #[arg(long, value_name = "N", default_value_t = verifier::fixture::traffic::PIPELINES)]
    pipelines: u64,
    /// Read this path, too, once the events are sent; `{artifact}` is one that the log knows
    #[arg(long, value_name = "PATH")]
    get: Vec<String>,
    /// How often each of these paths is read
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    gets: usize,
    /// Leave the bounds out
    #[arg(long)]
    no_bounds: bool,
    /// Another program than this one as the server
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DatabaseKind {
    Sqlite,
    Postgres,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == "attestry") {
        return serve();
    }
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(options));
    ExitCode::SUCCESS
}

/// This program as a server.
fn serve() -> ExitCode {
    let (mut stdin, mut stdout, mut stderr) =
        (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut io = cli::Io::of_process(&mut stdin, &mut stdout, &mut stderr);
    ExitCode::from(cli::run(std::env::args_os().skip(1), &mut io))
}

async fn measure(options: Options) {
    let fleet = Fleet::start(&options).await;
    let mut traffic = Traffic::about(options.artifacts)
        .with_pipelines(options.pipelines)
        .after(fleet.size - fleet::BEGINNING);
    let warm: Vec<Vec<u8>> = (0..WARM_UP).map(|_| traffic.send().0).collect();
    let envelopes: Vec<Vec<u8>> = (0..options.events).map(|_| traffic.send().0).collect();
    let mut report = json!({
        "machine": machine::describe(),
        "database": format!("{:?}", options.database).to_lowercase(),
        "servers": options.servers,
        "connections": options.connections,
        "batch": options.batch,
        "logBefore": fleet.size,
        "startToReadyMs": fleet.ready_ms,
    });
    send(&options, &fleet, requests(&warm, options.batch)).await;
    drop(warm);
    let (cpu, own) = (fleet.cpu_seconds(), machine::cpu_seconds());
    let (database, cores) = (fleet.database_cpu_seconds(), Cores::now());
    let start = Instant::now();
    let mut sent = send(&options, &fleet, requests(&envelopes, options.batch)).await;
    let wall = start.elapsed().as_secs_f64();
    let events = envelopes.len() as f64;
    let us = |seconds: f64| (seconds / events * 1e7).round() / 10.0;
    report["append"] = sent.report(events, wall);
    report["cores"] = cores.since();
    report["coreUsPerEvent"] = json!({
        "servers": us(fleet.cpu_seconds() - cpu),
        "database": us(fleet.database_cpu_seconds() - database),
        "generator": us(machine::cpu_seconds() - own),
    });
    for path in &options.get {
        let artifacts = options.artifacts.min(fleet.size / 10);
        let reads = ask::reads(path, options.gets, artifacts);
        let start = Instant::now();
        let mut read = send(&options, &fleet, reads).await;
        let wall = start.elapsed().as_secs_f64();
        report["reads"][path] = read.report(options.gets as f64, wall);
    }
    report["serverMemoryMb"] = json!(fleet.memory_mb());
    let (logged, kept) = fleet.stop().await;
    report["logAfter"] = json!(logged);
    if !options.no_bounds {
        bound::measure(&options, &kept, envelopes, &mut report).await;
    }
    measured::print(&options, &report);
}

/// Sends every request over the connections, which take turns at the servers.
async fn send(options: &Options, fleet: &Fleet, requests: Vec<Request>) -> Measured {
    let requests = Arc::new(requests);
    let addresses = fleet.addresses();
    let connections = options.connections;
    // One thread: a second core is the servers'.
    let client = move || client::run(&addresses, connections, &requests);
    tokio::task::spawn_blocking(client).await.unwrap()
}
