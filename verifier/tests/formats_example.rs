//! The worked example of `docs/formats.md`: a log of four entries, made again from fixed seeds and
//! compared, byte for byte, with the files in `tests/vectors/worked-example/` and with the blocks
//! of the document. `ATTESTRY_BLESS=1` writes both anew.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the files that it compares with"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use schemas::id::{Digest, Hash, Origin, Project, Time};
use schemas::predicate::measurement::{self, Measurement, Metric};
use schemas::predicate::report::{Binding, ReportNote, Tool};
use schemas::predicate::test::{self, Test, TestResult};
use schemas::predicate::trust::{self, Trust};
use schemas::predicate::{Nonce, heads};
use schemas::statement::{Statement, Subject};
use schemas::thread::ThreadId;
use schemas::trust::{
    ALL_PROJECTS, ENTRY_VERSION, Grant, Identity, KeyText, Roots, TrustDocument, role,
};
use serde::Serialize;
use verifier::checkpoint::{Checkpoint, log_vkey, sign_checkpoint, verify_checkpoint};
use verifier::entry::genesis_prev;
use verifier::event::Event;
use verifier::log::{LogSource, Record, verify_log};
use verifier::merkle::{self, proof};
use verifier::note::format_note;
use verifier::pin::{Pin, format_pin, parse_pin};
use verifier::projection::heads_line;
use verifier::receipt::{Receipt, format_receipt, verify_receipt};
use verifier::sequence::Sequence;
use verifier::sign::{payload_of, sign_payload};
use verifier::signature::SigningKey;
use verifier::signed::{KeyRing, signed_by};
use verifier::{canonical, dsse, trust as trust_rules};

const ORIGIN: &str = "ledger.example.com";
const PROJECT: &str = "payments";

/// The seed of a key is the SHA-256 of a text with its name.
fn seed(name: &str) -> Hash {
    merkle::sha256(&[b"attestry worked example ", name.as_bytes()])
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&seed(name).0).unwrap()
}

fn nonce(number: u8) -> Nonce {
    Nonce::from_bytes([number; 16])
}

/// The log while it grows, and the files that show it.
struct Example {
    sequence: Sequence,
    ring: KeyRing,
    records: Vec<Record>,
    leaves: Vec<Hash>,
    hashes: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Example {
    fn keep(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.into(), bytes.into());
    }

    fn hash(&mut self, what: &str, hash: &Hash) {
        writeln!(self.hashes, "{what:<22} {hash}").unwrap();
    }

    /// Signs a statement, appends it at a time, and keeps its payload, envelope and entry.
    fn log<P: Serialize>(&mut self, statement: &Statement<P>, by: &str, time: &str, filed: bool) {
        let payload = payload_of(statement).unwrap();
        let envelope = sign_payload(&payload, &[&key(by)]);
        let event = Event::read(&envelope).unwrap();
        let keys = signed_by(&event, &self.ring);
        let project: Project = PROJECT.parse().unwrap();
        let time: Time = time.parse().unwrap();
        let filed = filed.then_some(&project);
        let (placed, _) =
            self.sequence.append(&event, &keys, filed, time).expect("the example keeps the rules");
        let [placed] = placed.as_slice() else { panic!("one part") };
        let index = placed.entry.index;
        self.hash(&format!("statement {index}"), &event.statement);
        self.hash(&format!("envelope {index}"), &event.envelope);
        self.hash(&format!("leaf {index}"), &placed.leaf);
        self.keep(format!("payload-{index}.json"), payload);
        self.keep(format!("envelope-{index}.json"), envelope.clone());
        self.keep(format!("entry-{index}.txt"), placed.bytes.clone());
        self.leaves.push(placed.leaf);
        self.records.push(Record { entry: placed.bytes.clone(), envelope: Some(envelope) });
        self.ring = KeyRing::of(&self.sequence.state);
    }
}

fn key_text(name: &str) -> KeyText {
    trust_rules::encode_key(key(name).public())
}

