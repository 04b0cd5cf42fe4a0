//! The tamper matrix: every part of a good pack altered, with manifests that fit.
//!
//! Two forgers. The first can change files and rewrite the manifests. The second has stolen the log
//! key too: it builds the tree anew, proves every entry in it and signs the checkpoint, so that
//! only what stands behind the proofs is left to catch it. Each alteration names the code that must
//! be among what is found; a table or page that no longer fits is never enough.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cli::Exit;
use cli::pack_file::{self, Limits};
use harness::{Place, story};
use schemas::id::{EntryIndex, Hash};
use schemas::kind::EventKind;
use schemas::report::{Class, Code};
use schemas::thread::ThreadId;
use serde_json::Value;
use verifier::checkpoint::{Checkpoint, sign_checkpoint, verify_checkpoint};
use verifier::entry::{Entry, Link, ThreadLine};
use verifier::merkle::proof::{prove_consistency, prove_inclusion};
use verifier::merkle::{MemoryTree, leaf_hash, root_of, sha256};
use verifier::note::format_note;
use verifier::pack::bag::{self, Bag, Files};
use verifier::pack::heads::encode;
use verifier::pack::shown::{entry_path, envelope_path, proof_path};
use verifier::pack::{CHECKPOINT, EXTENSIONS, HEADS, PIN};
use verifier::pin::{Pin, parse_pin};
use verifier::receipt::{Receipt, format_receipt};
use verifier::signature::SigningKey;

/// A pack as the ledger made it, and what a thief of the log key has besides.
struct Genuine {
    bag: Bag,
    pin: Pin,
    log_key: SigningKey,
    /// The leaf hash of every entry below the pack's size.
    leaves: Vec<Hash>,
    /// An event of another ledger, signed there by an identity of the same name and key.
    foreign: Vec<u8>,
}

/// One alteration and what must be found.
struct Case {
    name: String,
    payload: Files,
    readme: Option<String>,
    /// Any of these is enough.
    codes: Vec<Code>,
    exit: Exit,
}

fn genuine() -> &'static Genuine {
    static GENUINE: OnceLock<Genuine> = OnceLock::new();
    GENUINE.get_or_init(made)
}

fn made() -> Genuine {
    let place = story::released();
    // An export before, a stricter policy, a revocation, and one more deployment behind them.
    story::pack(&place);
    std::fs::remove_file(place.file("pack.zip")).unwrap();
    place.write(
        "strict.yaml",
        story::POLICY.replace("critical: 0, high: 0", "critical: 0, high: 0, medium: 0"),
    );
    place.expect(0, "attestry policy set strict.yaml --key mia.pem");
    for line in [
        "promote dist/app.zip --to prod --reason \"1.4.2 again\" --key mia.pem",
        "approve P-40 --reason \"incident closed\" --key bob.pem",
        "approve P-40 --reason \"still mended\" --key carol.pem",
        "record note --text \"read by nobody\" --subject dist/app.zip --key ci.pem",
        "identity revoke carol --key attestry-root.pem",
    ] {
        place.expect(0, &format!("attestry {line}"));
    }
    let deployed = "attestry record deployment --subject dist/app.zip --to prod --result succeeded";
    place.expect(0, &format!("{deployed} --key ci.pem"));
    story::pack(&place);
    let files = pack_file::read(&place.file("pack.zip"), &Limits::PACK).unwrap();
    let (bag, findings) = bag::open(files);
    assert_eq!(findings, vec![]);
    let bag = bag.unwrap();
    let leaves = leaves(&place, bag.scope.size);
    let pem = std::fs::read_to_string(place.file("ledger/keys/log.pem")).unwrap();
    let pin = parse_pin(&std::fs::read(place.file("ledger/pin.txt")).unwrap()).unwrap();
    Genuine {
        leaves,
        log_key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
        foreign: foreign(&place),
        bag,
        pin,
    }
}

fn leaves(place: &Place, size: u64) -> Vec<Hash> {
    let leaf = |index| {
        let raw = place.expect(0, &format!("attestry show {index} --raw"));
        leaf_hash(raw.stdout.as_bytes())
    };
    (0..size).map(leaf).collect()
}

