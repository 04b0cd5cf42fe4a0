//! Passkeys: what a browser has a passkey sign, in the form of SSHSIG that OpenSSH defines
//! (PROTOCOL.u2f, `webauthn-sk-ecdsa-sha2-nistp256@openssh.com`).
//!
//! The challenge is the whole signed-data blob, in base64url. The browser says which page asked, and
//! signs that too: a page that is not pinned beside the key has nothing signed that counts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::wire::Wire;
use super::{USER_PRESENT, USER_VERIFIED, verify_p256};
use crate::json::{self, Value};
use crate::signature::SignatureError;
use crate::signature::ecdsa::P256Key;

const FORMAT: &[u8] = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

/// The authenticator's data has credential data, which an assertion has none of.
const HAS_CREDENTIAL: u8 = 0x40;
/// The authenticator's data has extensions.
const HAS_EXTENSIONS: u8 = 0x80;

/// Most pages of one passkey, and the longest address of one.
const ORIGINS_MAX: usize = 8;
const ORIGIN_BYTES_MAX: usize = 255;

/// Whether these are pages whose browsers let them ask for keys of this relying party.
pub fn are_origins_of(origins: &[String], relying_party: &[u8]) -> bool {
    let Ok(relying_party) = str::from_utf8(relying_party) else {
        return false;
    };
    (1..=ORIGINS_MAX).contains(&origins.len())
        && origins.iter().all(|origin| is_origin_of(origin, relying_party))
}

/// A page in the clear cannot ask; `localhost` may, as browsers have it.
fn is_origin_of(origin: &str, relying_party: &str) -> bool {
    let host = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(host), _) => host,
        (None, Some(host)) if relying_party == "localhost" => host,
        _ => return false,
    };
    let (host, port) = host.split_once(':').unwrap_or((host, "0"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let below = host.strip_suffix(relying_party).is_some_and(|rest| rest.ends_with('.'));
    origin.len() <= ORIGIN_BYTES_MAX
        && !relying_party.is_empty()
        && host.chars().all(plain)
        && (1..=5).contains(&port.len())
        && port.bytes().all(|digit| digit.is_ascii_digit())
        && (host == relying_party || below)
}

/// What a browser hands over.
struct Assertion<'a> {
    signature: &'a [u8],
    flags: u8,
    counter: u32,
    origin: &'a [u8],
    client_data: &'a [u8],
    extensions: &'a [u8],
}

pub fn verify(
    key: &P256Key,
    relying_party: &[u8],
    origins: &[String],
    data: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let it = read(signature).ok_or(SignatureError::Malformed)?;
    if it.flags & USER_PRESENT == 0 || it.flags & USER_VERIFIED == 0 {
        return Err(SignatureError::NobodyPresent);
    }
    let extended = it.flags & HAS_EXTENSIONS != 0;
    if it.flags & HAS_CREDENTIAL != 0 || extended == it.extensions.is_empty() {
        return Err(SignatureError::Malformed);
    }
    if !origins.iter().any(|origin| origin.as_bytes() == it.origin) {
        return Err(SignatureError::OtherOrigin);
    }
    if !asks_for(it.client_data, data, it.origin) {
        return Err(SignatureError::Mismatch);
    }
    let mut signed = Sha256::digest(relying_party).to_vec();
    signed.push(it.flags);
    signed.extend(it.counter.to_be_bytes());
    signed.extend(it.extensions);
    signed.extend(Sha256::digest(it.client_data));
    verify_p256(key, &signed, it.signature)
}

fn read(signature: &[u8]) -> Option<Assertion<'_>> {
    let mut wire = Wire::new(signature);
    (wire.string()? == FORMAT).then_some(())?;
    let assertion = Assertion {
        signature: wire.string()?,
        flags: wire.byte()?,
        counter: wire.u32()?,
        origin: wire.string()?,
        client_data: wire.string()?,
        extensions: wire.string()?,
    };
    wire.end()?;
    Some(assertion)
}

/// Whether the browser was asked for a signature of this data by this page.
///
/// OpenSSH compares the first bytes of the browser's JSON, which browsers write in one way; so do
/// we, lest the two disagree. That it is JSON in one reading as well, and says nothing else by
/// other members, is ours.
fn asks_for(client_data: &[u8], data: &[u8], origin: &[u8]) -> bool {
    let Ok(origin) = str::from_utf8(origin) else {
        return false;
    };
    let challenge = URL_SAFE_NO_PAD.encode(data);
    let start = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}""#);
    let Ok(value) = json::parse(client_data) else {
        return false;
    };
    let foreign = value.get("crossOrigin").is_some_and(|it| *it != Value::Bool(false));
    client_data.starts_with(start.as_bytes()) && !foreign && value.get("topOrigin").is_none()
}
