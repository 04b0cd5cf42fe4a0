//! Signed notes: a text that one or more keys signed (c2sp.org/signed-note).

mod vkey;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

pub use vkey::{KeyAlgorithm, KeyName, KeyTag, Vkey, VkeyError};

/// Why a note is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("a note of {found} bytes, the limit is {NOTE_BYTES_MAX}")]
    TooLong { found: usize },
    #[error("the note is not UTF-8 text free of control characters")]
    NotText,
    #[error("the note does not end in a blank line and signature lines")]
    NoSignatures,
    #[error("the note has more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    #[error("signature line {line} of the note is malformed")]
    SignatureLine { line: usize },
    #[error("the key {key} is known twice")]
    AmbiguousKey { key: KeyTag },
    #[error("the note is signed by {key} twice")]
    RepeatedSignature { key: KeyTag },
    #[error("the note is not signed by {key}")]
    NotSignedBy { key: KeyTag },
    #[error("the signature by {key} does not verify")]
    BadSignature { key: KeyTag },
    #[error("no known key signed the note")]
    Unverified,
}

/// A text and its signature lines, read but not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line: which key it claims, and the bytes that this key is to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    pub key: KeyTag,
    pub bytes: Vec<u8>,
}

/// Longest accepted note, in bytes: room for 16 signatures of the largest post-quantum kind.
pub const NOTE_BYTES_MAX: usize = 131_072;

/// Most signature lines of a note: a log, a witness policy of 32 and their next keys.
pub const SIGNATURES_MAX: usize = 64;

/// Starts a signature line: em dash and space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Bytes of the key id before each signature.
const KEY_ID_BYTES: usize = 4;

/// Reads a note; the text is everything up to the last blank line.
pub fn parse_note(bytes: &[u8]) -> Result<SignedNote, NoteError> {
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong { found: bytes.len() });
    }
    let note = str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
    if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::NotText);
    }
    let blank = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
    let (text, rest) = note.split_at(blank + 1);
    let lines = rest[1..].strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
    let mut signatures = Vec::new();
    for (line, text) in (1..).zip(lines.split('\n')) {
        if line > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        signatures.push(parse_signature(text).ok_or(NoteError::SignatureLine { line })?);
    }
    Ok(SignedNote { text: text.to_owned(), signatures })
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, body) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
    let body = decode_base64(body, NOTE_BYTES_MAX)?;
    let (id, bytes) = body.split_first_chunk::<KEY_ID_BYTES>()?;
    if bytes.is_empty() {
        return None;
    }
    let key = KeyTag { name: name.parse().ok()?, id: u32::from_be_bytes(*id) };
    Some(NoteSignature { key, bytes: bytes.to_vec() })
}

/// Writes a note: the bytes that [`parse_note`] read.
pub fn format_note(note: &SignedNote) -> String {
    let mut out = format!("{}\n", note.text);
    for signature in &note.signatures {
        out += &signature.to_string();
    }
    out
}

/// Writes the signature line, with its line end.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoteSignature { key, bytes } = self;
        let body = BASE64.encode([&key.id.to_be_bytes(), bytes.as_slice()].concat());
        writeln!(f, "{SIGNATURE_MARK}{} {body}", key.name)
    }
}

impl SignedNote {
    /// Starts a note with its first signature.
    ///
    /// The text ends in a newline; a caller's duty, as only this crate makes new notes.
    pub(crate) fn new(text: String, signature: NoteSignature) -> SignedNote {
        SignedNote { text, signatures: vec![signature] }
    }

    /// The signed text, with its final newline and without the blank line.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line, unless its key has one or the note would be too large to read.
    pub fn add_signature(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.iter().any(|other| other.key == signature.key) {
            return Err(NoteError::RepeatedSignature { key: signature.key });
        }
        let mut grown = self.clone();
        grown.signatures.push(signature);
        *self = parse_note(format_note(&grown).as_bytes())?;
        Ok(())
    }

    /// Finds the one signature line of a key.
    ///
    /// Off-spec: a second line is refused. Its bytes could be anything, and nothing would say so.
    pub fn signature_of(&self, key: &Vkey) -> Result<Option<&NoteSignature>, NoteError> {
        let mut lines = self.signatures.iter().filter(|line| line.key == *key.tag());
        match (lines.next(), lines.next()) {
            (line, None) => Ok(line),
            (_, Some(_)) => Err(NoteError::RepeatedSignature { key: key.tag().clone() }),
        }
    }

    /// Checks that a key signed the text.
    pub fn verify_signature(&self, key: &Vkey) -> Result<(), NoteError> {
        let tag = || key.tag().clone();
        let line = self.signature_of(key)?.ok_or_else(|| NoteError::NotSignedBy { key: tag() })?;
        let verified = key.algorithm() == KeyAlgorithm::Ed25519
            && key.verifies(self.text.as_bytes(), &line.bytes);
        if verified { Ok(()) } else { Err(NoteError::BadSignature { key: tag() }) }
    }

