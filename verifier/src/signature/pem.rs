//! Public keys in PEM: one spelling, that of OpenSSL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----\n";
const END: &str = "-----END PUBLIC KEY-----\n";

/// Characters of a full line (RFC 7468).
const LINE: usize = 64;

/// Longest accepted text: a key that we know is a tenth of it.
const PEM_BYTES_MAX: usize = 2048;

/// Reads the one spelling; a missing final newline is forgiven, because shells strip it.
pub fn spki_from_pem(pem: &str) -> Option<Vec<u8>> {
    if pem.len() > PEM_BYTES_MAX {
        return None;
    }
    let body = pem.strip_prefix(BEGIN)?;
    let body = body.strip_suffix(END).or_else(|| body.strip_suffix(END.trim_end()))?;
    let der = STANDARD.decode(body.replace('\n', "")).ok()?;
    (spki_to_pem(&der).trim_end() == pem.trim_end_matches('\n')).then_some(der)
}

pub fn spki_to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from(BEGIN);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(END);
    pem
}
