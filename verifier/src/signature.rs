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
use sha2::{Digest, Sha256};

pub mod ed25519;
mod multiples;

use ed25519::Ed25519Key;

/// Why a public or private key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("not an Ed25519 key as DER SubjectPublicKeyInfo (44 bytes), but {len} bytes")]
    NotSpki { len: usize },
    #[error("not an Ed25519 public key in PEM")]
    NotPem,
    #[error("not an Ed25519 private key in PKCS#8 PEM")]
    NotPkcs8,
    #[error("public key is not the canonical encoding of a curve point")]
    NotCanonical,
    #[error("public key is of small order")]
    SmallOrder,
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
    #[error("signature does not match message and key")]
    Mismatch,
}

/// A public key that passed its algorithm's rules; further algorithms become further variants.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    Ed25519(Ed25519Key),
}

impl PublicKey {
    /// Takes the 32 bytes of an Ed25519 key.
    pub fn from_raw(raw: [u8; 32]) -> Result<PublicKey, KeyError> {
        Ed25519Key::new(raw).map(PublicKey::Ed25519)
    }

    /// Reads a DER SubjectPublicKeyInfo (RFC 8410), byte for byte.
    pub fn from_spki_der(der: &[u8]) -> Result<PublicKey, KeyError> {
        let raw = der.strip_prefix(ed25519::SPKI_PREFIX).and_then(|raw| raw.try_into().ok());
        PublicKey::from_raw(raw.ok_or(KeyError::NotSpki { len: der.len() })?)
    }

    /// Reads the one PEM spelling that `openssl pkey -pubout` writes; the final newline may miss.
    pub fn from_spki_pem(pem: &str) -> Result<PublicKey, KeyError> {
        let der = ed25519::spki_from_pem(pem).ok_or(KeyError::NotPem)?;
        PublicKey::from_spki_der(&der)
    }

    pub fn to_spki_der(&self) -> Vec<u8> {
        match self {
            PublicKey::Ed25519(key) => [ed25519::SPKI_PREFIX, key.as_bytes()].concat(),
        }
    }

    /// Writes PEM as OpenSSL does, with a final newline.
    pub fn to_spki_pem(&self) -> String {
        ed25519::spki_to_pem(&self.to_spki_der())
    }

    /// SHA-256 of the DER SubjectPublicKeyInfo: the `keyid` of our envelopes.
    pub fn key_id(&self) -> KeyId {
        Hash(Sha256::digest(self.to_spki_der()).into())
    }

    /// Checks one signature, strictly.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            PublicKey::Ed25519(key) => key.verify(message, signature),
        }
    }
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
        let public = PublicKey::from_raw(key.verifying_key().to_bytes())?;
        Ok(SigningKey { key, public })
    }

    /// Writes the private key as OpenSSL does: version 1, without the public half.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let bytes = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::NotPkcs8)
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
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
