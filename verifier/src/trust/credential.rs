//! The credentials of a trust document: keys and Sigstore identities, each somebody's alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::id::{IdentityName, KeyId};
use schemas::trust::{
    IDENTITIES_MAX, Identity, KeyAlgorithm, KeyText, SIGSTORE_ROOTS_MAX, TrustDocument,
};

use super::TrustError;
use crate::signature::PublicKey;
use crate::signature::ecdsa::SignatureForm;
use crate::signature::ssh::SshKey;
use crate::sigstore::{self, SigstoreRoot};

/// Decodes a key of a document.
pub fn decode_key(text: &KeyText) -> Result<PublicKey, TrustError> {
    let malformed = || TrustError::Key(text.key.chars().take(64).collect());
    let bytes = STANDARD.decode(&text.key).map_err(|_| malformed())?;
    if text.algorithm != KeyAlgorithm::Passkey && !text.origins.is_empty() {
        return Err(malformed());
    }
    let key = match text.algorithm {
        KeyAlgorithm::Ssh => SshKey::parse(&bytes).map(Box::new).map(PublicKey::Ssh),
        KeyAlgorithm::Passkey => SshKey::parse(&bytes)
            .and_then(|key| key.into_passkey(&text.origins))
            .map(|key| PublicKey::Ssh(Box::new(key))),
        KeyAlgorithm::Ed25519 | KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP256Raw => {
            PublicKey::from_spki_der(&bytes)
        }
    };
    match (text.algorithm, key.map_err(|_| malformed())?) {
        (KeyAlgorithm::Ed25519, key @ PublicKey::Ed25519(_))
        | (KeyAlgorithm::EcdsaP256, key @ PublicKey::P256(_))
        | (KeyAlgorithm::Ssh | KeyAlgorithm::Passkey, key @ PublicKey::Ssh(_)) => Ok(key),
        (KeyAlgorithm::EcdsaP256Raw, PublicKey::P256(key)) => {
            Ok(PublicKey::P256(key.with_form(SignatureForm::Raw)))
        }
        _ => Err(malformed()),
    }
}

/// Writes a key as documents hold it.
pub fn encode_key(key: &PublicKey) -> KeyText {
    let algorithm = match key {
        PublicKey::Ed25519(_) => KeyAlgorithm::Ed25519,
        PublicKey::P256(key) => match key.form() {
            SignatureForm::Der => KeyAlgorithm::EcdsaP256,
            SignatureForm::Raw => KeyAlgorithm::EcdsaP256Raw,
        },
        PublicKey::Ssh(key) => match key.origins() {
            [] => KeyAlgorithm::Ssh,
            _ => KeyAlgorithm::Passkey,
        },
    };
    let (bytes, origins) = match key {
        PublicKey::Ed25519(_) | PublicKey::P256(_) => (key.to_spki_der(), Vec::new()),
        PublicKey::Ssh(key) => (key.blob().to_vec(), key.origins().to_vec()),
    };
    KeyText { algorithm, key: STANDARD.encode(bytes), origins }
}

pub(super) fn decode_keys(
    texts: &[KeyText],
    seen: &mut HashSet<KeyId>,
) -> Result<Vec<(KeyId, Arc<PublicKey>)>, TrustError> {
    texts
        .iter()
        .map(|text| {
            let key = decode_key(text)?;
            let id = key.key_id();
            if !seen.insert(id) {
                return Err(TrustError::KeyTwice(id));
            }
            Ok((id, Arc::new(key)))
        })
        .collect()
}

/// What somebody signs with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    Key(Arc<PublicKey>),
    /// A certified name; each signature has a key of its own.
    Sigstore,
}

impl Credential {
    pub(super) fn key(&self) -> Option<&Arc<PublicKey>> {
        match self {
            Credential::Key(key) => Some(key),
            Credential::Sigstore => None,
        }
    }
}

pub(super) fn decode_identities(
    document: &TrustDocument,
    seen: &mut HashSet<KeyId>,
) -> Result<HashMap<KeyId, (IdentityName, Credential)>, TrustError> {
    let mut names: HashSet<&str> = HashSet::new();
    let mut identities = HashMap::new();
    for identity in &document.identities {
        if document.identities.len() > IDENTITIES_MAX || !names.insert(identity.name.as_str()) {
            return Err(TrustError::IdentityTwice(identity.name.clone()));
        }
        for (id, key) in decode_keys(&identity.keys, seen)? {
            identities.insert(id, (identity.name.clone(), Credential::Key(key)));
        }
        for id in decode_sigstore(identity, document, seen)? {
            identities.insert(id, (identity.name.clone(), Credential::Sigstore));
        }
    }
    for alias in document.identities.iter().flat_map(|identity| &identity.aliases) {
        if alias.is_empty() || alias.len() > 320 || !names.insert(alias) {
            return Err(TrustError::Alias(alias.clone()));
        }
    }
    Ok(identities)
}

fn decode_sigstore(
    identity: &Identity,
    document: &TrustDocument,
    seen: &mut HashSet<KeyId>,
) -> Result<Vec<KeyId>, TrustError> {
    let ids = identity.sigstore.iter().map(|name| {
        let id = sigstore::key_id(name);
        let problem = if !name.is_sound() {
            "issuer and subject are 1 to 1,024 bytes without control characters"
        } else if document.sigstore_roots.is_empty() {
            "the document has no trusted root to verify it by"
        } else if !seen.insert(id) {
            "it stands twice"
        } else {
            return Ok(id);
        };
        Err(TrustError::Sigstore { identity: identity.name.clone(), problem })
    });
    ids.collect()
}

/// Reads the trusted roots of a document.
pub(super) fn decode_roots(document: &TrustDocument) -> Result<Vec<SigstoreRoot>, TrustError> {
    let texts = &document.sigstore_roots;
    if texts.len() > SIGSTORE_ROOTS_MAX {
        return Err(TrustError::SigstoreRoots(texts.len()));
    }
    let mut roots: Vec<SigstoreRoot> = Vec::with_capacity(texts.len());
    for text in texts {
        let root = SigstoreRoot::parse(text)?;
        if roots.iter().any(|known| known.digest() == root.digest()) {
            return Err(TrustError::SigstoreRoots(texts.len()));
        }
        roots.push(root);
    }
    Ok(roots)
}
