//! The bound of whoever verifies a log: nothing but the strict checks of its signatures.

use ed25519_dalek::{Signature, VerifyingKey};
use schemas::statement::PAYLOAD_TYPE;
use verifier::dsse::{pae, parse_envelope};
use verifier::fixture::traffic::document;
use verifier::log::Record;
use verifier::signature::PublicKey;
use verifier::signed::KeyRing;
use verifier::trust::Trust;

/// All that a signature check needs, made ready.
pub struct Signed {
    message: Vec<u8>,
    signature: Signature,
    key: VerifyingKey,
}

impl Signed {
    pub fn holds(&self) -> bool {
        self.key.verify_strict(&self.message, &self.signature).is_ok()
    }
}

/// The signatures of these records.
pub fn signatures(records: &[Record]) -> Vec<Signed> {
    let ring = KeyRing::of_document(&Trust::of(document()).unwrap());
    let envelopes = records.iter().filter_map(|record| record.envelope.as_ref());
    envelopes
        .flat_map(|bytes| {
            let envelope = parse_envelope(bytes).unwrap();
            let message = pae(PAYLOAD_TYPE, &envelope.payload);
            envelope.signatures.into_iter().map(move |it| (it, message.clone()))
        })
        .map(|(signature, message)| {
            let named = signature.keyid.unwrap().parse().unwrap();
            let PublicKey::Ed25519(key) = &**ring.get(&named).unwrap() else {
                panic!("the load is signed with Ed25519");
            };
            let key = VerifyingKey::from_bytes(key.as_bytes()).unwrap();
            let signature = Signature::from_slice(&signature.sig).unwrap();
            Signed { message, signature, key }
        })
        .collect()
}
