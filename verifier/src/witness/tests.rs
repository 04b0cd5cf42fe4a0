use super::*;
use crate::checkpoint::{Checkpoint, log_vkey, sign_checkpoint};
use crate::merkle::proof::prove_consistency;
use crate::merkle::{leaf_hash, root_of};

const TIME_SECS: u64 = 1_795_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn log() -> Vkey {
    log_vkey(&"log.example".parse().unwrap(), key(1).ed25519())
}

fn name() -> KeyName {
    "w.example".parse().unwrap()
}

fn witness() -> Vkey {
    witness_vkey(name(), &key(9))
}

/// Leaves of a log; a fork has others from that index on.
fn leaves(size: TreeSize, fork: TreeSize) -> Vec<Hash> {
    let leaf = |index| match index < fork {
        true => leaf_hash(format!("entry {index}").as_bytes()),
        false => leaf_hash(format!("other {index}").as_bytes()),
    };
    (0..size).map(leaf).collect()
}

fn proof(old: TreeSize, leaves: &[Hash]) -> Vec<Hash> {
    prove_consistency(&mut &leaves[..], old, leaves.len() as u64).unwrap()
}

fn signed(size: TreeSize, fork: TreeSize, seed: u8) -> SignedNote {
    let root = root_of(&leaves(size, fork));
    let origin = "log.example".parse().unwrap();
    sign_checkpoint(&Checkpoint { origin, size, root }, &key(seed))
}

/// The request from `old` to `size`, of a log that has forked at `fork`.
fn request(old: TreeSize, size: TreeSize, fork: TreeSize) -> String {
    let proof = if old <= size { proof(old, &leaves(size, fork)) } else { Vec::new() };
    format_request(old, &proof, &signed(size, fork, 1))
}

fn held(size: TreeSize) -> Option<Held> {
    let request = parse_request(request(0, size, u64::MAX).as_bytes()).unwrap();
    Some(judge(&request, &log(), None).unwrap().cosign(&name(), &key(9), TIME_SECS).unwrap())
}

/// What the protocol answers.
fn status(text: &str, held: Option<&Held>) -> u16 {
    let Ok(request) = parse_request(text.as_bytes()) else { return 400 };
    match judge(&request, &log(), held) {
        Ok(_) => 200,
        Err(Refusal::UnknownLog(_)) => 404,
        Err(Refusal::NotSigned(_)) => 403,
        Err(Refusal::OldBeyondNew { .. }) => 400,
        Err(Refusal::Conflict { held: size }) => {
            assert_eq!(size, held.map_or(0, Held::size));
            409
        }
        Err(Refusal::Inconsistent { .. }) => 422,
    }
}

const NEVER: TreeSize = TreeSize::MAX;

#[test]
fn every_answer_of_the_protocol() {
    let check = |held_size: Option<TreeSize>, text: String, expected: u16| {
        let held = held_size.and_then(held);
        assert_eq!(status(&text, held.as_ref()), expected, "held {held_size:?}\n{text}");
    };
    // Nothing held: any tree, from nothing and with nothing to prove.
    check(None, request(0, 0, NEVER), 200);
    check(None, request(0, 7, NEVER), 200);
    check(None, request(3, 7, NEVER), 409);
    let one = proof(3, &leaves(7, NEVER));
    check(None, format_request(0, &one[..1], &signed(7, NEVER, 1)), 422);
    check(None, format_request(0, &one[..1], &signed(0, NEVER, 1)), 422);
    // An empty tree has one root.
    let origin = || "log.example".parse().unwrap();
    let odd = Checkpoint { origin: origin(), size: 0, root: Hash([7; 32]) };
    check(None, format_request(0, &[], &sign_checkpoint(&odd, &key(1))), 422);
    check(Some(0), format_request(0, &[], &sign_checkpoint(&odd, &key(1))), 422);
    // Something held.
    check(Some(0), request(0, 0, NEVER), 200);
    check(Some(0), request(0, 5, NEVER), 200);
    check(Some(4), request(4, 7, NEVER), 200);
    check(Some(4), request(4, 4, NEVER), 200);
    check(Some(4), request(0, 7, NEVER), 409);
    check(Some(4), request(3, 7, NEVER), 409);
    check(Some(4), request(5, 7, NEVER), 409);
    check(Some(4), request(0, 3, NEVER), 409);
    check(Some(4), request(8, 7, NEVER), 400);
    check(Some(4), request(4, 3, NEVER), 400);
    // Proofs that prove nothing, and histories that are others.
    let missing = format_request(4, &[], &signed(7, NEVER, 1));
    check(Some(4), missing, 422);
    let mut longer = proof(4, &leaves(7, NEVER));
    longer.push(Hash::default());
    check(Some(4), format_request(4, &longer, &signed(7, NEVER, 1)), 422);
    check(Some(4), format_request(4, &[Hash::default()], &signed(4, NEVER, 1)), 422);
    check(Some(4), request(4, 7, 3), 422);
    check(Some(4), request(4, 4, 3), 422);
    check(Some(4), request(4, 7, 4), 200);
    // Other logs, other keys, bad signatures.
    let foreign = request(0, 7, NEVER).replace("log.example", "lug.example");
    check(None, foreign, 404);
    check(None, format_request(0, &[], &signed(7, NEVER, 2)), 403);
    let mut bad = signed(7, NEVER, 2);
    let bytes = bad.signatures()[0].bytes.clone();
    let line = NoteSignature { key: log().tag().clone(), bytes };
    check(None, format_request(0, &[], &SignedNote::new(bad.text().to_owned(), line)), 403);
    // Lines of keys that nobody knows change nothing.
    bad = signed(7, NEVER, 1);
    let stranger = signed(7, NEVER, 2).signatures()[0].clone();
    bad.add_signature(stranger).unwrap();
    check(None, format_request(0, &[], &bad), 200);
}

