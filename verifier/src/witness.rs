//! What a witness does with a checkpoint that is brought to it (c2sp.org/tlog-witness).
//!
//! Pure: the request as bytes, what the witness holds of that log, and the time of the cosignature
//! come in; what the witness will hold from then on, or why it refuses, comes out. Whoever calls
//! keeps what it will hold before giving the cosignature away, and lets nobody in between.

mod request;

use schemas::id::{Hash, TreeSize};

use crate::cosignature::{CosignatureError, sign_cosignature, verify_cosignature};
use crate::merkle::EMPTY_ROOT;
use crate::merkle::proof::{ProofError, verify_consistency};
use crate::note::{
    KeyAlgorithm, KeyName, NoteError, NoteSignature, SignedNote, Vkey, format_note, parse_note,
};
use crate::signature::SigningKey;

pub use request::{AddCheckpoint, Malformed, REQUEST_BYTES_MAX, format_request, parse_request};

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this witness does not know the log {0:?}")]
    UnknownLog(String),
    #[error("the log has not signed this checkpoint")]
    NotSigned(#[source] NoteError),
    #[error("the old size {old} is beyond the checkpoint's, {size}")]
    OldBeyondNew { old: TreeSize, size: TreeSize },
    /// Not what it holds: the caller may ask again from there.
    #[error("the latest checkpoint that it cosigned has size {held}")]
    Conflict { held: TreeSize },
    #[error("the checkpoint does not extend the one of size {held}")]
    Inconsistent { held: TreeSize, source: ProofError },
}

/// The latest checkpoint that a witness cosigned of a log: what it must never contradict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    size: TreeSize,
    root: Hash,
    /// With the log's signature and the witness's cosignature, and nobody else's.
    note: SignedNote,
}

/// A checkpoint that may be cosigned. Made by [`judge`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted(Held);

/// Why what a witness has kept cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeldError {
    #[error("it is no checkpoint of this log: {0}")]
    Malformed(#[from] Malformed),
    #[error("the log has not signed it: {0}")]
    Log(#[from] NoteError),
    #[error("this witness has not cosigned it: {0}")]
    Witness(#[from] CosignatureError),
}

/// Decides whether a witness may cosign: the checks of the protocol, in its order.
///
/// `log` is the key under which the request's origin is known, `held` the latest checkpoint of that
/// log that the witness cosigned.
pub fn judge(
    request: &AddCheckpoint,
    log: &Vkey,
    held: Option<&Held>,
) -> Result<Admitted, Refusal> {
    let AddCheckpoint { old, proof, origin, size, root, note } = request;
    let (old, size) = (*old, *size);
    if origin.as_str() != log.name().as_str() {
        return Err(Refusal::UnknownLog(origin.clone()));
    }
    note.verify_signature(log).map_err(Refusal::NotSigned)?;
    if old > size {
        return Err(Refusal::OldBeyondNew { old, size });
    }
    let (held, held_root) = held.map_or((0, EMPTY_ROOT), |held| (held.size, held.root));
    if old != held {
        return Err(Refusal::Conflict { held });
    }
    verify_consistency(held, &held_root, size, root, proof)
        .map_err(|source| Refusal::Inconsistent { held, source })?;
    let line = note.signature_of(log).map_err(Refusal::NotSigned)?;
    let line = line
        .cloned()
        .ok_or_else(|| Refusal::NotSigned(NoteError::NotSignedBy { key: log.tag().clone() }))?;
    // Lines of others are not the witness's to keep, nor to vouch for.
    let note = SignedNote::new(note.text().to_owned(), line);
    Ok(Admitted(Held { size, root: *root, note }))
}

impl Admitted {
    /// Cosigns: what the witness holds from now on, and keeps before it answers.
    pub fn cosign(
        self,
        name: &KeyName,
        key: &SigningKey,
        time_secs: u64,
    ) -> Result<Held, NoteError> {
        let Admitted(mut held) = self;
        let line = sign_cosignature(&held.note, name.clone(), key, time_secs);
        held.note.add_signature(line)?;
        Ok(held)
    }
}

impl Held {
    pub fn size(&self) -> TreeSize {
        self.size
    }

    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// The checkpoint with the log's signature and the witness's cosignature.
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// The answer to the log: the cosignature's line.
    pub fn answer(&self, witness: &Vkey) -> Result<String, NoteError> {
        let line = self.note.signature_of(witness)?;
        let key = || witness.tag().clone();
        Ok(line.ok_or_else(|| NoteError::NotSignedBy { key: key() })?.to_string())
    }

    /// Reads what a witness has kept, believing only what it and the log have signed.
    pub fn parse(bytes: &[u8], log: &Vkey, witness: &Vkey) -> Result<Held, HeldError> {
        let note = parse_note(bytes)?;
        note.verify_signature(log)?;
        verify_cosignature(&note, witness)?;
        let (origin, size, root) = request::head_of(note.text())?;
        if origin != log.name().as_str() {
            return Err(Malformed::Checkpoint.into());
        }
        Ok(Held { size, root, note })
    }
}

/// Reads a witness's answer: the line of its key, which must verify. Other keys' lines are ignored.
pub fn parse_answer(
    body: &[u8],
    note: &SignedNote,
    witness: &Vkey,
) -> Result<NoteSignature, CosignatureError> {
    // As the protocol suggests: the lines are signatures of the checkpoint's own text.
    let text = format_note(note);
    let (text, _) = text.split_at(note.text().len() + 1);
    let answer = parse_note(&[text.as_bytes(), body].concat())?;
    verify_cosignature(&answer, witness)?;
    let key = || witness.tag().clone();
    let line = answer.signature_of(witness)?;
    Ok(line.ok_or_else(|| NoteError::NotSignedBy { key: key() })?.clone())
}

/// Reads the body of a conflict: the size that the witness holds.
pub fn parse_size(body: &[u8]) -> Option<TreeSize> {
    let text = str::from_utf8(body).ok()?;
    crate::checkpoint::parse_integer(text.strip_suffix('\n')?)
}

/// Reads a witness's key: only one that cosigns can be one.
pub fn witness_vkey(name: KeyName, key: &SigningKey) -> Vkey {
    Vkey::of(name, KeyAlgorithm::CosignatureV1, key.ed25519())
}

#[cfg(test)]
mod tests;