fn document(origin: &Origin) -> TrustDocument {
    let identity = |name: &str, key: &str| Identity {
        name: name.parse().unwrap(),
        keys: vec![key_text(key)],
        sigstore: Vec::new(),
        aliases: Vec::new(),
        card: None,
    };
    let grant = |name: &str, role: &str, kinds: &[&str], project: &str| Grant {
        identity: name.parse().unwrap(),
        role: role.to_owned(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        projects: vec![project.to_owned()],
        environments: Vec::new(),
    };
    TrustDocument {
        origin: origin.clone(),
        entry: ENTRY_VERSION.to_owned(),
        rules: verifier::RULES,
        log_key: log_vkey(origin, key("log").ed25519()).to_string(),
        roots: Roots { threshold: 1, keys: vec![key_text("root")] },
        identities: vec![identity("ledger", "service"), identity("ci", "ci")],
        grants: vec![
            grant("ledger", role::SERVICE, &[], ALL_PROJECTS),
            grant("ci", role::EMITTER, &["measurement", "test"], PROJECT),
        ],
        sigstore_roots: Vec::new(),
        compromises: Vec::new(),
    }
}

fn artifact() -> Digest {
    Digest::sha256(&merkle::sha256(&[b"payments 1.4.2\n"]))
}

fn test_body() -> Test {
    let counts = [("failed", 0), ("passed", 412), ("skipped", 3)];
    Test {
        result: TestResult::Passed,
        configuration: Vec::new(),
        passed_tests: Vec::new(),
        warned_tests: Vec::new(),
        failed_tests: Vec::new(),
        report: Some(ReportNote {
            format: "junit".to_owned(),
            digest: Digest::sha256(&merkle::sha256(&[b"<testsuites/>\n"])),
            size_bytes: 14,
            binding: Binding::Unbound,
            suite: Some("unit".to_owned()),
            tool: Some(Tool { name: "nextest".to_owned(), version: None }),
            counts: counts.map(|(name, n)| (name.to_owned(), n)).into(),
            finished_at: Some("2026-01-05T08:59:58.000Z".parse().unwrap()),
        }),
    }
}

/// Appends the four events.
fn grow(origin: &Origin) -> Example {
    let mut example = Example {
        sequence: Sequence::genesis(origin),
        ring: KeyRing::default(),
        records: Vec::new(),
        leaves: Vec::new(),
        hashes: String::new(),
        files: BTreeMap::new(),
    };
    example.hash("prev of entry 0", &genesis_prev(origin));
    let document = document(origin);
    let bytes = canonical::canonical_of(&document).unwrap();
    let body =
        Trust { ledger: origin.clone(), nonce: nonce(0xa0), trust: document, replaces: None };
    let subject = Subject::of(&Digest::sha256(&merkle::sha256(&[&bytes])), None);
    example.keep("trust.json", bytes);
    let statement = Statement::new(vec![subject], trust::TYPE, body);
    example.log(&statement, "root", "2026-01-05T09:00:00.000Z", false);
    let subject = Subject::of(&artifact(), Some("payments.tar.gz"));
    let statement = Statement::new(vec![subject.clone()], test::TYPE, test_body());
    example.log(&statement, "ci", "2026-01-05T09:00:01.250Z", true);
    let body = Measurement {
        ledger: origin.clone(),
        project: PROJECT.parse().unwrap(),
        nonce: nonce(0xa2),
        metrics: vec![Metric {
            name: "coverage.line".to_owned(),
            value: "83.4".parse().unwrap(),
            unit: Some("%".to_owned()),
            baseline: None,
            samples: None,
        }],
        measured_at: None,
        report: None,
    };
    let statement = Statement::new(vec![subject], measurement::TYPE, body);
    example.log(&statement, "ci", "2026-01-05T09:00:01.250Z", false);
    log_heads(&mut example, origin);
    example
}

/// Logs heads of the three entries before, and keeps the lines and slices that they commit to.
fn log_heads(example: &mut Example, origin: &Origin) {
    let root = example.sequence.state.heads_root().unwrap();
    let state = example.sequence.state.clone();
    let sorted: BTreeMap<_, _> = state.all_heads().collect();
    let (mut text, mut leaves) = (String::new(), Vec::new());
    for (thread, head) in sorted {
        let slice = state.slice_json(thread);
        let line = heads_line(thread, head, slice.as_ref().map(|json| merkle::sha256(&[json])));
        leaves.push(merkle::leaf_hash(&line));
        writeln!(text, "{}", str::from_utf8(&line).unwrap()).unwrap();
        match thread {
            ThreadId::Artifact(digest) => {
                let name = format!("slice-artifact-{}.json", &digest.hex()[..8]);
                example.keep(name, slice.unwrap());
            }
            ThreadId::Control => example.keep("slice-control.json", slice.unwrap()),
            ThreadId::Environment(_) | ThreadId::Project(_) => assert_eq!(slice, None),
        }
    }
    assert_eq!(merkle::root_of(&leaves), root.root);
    example.keep("heads-lines.txt", text);
    let body = heads::Heads {
        ledger: origin.clone(),
        nonce: nonce(0xa3),
        size: 3,
        threads: root.threads,
        root: root.root,
    };
    let itself = Digest::sha256(&genesis_prev(origin));
    let statement = Statement::new(vec![Subject::of(&itself, Some(ORIGIN))], heads::TYPE, body);
    example.log(&statement, "service", "2026-01-05T09:00:02.000Z", false);
}

/// The files of the example, by name.
fn files() -> BTreeMap<String, Vec<u8>> {
    let origin: Origin = ORIGIN.parse().unwrap();
    let mut example = grow(&origin);
    let leaves = example.leaves.clone();
    let node = |left: usize| merkle::node_hash(&leaves[left], &leaves[left + 1]);
    let (left, right, root) = (node(0), node(2), example.sequence.chain.root());
    assert_eq!(merkle::node_hash(&left, &right), root);
    example.hash("node of leaves 0 and 1", &left);
    example.hash("node of leaves 2 and 3", &right);
    example.hash("root at size 4", &root);
    let vkey = log_vkey(&origin, key("log").ed25519());
    let checkpoint = Checkpoint { origin: origin.clone(), size: 4, root };
    let note = format_note(&sign_checkpoint(&checkpoint, &key("log")));
    let receipt = Receipt {
        extra: Some(example.records[1].entry.clone()),
        index: 1,
        proof: proof::prove_inclusion(&mut leaves.as_slice(), 1, 4).unwrap(),
        checkpoint: note.clone(),
    };
    let receipt = format_receipt(&receipt);
    let pin = format_pin(&Pin::new(vkey.clone(), leaves[0]).unwrap());
    let tile: Vec<u8> = leaves.iter().flat_map(|leaf| leaf.0).collect();
    let payload = &example.files["payload-1.json"];
    let header = &dsse::pae(dsse::PAYLOAD_TYPE, payload);
    let header = header[..header.len() - payload.len()].to_vec();
    example.keep("pae-header-1.txt", header);
    check(&example, &note, &receipt, &pin);
    let mut keys = String::new();
    for name in ["root", "log", "service", "ci"] {
        let (der, id) = (key(name).public().to_spki_der(), key(name).public().key_id());
        let public = Hash(der[12..].try_into().unwrap());
        writeln!(keys, "{name}\n  seed   {}\n  public {public}\n  keyid  {id}", seed(name))
            .unwrap();
        example.keep(format!("{name}.pub"), key(name).public().to_spki_pem());
    }
    let hashes = example.hashes.clone();
    example.keep("keys.txt", keys);
    example.keep("hashes.txt", hashes);
    example.keep("checkpoint", note);
    example.keep("receipt-1.tlog-proof", receipt);
    example.keep("pin.txt", pin);
    example.keep("vkey.txt", format!("{vkey}\n"));
    example.keep("tile-0-000.p-4", tile);
    example.files
}

/// What is shown must hold.
fn check(example: &Example, note: &str, receipt: &str, pin: &str) {
    let pin = parse_pin(pin.as_bytes()).unwrap();
    verify_checkpoint(note.as_bytes(), pin.log()).unwrap();
    let receipt = verify_receipt(receipt.as_bytes(), pin.log()).unwrap();
    assert_eq!(receipt.entry(), example.records[1].entry);
    let mut source = Source { records: example.records.clone() };
    let report = verify_log(&ORIGIN.parse().unwrap(), &mut source).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.genesis), (4, pin.genesis().copied()));
    assert_eq!(report.counts.heads, 1);
}

