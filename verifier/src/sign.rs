//! Makes envelopes of our own kinds: the one spelling, signed.

use schemas::id::KeyId;
use schemas::statement::{PAYLOAD_TYPE, Statement};
use serde::Serialize;

use crate::dsse;
use crate::signature::SigningKey;

/// Writes a statement's payload as compact JSON.
pub fn payload_of<P: Serialize>(statement: &Statement<P>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(statement)
}

/// Signs a payload with each of the keys and wraps it in an envelope.
pub fn sign_payload(payload: &[u8], keys: &[&SigningKey]) -> Vec<u8> {
    let message = dsse::pae(PAYLOAD_TYPE, payload);
    let signatures: Vec<(KeyId, [u8; 64])> =
        keys.iter().map(|key| (key.public().key_id(), key.sign(&message))).collect();
    dsse::format_envelope(payload, &signatures)
}

/// Signs a statement.
pub fn sign_statement<P: Serialize>(
    statement: &Statement<P>,
    keys: &[&SigningKey],
) -> Result<Vec<u8>, serde_json::Error> {
    Ok(sign_payload(&payload_of(statement)?, keys))
}
