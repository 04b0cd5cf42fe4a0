//! ECDSA over P-256 with SHA-256.
//!
//! A signature (r, s) of a message holds under a key if and only if 1 <= r, s < n and the equation of
//! FIPS 186-5 holds. High s is accepted: signers that do not normalise it are common, and nothing is
//! ever keyed on signature bytes, so that a second spelling of the same signature changes nothing.
//!
//! A key has one encoding: the uncompressed point, on the curve, in a SubjectPublicKeyInfo with the
//! named curve (RFC 5480). How its signatures are written is said beside the key: as DER, as most
//! tools do, or as r ‖ s.

use std::fmt;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{KeyError, SignatureError};

/// A DER SubjectPublicKeyInfo before the 65 bytes of the point: a sequence of the algorithm
/// 1.2.840.10045.2.1 with the curve 1.2.840.10045.3.1.7, and a bit string.
pub const SPKI_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 3, 1, 7, 3, 0x42, 0,
];

/// Length of an uncompressed point: 0x04, x, y.
pub const POINT_BYTES: usize = 65;

/// How a key's signatures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureForm {
    /// ASN.1 DER (RFC 3279), as OpenSSL, cosign and Sigstore write it.
    Der,
    /// 64 bytes, r ‖ s, as JOSE, WebCrypto and the vector of the DSSE specification have it.
    Raw,
}

/// A P-256 public key whose point was checked to be on the curve.
#[derive(Clone, PartialEq, Eq)]
pub struct P256Key {
    key: VerifyingKey,
    point: [u8; POINT_BYTES],
    form: SignatureForm,
}

impl P256Key {
    /// Takes an uncompressed point.
    pub fn new(point: &[u8], form: SignatureForm) -> Result<P256Key, KeyError> {
        let point: [u8; POINT_BYTES] = point.try_into().map_err(|_| KeyError::NotPoint)?;
        if point[0] != 4 {
            return Err(KeyError::NotPoint);
        }
        let key = VerifyingKey::from_sec1_bytes(&point).map_err(|_| KeyError::NotPoint)?;
        Ok(P256Key { key, point, form })
    }

    pub fn as_bytes(&self) -> &[u8; POINT_BYTES] {
        &self.point
    }

    pub fn form(&self) -> SignatureForm {
        self.form
    }

    /// The same key, for signatures that are written in another way.
    #[must_use]
    pub fn with_form(self, form: SignatureForm) -> P256Key {
        P256Key { form, ..self }
    }

    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.verify_digest(&Sha256::digest(message).into(), signature)
    }

    /// Checks a signature of a message by its SHA-256.
    pub fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        // Both parsers refuse r and s that are 0 or not below n; the one of DER refuses every
        // encoding but the shortest, and trailing bytes.
        let signature = match self.form {
            SignatureForm::Der => Signature::from_der(signature),
            SignatureForm::Raw => Signature::from_slice(signature),
        };
        let signature = signature.map_err(|_| SignatureError::Malformed)?;
        self.key.verify_prehash(digest, &signature).map_err(|_| SignatureError::Mismatch)
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P256Key({:?})", self.form)
    }
}
