//! SSH keys: signatures in OpenSSH's format SSHSIG, so that stock `ssh-keygen -Y verify` accepts them.
//!
//! `sig` of an envelope is the unarmoured blob: magic, version 1, the public key, the namespace
//! `attestry/dsse/v1`, an empty reserved field, `sha512`, the signature; and nothing after it. The
//! message is the pre-authentication encoding. What is signed, by the key itself, is
//! [`signed_data`]: the namespace keeps a signature for a ledger from meaning anything elsewhere.
//!
//! A key that lives in a security key signs more: the hash of its application, flags and a counter
//! (OpenSSH's PROTOCOL.u2f). A touch is demanded. A passkey signs what a browser has made of it; see
//! `webauthn`.

mod webauthn;
pub mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use schemas::predicate::approval::SigningMode;
use sha2::{Digest, Sha256, Sha512};

use super::ecdsa::{P256Key, SignatureForm};
use super::ed25519::Ed25519Key;
use super::{KeyError, SignatureError};
use wire::{Wire, put_string};

/// What signatures of this product are for.
pub const NAMESPACE: &str = "attestry/dsse/v1";

const MAGIC: &[u8] = b"SSHSIG";
const HASH: &[u8] = b"sha512";

const ED25519: &[u8] = b"ssh-ed25519";
const P256: &[u8] = b"ecdsa-sha2-nistp256";
const SK_ED25519: &[u8] = b"sk-ssh-ed25519@openssh.com";
const SK_P256: &[u8] = b"sk-ecdsa-sha2-nistp256@openssh.com";
const CURVE: &[u8] = b"nistp256";

/// Longest public key and signature, in bytes: a browser's part in it is a kilobyte at most.
const KEY_BYTES_MAX: usize = 1_024;
const SIGNATURE_BYTES_MAX: usize = 8_192;

/// Somebody has touched the security key.
const USER_PRESENT: u8 = 0x01;
/// Somebody has shown it, by PIN or finger, who they are.
const USER_VERIFIED: u8 = 0x04;

/// A public key in SSH's wire format, with what holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    blob: Vec<u8>,
    raw: RawKey,
    holder: Holder,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawKey {
    Ed25519(Ed25519Key),
    P256(P256Key),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Holder {
    /// A file, or an agent.
    Software,
    /// A security key that signs for this application.
    SecurityKey { application: Vec<u8> },
    /// A passkey: the application is the relying party's id, and these pages may ask it.
    Passkey { relying_party: Vec<u8>, origins: Vec<String> },
}

impl SshKey {
    /// Reads a public key: the base64 part of a `.pub` file, decoded.
    pub fn parse(blob: &[u8]) -> Result<SshKey, KeyError> {
        if blob.len() > KEY_BYTES_MAX {
            return Err(KeyError::NotSsh);
        }
        let (raw, holder) = parse_key(blob).ok_or(KeyError::NotSsh)??;
        Ok(SshKey { blob: blob.to_vec(), raw, holder })
    }

    /// Takes a security key's P-256 key as a passkey that pages of these origins may ask.
    pub fn into_passkey(self, origins: &[String]) -> Result<SshKey, KeyError> {
        let SshKey { blob, raw, holder } = self;
        match (&raw, holder) {
            (RawKey::P256(_), Holder::SecurityKey { application })
                if webauthn::are_origins_of(origins, &application) =>
            {
                let holder =
                    Holder::Passkey { relying_party: application, origins: origins.to_vec() };
                Ok(SshKey { blob, raw, holder })
            }
            _ => Err(KeyError::NotPasskey),
        }
    }

    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The key itself, whoever holds it.
    pub fn raw(&self) -> &RawKey {
        &self.raw
    }

    /// The pages that may ask a passkey; none for other keys.
    pub fn origins(&self) -> &[String] {
        match &self.holder {
            Holder::Passkey { origins, .. } => origins,
            Holder::Software | Holder::SecurityKey { .. } => &[],
        }
    }

    /// A line of a `.pub` file, without a comment.
    pub fn to_line(&self) -> String {
        let kind = Wire::new(&self.blob).string().unwrap_or_default();
        format!("{} {}\n", String::from_utf8_lossy(kind), STANDARD.encode(&self.blob))
    }

    /// The name of the key's type, as OpenSSH prints it.
    pub fn name(&self) -> &'static str {
        match (&self.raw, &self.holder) {
            (RawKey::Ed25519(_), Holder::Software) => "ED25519",
            (RawKey::Ed25519(_), _) => "ED25519-SK",
            (RawKey::P256(_), Holder::Software) => "ECDSA",
            (RawKey::P256(_), _) => "ECDSA-SK",
        }
    }

    /// What `ssh-keygen -l` prints of the key.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }

    pub fn signing_mode(&self) -> SigningMode {
        match &self.holder {
            Holder::Software => SigningMode::Ssh,
            Holder::SecurityKey { .. } => SigningMode::SecurityKey,
            Holder::Passkey { .. } => SigningMode::Passkey,
        }
    }

    /// Checks an unarmoured SSHSIG blob over a message.
    pub fn verify(&self, message: &[u8], blob: &[u8]) -> Result<(), SignatureError> {
        if blob.len() > SIGNATURE_BYTES_MAX {
            return Err(SignatureError::Malformed);
        }
        let signature = self.signature_of(blob).ok_or(SignatureError::Malformed)?;
        let data = signed_data(message);
        match &self.holder {
            Holder::Software => self.verify_plain(&data, signature),
            Holder::SecurityKey { application } => {
                self.verify_security_key(application, &data, signature)
            }
            Holder::Passkey { relying_party, origins } => match &self.raw {
                RawKey::P256(key) => {
                    webauthn::verify(key, relying_party, origins, &data, signature)
                }
                RawKey::Ed25519(_) => Err(SignatureError::Malformed),
            },
        }
    }

    /// The inner signature of an SSHSIG blob by this key, for this namespace and hash.
    fn signature_of<'a>(&self, blob: &'a [u8]) -> Option<&'a [u8]> {
        let mut wire = Wire::new(blob);
        let is =
            |part: Option<&[u8]>, expected: &[u8]| part.filter(|it| *it == expected).map(|_| ());
        is(wire.bytes(MAGIC.len()), MAGIC)?;
        (wire.u32()? == 1).then_some(())?;
        is(wire.string(), &self.blob)?;
        is(wire.string(), NAMESPACE.as_bytes())?;
        is(wire.string(), b"")?;
        is(wire.string(), HASH)?;
        let signature = wire.string()?;
        wire.end()?;
        Some(signature)
    }

    fn verify_plain(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let malformed = SignatureError::Malformed;
        let mut wire = Wire::new(signature);
        let (format, inner) = (wire.string().ok_or(malformed)?, wire.string().ok_or(malformed)?);
        wire.end().ok_or(malformed)?;
        let expected = match &self.raw {
            RawKey::Ed25519(_) => ED25519,
            RawKey::P256(_) => P256,
        };
        if format != expected {
            return Err(malformed);
        }
        self.raw.verify(data, inner)
    }

    fn verify_security_key(
        &self,
        application: &[u8],
        data: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let malformed = SignatureError::Malformed;
        let mut wire = Wire::new(signature);
        let (format, inner) = (wire.string().ok_or(malformed)?, wire.string().ok_or(malformed)?);
        let flags = wire.byte().ok_or(malformed)?;
        let counter = wire.u32().ok_or(malformed)?;
        wire.end().ok_or(malformed)?;
        let expected = match &self.raw {
            RawKey::Ed25519(_) => SK_ED25519,
            RawKey::P256(_) => SK_P256,
        };
        if format != expected {
            return Err(malformed);
        }
        if flags & USER_PRESENT == 0 {
            return Err(SignatureError::NobodyPresent);
        }
        let mut signed = Sha256::digest(application).to_vec();
        signed.push(flags);
        signed.extend(counter.to_be_bytes());
        signed.extend(Sha256::digest(data));
        self.raw.verify(&signed, inner)
    }
}