/// A deployment that ci recorded in another ledger.
fn foreign(place: &Place) -> Vec<u8> {
    let init = "attestry init --origin ledger.other.example --dir other --root-out other.pem";
    place.expect(0, init);
    for line in [
        "identity add ci --pub ci.pem.pub --role emitter --kind note --project payments --key other.pem",
        "record note --text \"from elsewhere\" --key ci.pem",
    ] {
        place.expect(0, &format!("attestry {line} --ledger other"));
    }
    let raw = place.expect(0, "attestry show 2 --json --ledger other").stdout;
    let shown: Value = serde_json::from_str(&raw).unwrap();
    let digest = shown["envelope"].as_str().unwrap().to_owned();
    let payload = serde_json::to_vec(&shown["payload"]).unwrap();
    let pem = std::fs::read_to_string(place.file("ci.pem")).unwrap();
    let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let envelope = verifier::sign::sign_payload(&payload, &[&key]);
    assert_eq!(sha256(&[&envelope]).to_string(), digest, "the same bytes");
    envelope
}

impl Genuine {
    fn payload(&self) -> Files {
        self.bag.payload.clone()
    }

    fn entries(&self) -> BTreeMap<EntryIndex, Entry> {
        let paths = self.bag.payload.iter();
        let paths = paths.filter(|(path, _)| path.starts_with("data/entries/"));
        paths
            .map(|(_, bytes)| Entry::parse(bytes).unwrap())
            .map(|entry| (entry.index, entry))
            .collect()
    }

    fn last(&self) -> EntryIndex {
        self.bag.scope.size - 1
    }

    fn without(&self, paths: &[String]) -> Files {
        let mut payload = self.payload();
        for path in paths {
            assert!(payload.remove(path).is_some(), "{path}");
        }
        payload
    }

    fn with(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Files {
        let mut payload = self.payload();
        payload.insert(path.to_owned(), bytes.into());
        payload
    }

    fn with_entry(&self, at: EntryIndex, entry: &Entry) -> Files {
        self.with(&entry_path(at), entry.format())
    }

    /// What a thief of the log key makes of it: tree, proofs and checkpoint fit again.
    fn reissued(&self, mut payload: Files) -> Files {
        let mut leaves = self.leaves.clone();
        let mut shown = Vec::new();
        for index in 0..self.bag.scope.size {
            if let Some(bytes) = payload.get(&entry_path(index)) {
                leaves[usize::try_from(index).unwrap()] = leaf_hash(bytes);
                shown.push(index);
            }
        }
        let checkpoint = Checkpoint {
            origin: self.bag.scope.origin.clone(),
            size: self.bag.scope.size,
            root: root_of(&leaves),
        };
        let note = format_note(&sign_checkpoint(&checkpoint, &self.log_key));
        let mut tree = MemoryTree::new(leaves);
        for index in shown {
            if !payload.contains_key(&proof_path(index)) {
                continue;
            }
            let proof = prove_inclusion(&mut tree, index, checkpoint.size).unwrap();
            let receipt = Receipt { extra: None, index, proof, checkpoint: note.clone() };
            payload.insert(proof_path(index), format_receipt(&receipt).into_bytes());
        }
        let mut extensions: Value = serde_json::from_slice(&payload[EXTENSIONS]).unwrap();
        for it in extensions["seen"].as_array_mut().unwrap() {
            let size = it["size"].as_u64().unwrap();
            let proof = prove_consistency(&mut tree, size, checkpoint.size).unwrap();
            it["proof"] = serde_json::to_value(encode(&proof)).unwrap();
        }
        payload.insert(EXTENSIONS.to_owned(), serde_json::to_vec(&extensions).unwrap());
        payload.insert(CHECKPOINT.to_owned(), note.into_bytes());
        payload
    }

    fn sealed(&self, case: &Case) -> Files {
        let readme = case.readme.clone();
        let readme = readme.unwrap_or_else(|| self.bag.readme.clone());
        bag::seal(&self.bag.scope, readme, case.payload.clone()).0
    }
}

fn case(name: impl Into<String>, payload: Files, codes: &[Code]) -> Case {
    Case { name: name.into(), payload, readme: None, codes: codes.to_vec(), exit: Exit::Integrity }
}

/// Verifies every case on all cores, and says which were not caught as they must be.
fn check(genuine: &Genuine, cases: &[Case]) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut missed = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let report = verifier::pack::verify(genuine.sealed(case), Some(&genuine.pin));
            let exit = Exit::of_findings(&report.findings);
            let named = case.codes.is_empty()
                || report.findings.iter().any(|it| case.codes.contains(&it.code));
            if exit != case.exit || !named {
                let mut found: Vec<&str> =
                    report.findings.iter().map(|it| it.code.name()).collect();
                found.dedup();
                let wanted: Vec<&str> = case.codes.iter().map(|code| code.name()).collect();
                missed.push(format!(
                    "{}: exit {} with {found:?}, wanted {} with one of {wanted:?}",
                    case.name,
                    exit.code(),
                    case.exit.code()
                ));
            }
        }
        missed
    };
    let missed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    assert!(
        missed.is_empty(),
        "{} of {} not caught:\n{}",
        missed.len(),
        cases.len(),
        missed.join("\n")
    );
}

