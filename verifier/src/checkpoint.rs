//! Checkpoints: origin, size and root of a log, signed by it (c2sp.org/tlog-checkpoint).

use crate::signature::SigningKey;
use crate::signature::ed25519::Ed25519Key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemas::id::{Hash, INTEGER_MAX, Origin, TreeSize};

use crate::note::{
    KeyAlgorithm, KeyName, NoteError, NoteSignature, SignedNote, Vkey, decode_base64, parse_note,
};

/// Why a checkpoint is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the checkpoint is not exactly the lines origin, size and root")]
    Lines,
    #[error("not a log origin: {found:?}")]
    Origin { found: String },
    #[error("not a tree size: {found:?}")]
    Size { found: String },
    #[error("not a base64 root hash: {found:?}")]
    Root { found: String },
    #[error("the checkpoint is of log {found}, the key of {expected}")]
    OtherLog { expected: KeyName, found: Origin },
}

/// What a log states about itself, whoever says it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: Origin,
    pub size: TreeSize,
    pub root: Hash,
}

/// Reads the text of a checkpoint note.
///
/// Off-spec: extension lines are refused, because no monitor can audit them, and so are an origin
/// outside the grammar of [`Origin`] and a root that is not a SHA-256 hash.
pub fn parse_checkpoint(text: &str) -> Result<Checkpoint, CheckpointError> {
    let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
    let mut line = || lines.next().ok_or(CheckpointError::Lines);
    let (origin, size, root) = (line()?, line()?, line()?);
    if lines.next().is_some() {
        return Err(CheckpointError::Lines);
    }
    let found = |text: &str| text.chars().take(80).collect();
    Ok(Checkpoint {
        origin: origin.parse().map_err(|_| CheckpointError::Origin { found: found(origin) })?,
        size: parse_integer(size).ok_or_else(|| CheckpointError::Size { found: found(size) })?,
        root: parse_hash(root).ok_or_else(|| CheckpointError::Root { found: found(root) })?,
    })
}

/// Writes the text of a checkpoint note.
pub fn format_checkpoint(checkpoint: &Checkpoint) -> String {
    let Checkpoint { origin, size, root } = checkpoint;
    format!("{origin}\n{size}\n{}\n", BASE64.encode(root.0))
}

/// Reads a decimal integer in its one spelling, below 2^53.
pub(crate) fn parse_integer(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if !digits || leading_zero {
        return None;
    }
    text.parse().ok().filter(|integer| *integer <= INTEGER_MAX)
}

/// Reads a hash in base64, as the C2SP formats write it.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    decode_base64(text, 32)?.try_into().ok().map(Hash)
}

/// Signs a checkpoint as the log, under its origin.
///
/// Whoever holds this key can fork the log's history; witnesses and clients that remember
/// checkpoints are what would notice.
pub fn sign_checkpoint(checkpoint: &Checkpoint, key: &SigningKey) -> SignedNote {
    let text = format_checkpoint(checkpoint);
    let vkey = log_vkey(&checkpoint.origin, key.ed25519());
    let bytes = key.sign(text.as_bytes()).to_vec();
    SignedNote::new(text, NoteSignature { key: vkey.tag().clone(), bytes })
}

/// Returns the verifier key of a log.
pub fn log_vkey(origin: &Origin, key: &Ed25519Key) -> Vkey {
    Vkey::of(KeyName::from(origin), KeyAlgorithm::Ed25519, key)
}

/// A checkpoint that carries a valid signature of its log's key.
///
/// Made by [`verify_checkpoint`] alone, so an unchecked one cannot pass for a checked one. The
/// signature lines of other keys in its note are unchecked still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: SignedNote,
}

impl VerifiedCheckpoint {
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    pub fn size(&self) -> TreeSize {
        self.checkpoint.size
    }

    pub fn root(&self) -> &Hash {
        &self.checkpoint.root
    }

    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note it came in, for its cosignatures.
    pub fn note(&self) -> &SignedNote {
        &self.note
    }
}

