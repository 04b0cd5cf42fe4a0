//! Pins that name witnesses: a checkpoint that too few of them have cosigned does not do.

use cli::pack_file::{self, Limits};
use harness::{Place, story};
use ledger::store::{SqliteStore, Store as _};
use serde_json::Value;
use verifier::cosignature::sign_cosignature;
use verifier::note::{KeyAlgorithm, KeyName, Vkey, format_note, parse_note};
use verifier::pack::bag;
use verifier::signature::SigningKey;

const TIME_SECS: u64 = 1_795_000_000;

fn witness(seed: u8) -> (KeyName, SigningKey, Vkey) {
    let name: KeyName = format!("w{seed}.example").parse().unwrap();
    let key = SigningKey::from_seed(&[seed; 32]).unwrap();
    let vkey = Vkey::of(name.clone(), KeyAlgorithm::CosignatureV1, key.ed25519());
    (name, key, vkey)
}

/// A checkpoint note with the cosignatures of these witnesses.
fn cosigned(note: &str, seeds: &[u8]) -> String {
    let mut note = parse_note(note.as_bytes()).unwrap();
    for seed in seeds {
        let (name, key, _) = witness(*seed);
        let line = sign_cosignature(&note, name, &key, TIME_SECS);
        note.add_signature(line).unwrap();
    }
    format_note(&note)
}

/// The pin of the ledger, asking for two of three witnesses.
fn asking_pin(place: &Place) {
    let mut pin = std::fs::read_to_string(place.file("ledger/pin.txt")).unwrap();
    for seed in [1, 2, 3] {
        pin.push_str(&format!("witness w{seed} {}\n", witness(seed).2));
    }
    pin.push_str("group g 2 w1 w2 w3\nquorum g\n");
    place.write("asking.txt", pin);
}

/// Expects `quorum-missed` beside whatever else is found, or that alone gone.
fn check(place: &Place, file: &str, missed: bool, otherwise: u8) {
    let line = format!("attestry verify {file} --trust asking.txt");
    let code = if missed { 3 } else { otherwise };
    let json = place.expect(code, &format!("{line} --json")).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let found: Vec<&Value> = findings.iter().filter(|it| it["code"] == "quorum-missed").collect();
    assert_eq!(found.len(), usize::from(missed), "{file}: {json}");
    assert!(found.iter().all(|it| it["class"] == "rule"), "{json}");
    let text = place.expect(code, &line).stdout;
    assert_eq!(text.contains("quorum-missed"), missed, "{text}");
}

#[test]
fn a_receipt_needs_the_quorum_of_the_pin() {
    let place = story::released();
    asking_pin(&place);
    place.expect(0, "attestry receipt 10 -o ten.receipt");
    place.expect(0, "attestry verify ten.receipt --trust ledger/pin.txt");
    check(&place, "ten.receipt", true, 0);
    let receipt = std::fs::read_to_string(place.file("ten.receipt")).unwrap();
    let (proof, note) = receipt.split_once("\n\n").unwrap();
    for (seeds, missed) in
        [(&[1][..], true), (&[4, 5][..], true), (&[1, 3][..], false), (&[1, 2, 3][..], false)]
    {
        let text = format!("{proof}\n\n{}", cosigned(note, seeds));
        place.write("cosigned.receipt", text);
        check(&place, "cosigned.receipt", missed, 0);
    }
}

#[test]
fn a_pack_needs_the_quorum_of_the_pin() {
    let place = story::released();
    asking_pin(&place);
    story::pack(&place);
    check(&place, "pack.zip", true, 3);
    let files = pack_file::read(&place.file("pack.zip"), &Limits::PACK).unwrap();
    let (bag, _) = bag::open(files);
    let mut bag = bag.unwrap();
    let note = String::from_utf8(bag.payload["data/checkpoint"].clone()).unwrap();
    // Every proof of the pack is against its one checkpoint.
    for bytes in bag.payload.values_mut() {
        if let Some(before) = bytes.strip_suffix(note.as_bytes()) {
            *bytes = [before, cosigned(&note, &[2, 3]).as_bytes()].concat();
        }
    }
    let (files, _) = bag::seal(&bag.scope, bag.readme, bag.payload);
    let file = std::fs::File::create(place.file("cosigned.zip")).unwrap();
    pack_file::write(&files, file).unwrap();
    // The story's deployment without grant is found all the same.
    check(&place, "cosigned.zip", false, 3);
}

#[test]
fn a_ledger_needs_the_quorum_of_the_pin() {
    let place = story::released();
    asking_pin(&place);
    check(&place, "", true, 3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(place.file("ledger/ledger.db")).await.unwrap();
        let note = std::fs::read_to_string(place.file("ledger/checkpoint")).unwrap();
        let swapped = store.swap_checkpoint(Some(37), 37, &cosigned(&note, &[1, 2])).await;
        assert!(swapped.unwrap());
        store.close().await;
    });
    check(&place, "", false, 3);
    let text = place.expect(3, "attestry verify --trust asking.txt").stdout;
    assert!(text.contains("witnesses    as many as are asked for"), "{text}");
}