fn flipped(hash: &Hash) -> Hash {
    let mut hash = *hash;
    hash.0[7] ^= 0x20;
    hash
}

/// Another spelling of a base64 hash, one bit off.
fn flipped_base64(text: &str) -> String {
    let mut bytes = STANDARD.decode(text).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    STANDARD.encode(bytes)
}

/// The leaf is another one: whoever names it as the one before says so, or the last heads.
const LINKS: [Code; 3] = [Code::ChainBroken, Code::ThreadBroken, Code::HeadUnproven];

/// True for the kinds whose project is signed.
fn is_own(entry: &Entry) -> bool {
    EventKind::of_type(&entry.predicate_type).is_own()
}

/// An alteration of an entry: name, the entry, and the codes where the tree is built anew.
type Alteration = (String, Entry, Vec<Code>);

/// Every field of an entry, altered so that the entry is still well-formed.
fn alterations(entry: &Entry) -> Vec<Alteration> {
    let mut list: Vec<Alteration> = Vec::new();
    let mut add = |name: &str, codes: &[Code], alter: &dyn Fn(&mut Entry)| {
        let mut altered = entry.clone();
        alter(&mut altered);
        list.push((name.to_owned(), altered, codes.to_vec()));
    };
    add("index", &[Code::IndexMismatch], &|it| it.index += 1);
    add("time", &LINKS, &|it| it.time = it.time.plus_ms(1));
    add("prev", &LINKS, &|it| it.prev = flipped(&it.prev));
    add("type", &[Code::TypeMismatch], &|it| it.predicate_type.push('x'));
    add("statement", &[Code::StatementMismatch], &|it| {
        it.statement = flipped(&it.statement);
    });
    add("envelope", &LINKS, &|it| it.envelope = flipped(&it.envelope));
    add("envelope size", &[Code::EnvelopeMismatch], &|it| it.envelope_bytes += 1);
    add("parts", &[Code::PartsBroken], &|it| it.parts += 1);
    for at in 0..entry.threads.len() {
        let name = |what: &str| format!("thread {} {what}", entry.threads[at].thread);
        add(&name("position"), &LINKS_OR_GAP, &|it| {
            it.threads[at].position += 1;
            it.threads[at].before.get_or_insert(Link { index: 0, leaf: Hash::default() });
        });
        if entry.threads[at].before.is_some() {
            add(&name("link index"), &LINKS, &|it| {
                it.threads[at].before.as_mut().unwrap().index += 1;
            });
            add(&name("link leaf"), &LINKS, &|it| {
                let link = it.threads[at].before.as_mut().unwrap();
                link.leaf = flipped(&link.leaf);
            });
        }
        add(&name("line removed"), &[Code::ThreadsNotDerived], &|it| {
            it.threads.remove(at);
        });
        add(&name("renamed"), &[Code::ThreadsNotDerived], &|it| {
            let line = &mut it.threads[at];
            line.thread = match &line.thread {
                ThreadId::Artifact(_) => {
                    ThreadId::parse("artifact", &format!("sha256:{:064}", 7)).unwrap()
                }
                ThreadId::Environment(_) => {
                    ThreadId::parse("environment", "payments/other").unwrap()
                }
                ThreadId::Project(_) => ThreadId::parse("project", "other").unwrap(),
                ThreadId::Control => {
                    ThreadId::parse("artifact", &format!("sha256:{:064}", 7)).unwrap()
                }
            };
            it.threads.sort_by_key(|line| line.thread.to_string());
        });
    }
    add("line added", &[Code::ThreadsNotDerived], &|it| {
        it.threads.push(ThreadLine {
            thread: ThreadId::parse("project", "zzz").unwrap(),
            position: 0,
            before: None,
        });
    });
    list
}

const LINKS_OR_GAP: [Code; 5] = [
    Code::ChainBroken,
    Code::ThreadBroken,
    Code::HeadUnproven,
    Code::ThreadGap,
    Code::PositionTwice,
];

#[test]
fn the_genuine_pack_holds_with_its_one_exception() {
    let genuine = genuine();
    for payload in [genuine.payload(), genuine.reissued(genuine.payload())] {
        let report =
            verifier::pack::verify(genuine.sealed(&case("", payload, &[])), Some(&genuine.pin));
        let codes: Vec<Code> = report.findings.iter().map(|it| it.code).collect();
        assert_eq!(codes, [Code::DeployedWithoutGrant]);
        assert_eq!(report.rows.len(), 3);
    }
}

