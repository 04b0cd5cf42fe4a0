//! The most memory that verification takes: a process of its own reads a log from a pipe, and the
//! process that makes the log is another one.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use schemas::id::{Hash, TreeSize};
use verifier::fixture::ORIGIN;
use verifier::fixture::traffic::History;
use verifier::log::{LogSource, Record, verify_log};
use verifier::merkle::proof::prove_consistency;
use verifier::merkle::{HashReader, leaf_hash, node_hash};

use crate::machine::{option, time};

/// Tells a process to make a log on its standard output.
pub const SEND: &str = "send-a-log";
/// Tells a process to verify the log on its standard input.
pub const VERIFY: &str = "verify-a-log";

/// Most records of one read, and most bytes: a ledger reads 4 MiB at a time.
const BATCH_BYTES: usize = 4 << 20;

pub fn measure() {
    println!("memory: peak of a process that verifies a log from a pipe");
    println!(
        "{:>10} {:>10} {:>9} {:>11} {:>9}",
        "events", "artifacts", "peak MB", "state MB", "seconds"
    );
    let most = option("--events", 1_000_000);
    for (events, artifacts) in [
        (most / 4, 10_000),
        (most / 2, 10_000),
        (most, 10_000),
        (most / 4, 2_500),
        (most / 4, 40_000),
    ] {
        run(events, artifacts);
    }
}

fn run(events: u64, artifacts: u64) {
    let itself = std::env::current_exe().unwrap();
    let number = |number: u64| number.to_string();
    let mut sender = Command::new(&itself)
        .args([SEND, "--events", &number(events), "--artifacts", &number(artifacts)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = Command::new(&itself)
        .args([VERIFY, "--events", &number(events), "--artifacts", &number(artifacts)])
        .stdin(sender.stdout.take().unwrap())
        .status()
        .unwrap();
    assert!(status.success() && sender.wait().unwrap().success());
}

pub fn send() {
    let (events, artifacts) = (option("--events", 0), option("--artifacts", 1));
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut history = History::about(artifacts);
    let mut sent = 0;
    while sent < events {
        history.step();
        for record in history.world.records.drain(..) {
            for part in [&record.entry, record.envelope.as_ref().unwrap()] {
                out.write_all(&(part.len() as u32).to_le_bytes()).unwrap();
                out.write_all(part).unwrap();
            }
            sent += 1;
        }
    }
    out.flush().unwrap();
}

pub fn verify() {
    let artifacts = option("--artifacts", 1);
    let mut log =
        Pipe { input: BufReader::with_capacity(1 << 20, io::stdin()), rows: Rows::default() };
    let before = peak_mb();
    let (report, took) = time(|| verify_log(&ORIGIN.parse().unwrap(), &mut log).unwrap());
    let peak = peak_mb();
    assert_eq!(report.findings, []);
    println!(
        "{:>10} {artifacts:>10} {peak:>9.0} {:>11.0} {:>9.1}",
        report.counts.events,
        peak - before,
        took.as_secs_f64()
    );
}

/// The most memory that this process has had (VmHWM), in MB.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024.0 / 1e6
}

/// A log that comes through a pipe; of it only hashes are kept, in files.
struct Pipe {
    input: BufReader<io::Stdin>,
    rows: Rows,
}

impl Pipe {
    fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut len = [0; 4];
        match self.input.read_exact(&mut len) {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
        self.input.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }
}

impl LogSource for Pipe {
    type Error = io::Error;

    fn next_records(&mut self) -> io::Result<Vec<Record>> {
        let (mut records, mut size) = (Vec::new(), 0);
        while size < BATCH_BYTES
            && let Some(entry) = self.part()?
        {
            let envelope = self.part()?;
            size += entry.len() + envelope.as_ref().map_or(0, Vec::len);
            self.rows.push(leaf_hash(&entry))?;
            records.push(Record { entry, envelope });
        }
        Ok(records)
    }

    fn consistency(&mut self, from: TreeSize, to: TreeSize) -> io::Result<Vec<Hash>> {
        self.rows.flush()?;
        prove_consistency(&mut self.rows, from, to).map_err(io::Error::other)
    }
}

/// A Merkle tree in files, one for each level.
#[derive(Default)]
struct Rows {
    rows: Vec<(BufWriter<File>, Option<Hash>)>,
}

impl Rows {
    fn push(&mut self, leaf: Hash) -> io::Result<()> {
        let mut hash = leaf;
        for level in 0.. {
            if level == self.rows.len() {
                self.rows.push((BufWriter::new(unnamed_file()?), None));
            }
            let (file, left) = &mut self.rows[level];
            file.write_all(&hash.0)?;
            match left.take() {
                Some(left) => hash = node_hash(&left, &hash),
                None => {
                    *left = Some(hash);
                    break;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rows.iter_mut().try_for_each(|(file, _)| file.flush())
    }
}

fn unnamed_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("attestry-bench-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl HashReader for Rows {
    type Error = io::Error;

    fn subtree(&mut self, level: u8, index: u64) -> io::Result<Hash> {
        let mut hash = [0; 32];
        let (file, _) = &self.rows[usize::from(level)];
        file.get_ref().read_exact_at(&mut hash, index * 32)?;
        Ok(Hash(hash))
    }
}