/// Checks that the log of this key signed this checkpoint.
///
/// The key's name must be the origin, or a key trusted for one log could speak for another.
pub fn verify_checkpoint(note: &[u8], log: &Vkey) -> Result<VerifiedCheckpoint, CheckpointError> {
    let note = parse_note(note)?;
    note.verify_signature(log)?;
    let checkpoint = parse_checkpoint(note.text())?;
    if checkpoint.origin.as_str() != log.name().as_str() {
        let expected = log.name().clone();
        return Err(CheckpointError::OtherLog { expected, found: checkpoint.origin });
    }
    Ok(VerifiedCheckpoint { checkpoint, note })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{cases, read_json, text};
    use crate::merkle::EMPTY_ROOT;
    use crate::note::format_note;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[1; 32]).unwrap()
    }

    fn checkpoint(size: TreeSize) -> Checkpoint {
        Checkpoint { origin: "log.example/a".parse().unwrap(), size, root: EMPTY_ROOT }
    }

    #[test]
    fn checkpoints_have_one_spelling() {
        for size in [0, 1, 10, INTEGER_MAX] {
            let text = format_checkpoint(&checkpoint(size));
            assert_eq!(parse_checkpoint(&text), Ok(checkpoint(size)));
        }
        let good = format_checkpoint(&checkpoint(12));
        let bad = [
            "",
            "\n",
            "log.example/a\n12\n",
            good.trim_end(),
            &format!("{good}\n"),
            &format!("{good}extension\n"),
            &format!("\n{good}"),
            &good.replace("log.example/a", ""),
            &good.replace("log", "the log"),
            &good.replace("log", "log+"),
            &good.replace("12", "012"),
            &good.replace("12", "+12"),
            &good.replace("12", "-12"),
            &good.replace("12", " 12"),
            &good.replace("12", "12 "),
            &good.replace("12", ""),
            &good.replace("12", "1_2"),
            &good.replace("12", "0x12"),
            &good.replace("12", "9007199254740992"),
            &good.replace("12", "18446744073709551616"),
            &good.replace('=', ""),
            &good.replace("FU=", "FV="),
            &good.replace("47DEQ", "47DE-"),
            &good.replace("47DE", ""),
            &good.replace("47DE", "47DE47DE"),
            &good.replace('\n', "\r\n"),
        ];
        for text in bad {
            assert!(parse_checkpoint(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_the_key_of_the_log_speaks_for_it() {
        let log = log_vkey(&checkpoint(5).origin, key().ed25519());
        let note = format_note(&sign_checkpoint(&checkpoint(5), &key()));
        let verified = verify_checkpoint(note.as_bytes(), &log).unwrap();
        assert_eq!(verified.checkpoint(), &checkpoint(5));
        assert_eq!(format_note(verified.note()), note);

        let other_key =
            log_vkey(&checkpoint(5).origin, SigningKey::from_seed(&[2; 32]).unwrap().ed25519());
        let not_signed = NoteError::NotSignedBy { key: other_key.tag().clone() };
        assert_eq!(verify_checkpoint(note.as_bytes(), &other_key), Err(not_signed.into()));

        let witness = Vkey::of(log.name().clone(), KeyAlgorithm::CosignatureV1, key().ed25519());
        assert!(verify_checkpoint(note.as_bytes(), &witness).is_err());

        // The same key under another name signs the text of the first log.
        let other = log_vkey(&"other.example".parse().unwrap(), key().ed25519());
        let text = format_checkpoint(&checkpoint(5));
        let bytes = key().sign(text.as_bytes()).to_vec();
        let forged = SignedNote::new(text, NoteSignature { key: other.tag().clone(), bytes });
        let refused = verify_checkpoint(format_note(&forged).as_bytes(), &other);
        let expected = other.name().clone();
        let found = checkpoint(5).origin;
        assert_eq!(refused, Err(CheckpointError::OtherLog { expected, found }));
    }

    #[test]
    fn a_size_changed_after_signing_is_noticed() {
        let log = log_vkey(&checkpoint(5).origin, key().ed25519());
        let note = format_note(&sign_checkpoint(&checkpoint(5), &key())).replace("\n5\n", "\n6\n");
        let bad = NoteError::BadSignature { key: log.tag().clone() };
        assert_eq!(verify_checkpoint(note.as_bytes(), &log), Err(bad.into()));
    }

    /// Vectors that other logs may accept and ours does not, with the rule of ours that says so.
    const OFF_SPEC: [(&str, &str); 3] = [
        ("valid one", "not a base64 root hash: \"YmFuYW5hcw==\""),
        (
            "valid with trailing data",
            "the checkpoint is not exactly the lines origin, size and root",
        ),
        ("sumdb 6476701", "not a log origin: \"go.sum database tree\""),
    ];

    #[test]
    fn published_vectors() {
        let Some(file) = read_json("tlog/checkpoint.json") else {
            return;
        };
        let check = |case, verdict: Result<Checkpoint, CheckpointError>| {
            let id = text(case, "id");
            let departure = OFF_SPEC.iter().find(|(vector, _)| *vector == id);
            match (verdict, departure) {
                (Ok(_), _) => assert_eq!(text(case, "expect"), "accept", "{id}"),
                (Err(error), Some((_, reason))) => assert_eq!(error.to_string(), *reason),
                (Err(_), None) => assert_eq!(text(case, "expect"), "reject", "{id}"),
            }
        };
        for case in cases(&file["parse"]) {
            check(case, parse_checkpoint(text(case, "body")));
        }
        for case in cases(&file["signed"]) {
            let (note, vkey) = (text(case, "note").as_bytes(), text(case, "vkey").parse().unwrap());
            assert_eq!(parse_note(note).unwrap().verify_signature(&vkey), Ok(()));
            check(case, verify_checkpoint(note, &vkey).map(|verified| verified.checkpoint));
        }
    }

    #[test]
    fn every_checkpoint_of_a_published_log_verifies() {
        let Some(log) = read_json("tlog/tlog-tiles-tessera.json") else {
            return;
        };
        let vkey: Vkey = text(&log, "vkey").parse().unwrap();
        for (size, note) in log["checkpoints"].as_object().unwrap() {
            let note = note.as_str().unwrap();
            let verified = verify_checkpoint(note.as_bytes(), &vkey).unwrap();
            assert_eq!(verified.size().to_string(), *size);
            assert_eq!(verified.origin().as_str(), text(&log, "origin"));
            assert_eq!(format_note(verified.note()), note);
        }
    }
}