#[test]
fn every_field_of_every_entry_is_proven() {
    let genuine = genuine();
    let mut cases = Vec::new();
    for (index, entry) in genuine.entries() {
        for (name, altered, _) in alterations(&entry) {
            let payload = genuine.with_entry(index, &altered);
            let codes = [Code::ProofInvalid, Code::IndexMismatch];
            cases.push(case(format!("entry {index}: {name}"), payload, &codes));
        }
        let text = String::from_utf8(entry.format()).unwrap();
        let respelt = [
            text.replace('\n', "\r\n"),
            text.replacen("index ", "index 0", 1),
            text.replacen("index ", "index  ", 1),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.replacen("attestry/entry/v1", "attestry/entry/v2", 1),
            text[..text.len() / 2].to_owned(),
        ];
        for (number, text) in respelt.into_iter().enumerate() {
            let payload = genuine.with(&entry_path(index), text);
            let name = format!("entry {index}: spelling {number}");
            cases.push(case(name, payload, &[Code::EntryMalformed]));
        }
    }
    check(genuine, &cases);
}

#[test]
fn every_field_is_caught_even_where_the_log_key_is_stolen() {
    let genuine = genuine();
    let mut cases = Vec::new();
    for (index, entry) in genuine.entries() {
        for (name, altered, mut codes) in alterations(&entry) {
            // Where a statement of somebody else's kind is filed is not signed: its project line
            // follows from nothing, and is held by the links alone.
            if name.contains("thread project") && !is_own(&entry) {
                codes.push(Code::UnknownProject);
            }
            // The pin names entry 0, and nothing else is looked at where it is another one.
            if index == 0 {
                codes.push(Code::GenesisMismatch);
            }
            // Nobody names the newest entry yet: who has the log key may set its time.
            if index == genuine.last() && name == "time" {
                continue;
            }
            let payload = genuine.reissued(genuine.with_entry(index, &altered));
            cases.push(case(format!("entry {index}: {name}"), payload, &codes));
        }
    }
    check(genuine, &cases);
}

#[test]
fn every_signature_and_envelope_is_checked() {
    let genuine = genuine();
    let mut cases = Vec::new();
    for (index, entry) in genuine.entries() {
        let path = envelope_path(&entry.envelope);
        let envelope = String::from_utf8(genuine.bag.payload[&path].clone()).unwrap();
        let mut json: Value = serde_json::from_str(&envelope).unwrap();
        let sig = json["signatures"][0]["sig"].as_str().unwrap().to_owned();
        let forged = envelope.replacen(&sig, &flipped_base64(&sig), 1);
        let name = |what: &str| format!("entry {index}: {what}");
        let mismatch = [Code::EnvelopeMismatch];
        cases.push(case(name("signature"), genuine.with(&path, forged.clone()), &mismatch));
        // Another entry that names the forged envelope, in a tree built anew.
        let mut altered = entry.clone();
        altered.envelope = sha256(&[forged.as_bytes()]);
        let mut payload = genuine.without(std::slice::from_ref(&path));
        payload.insert(envelope_path(&altered.envelope), forged.into_bytes());
        payload.insert(entry_path(index), altered.format());
        let payload = genuine.reissued(payload);
        let codes = [
            Code::SignatureInvalid,
            Code::SignatureExtra,
            Code::ThresholdMissed,
            Code::GenesisMismatch,
        ];
        cases.push(case(name("signature, relogged"), payload, &codes));
        json["signatures"][0]["keyid"] = Value::from("00");
        let rewrapped = serde_json::to_vec_pretty(&json).unwrap();
        cases.push(case(
            name("re-wrapped"),
            genuine.with(&path, rewrapped),
            &[Code::EnvelopeMismatch, Code::EnvelopeMalformed],
        ));
        cases.push(case(
            name("an envelope of another ledger"),
            genuine.with(&path, genuine.foreign.clone()),
            &mismatch,
        ));
        cases.push(case(
            name("a truncated envelope"),
            genuine.with(&path, envelope[..envelope.len() / 2].to_owned()),
            &[Code::EnvelopeMalformed],
        ));
        let gone = genuine.without(&[path]);
        cases.push(case(name("an envelope removed"), gone, &[Code::EnvelopeMissing]));
    }
    check(genuine, &cases);
}