impl RawKey {
    /// Checks a signature as SSH writes it: of P-256 as two numbers.
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            RawKey::Ed25519(key) => key.verify(message, signature),
            RawKey::P256(key) => verify_p256(key, message, signature),
        }
    }
}

fn verify_p256(key: &P256Key, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let mut wire = Wire::new(signature);
    let numbers = wire.number().zip(wire.number());
    let numbers = numbers.filter(|_| wire.end().is_some());
    let (r, s) = numbers.ok_or(SignatureError::Malformed)?;
    key.verify(message, &[r, s].concat())
}

/// What is signed instead of a message (OpenSSH's PROTOCOL.sshsig).
pub fn signed_data(message: &[u8]) -> Vec<u8> {
    let mut data = MAGIC.to_vec();
    put_string(&mut data, NAMESPACE.as_bytes());
    put_string(&mut data, b"");
    put_string(&mut data, HASH);
    put_string(&mut data, &Sha512::digest(message));
    data
}

/// None where the bytes are not of the format; an error where the key in it is none.
fn parse_key(blob: &[u8]) -> Option<Result<(RawKey, Holder), KeyError>> {
    let mut wire = Wire::new(blob);
    let kind = wire.string()?;
    let raw = match kind {
        ED25519 | SK_ED25519 => {
            let raw: [u8; 32] = wire.string()?.try_into().ok()?;
            Ed25519Key::new(raw).map(RawKey::Ed25519)
        }
        P256 | SK_P256 => {
            (wire.string()? == CURVE).then_some(())?;
            P256Key::new(wire.string()?, SignatureForm::Raw).map(RawKey::P256)
        }
        _ => return None,
    };
    let holder = match kind {
        SK_ED25519 | SK_P256 => {
            let application = wire.string()?.to_vec();
            (!application.is_empty()).then_some(())?;
            Holder::SecurityKey { application }
        }
        _ => Holder::Software,
    };
    wire.end()?;
    Some(raw.map(|raw| (raw, holder)))
}

#[cfg(test)]
mod tests;
