//! Public keys, signing keys and the strict rule by which a signature holds.
//!
//! The rule is ours and not a library's: whoever writes another verifier must reach the same
//! verdict for the same bytes, so every condition is stated here and tested against vectors that
//! libraries disagree about.

use std::fmt;

use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{
    Signer, pkcs8::spki::der::pem::LineEnding, pkcs8::spki::der::zeroize::Zeroizing,
};
use schemas::id::{Hash, KeyId};
use schemas::predicate::approval::SigningMode;
use sha2::{Digest, Sha256};

pub mod ecdsa;
pub mod ed25519;
mod multiples;
mod pem;
pub mod ssh;

use ecdsa::{P256Key, SignatureForm};
use ed25519::Ed25519Key;
use ssh::{RawKey, SshKey};

/// Why a public or private key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("not an Ed25519 or P-256 key as DER SubjectPublicKeyInfo, but {len} bytes")]
    NotSpki { len: usize },
    #[error("not an Ed25519 or P-256 public key in PEM")]
    NotPem,
    #[error("not an Ed25519 private key in PKCS#8 PEM")]
    NotPkcs8,
    #[error("public key is not the canonical encoding of a curve point")]
    NotCanonical,
    #[error("public key is of small order")]
    SmallOrder,
    #[error("public key is no uncompressed point of P-256")]
    NotPoint,
    #[error(
        "not an SSH key of type ssh-ed25519, ecdsa-sha2-nistp256, sk-ssh-ed25519@openssh.com or \
         sk-ecdsa-sha2-nistp256@openssh.com"
    )]
    NotSsh,
    #[error("not a security key's P-256 key with 1 to 8 https origins of its relying party")]
    NotPasskey,
}

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("signature is {len} bytes, needs 64")]
    Length { len: usize },
    #[error("the R of the signature is of small order")]
    SmallOrder,
    #[error("the S of the signature is not below the group order")]
    ScalarOutOfRange,
    #[error("signature is not written as its key demands, or r or s is out of range")]
    Malformed,
    #[error("the security key was not touched, or the passkey's holder not verified")]
    NobodyPresent,
    #[error("the passkey was asked by another page than those beside its key")]
    OtherOrigin,
    #[error("signature does not match message and key")]
    Mismatch,
}

/// A public key that passed its algorithm's rules; further algorithms become further variants.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    Ed25519(Ed25519Key),
    P256(P256Key),
    /// Signs in OpenSSH's format, whatever the key itself is.
    Ssh(Box<SshKey>),
}

impl PublicKey {
    /// Takes the 32 bytes of an Ed25519 key.
    pub fn from_raw(raw: [u8; 32]) -> Result<PublicKey, KeyError> {
        Ed25519Key::new(raw).map(PublicKey::Ed25519)
    }

    /// Reads a DER SubjectPublicKeyInfo (RFC 8410, RFC 5480), byte for byte.
    ///
    /// Signatures of a P-256 key are taken to be DER; see [`P256Key::with_form`].
    pub fn from_spki_der(der: &[u8]) -> Result<PublicKey, KeyError> {
        if let Some(point) = der.strip_prefix(ecdsa::SPKI_PREFIX) {
            return P256Key::new(point, SignatureForm::Der).map(PublicKey::P256);
        }
        let raw = der.strip_prefix(ed25519::SPKI_PREFIX).and_then(|raw| raw.try_into().ok());
        PublicKey::from_raw(raw.ok_or(KeyError::NotSpki { len: der.len() })?)
    }

    /// Reads the one PEM spelling that `openssl pkey -pubout` writes; the final newline may miss.
    pub fn from_spki_pem(pem: &str) -> Result<PublicKey, KeyError> {
        let der = pem::spki_from_pem(pem).ok_or(KeyError::NotPem)?;
        PublicKey::from_spki_der(&der)
    }

    pub fn to_spki_der(&self) -> Vec<u8> {
        match self {
            PublicKey::Ed25519(key) => ed25519_spki(key),
            PublicKey::P256(key) => p256_spki(key),
            PublicKey::Ssh(key) => match key.raw() {
                RawKey::Ed25519(key) => ed25519_spki(key),
                RawKey::P256(key) => p256_spki(key),
            },
        }
    }

    /// Writes PEM as OpenSSL does, with a final newline.
    pub fn to_spki_pem(&self) -> String {
        pem::spki_to_pem(&self.to_spki_der())
    }

    /// SHA-256 of the DER SubjectPublicKeyInfo: the `keyid` of our envelopes. One raw key has one
    /// id, however its signatures are written.
    pub fn key_id(&self) -> KeyId {
        Hash(Sha256::digest(self.to_spki_der()).into())
    }

    /// Checks one signature, strictly.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            PublicKey::Ed25519(key) => key.verify(message, signature),
            PublicKey::P256(key) => key.verify(message, signature),
            PublicKey::Ssh(key) => key.verify(message, signature),
        }
    }

    /// How its holder signs, as approvals say it.
    pub fn signing_mode(&self) -> SigningMode {
        match self {
            PublicKey::Ed25519(_) | PublicKey::P256(_) => SigningMode::Key,
            PublicKey::Ssh(key) => key.signing_mode(),
        }
    }
}

fn ed25519_spki(key: &Ed25519Key) -> Vec<u8> {
    [ed25519::SPKI_PREFIX, key.as_bytes()].concat()
}

fn p256_spki(key: &P256Key) -> Vec<u8> {
    [ecdsa::SPKI_PREFIX, key.as_bytes()].concat()
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.key_id())
    }
}

/// An Ed25519 private key. Whoever holds it signs as the identity that the trust document gives
/// it; it is wiped from memory when dropped, and nothing prints it.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    ed25519: Ed25519Key,
    public: PublicKey,
}

impl SigningKey {
    /// Takes 32 secret bytes; they come from outside, because this crate has no randomness.
    ///
    /// Fails for no seed that anybody can find: its point would have to be of small order.
    pub fn from_seed(seed: &[u8; 32]) -> Result<SigningKey, KeyError> {
        SigningKey::new(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads a private key as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pkcs8_pem(pem: &str) -> Result<SigningKey, KeyError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyError::NotPkcs8)?;
        SigningKey::new(key)
    }

    fn new(key: ed25519_dalek::SigningKey) -> Result<SigningKey, KeyError> {
        let ed25519 = Ed25519Key::new(key.verifying_key().to_bytes())?;
        let public = PublicKey::Ed25519(ed25519.clone());
        Ok(SigningKey { key, ed25519, public })
    }

    /// Writes the private key as OpenSSL does: version 1, without the public half.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let bytes = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::NotPkcs8)
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The public half as logs, witnesses and webhooks name it, which know no other algorithm.
    pub fn ed25519(&self) -> &Ed25519Key {
        &self.ed25519
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.key_id())
    }
}

#[cfg(test)]
mod tests;