#[test]
fn every_proof_hash_is_checked() {
    let genuine = genuine();
    let mut cases = Vec::new();
    for index in genuine.entries().into_keys() {
        let path = proof_path(index);
        let proof = String::from_utf8(genuine.bag.payload[&path].clone()).unwrap();
        let lines: Vec<&str> = proof.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let forged = match STANDARD.decode(line) {
                Ok(bytes) if bytes.len() == 32 => flipped_base64(line),
                _ if line.is_empty() => continue,
                _ => format!("{line}1"),
            };
            let mut lines: Vec<String> = lines.iter().map(|it| (*it).to_owned()).collect();
            lines[number] = forged;
            let text = lines.join("\n") + "\n";
            let name = format!("proof {index}, line {number}");
            cases.push(case(name, genuine.with(&path, text), &[Code::ProofInvalid]));
        }
        let name = format!("proof {index} removed");
        cases.push(case(name, genuine.without(&[path]), &[Code::ProofMissing]));
    }
    check(genuine, &cases);
}

#[test]
fn every_line_of_heads_extensions_and_checkpoint_is_checked() {
    let genuine = genuine();
    let mut cases = Vec::new();
    let heads: Value = serde_json::from_slice(&genuine.bag.payload[HEADS]).unwrap();
    let mut add = |name: String, value: &Value, path: &str, code: Code| {
        let payload = genuine.with(path, serde_json::to_vec(value).unwrap());
        cases.push(case(name, payload, &[code]));
    };
    for number in 0..heads["lines"].as_array().unwrap().len() {
        let name = |what: &str| format!("heads line {number}: {what}");
        let line = heads["lines"][number]["line"].as_str().unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        for (at, word) in words.iter().enumerate() {
            let mut words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
            words[at] = match word.strip_suffix('1') {
                Some(rest) => format!("{rest}2"),
                None => format!("{}1", &word[..word.len() - 1]),
            };
            let mut forged = heads.clone();
            forged["lines"][number]["line"] = Value::from(words.join(" "));
            add(name(&format!("word {at}")), &forged, HEADS, Code::ProofInvalid);
        }
        let mut forged = heads.clone();
        let count = forged["lines"][number]["number"].as_u64().unwrap();
        forged["lines"][number]["number"] = Value::from(count + 1);
        add(name("number"), &forged, HEADS, Code::ProofInvalid);
        for hash in 0..heads["lines"][number]["proof"].as_array().unwrap().len() {
            let mut forged = heads.clone();
            let text = flipped_base64(forged["lines"][number]["proof"][hash].as_str().unwrap());
            forged["lines"][number]["proof"][hash] = Value::from(text);
            add(name(&format!("hash {hash}")), &forged, HEADS, Code::ProofInvalid);
        }
        let mut forged = heads.clone();
        forged["lines"].as_array_mut().unwrap().remove(number);
        add(name("removed"), &forged, HEADS, Code::HeadUnproven);
    }
    let mut forged = heads.clone();
    forged["entry"] = Value::from(heads["entry"].as_u64().unwrap() - 1);
    add("heads of another entry".to_owned(), &forged, HEADS, Code::HeadUnproven);
    forged["more"] = Value::from(1);
    add("heads with another member".to_owned(), &forged, HEADS, Code::PackMalformed);
    let extensions: Value = serde_json::from_slice(&genuine.bag.payload[EXTENSIONS]).unwrap();
    for number in 0..extensions["seen"].as_array().unwrap().len() {
        let name = |what: &str| format!("extension {number}: {what}");
        let mut forged = extensions.clone();
        forged["seen"].as_array_mut().unwrap().remove(number);
        add(name("removed"), &forged, EXTENSIONS, Code::NotExtending);
        let mut forged = extensions.clone();
        let size = forged["seen"][number]["size"].as_u64().unwrap();
        forged["seen"][number]["size"] = Value::from(size + 1);
        add(name("size"), &forged, EXTENSIONS, Code::NotExtending);
        let mut forged = extensions.clone();
        let root: Hash = forged["seen"][number]["root"].as_str().unwrap().parse().unwrap();
        forged["seen"][number]["root"] = Value::from(flipped(&root).to_string());
        add(name("root"), &forged, EXTENSIONS, Code::NotExtending);
        for hash in 0..extensions["seen"][number]["proof"].as_array().unwrap().len() {
            let mut forged = extensions.clone();
            let text = flipped_base64(forged["seen"][number]["proof"][hash].as_str().unwrap());
            forged["seen"][number]["proof"][hash] = Value::from(text);
            add(name(&format!("hash {hash}")), &forged, EXTENSIONS, Code::NotExtending);
        }
    }
    cases.extend(checkpoints(genuine));
    check(genuine, &cases);
}

