//! Witness cosignatures: a witness's mark on a checkpoint (c2sp.org/tlog-cosignature, Ed25519).

pub mod quorum;

use crate::signature::SigningKey;

use crate::note::{KeyAlgorithm, KeyName, KeyTag, NoteError, NoteSignature, SignedNote, Vkey};

/// Why a cosignature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the key {key} is not a witness key")]
    NotAWitness { key: KeyTag },
    #[error("the cosignature by {key} is not a time and an Ed25519 signature")]
    Malformed { key: KeyTag },
}

/// Checks that a witness cosigned the note, and returns when, in seconds since 1970.
///
/// The witness vouches that, at that time, this was the largest tree it had seen of the log, and
/// consistent with all it had seen before. Nothing is said about the log's own signature.
pub fn verify_cosignature(note: &SignedNote, witness: &Vkey) -> Result<u64, CosignatureError> {
    let key = || witness.tag().clone();
    if witness.algorithm() != KeyAlgorithm::CosignatureV1 {
        return Err(CosignatureError::NotAWitness { key: key() });
    }
    let line = note.signature_of(witness)?.ok_or_else(|| NoteError::NotSignedBy { key: key() })?;
    let malformed = || CosignatureError::Malformed { key: key() };
    let (time, signature) = line.bytes.split_first_chunk::<8>().ok_or_else(malformed)?;
    let time_secs = u64::from_be_bytes(*time);
    if time_secs > i64::MAX as u64 || signature.len() != 64 {
        return Err(malformed());
    }
    if !witness.verifies(cosigned_message(note, time_secs).as_bytes(), signature) {
        return Err(NoteError::BadSignature { key: key() }.into());
    }
    Ok(time_secs)
}

/// Cosigns a note as a witness, which must have checked its consistency before.
pub fn sign_cosignature(
    note: &SignedNote,
    name: KeyName,
    key: &SigningKey,
    time_secs: u64,
) -> NoteSignature {
    let vkey = Vkey::of(name, KeyAlgorithm::CosignatureV1, key.ed25519());
    let signature = key.sign(cosigned_message(note, time_secs).as_bytes());
    let bytes = [time_secs.to_be_bytes().as_slice(), &signature].concat();
    NoteSignature { key: vkey.tag().clone(), bytes }
}

/// The header keeps a cosignature from passing for the signature of a log, and the reverse.
fn cosigned_message(note: &SignedNote, time_secs: u64) -> String {
    format!("cosignature/v1\ntime {time_secs}\n{}", note.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{cases, read_json, text};
    use crate::note::{format_note, parse_note};

    fn key() -> SigningKey {
        SigningKey::from_seed(&[4; 32]).unwrap()
    }

    fn witness() -> Vkey {
        Vkey::of("w.example".parse().unwrap(), KeyAlgorithm::CosignatureV1, key().ed25519())
    }

    /// A note that the witness signed with these bytes.
    fn note(bytes: Vec<u8>) -> SignedNote {
        let line = NoteSignature { key: witness().tag().clone(), bytes };
        SignedNote::new("log.example\n0\nroot\n".to_owned(), line)
    }

    fn cosigned(time_secs: u64) -> Vec<u8> {
        sign_cosignature(&note(vec![0]), witness().name().clone(), &key(), time_secs).bytes
    }

    #[test]
    fn published_vectors() {
        let Some(file) = read_json("tlog/cosignature.json") else {
            return;
        };
        for case in cases(&file["vectors"]) {
            let note = parse_note(text(case, "note").as_bytes()).unwrap();
            let time_secs = verify_cosignature(&note, &text(case, "vkey").parse().unwrap());
            assert_eq!(time_secs.ok(), case["cosignature_time"].as_u64(), "{}", text(case, "id"));
            assert_eq!(format_note(&note), text(case, "note"));
        }
    }

    #[test]
    fn a_cosignature_verifies_with_its_time() {
        for time_secs in [0, 1_679_315_147, i64::MAX as u64] {
            assert_eq!(verify_cosignature(&note(cosigned(time_secs)), &witness()), Ok(time_secs));
        }
        let good = cosigned(1_679_315_147);
        for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(verify_cosignature(&note(bad), &witness()).is_err(), "byte {at} bit {bit}");
        }
        let malformed = Err(CosignatureError::Malformed { key: witness().tag().clone() });
        for bad in [&good[..71], &good[..8], &good[..7], &[good.as_slice(), &[0]].concat()] {
            assert_eq!(verify_cosignature(&note(bad.to_vec()), &witness()), malformed);
        }
        assert_eq!(verify_cosignature(&note(cosigned(1 << 63)), &witness()), malformed);
    }

    #[test]
    fn logs_and_witnesses_do_not_stand_in_for_each_other() {
        let log = Vkey::of("w.example".parse().unwrap(), KeyAlgorithm::Ed25519, key().ed25519());
        let wrong = CosignatureError::NotAWitness { key: log.tag().clone() };
        assert_eq!(verify_cosignature(&note(cosigned(5)), &log), Err(wrong));
        let plain = key().sign(note(vec![0]).text().as_bytes());
        let timed = [0_u64.to_be_bytes().as_slice(), &plain].concat();
        let bad = NoteError::BadSignature { key: witness().tag().clone() };
        assert_eq!(verify_cosignature(&note(timed), &witness()), Err(bad.into()));
        let absent = NoteError::NotSignedBy { key: witness().tag().clone() };
        let other = SignedNote::new(
            "a\n".to_owned(),
            NoteSignature { key: log.tag().clone(), bytes: vec![0] },
        );
        assert_eq!(verify_cosignature(&other, &witness()), Err(absent.into()));
    }
}
