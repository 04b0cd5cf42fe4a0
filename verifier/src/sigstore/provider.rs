//! The cryptography under Sigstore's checks: the same pure implementations as everywhere here.
//!
//! Algorithms that no instance in use needs for statements (RSA, ML-DSA) are not offered: what they
//! sign does not verify.

use std::sync::OnceLock;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};
use sigstore_verify::crypto::{
    CryptoProvider, Error, HashContext, SigningScheme, install_default_provider,
};
use sigstore_verify::types::HashAlgorithm;

use crate::signature::ed25519::Ed25519Key;

/// Makes the library use this provider, once for the process.
///
/// None where somebody else has given it another: then nothing that it says is ours.
pub fn install() -> Option<()> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| install_default_provider(&PROVIDER).is_ok());
    installed.then_some(())
}

static PROVIDER: Provider = Provider;

#[derive(Debug)]
struct Provider;

struct Context<D>(D);

impl<D: Digest + Send> HashContext for Context<D> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

impl CryptoProvider for Provider {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>, Error> {
        match algorithm {
            HashAlgorithm::Sha2256 => Ok(Box::new(Context(Sha256::new()))),
            HashAlgorithm::Sha2384 => Ok(Box::new(Context(Sha384::new()))),
            HashAlgorithm::Sha2512 => Ok(Box::new(Context(Sha512::new()))),
            other => Err(Error::UnsupportedAlgorithm(other.to_string())),
        }
    }

    fn verify_raw(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        data: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        match scheme {
            SigningScheme::Ed25519 => verify_ed25519(key, data, signature),
            SigningScheme::EcdsaP256Sha256 | SigningScheme::EcdsaP384Sha256 => {
                self.verify_prehashed(scheme, key, &Sha256::digest(data), signature)
            }
            SigningScheme::EcdsaP256Sha384 | SigningScheme::EcdsaP384Sha384 => {
                self.verify_prehashed(scheme, key, &Sha384::digest(data), signature)
            }
            other => Err(unsupported(other)),
        }
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let holds = match scheme {
            SigningScheme::EcdsaP256Sha256 | SigningScheme::EcdsaP256Sha384 => {
                holds_p256(key, digest, signature)
            }
            SigningScheme::EcdsaP384Sha256 | SigningScheme::EcdsaP384Sha384 => {
                holds_p384(key, digest, signature)
            }
            other => return Err(unsupported(other)),
        };
        told(holds.is_ok())
    }
}

fn verify_ed25519(key: &[u8], data: &[u8], signature: &[u8]) -> Result<(), Error> {
    let key = key.try_into().ok().and_then(|raw| Ed25519Key::new(raw).ok());
    told(key.is_some_and(|key| key.verify(data, signature).is_ok()))
}

fn holds_p256(key: &[u8], digest: &[u8], der: &[u8]) -> Result<(), p256::ecdsa::Error> {
    let signature = p256::ecdsa::Signature::from_der(der)?;
    p256::ecdsa::VerifyingKey::from_sec1_bytes(key)?.verify_prehash(digest, &signature)
}

fn holds_p384(key: &[u8], digest: &[u8], der: &[u8]) -> Result<(), p384::ecdsa::Error> {
    let signature = p384::ecdsa::Signature::from_der(der)?;
    p384::ecdsa::VerifyingKey::from_sec1_bytes(key)?.verify_prehash(digest, &signature)
}

fn told(holds: bool) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Verification("signature does not match".to_owned())) }
}

fn unsupported(scheme: SigningScheme) -> Error {
    Error::UnsupportedAlgorithm(scheme.name().to_owned())
}
