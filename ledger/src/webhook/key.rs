//! The key that signs webhooks: one for a ledger's folder, made when it is first needed.
//!
//! Whoever holds it can tell receivers what did not happen. It has no role in any log: receivers
//! who check the receipt notice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::id::KeyId;
use verifier::signature::ed25519::Ed25519Key;
use verifier::signature::{PublicKey, SigningKey};

use crate::error::LedgerError;
use crate::folder::{Folder, read_key, write_key};
use crate::init::generate_key;

/// An Ed25519 key that signs webhooks and nothing else.
#[derive(Debug)]
pub struct WebhookKey(SigningKey);

impl WebhookKey {
    pub fn read(folder: &Folder) -> Result<Option<WebhookKey>, LedgerError> {
        match read_key(&folder.webhook_key(), "the webhook key") {
            Ok(key) => Ok(Some(WebhookKey(key))),
            Err(LedgerError::NoKey { .. }) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    pub fn read_or_make(folder: &Folder) -> Result<WebhookKey, LedgerError> {
        if let Some(key) = WebhookKey::read(folder)? {
            return Ok(key);
        }
        let key = WebhookKey(generate_key()?);
        match key.write(folder) {
            Ok(()) => Ok(key),
            // Somebody else was faster.
            Err(cause) => WebhookKey::read(folder)?.ok_or(cause),
        }
    }

    /// Writes it into a ledger's folder that has none.
    pub fn write(&self, folder: &Folder) -> Result<(), LedgerError> {
        write_key(&folder.webhook_key(), &self.0)
    }

    pub fn id(&self) -> KeyId {
        self.0.public().key_id()
    }

    pub fn public(&self) -> &PublicKey {
        self.0.public()
    }

    pub fn ed25519(&self) -> &Ed25519Key {
        self.0.ed25519()
    }

    /// The header `webhook-signature`: over the id, the time of the attempt and the body.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signature = self.0.sign(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1a,{}", STANDARD.encode(signature))
    }
}

/// Writes a public key as receivers of webhooks are given it: `whpk_` and its bytes in base64.
pub fn format_public(key: &Ed25519Key) -> String {
    format!("whpk_{}", STANDARD.encode(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::new(folder.path());
        folder.create().unwrap();
        assert!(WebhookKey::read(&folder).unwrap().is_none());
        let made = WebhookKey::read_or_make(&folder).unwrap();
        assert_eq!(WebhookKey::read_or_make(&folder).unwrap().id(), made.id());
        assert_eq!(WebhookKey::read(&folder).unwrap().unwrap().id(), made.id());
        let mode = std::fs::metadata(folder.webhook_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format_public(made.ed25519()).len(), "whpk_".len() + 44);
    }

    #[test]
    fn what_is_signed_is_id_time_and_body() {
        let key = WebhookKey(SigningKey::from_seed(&[7; 32]).unwrap());
        let header = key.sign("evt_1", 1_674_087_231, "{}");
        let signature = STANDARD.decode(header.strip_prefix("v1a,").unwrap()).unwrap();
        key.public().verify(b"evt_1.1674087231.{}", &signature).unwrap();
        assert!(key.public().verify(b"evt_1.1674087232.{}", &signature).is_err());
    }
}
