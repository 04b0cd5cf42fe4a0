//! DSSE envelopes: the bytes that are signed, and the JSON around them.
//!
//! Other people's envelopes are read as their tools write them. Our own kinds have one spelling,
//! so that an envelope can be made again from its payload and signatures, byte for byte.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use schemas::id::{Hash, KeyId};
use sha2::{Digest, Sha256};

use crate::json::{self, JsonError, Value};

mod bundle;
mod own;

pub use schemas::statement::{ENVELOPE_BYTES_MAX, PAYLOAD_TYPE};

pub use bundle::{Bundle, BundleVersion, Inclusion, Material};
pub use own::{format_envelope, is_own_spelling, parse_own_envelope};

/// Most signatures of one envelope: each costs a verification before anything is known about it.
pub const SIGNATURES_MAX: usize = 32;

/// An envelope that was read; nothing in it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub payload: Vec<u8>,
    pub signatures: Vec<EnvelopeSignature>,
    pub spelling: Spelling,
    /// What the Sigstore bundle says that it came in, if it came in one.
    pub bundle: Option<Box<Bundle>>,
}

/// How the envelope was written; our own kinds must have [`Spelling::Own`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    Own,
    Foreign,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// A hint at the key, unsigned: it orders attempts and decides nothing.
    pub keyid: Option<String>,
    pub sig: Vec<u8>,
}

/// Why bytes are not an envelope that we record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("envelope of {size_bytes} bytes, at most {ENVELOPE_BYTES_MAX} are accepted")]
    TooLarge { size_bytes: usize },
    #[error("envelope is not strict JSON")]
    Json(#[from] JsonError),
    #[error("a Sigstore bundle has no {name}")]
    NotOfBundle { name: String },
    #[error("a Sigstore bundle of media type {found:?}; 0.1 to 0.3 are read")]
    BundleVersion { found: String },
    #[error(
        "a Sigstore bundle that signs a file (it has messageSignature), not a statement about one; \
         what is recorded is a DSSE envelope with an in-toto statement"
    )]
    MessageSignature,
    #[error("a Sigstore bundle whose envelope has {count} signatures, needs 1")]
    BundleSignatures { count: usize },
    #[error("{member} is missing or not {expected}")]
    Member { member: &'static str, expected: &'static str },
    #[error("payload type is {found:?}, needs {PAYLOAD_TYPE:?}")]
    PayloadType { found: String },
    #[error("{member} is not base64 of one alphabet")]
    Base64 { member: &'static str },
    #[error("{count} signatures, needs 1 to {SIGNATURES_MAX}")]
    SignatureCount { count: usize },
    #[error("not the one spelling of an own envelope, at byte {at}")]
    NotOwnSpelling { at: usize },
}

/// The pre-authentication encoding: what a DSSE signature signs.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + payload_type.len() + 40);
    out.extend(pae_header(payload_type, payload.len()).as_bytes());
    out.extend(payload);
    out
}

fn pae_header(payload_type: &str, payload_len: usize) -> String {
    format!("DSSEv1 {} {payload_type} {payload_len} ", payload_type.len())
}

/// SHA-256 of what was signed: the identity of a statement, whatever envelope carries it.
pub fn statement_digest(payload: &[u8]) -> Hash {
    let header = pae_header(PAYLOAD_TYPE, payload.len());
    Hash(Sha256::new().chain_update(header).chain_update(payload).finalize().into())
}

/// Reads an envelope as anybody's tool writes it: ours, cosign's, witness's, Chainloop's; or a
/// Sigstore bundle that holds one. A document has the members of one of the two.
///
/// Members that DSSE does not know (certificates, timestamps) are ignored; the payload is not
/// looked into.
pub fn parse_envelope(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { size_bytes: bytes.len() });
    }
    // Not a second reading: what this accepts, the other reads alike (tested). It saves building and dropping a tree for the envelopes that are most of a log.
    match own::parse_own_envelope(bytes) {
        Ok(envelope) => Ok(envelope),
        Err(_) => parse_any_envelope(bytes),
    }
}

fn parse_any_envelope(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    let value = json::parse(bytes)?;
    if bundle::is_bundle(&value) { bundle::read(&value, bytes) } else { envelope_of(&value) }
}

fn envelope_of(value: &Value<'_>) -> Result<Envelope, EnvelopeError> {
    let payload_type = text(value, "payloadType")?;
    if payload_type != PAYLOAD_TYPE {
        let found = payload_type.chars().take(80).collect();
        return Err(EnvelopeError::PayloadType { found });
    }
    let payload = decode(text(value, "payload")?, "payload")?;
    let missing = EnvelopeError::Member { member: "signatures", expected: "an array" };
    let signatures = value.get("signatures").and_then(Value::as_array).ok_or(missing)?;
    if !(1..=SIGNATURES_MAX).contains(&signatures.len()) {
        return Err(EnvelopeError::SignatureCount { count: signatures.len() });
    }
    let signatures = signatures.iter().map(signature).collect::<Result<_, _>>()?;
    Ok(Envelope { payload, signatures, spelling: Spelling::Foreign, bundle: None })
}

fn signature(value: &Value<'_>) -> Result<EnvelopeSignature, EnvelopeError> {
    let keyid = match value.get("keyid") {
        None | Some(Value::Null) => None,
        Some(_) => Some(text(value, "keyid")?.to_owned()),
    };
    Ok(EnvelopeSignature { keyid, sig: decode(text(value, "sig")?, "sig")? })
}

fn text<'v>(value: &'v Value<'_>, member: &'static str) -> Result<&'v str, EnvelopeError> {
    let missing = EnvelopeError::Member { member, expected: "a string" };
    value.get(member).and_then(Value::as_str).ok_or(missing)
}

/// Decodes standard or URL-safe base64, padded or not, as DSSE lets emitters choose.
///
/// One alphabet for each text, no white space, no bits after the last byte: everything that real
/// emitters write, and nothing that decoders read in different ways.
fn decode(text: &str, member: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    let engine = match (text.contains(['-', '_']), text.ends_with('=')) {
        (false, true) => STANDARD,
        (false, false) => STANDARD_NO_PAD,
        (true, true) => URL_SAFE,
        (true, false) => URL_SAFE_NO_PAD,
    };
    engine.decode(text).map_err(|_| EnvelopeError::Base64 { member })
}

#[cfg(test)]
mod tests;
