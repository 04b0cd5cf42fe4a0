//! Tessera's own tools against our log, and its log against our witness.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::http::{ask, get};
use harness::serving::Serving;
use harness::{Place, go, story};
use serde_json::json;
use verifier::checkpoint::{log_vkey, verify_checkpoint};
use verifier::cosignature::verify_cosignature;
use verifier::signature::SigningKey;

use crate::serve::{envelope, opened, origin};

const TESSERA: &str = "v1.0.4";

/// A log of more than two full tiles, served; and its verifier key.
struct Log {
    place: Place,
    server: Serving,
    vkey: String,
}

impl Log {
    fn start() -> Log {
        let place = story::team();
        let server = Serving::ledger(&place, opened());
        let pin = std::fs::read_to_string(place.file("ledger/pin.txt")).unwrap();
        let vkey = pin.lines().find_map(|line| line.strip_prefix("log ")).unwrap().to_owned();
        let log = Log { place, server, vkey };
        log.append(0..300);
        log.append(300..600);
        log
    }

    fn append(&self, seeds: std::ops::Range<u64>) {
        let pem = std::fs::read_to_string(self.place.file("ci.pem")).unwrap();
        let (origin, key) = (origin(&self.place), SigningKey::from_pkcs8_pem(&pem).unwrap());
        let line = |seed| {
            let envelope = STANDARD.encode(envelope(&origin, seed, &key));
            json!({ "envelope": envelope }).to_string() + "\n"
        };
        let body: String = seeds.map(line).collect();
        let answer = ask(self.server.address, "POST", "/api/v1/events/batch", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

fn run(program: &Path, args: &[&str]) -> (Output, String) {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// Lines in which their logger says that something is wrong: `E1121 …`.
fn complaints(said: &str) -> Vec<&str> {
    let is_one = |line: &&str| {
        line.starts_with(['W', 'E', 'F']) && line[1..].starts_with(|it: char| it.is_ascii_digit())
    };
    said.lines().filter(is_one).collect()
}

#[test]
fn fsck_accepts_the_whole_log() {
    let Some(fsck) = go::program("github.com/transparency-dev/tessera/cmd/fsck", TESSERA) else {
        return;
    };
    let log = Log::start();
    log.place.write("vkey", &log.vkey);
    let (key, url) = (log.place.file("vkey").display().to_string(), log.server.url());
    let args = ["--public_key", &key, "--storage_url", &url, "--ui=false", "-v=1", "--N=2"];
    let (output, said) = run(&fsck, &args);
    // It ends with 0 whatever it finds: what it says counts.
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Successfully fsck'd log with size 608"), "{said}");
    assert_eq!(complaints(&said), Vec::<&str>::new(), "{said}");
    // It would say so: the same files with one byte of an entry changed.
    let copied = log.place.file("copied");
    for path in FILES {
        let bytes = get(log.server.address, path).body;
        log.place.write(&format!("copied{path}"), bytes);
    }
    let url = format!("file://{}", copied.display());
    let args = ["--public_key", &key, "--storage_url", &url, "--ui=false", "-v=1"];
    let (_, said) = run(&fsck, &args);
    assert!(said.contains("Successfully fsck'd"), "{said}");
    let mut bytes = std::fs::read(copied.join("tile/entries/001")).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(copied.join("tile/entries/001"), bytes).unwrap();
    let (_, said) = run(&fsck, &args);
    assert!(said.contains("fsck failed") && !said.contains("Successfully"), "{said}");
}

/// All files of a log of 608 entries.
const FILES: [&str; 8] = [
    "/checkpoint",
    "/tile/0/000",
    "/tile/0/001",
    "/tile/0/002.p/96",
    "/tile/1/000.p/2",
    "/tile/entries/000",
    "/tile/entries/001",
    "/tile/entries/002.p/96",
];

/// Reads the whole log and random leaves of it, again and again, while it grows.
#[test]
fn hammer_reads_while_the_log_grows() {
    let package = "github.com/transparency-dev/tessera/internal/hammer";
    let Some(hammer) = go::program(package, TESSERA) else {
        return;
    };
    let log = Log::start();
    let url = log.server.url();
    let args = [
        "--log_url",
        &url,
        "--log_public_key",
        &log.vkey,
        "--show_ui=false",
        "--max_read_ops=200",
        "--num_readers_random=2",
        "--num_readers_full=2",
        "--leaf_write_goal=300",
        "--max_runtime=60s",
        "-v=1",
    ];
    let (output, said) = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&hammer, &args));
        // It counts from the size at which it began, so the log grows for as long as it runs.
        let mut seed = 600;
        while !running.is_finished() {
            log.append(seed..seed + 20);
            seed += 20;
        }
        running.join().unwrap()
    });
    // 1 would say that a minute was not enough.
    assert_eq!(output.status.code(), Some(0), "{said}");
    // What it breaks off itself at its end it complains of, too.
    let (reading, ending) = said.split_once("Reached tree size goal").expect(&said);
    assert_eq!(complaints(reading), Vec::<&str>::new(), "{said}");
    let others = complaints(ending).into_iter().filter(|it| !it.ends_with("context canceled"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new(), "{said}");
}

/// Another log, with its own client of witnesses, that publishes only what ours has cosigned.
#[test]
fn another_log_is_cosigned_by_our_witness() {
    let package = "github.com/transparency-dev/tessera/cmd/examples/posix-oneshot";
    let Some(oneshot) = go::program(package, TESSERA) else {
        return;
    };
    let (place, seed) = (Place::new(), [5; 32]);
    let key = SigningKey::from_seed(&seed).unwrap();
    let log = log_vkey(&"log.example/tessera".parse().unwrap(), key.ed25519());
    let body = STANDARD.encode([&[1], &seed[..]].concat());
    let id = log.tag().id;
    place.write("log.key", format!("PRIVATE+KEY+{}+{id:08x}+{body}", log.name()));
    let (vkey, witness) = Serving::witness(&place.file("w"), "w.example", vec![log.clone()]);
    let url = witness.url();
    place.write("policy", format!("witness w {vkey} {url}\ngroup g all w\nquorum g\n"));
    let file = |name: &str| place.file(name).display().to_string();
    for round in 1..=3_u64 {
        for entry in 0..100 {
            place.write(&format!("entries{round}/{entry}"), format!("{round} {entry}"));
        }
        let said = run(
            &oneshot,
            &[
                &format!("--storage_dir={}", file("tessera")),
                &format!("--entries={}/*", file(&format!("entries{round}"))),
                &format!("--private_key={}", file("log.key")),
                &format!("--witness_policy_file={}", file("policy")),
                "--witness_timeout=10s",
            ],
        );
        let (output, said) = said;
        assert!(output.status.success(), "{said}");
        let note = std::fs::read(place.file("tessera/checkpoint")).unwrap();
        let checkpoint = verify_checkpoint(&note, &log).unwrap();
        assert_eq!(checkpoint.size(), 100 * round, "{said}");
        verify_cosignature(checkpoint.note(), &vkey).unwrap();
    }
    witness.stop();
}
