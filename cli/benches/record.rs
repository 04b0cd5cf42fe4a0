//! `attestry record` on a local ledger of 100,000 events: from process start to receipt.
//!
//! `cargo bench -p attestry --bench record [-- --events N]`. Every run is a new process of the
//! release binary; what it must beat is 50 ms.

#![allow(clippy::unwrap_used, reason = "a bench")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ledger::{Ledger, Submission};
use schemas::id::{Digest, Hash};
use schemas::predicate::test::{self, Test, TestResult};
use schemas::statement::{Statement, Subject};
use verifier::merkle::sha256;
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;

const RUNS: usize = 41;
const ARTIFACTS: u64 = 10_000;
const BATCH: u64 = 256;

fn main() {
    let mut args = std::env::args();
    let events = args.by_ref().find(|arg| arg == "--events").and_then(|_| args.next());
    let events: u64 = events.map_or(100_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    attestry(dir, "init --origin ledger.bench");
    attestry(dir, "key generate ci.pem");
    let grant = "--role emitter --kind test --project payments --key attestry-root.pem";
    attestry(dir, &format!("identity add ci --pub ci.pem.pub {grant}"));
    std::fs::write(dir.join("app"), "app").unwrap();
    let filled = Instant::now();
    fill(dir, events);
    println!("{events} events in {:.1} s", filled.elapsed().as_secs_f64());
    let mut bare: Vec<Duration> = (0..RUNS).map(|_| timed(dir, "--version")).collect();
    let mut runs: Vec<Duration> = (0..RUNS)
        .map(|run| {
            let report = format!(
                "<testsuite name='unit'><testcase classname='a' name='b{run}'/></testsuite>"
            );
            std::fs::write(dir.join("junit.xml"), report).unwrap();
            timed(dir, "record test junit.xml --subject app --suite unit --key ci.pem")
        })
        .collect();
    bare.sort();
    runs.sort();
    let ms = |it: Duration| it.as_secs_f64() * 1000.0;
    println!("process alone (--version): median {:.1} ms", ms(bare[RUNS / 2]));
    println!(
        "record, process start to receipt: median {:.1} ms, worst of {RUNS} {:.1} ms (bound: 50 ms)",
        ms(runs[RUNS / 2]),
        ms(runs[RUNS - 1])
    );
}

fn command(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attestry"));
    command.current_dir(dir).args(line.split(' '));
    command.env("ATTESTRY_STATE", dir.join("state")).env_remove("ATTESTRY_LEDGER");
    command
}

fn attestry(dir: &Path, line: &str) {
    let output = command(dir, line).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn timed(dir: &Path, line: &str) -> Duration {
    let start = Instant::now();
    attestry(dir, line);
    start.elapsed()
}

/// Logs test events about many artifacts, through the library.
fn fill(dir: &Path, events: u64) {
    let pem = std::fs::read_to_string(dir.join("ci.pem")).unwrap();
    let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(&dir.join("ledger"), &dir.join("state")).await.unwrap();
        let mut next = 0;
        while next < events {
            let end = (next + BATCH).min(events);
            let batch = (next..end).map(|number| submission(number, &key)).collect();
            for answer in ledger.submit(batch).await.unwrap() {
                answer.unwrap();
            }
            next = end;
        }
        ledger.close().await;
    });
}

fn submission(number: u64, key: &SigningKey) -> Submission {
    let artifact: Hash = sha256(&[&(number % ARTIFACTS).to_be_bytes()]);
    let names = (0..12).map(|test| format!("payments::ledger::case_{number}_{test}")).collect();
    let body = Test {
        result: TestResult::Passed,
        configuration: Vec::new(),
        passed_tests: names,
        warned_tests: Vec::new(),
        failed_tests: Vec::new(),
        report: None,
    };
    let subject = vec![Subject::of(&Digest::sha256(&artifact), Some("payments"))];
    let envelope = sign_statement(&Statement::new(subject, test::TYPE, body), &[key]).unwrap();
    let project = Some("payments".parse().unwrap());
    Submission { envelope, project, attachments: Vec::new() }
}