fn checkpoints(genuine: &Genuine) -> Vec<Case> {
    let mut cases = Vec::new();
    let note = String::from_utf8(genuine.bag.payload[CHECKPOINT].clone()).unwrap();
    let lines: Vec<&str> = note.lines().collect();
    for number in 0..lines.len() {
        let mut forged: Vec<String> = lines.iter().map(|it| (*it).to_owned()).collect();
        let line = &mut forged[number];
        *line = match line.rsplit_once(' ') {
            Some((name, signature)) => format!("{name} {}", flipped_base64(signature)),
            None if line.len() == 44 => flipped_base64(line),
            None => format!("{line}1"),
        };
        let payload = genuine.with(CHECKPOINT, forged.join("\n") + "\n");
        let name = format!("checkpoint line {number}");
        cases.push(case(name, payload, &[Code::CheckpointInvalid]));
    }
    let gone = genuine.without(&[CHECKPOINT.to_owned()]);
    cases.push(case("no checkpoint", gone, &[Code::CheckpointMissing]));
    // Signed by the log key, and of another size than the pack says.
    let closing = verify_checkpoint(note.as_bytes(), genuine.pin.log()).unwrap();
    let older = Checkpoint {
        origin: closing.origin().clone(),
        size: closing.size() - 1,
        root: root_of(&genuine.leaves[..genuine.leaves.len() - 1]),
    };
    let older = format_note(&sign_checkpoint(&older, &genuine.log_key));
    let payload = genuine.with(CHECKPOINT, older);
    cases.push(case("an older checkpoint", payload, &[Code::CheckpointInvalid]));
    cases
}

#[test]
fn removal_repetition_reordering_and_truncation_are_noticed() {
    let genuine = genuine();
    let entries = genuine.entries();
    let mut cases = Vec::new();
    let heads = genuine.last();
    for (index, entry) in &entries {
        let paths = [entry_path(*index), proof_path(*index)];
        let payload = genuine.without(&paths);
        let codes: &[Code] = match *index {
            0 => &[Code::EntryMissing],
            index if index == heads => &[Code::HeadUnproven, Code::EntryMissing],
            _ => &[Code::ThreadGap, Code::HeadUnproven],
        };
        let name = format!("entry {index} ({}) removed", entry.predicate_type);
        cases.push(case(
            format!("{name}, log key stolen"),
            genuine.reissued(payload.clone()),
            codes,
        ));
        cases.push(case(name, payload, codes));
    }
    for (index, entry) in &entries {
        let next = genuine.with(&entry_path(index + 1), entry.format());
        let name = format!("entry {index} again as {}", index + 1);
        cases.push(case(name, next, &[Code::IndexMismatch]));
        if let Some(other) = entries.get(&(index + 1)) {
            let mut swapped = genuine.with_entry(*index, other);
            swapped.insert(entry_path(index + 1), entry.format());
            let name = format!("entries {index} and {} swapped", index + 1);
            cases.push(case(name, swapped, &[Code::IndexMismatch]));
            let (mut first, mut second) = (other.clone(), entry.clone());
            (first.index, second.index) = (*index, index + 1);
            let mut renumbered = genuine.with_entry(*index, &first);
            renumbered.insert(entry_path(index + 1), second.format());
            let name = format!("entries {index} and {} swapped and renumbered", index + 1);
            let stolen = genuine.reissued(renumbered.clone());
            cases.push(case(
                format!("{name}, log key stolen"),
                stolen,
                &[
                    Code::ChainBroken,
                    Code::GenesisMismatch,
                    Code::PositionTwice,
                    Code::ThreadBroken,
                    Code::ThreadGap,
                ],
            ));
            cases.push(case(name, renumbered, &[Code::ProofInvalid]));
        }
    }
    for keep in 1..entries.len() {
        let cut: Vec<String> = entries
            .keys()
            .skip(keep)
            .flat_map(|index| [entry_path(*index), proof_path(*index)])
            .collect();
        let codes = [Code::HeadUnproven, Code::EntryMissing];
        cases.push(case(format!("cut behind {keep} entries"), genuine.without(&cut), &codes));
    }
    check(genuine, &cases);
}

