//! The request to a witness: an old size, a consistency proof, an empty line, a checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemas::id::{Hash, TreeSize};

use crate::checkpoint::{parse_hash, parse_integer};
use crate::note::{NOTE_BYTES_MAX, NoteError, SignedNote, format_note, parse_note};

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a request of {found} bytes, the limit is {REQUEST_BYTES_MAX}")]
    TooLong { found: usize },
    #[error("the request is not UTF-8 text")]
    NotText,
    #[error("the first line is not \"old\" and a size")]
    Old,
    #[error("line {line} is no hash in base64")]
    Proof { line: usize },
    #[error("more than {HASHES_MAX} proof lines")]
    TooManyHashes,
    #[error("no empty line stands before the checkpoint")]
    NoCheckpoint,
    #[error("the note does not begin with the lines origin, size and root")]
    Checkpoint,
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Most lines of a consistency proof, as the protocol says.
const HASHES_MAX: usize = 63;

/// Longest accepted request: the longest note behind the longest proof.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 32 + HASHES_MAX * 45;

/// A request as read: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness holds, as the caller believes.
    pub old: TreeSize,
    pub proof: Vec<Hash>,
    pub origin: String,
    pub size: TreeSize,
    pub root: Hash,
    pub note: SignedNote,
}

/// Reads the body of `add-checkpoint`.
pub fn parse_request(bytes: &[u8]) -> Result<AddCheckpoint, Malformed> {
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(Malformed::TooLong { found: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|_| Malformed::NotText)?;
    let (head, note) = text.split_once("\n\n").ok_or(Malformed::NoCheckpoint)?;
    let mut lines = head.split('\n');
    let old = lines.next().and_then(|line| parse_integer(line.strip_prefix("old ")?));
    let old = old.ok_or(Malformed::Old)?;
    let mut proof = Vec::new();
    for (line, text) in (2..).zip(lines) {
        if proof.len() == HASHES_MAX {
            return Err(Malformed::TooManyHashes);
        }
        proof.push(parse_hash(text).ok_or(Malformed::Proof { line })?);
    }
    let note = parse_note(note.as_bytes())?;
    let (origin, size, root) = head_of(note.text())?;
    Ok(AddCheckpoint { old, proof, origin, size, root, note })
}

/// Reads origin, size and root of anybody's checkpoint.
///
/// Other logs may have origins that ours has not, and extension lines behind: the witness vouches
/// for the tree and repeats the text, so it needs to understand neither.
pub(super) fn head_of(text: &str) -> Result<(String, TreeSize, Hash), Malformed> {
    let mut lines = text.strip_suffix('\n').ok_or(Malformed::Checkpoint)?.split('\n');
    let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(Malformed::Checkpoint);
    let (origin, size, root) = (line()?, line()?, line()?);
    let size = parse_integer(size).ok_or(Malformed::Checkpoint)?;
    let root = parse_hash(root).ok_or(Malformed::Checkpoint)?;
    if lines.any(str::is_empty) {
        return Err(Malformed::Checkpoint);
    }
    Ok((origin.to_owned(), size, root))
}

/// Writes the body of `add-checkpoint`.
pub fn format_request(old: TreeSize, proof: &[Hash], note: &SignedNote) -> String {
    let mut text = format!("old {old}\n");
    for hash in proof {
        text.push_str(&BASE64.encode(hash.0));
        text.push('\n');
    }
    text.push('\n');
    text + &format_note(note)
}