    /// Returns which known keys signed: at least one, and no line of a known key may be bad.
    ///
    /// Lines of unknown keys are ignored, even under a known name.
    pub fn verify_known<'k>(&self, known: &'k [Vkey]) -> Result<Vec<&'k Vkey>, NoteError> {
        let mut signed = Vec::new();
        for (at, key) in known.iter().enumerate() {
            if self.signature_of(key)?.is_none() {
                continue;
            }
            if known[..at].iter().any(|other| other.tag() == key.tag()) {
                return Err(NoteError::AmbiguousKey { key: key.tag().clone() });
            }
            self.verify_signature(key)?;
            signed.push(key);
        }
        if signed.is_empty() { Err(NoteError::Unverified) } else { Ok(signed) }
    }
}

/// Reads standard, padded base64 without stray bits, of at most that many bytes.
pub(crate) fn decode_base64(text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    let length_max = bytes_max.div_ceil(3) * 4;
    if text.len() > length_max {
        return None;
    }
    BASE64.decode(text).ok().filter(|bytes| bytes.len() <= bytes_max)
}

#[cfg(test)]
mod tests {
    use crate::signature::SigningKey;
    use signed_note as oracle;

    use super::*;
    use crate::corpus::{cases, read_json, text};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn vkey(name: &str, seed: u8) -> Vkey {
        Vkey::of(name.parse().unwrap(), KeyAlgorithm::Ed25519, key(seed).ed25519())
    }

    fn signature(text: &str, name: &str, seed: u8) -> NoteSignature {
        let bytes = key(seed).sign(text.as_bytes()).to_vec();
        NoteSignature { key: vkey(name, seed).tag().clone(), bytes }
    }

    fn note(text: &str, signers: &[(&str, u8)]) -> SignedNote {
        let signatures = signers.iter().map(|(name, seed)| signature(text, name, *seed)).collect();
        SignedNote { text: text.to_owned(), signatures }
    }

    #[test]
    fn published_vectors() {
        let Some(file) = read_json("tlog/signed-note.json") else {
            return;
        };
        for case in cases(&file["vectors"]) {
            let id = text(case, "id");
            let vkeys = cases(&case["vkeys"]).map(|vkey| vkey.as_str().unwrap().parse().unwrap());
            let vkeys: Vec<Vkey> = vkeys.collect();
            let read = parse_note(text(case, "note").as_bytes());
            let verified = read.clone().and_then(|note| Ok(note.verify_known(&vkeys)?.len()));
            match text(case, "expect") {
                "accept" => assert_eq!(verified, Ok(cases(&case["verified"]).count()), "{id}"),
                _ => assert!(verified.is_err(), "{id}"),
            }
            if let Ok(note) = read {
                assert_eq!(format_note(&note), text(case, "note"), "{id}");
            }
        }
        let reason = |at: usize| {
            let case = &file["vectors"][at];
            let vkeys = cases(&case["vkeys"]).map(|vkey| vkey.as_str().unwrap().parse().unwrap());
            let known: Vec<Vkey> = vkeys.collect();
            let note = parse_note(text(case, "note").as_bytes());
            note.and_then(|note| Ok(note.verify_known(&known)?.len())).unwrap_err().to_string()
        };
        let reasons = [
            "no known key signed the note",
            "the key EnochRoot+af0cfe78 is known twice",
            "the signature by PeterNeumann+c74f20a3 does not verify",
            "the note does not end in a blank line and signature lines",
            "the note does not end in a blank line and signature lines",
        ];
        assert_eq!([2, 3, 4, 5, 6].map(reason), reasons);
    }

    #[test]
    fn notes_have_one_spelling() {
        let good = format_note(&note("a\n\nb\n", &[("log", 1), ("other", 2)]));
        assert_eq!(format_note(&parse_note(good.as_bytes()).unwrap()), good);
        assert_eq!(parse_note(good.as_bytes()).unwrap().text(), "a\n\nb\n");
        let one = format_note(&note("a\n", &[("log", 1)]));
        let bad = [
            String::new(),
            "\n".to_owned(),
            "a\n\n".to_owned(),
            "a\n\n\n".to_owned(),
            one.trim_end().to_owned(),
            format!("{one}\n"),
            format!("{one} "),
            one.replace('\n', "\r\n"),
            one.replace("a\n", "a\tb\n"),
            one.replace("a\n", "a\0\n"),
            one.replace('\u{2014}', "-"),
            one.replace("\u{2014} ", "\u{2014}  "),
            one.replace("\u{2014} ", "\u{2014}"),
            one.replace("log ", "l+g "),
            one.replace("log ", "l\u{a0}g "),
            one.replace("log ", "log  "),
            one.replace("log ", " "),
            one.replace("=\n", "\n"),
            one.replace("=\n", "==\n"),
            one.replace("=\n", "= \n"),
            "a\n\n\u{2014} log AAAAAA==\n".to_owned(),
            "a\n\n\u{2014} log AAAAAAB=\n".to_owned(),
            "a\n\n\u{2014} log\n".to_owned(),
        ];
        for text in bad {
            let read = parse_note(text.as_bytes());
            assert!(read.is_err(), "{text:?}: {read:?}");
        }
        assert_eq!(parse_note(b"\xff\n\n\xe2\x80\x94 log AAAAAAA=\n"), Err(NoteError::NotText));
    }