/// The entries that one would like to have left out, each closed up behind it: the next entry of
/// every thread says that it follows the one before, in a tree built anew with the log key.
#[test]
fn whoever_closes_a_gap_up_is_caught_by_the_heads() {
    let genuine = genuine();
    let entries = genuine.entries();
    let mut cases = Vec::new();
    for (index, dropped) in
        entries.iter().filter(|(index, _)| **index > 0 && **index < genuine.last())
    {
        let mut payload = genuine.without(&[entry_path(*index), proof_path(*index)]);
        for line in &dropped.threads {
            // Every later entry of the thread moves down by one, and is linked anew.
            let mut before = line.before;
            let mut position = line.position;
            for (at, _) in entries.range(index + 1..) {
                let mut entry = Entry::parse(&payload[&entry_path(*at)]).unwrap();
                let Some(own) = entry.threads.iter_mut().find(|it| it.thread == line.thread) else {
                    continue;
                };
                (own.position, own.before) = (position, before);
                let bytes = entry.format();
                before = Some(Link { index: *at, leaf: leaf_hash(&bytes) });
                position += 1;
                payload.insert(entry_path(*at), bytes);
            }
        }
        let name = format!("entry {index} ({}) dropped and closed up", dropped.predicate_type);
        cases.push(case(
            name,
            genuine.reissued(payload),
            &[Code::HeadUnproven, Code::ThreadBroken, Code::ChainBroken],
        ));
    }
    let find = |name: &str, last: bool| {
        let mut found = entries.iter().filter(|(_, it)| it.predicate_type.contains(name));
        *if last { found.next_back() } else { found.next() }.unwrap().0
    };
    for (what, index) in [
        ("the revocation", find(":trust:", true)),
        ("the stricter policy", find(":policy:", true)),
        ("the last deployment", find(":deployment:", true)),
        ("the rejection", 35),
        ("the denying decision", 36),
    ] {
        let payload = genuine.without(&[entry_path(index), proof_path(index)]);
        cases.push(case(what, payload, &[Code::ThreadGap, Code::HeadUnproven]));
    }
    check(genuine, &cases);
}

#[test]
fn two_entries_at_one_position_of_a_thread_are_noticed() {
    let genuine = genuine();
    let mut cases = Vec::new();
    for (index, entry) in genuine.entries() {
        for at in 0..entry.threads.len() {
            let line = &entry.threads[at];
            let shared = matches!(line.thread, ThreadId::Control | ThreadId::Environment(_));
            if line.position < 2 || !shared || index == genuine.last() {
                continue;
            }
            let mut altered = entry.clone();
            altered.threads[at].position -= 1;
            let payload = genuine.reissued(genuine.with_entry(index, &altered));
            let name = format!("entry {index}: {} position of another", line.thread);
            let codes = [Code::PositionTwice, Code::ThreadBroken, Code::HeadUnproven];
            cases.push(case(name, payload, &codes));
        }
    }
    check(genuine, &cases);
}

#[test]
fn what_follows_from_the_entries_cannot_be_altered() {
    let genuine = genuine();
    let mut cases = Vec::new();
    let derived = |path: &str| {
        ["data/population.csv", "data/report/index.html", "data/trust.json", "data/policy.json"]
            .contains(&path)
            || path.starts_with("data/keys/")
    };
    for (path, bytes) in genuine.bag.payload.iter().filter(|(path, _)| derived(path)) {
        let mut forged = bytes.clone();
        let middle = forged.len() / 2;
        forged[middle] ^= 1;
        let code = [Code::DerivedMismatch];
        cases.push(case(format!("{path} changed"), genuine.with(path, forged), &code));
        let gone = genuine.without(std::slice::from_ref(path));
        cases.push(case(format!("{path} removed"), gone, &code));
    }
    let mut readme = case("README.txt", genuine.payload(), &[Code::DerivedMismatch]);
    readme.readme = Some(genuine.bag.readme.replace("sha256sum", "true"));
    cases.push(readme);
    let pin = String::from_utf8(genuine.bag.payload[PIN].clone()).unwrap();
    let genesis = pin.lines().nth(2).unwrap().strip_prefix("genesis ").unwrap();
    let other = pin.replace(genesis, &"ab".repeat(32));
    cases.push(case("another pin", genuine.with(PIN, other), &[Code::LogKeyMismatch]));
    let unknown = [Code::PackMalformed];
    for path in [
        "data/extra.txt",
        "data/report/script.js",
        "data/keys/extra.pem",
        "data/entries/readme.txt",
        "data/entries/000000000900.json",
        "data/proofs/000000000900.tlog-proof",
        "data/proofs/extra",
        &envelope_path(&sha256(&[b"extra"])),
        &format!("data/attachments/{}", sha256(&[b"extra"])),
    ] {
        let mut extra =
            case(format!("an extra file {path}"), genuine.with(path, "extra"), &unknown);
        if path.starts_with("data/entries/") {
            extra.codes.push(Code::EntryMalformed);
        }
        cases.push(extra);
    }
    // An event that somebody signed, and that nobody logged.
    let planted = envelope_path(&sha256(&[&genuine.foreign]));
    let payload = genuine.with(&planted, genuine.foreign.clone());
    cases.push(case("an envelope that nobody logged", payload, &unknown));
    for (path, bytes) in &genuine.bag.payload {
        if path.starts_with("data/attachments/") {
            let mut forged = bytes.clone();
            forged[0] ^= 1;
            let code = [Code::AttachmentMismatch];
            cases.push(case(format!("{path} changed"), genuine.with(path, forged), &code));
        }
    }
    check(genuine, &cases);
}