struct Source {
    records: Vec<Record>,
}

impl LogSource for Source {
    type Error = std::convert::Infallible;

    fn next_records(&mut self) -> Result<Vec<Record>, Self::Error> {
        Ok(std::mem::take(&mut self.records))
    }

    fn consistency(&mut self, _: u64, _: u64) -> Result<Vec<Hash>, Self::Error> {
        Ok(Vec::new())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file as the document shows it: bytes that are no text in hex, 32 a line.
fn shown(name: &str, bytes: &[u8]) -> String {
    if name.starts_with("tile") {
        let line = |chunk: &[u8]| chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<String> = bytes.chunks(32).map(line).collect();
        return lines.join("\n");
    }
    str::from_utf8(bytes).unwrap().trim_end_matches('\n').to_owned()
}

/// Puts the files into the blocks that the document marks with `<!-- example: NAME -->`.
fn filled(document: &str, files: &BTreeMap<String, Vec<u8>>) -> (String, usize) {
    let (mut out, mut count, mut rest) = (String::new(), 0, document);
    while let Some((before, after)) = rest.split_once("<!-- example: ") {
        let (name, after) = after.split_once(" -->\n```text").unwrap();
        let (_, after) = after.split_once("\n```\n").unwrap();
        let bytes = files.get(name).unwrap_or_else(|| panic!("no file {name}"));
        let block = shown(name, bytes);
        write!(out, "{before}<!-- example: {name} -->\n```text\n{block}\n```\n").unwrap();
        (rest, count) = (after, count + 1);
    }
    (out + rest, count)
}

#[test]
fn the_worked_example_is_what_the_code_gives() {
    let files = files();
    let folder = root().join("tests/vectors/worked-example");
    let path = root().join("docs/formats.md");
    let document = fs::read_to_string(&path).unwrap();
    let (expected, blocks) = filled(&document, &files);
    if std::env::var_os("ATTESTRY_BLESS").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        fs::write(&path, &expected).unwrap();
    }
    for (name, bytes) in &files {
        let found = fs::read(folder.join(name)).unwrap_or_default();
        assert!(found == *bytes, "{name} differs; ATTESTRY_BLESS=1 writes it anew");
    }
    let there = fs::read_dir(&folder).unwrap().count();
    assert_eq!(there, files.len(), "a file too many in {}", folder.display());
    assert!(blocks >= 10, "the document shows {blocks} files");
    let document = fs::read_to_string(&path).unwrap();
    assert!(document == expected, "docs/formats.md differs; ATTESTRY_BLESS=1 writes it anew");
}