    #[test]
    fn limits_are_checked() {
        let lines = |count: usize| "\u{2014} log AAAAAAA=\n".repeat(count);
        let note = |count| parse_note(format!("a\n\n{}", lines(count)).as_bytes());
        assert_eq!(note(SIGNATURES_MAX).unwrap().signatures().len(), SIGNATURES_MAX);
        assert_eq!(note(SIGNATURES_MAX + 1), Err(NoteError::TooManySignatures));
        let long = |text: usize| format!("{}\n\n{}", "a".repeat(text), lines(1));
        let text = NOTE_BYTES_MAX - long(0).len();
        assert!(parse_note(long(text).as_bytes()).is_ok());
        let found = NOTE_BYTES_MAX + 1;
        assert_eq!(parse_note(long(text + 1).as_bytes()), Err(NoteError::TooLong { found }));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let known = [vkey("log", 1)];
        let good = format_note(&note("text\n", &[("log", 1)])).into_bytes();
        assert!(parse_note(&good).unwrap().verify_known(&known).is_ok());
        for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let verdict = parse_note(&bad).and_then(|note| Ok(note.verify_known(&known)?.len()));
            assert!(verdict.is_err(), "byte {at} bit {bit}");
        }
        (0..good.len()).for_each(|length| assert!(parse_note(&good[..length]).is_err()));
    }

    #[test]
    fn a_known_key_signs_once_and_well() {
        let (log, stranger) = (vkey("log", 1), vkey("stranger", 3));
        let check = |signers: &[(&str, u8)], key: &Vkey| note("a\n", signers).verify_signature(key);
        let key = || log.tag().clone();
        assert_eq!(check(&[("other", 2), ("log", 1)], &log), Ok(()));
        assert_eq!(check(&[("log", 2)], &log), Err(NoteError::NotSignedBy { key: key() }));
        let twice = check(&[("log", 1), ("log", 1)], &log);
        assert_eq!(twice, Err(NoteError::RepeatedSignature { key: key() }));
        let mut bad = note("a\n", &[("log", 1), ("stranger", 3)]);
        bad.signatures[0].bytes = bad.signatures[1].bytes.clone();
        let refused = Err(NoteError::BadSignature { key: key() });
        assert_eq!(bad.verify_signature(&log), refused);
        assert_eq!(bad.verify_known(&[stranger, log.clone()]).map(|_| ()), refused);
    }

    #[test]
    fn a_signature_is_added_once() {
        let mut grown = note("a\n", &[("log", 1)]);
        let second = signature("a\n", "other", 2);
        assert_eq!(grown.add_signature(second.clone()), Ok(()));
        assert_eq!(grown, note("a\n", &[("log", 1), ("other", 2)]));
        let key = second.key.clone();
        assert_eq!(grown.add_signature(second), Err(NoteError::RepeatedSignature { key }));
        let huge = NoteSignature { bytes: vec![0; NOTE_BYTES_MAX], ..signature("a\n", "huge", 3) };
        assert!(grown.add_signature(huge).is_err());
        assert_eq!(grown.signatures().len(), 2);
    }

    #[test]
    fn another_implementation_agrees() {
        let text = "If you think\n\nso.\n";
        let ours = format_note(&note(text, &[("log", 1), ("other", 2)]));
        let theirs = oracle::Note::from_bytes(ours.as_bytes()).unwrap();
        assert_eq!(
            (theirs.text(), theirs.to_bytes()),
            (text.as_bytes(), ours.clone().into_bytes())
        );
        let known = ["log", "other"].into_iter().zip(1..).map(|(name, seed)| {
            let verifier = oracle::StandardVerifier::new(&vkey(name, seed).to_string()).unwrap();
            Box::new(verifier) as Box<dyn oracle::Verifier>
        });
        let (verified, unknown) =
            theirs.verify(&oracle::VerifierList::new(known.collect())).unwrap();
        assert_eq!((verified.len(), unknown.len()), (2, 0));
    }
}