#[test]
fn manifests_that_do_not_fit_are_noticed_first() {
    let genuine = genuine();
    let (files, _) = bag::seal(&genuine.bag.scope, genuine.bag.readme.clone(), genuine.payload());
    let verify = |files: Files| {
        let report = verifier::pack::verify(files, Some(&genuine.pin));
        let exit = Exit::of_findings(&report.findings);
        (exit, report.findings.iter().map(|it| it.code).collect::<Vec<_>>())
    };
    for path in files.keys() {
        let mut changed = files.clone();
        let bytes = changed.get_mut(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let mut without = files.clone();
        without.remove(path);
        for files in [changed, without] {
            let (exit, codes) = verify(files);
            assert_eq!(exit, Exit::Integrity, "{path}: {codes:?}");
            let named =
                codes.contains(&Code::ManifestMismatch) || codes.contains(&Code::PackMalformed);
            assert!(named, "{path}: {codes:?}");
        }
    }
    let mut extra = files.clone();
    extra.insert("more.txt".to_owned(), Vec::new());
    assert!(verify(extra).1.contains(&Code::ManifestMismatch));
}

#[test]
fn another_scope_asks_for_other_evidence() {
    let genuine = genuine();
    let seal = |alter: &dyn Fn(&mut bag::Scope)| {
        let mut scope = genuine.bag.scope.clone();
        alter(&mut scope);
        bag::seal(&scope, genuine.bag.readme.clone(), genuine.payload()).0
    };
    for (name, files, code) in [
        (
            "environment",
            seal(&|it| it.environment = "staging".parse().unwrap()),
            Code::DerivedMismatch,
        ),
        ("project", seal(&|it| it.project = "other".parse().unwrap()), Code::DerivedMismatch),
        (
            "origin",
            seal(&|it| it.origin = "other.example".parse().unwrap()),
            Code::CheckpointInvalid,
        ),
        ("size", seal(&|it| it.size += 1), Code::CheckpointInvalid),
        ("from", seal(&|it| it.from = it.to), Code::DerivedMismatch),
        ("to", seal(&|it| it.to = it.from), Code::DerivedMismatch),
    ] {
        let report = verifier::pack::verify(files, Some(&genuine.pin));
        let codes: Vec<Code> = report.findings.iter().map(|it| it.code).collect();
        assert!(codes.contains(&code), "{name}: {codes:?}");
        assert_eq!(Exit::of_findings(&report.findings), Exit::Integrity, "{name}");
    }
}

#[test]
fn a_pin_names_the_roots_or_says_that_it_does_not() {
    let genuine = genuine();
    let files = genuine.sealed(&case("", genuine.payload(), &[]));
    let vkey = genuine.pin.log().to_string();
    let bare = parse_pin(vkey.as_bytes()).unwrap();
    let report = verifier::pack::verify(files.clone(), Some(&bare));
    let note = report.findings.iter().find(|it| it.code == Code::RootsNotPinned);
    assert_eq!(note.map(|it| it.class), Some(Class::Note));
    assert_eq!(Exit::of_findings(&report.findings), Exit::No, "the deployment without grant");
    assert!(!report.pinned);
    let verdict = |pin: &Pin| {
        let report = verifier::pack::verify(files.clone(), Some(pin));
        let codes: Vec<Code> = report.findings.iter().map(|it| it.code).collect();
        (Exit::of_findings(&report.findings), codes)
    };
    // Another genesis under the same log key: the pin that its holder would have liked to give.
    let genesis = Pin::new(genuine.pin.log().clone(), flipped(genuine.pin.genesis().unwrap()));
    let (exit, codes) = verdict(&genesis.unwrap());
    assert_eq!((exit, codes.contains(&Code::GenesisMismatch)), (Exit::Integrity, true));
    // Another log key.
    let other = SigningKey::from_seed(&[9; 32]).unwrap();
    let other = verifier::checkpoint::log_vkey(&genuine.bag.scope.origin, other.ed25519());
    let (exit, codes) = verdict(&Pin::new(other, *genuine.pin.genesis().unwrap()).unwrap());
    assert_eq!((exit, codes), (Exit::Integrity, vec![Code::CheckpointInvalid]));
}