#[test]
fn requests_have_one_spelling() {
    let good = request(4, 7, NEVER);
    assert_eq!(status(&good, held(4).as_ref()), 200);
    let first = good.lines().nth(1).unwrap();
    let many = "old 4\n".to_owned() + &format!("{first}\n").repeat(64);
    let (_, note) = good.split_once("\n\n").unwrap();
    for bad in [
        "".to_owned(),
        "\n\n".to_owned(),
        good.replacen("old 4", "old 04", 1),
        good.replacen("old 4", "old -4", 1),
        good.replacen("old 4", "old +4", 1),
        good.replacen("old 4", "old ", 1),
        good.replacen("old 4", "old", 1),
        good.replacen("old 4", "old  4", 1),
        good.replacen("old 4", "old 4 ", 1),
        good.replacen("old 4", "Old 4", 1),
        good.replacen("old 4", "old 9007199254740992", 1),
        good.replacen("old 4\n", "", 1),
        good.replacen(first, &first[1..], 1),
        good.replacen(first, &format!(" {first}"), 1),
        good.replacen('\n', "\r\n", 1),
        good.trim_end().to_owned(),
        good.replacen("\n\n", "\n", 1),
        good.replacen("\n7\n", "\n07\n", 1),
        good.replacen("\n7\n", "\n", 1),
        format!("{many}\n{note}"),
        format!("old 4\n\n{note}").repeat(2),
        "a".repeat(REQUEST_BYTES_MAX + 1),
    ] {
        assert_eq!(status(&bad, held(4).as_ref()), 400, "{bad}");
    }
    assert_eq!(parse_request(b"\xff\n\n"), Err(Malformed::NotText));
}

#[test]
fn other_logs_may_have_extension_lines() {
    let text = format!("{}an extension\n", signed(7, NEVER, 1).text());
    let bytes = key(1).sign(text.as_bytes()).to_vec();
    let line = NoteSignature { key: log().tag().clone(), bytes };
    let note = SignedNote::new(text, line);
    let request = parse_request(format_request(0, &[], &note).as_bytes()).unwrap();
    let held = judge(&request, &log(), None).unwrap().cosign(&name(), &key(9), TIME_SECS).unwrap();
    assert_eq!(verify_cosignature(held.note(), &witness()), Ok(TIME_SECS));
    assert_eq!(held.size(), 7);
}

#[test]
fn the_log_reads_the_answer_and_the_witness_what_it_kept() {
    let held = held(7).unwrap();
    let (answer, submitted) = (held.answer(&witness()).unwrap(), signed(7, NEVER, 1));
    assert!(answer.starts_with("\u{2014} w.example ") && answer.ends_with('\n'), "{answer:?}");
    let line = parse_answer(answer.as_bytes(), &submitted, &witness()).unwrap();
    let mut cosigned = submitted.clone();
    cosigned.add_signature(line).unwrap();
    assert_eq!(verify_cosignature(&cosigned, &witness()), Ok(TIME_SECS));
    let kept = format_note(held.note());
    assert_eq!(Held::parse(kept.as_bytes(), &log(), &witness()), Ok(held));

    // An answer may have lines of other keys; without this witness's own it is none.
    let others = sign_cosignature(&submitted, "x.example".parse().unwrap(), &key(8), 5).to_string();
    assert!(parse_answer(format!("{others}{answer}").as_bytes(), &submitted, &witness()).is_ok());
    let about_another = signed(6, NEVER, 1);
    for (body, note) in [
        (others.as_str(), &submitted),
        ("", &submitted),
        ("\n", &submitted),
        (answer.trim_end(), &submitted),
        (answer.as_str(), &about_another),
    ] {
        assert!(parse_answer(body.as_bytes(), note, &witness()).is_err(), "{body:?}");
    }
    for bad in [
        kept.replace("\n7\n", "\n8\n"),
        kept.lines().take(5).map(|line| format!("{line}\n")).collect(),
        format_note(&submitted),
        String::new(),
    ] {
        assert!(Held::parse(bad.as_bytes(), &log(), &witness()).is_err(), "{bad}");
    }
    let other = log_vkey(&"other.example".parse().unwrap(), key(1).ed25519());
    assert!(Held::parse(kept.as_bytes(), &other, &witness()).is_err());
}

#[test]
fn sizes_in_conflicts_have_one_spelling() {
    assert_eq!(parse_size(b"17\n"), Some(17));
    assert_eq!(parse_size(b"0\n"), Some(0));
    for bad in ["17", "", "\n", "017\n", "17\n\n", "-1\n", " 17\n", "9007199254740992\n"] {
        assert_eq!(parse_size(bad.as_bytes()), None, "{bad:?}");
    }
}
