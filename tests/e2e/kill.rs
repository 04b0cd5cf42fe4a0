//! What was acknowledged is there after `kill -9`: a child appends, and is killed at random.
//!
//! `ATTESTRY_SEED=n` repeats a run's moments as far as a machine lets them be repeated.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::moments::{Moments, seed};
use harness::story;
use ledger::{Ledger, Submission};
use schemas::id::{EntryIndex, Hash};
use schemas::predicate::note::{self, Note};
use schemas::statement::{Statement, Subject};
use verifier::checkpoint::verify_checkpoint;
use verifier::merkle::proof::verify_consistency;
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;

const ROUNDS: u64 = 50;
const FOLDER: &str = "ATTESTRY_KILL_FOLDER";

/// The child: appends in batches of one, two and three, and says what was acknowledged, for ever.
///
/// Does nothing where no parent has named a folder.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let pem = std::fs::read_to_string(folder.join("ci.pem")).unwrap();
    let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(&folder.join("ledger"), &folder.join("state")).await.unwrap();
        let mut out = std::io::stdout();
        for round in 0_usize.. {
            let batch = (0..=round % 3).map(|_| Submission {
                envelope: envelope(&ledger, &key),
                project: None,
                attachments: Vec::new(),
            });
            for answer in ledger.submit(batch.collect()).await.unwrap() {
                let logged = answer.unwrap();
                writeln!(out, "acknowledged {} {}", logged.index, logged.statement).unwrap();
            }
            out.flush().unwrap();
        }
    });
}

fn envelope(ledger: &Ledger, key: &SigningKey) -> Vec<u8> {
    let body = Note {
        ledger: ledger.origin().clone(),
        project: "payments".parse().unwrap(),
        nonce: ledger.nonce().unwrap(),
        text: "written while somebody pulls the plug".into(),
        about: None,
    };
    let digest = format!("sha256:{}", "7".repeat(64)).parse().unwrap();
    let statement = Statement::new(vec![Subject::of(&digest, None)], note::TYPE, body);
    sign_statement(&statement, &[key]).unwrap()
}

/// Runs a child until so many acknowledgements and a moment more; returns all of them.
fn run_and_kill(folder: &Path, acknowledged: u64, moment: Duration) -> Vec<(EntryIndex, Hash)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child_that_appends_until_it_is_killed", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut list = Vec::new();
    let mut read = |line: String| {
        // The test runner's own words may stand before the first one.
        let Some(at) = line.find("acknowledged ") else {
            return;
        };
        let words: Vec<&str> = line[at..].split(' ').collect();
        if let (Ok(index), Some(Ok(statement))) =
            (words[1].parse(), words.get(2).map(|it| it.parse()))
        {
            list.push((index, statement));
        }
    };
    let mut seen = 0;
    while seen < acknowledged {
        let Some(line) = lines.next() else { break };
        let line = line.unwrap();
        seen += u64::from(line.contains("acknowledged "));
        read(line);
    }
    let until = Instant::now() + moment;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    // What it had said before is in the pipe still; a line cut in two was never said.
    let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
    if rest.last().is_some_and(|line| line.len() < 70) {
        rest.pop();
    }
    rest.into_iter().for_each(&mut read);
    child.wait().unwrap();
    list
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let seed = seed();
    println!("seed {seed}");
    let mut moments = Moments::new(seed);
    let place = story::team();
    let folder = place.path().to_owned();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut acknowledged: BTreeMap<EntryIndex, Hash> = BTreeMap::new();
    let mut published: Option<String> = None;
    for round in 0..ROUNDS {
        let list =
            run_and_kill(&folder, moments.next(8), Duration::from_micros(moments.next(4000)));
        for (index, statement) in list {
            let before = acknowledged.insert(index, statement);
            assert_eq!(before, None, "seed {seed}, round {round}: {index} was acknowledged twice");
        }
        let kept = std::fs::read_to_string(folder.join("ledger/checkpoint")).ok();
        runtime.block_on(async {
            let ledger = Ledger::open(&folder.join("ledger"), &folder.join("state")).await.unwrap();
            let report = ledger.verify(|_| ()).await.unwrap();
            assert_eq!(report.findings, vec![], "seed {seed}, round {round}");
            let stored = ledger.entries(0, report.size).await.unwrap();
            let mut statements = BTreeMap::new();
            for it in &stored {
                let entry = verifier::entry::Entry::parse(&it.entry).unwrap();
                let twice = statements.insert(entry.statement, entry.index);
                assert_eq!(twice, None, "seed {seed}, round {round}: entry {}", entry.index);
            }
            assert_eq!(statements.len() as u64, report.size);
            for (index, statement) in &acknowledged {
                let found = statements.get(statement);
                assert_eq!(found, Some(index), "seed {seed}, round {round}: lost");
            }
            // Whatever was published before, now or by the killed child is a prefix.
            for note in [published.as_ref(), kept.as_ref()].into_iter().flatten() {
                let old = verify_checkpoint(note.as_bytes(), ledger.pin().log()).unwrap();
                let proof = ledger.consistency(old.size(), report.size).await.unwrap();
                verify_consistency(old.size(), old.root(), report.size, &report.root, &proof)
                    .unwrap();
            }
            published = Some(ledger.checkpoint().await.unwrap());
            ledger.close().await;
        });
    }
    assert!(acknowledged.len() as u64 > ROUNDS, "{} in all", acknowledged.len());
}
