//! The one spelling of our own envelopes:
//!
//! `{"payload":"…","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"…","sig":"…"}]}`
//!
//! Compact, members in this order, padded standard base64, keyids of 64 lower-case hex digits.

use super::{
    ENVELOPE_BYTES_MAX, Engine, Envelope, EnvelopeError, EnvelopeSignature, KeyId, SIGNATURES_MAX,
    STANDARD, Spelling,
};

use crate::json::plain_end;

const PAYLOAD: &str = r#"{"payload":""#;
const SIGNATURES: &str = r#"","payloadType":"application/vnd.in-toto+json","signatures":["#;
const KEYID: &str = r#"{"keyid":""#;
const SIG: &str = r#"","sig":""#;
const SIG_END: &str = r#""}"#;
const END: &str = "]}";

/// Writes an envelope of our own; it has 1 to 32 signatures, or nobody will read it.
pub fn format_envelope<S: AsRef<[u8]>>(payload: &[u8], signatures: &[(KeyId, S)]) -> Vec<u8> {
    let mut out = String::with_capacity(payload.len() * 4 / 3 + 200 * (signatures.len() + 1));
    out.push_str(PAYLOAD);
    STANDARD.encode_string(payload, &mut out);
    out.push_str(SIGNATURES);
    for (nth, (keyid, sig)) in signatures.iter().enumerate() {
        out.push_str(if nth == 0 { "" } else { "," });
        out.push_str(KEYID);
        out.extend(keyid.to_hex().map(char::from));
        out.push_str(SIG);
        STANDARD.encode_string(sig, &mut out);
        out.push_str(SIG_END);
    }
    out.push_str(END);
    out.into_bytes()
}

/// Whether an envelope is spelled as our own kinds must be.
pub fn is_own_spelling(bytes: &[u8]) -> bool {
    parse_own_envelope(bytes).is_ok()
}

/// Reads an envelope of our own, and refuses every other spelling.
///
/// Base64 that is padded and has no bits after the last byte decodes and encodes to itself, so
/// what is accepted here is what [`format_envelope`] writes.
pub fn parse_own_envelope(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { size_bytes: bytes.len() });
    }
    let mut rest = Rest { bytes, at: 0 };
    let envelope = rest.envelope();
    envelope.ok_or(EnvelopeError::NotOwnSpelling { at: rest.at })
}

/// What was not read yet, from `at` on.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn envelope(&mut self) -> Option<Envelope> {
        self.skip(PAYLOAD)?;
        let payload = self.base64()?;
        self.skip(SIGNATURES)?;
        let mut signatures = Vec::with_capacity(1);
        loop {
            signatures.push(self.signature()?);
            if signatures.len() > SIGNATURES_MAX {
                return None;
            }
            if self.skip(",").is_none() {
                break;
            }
        }
        self.skip(END)?;
        (self.at == self.bytes.len()).then_some(Envelope {
            payload,
            signatures,
            spelling: Spelling::Own,
            bundle: None,
        })
    }

    fn signature(&mut self) -> Option<EnvelopeSignature> {
        self.skip(KEYID)?;
        let keyid = self.bytes.get(self.at..self.at + 64)?;
        KeyId::from_hex(keyid)?;
        let keyid = str::from_utf8(keyid).ok()?.to_owned();
        self.at += 64;
        self.skip(SIG)?;
        let sig = self.base64()?;
        self.skip(SIG_END)?;
        Some(EnvelopeSignature { keyid: Some(keyid), sig })
    }

    /// Reads up to the next quote, which stays unread; what else may end a string is no base64.
    fn base64(&mut self) -> Option<Vec<u8>> {
        let end = plain_end(self.bytes, self.at);
        let decoded = STANDARD.decode(&self.bytes[self.at..end]).ok()?;
        self.at = end;
        Some(decoded)
    }

    fn skip(&mut self, text: &str) -> Option<()> {
        self.bytes[self.at..].starts_with(text.as_bytes()).then(|| self.at += text.len())
    }
}
