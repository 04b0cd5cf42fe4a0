//! Sigstore bundles: the JSON around an envelope that says how its one signature is verified.
//!
//! Read by the same rules as an envelope, and no more of it than decides: what the certificate, the
//! log entries and the timestamps prove is asked of the bytes, by [`crate::sigstore`].

use super::{Envelope, EnvelopeError, envelope_of, text};
use crate::json::Value;

/// The media types of versions 0.1 to 0.3; 0.3 has two spellings.
const MEDIA_TYPES: [(&str, BundleVersion); 4] = [
    ("application/vnd.dev.sigstore.bundle+json;version=0.1", BundleVersion::V01),
    ("application/vnd.dev.sigstore.bundle+json;version=0.2", BundleVersion::V02),
    ("application/vnd.dev.sigstore.bundle+json;version=0.3", BundleVersion::V03),
    ("application/vnd.dev.sigstore.bundle.v0.3+json", BundleVersion::V03),
];

/// The members of a bundle; a document with one of the first three is no envelope.
const MEMBERS: [&str; 4] =
    ["dsseEnvelope", "mediaType", "messageSignature", "verificationMaterial"];

/// Log entries and timestamps of one bundle: each costs a verification.
const PROOFS_MAX: usize = 16;

/// What a bundle says beside its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub version: BundleVersion,
    pub material: Material,
    /// The latest time, in seconds of Unix time, at which a log says that it took the signature.
    pub integrated_at: Option<u64>,
    pub inclusion: Inclusion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleVersion {
    V01,
    V02,
    V03,
}

/// Where the verification key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// A key that the verifier must know already.
    PublicKey,
    /// A certificate; kept with the bundle's bytes, which are verified as they were received.
    Certificate { bytes: Vec<u8> },
}

/// What shows that a log has the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusion {
    /// There are entries, and each comes with a proof.
    Proven,
    /// There is one entry, which the log has only promised; with its time, and no other time beside
    /// it. Version 0.1 allows that.
    Promised,
    Nothing,
}

pub(super) fn is_bundle(value: &Value<'_>) -> bool {
    MEMBERS.iter().any(|member| value.get(member).is_some())
}

/// Reads a bundle that holds an envelope.
pub(super) fn read(value: &Value<'_>, bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    for (name, _) in value.as_object().into_iter().flatten() {
        if !MEMBERS.contains(&name.as_ref()) {
            let name = name.chars().take(80).collect();
            return Err(EnvelopeError::NotOfBundle { name });
        }
    }
    let media_type = text(value, "mediaType")?;
    let version = MEDIA_TYPES.iter().find(|(known, _)| *known == media_type);
    let Some((_, version)) = version else {
        let found = media_type.chars().take(80).collect();
        return Err(EnvelopeError::BundleVersion { found });
    };
    if value.get("messageSignature").is_some() {
        return Err(EnvelopeError::MessageSignature);
    }
    let material = object(value, "verificationMaterial")?;
    let entries = list(material, "tlogEntries")?;
    let timestamps = match material.get("timestampVerificationData") {
        None | Some(Value::Null) => &[],
        Some(data) => list(data, "rfc3161Timestamps")?,
    };
    let bundle = Bundle {
        version: *version,
        material: read_material(material, bytes)?,
        integrated_at: integrated_at(entries)?,
        inclusion: inclusion(entries, timestamps),
    };
    let mut envelope = envelope_of(object(value, "dsseEnvelope")?)?;
    if envelope.signatures.len() != 1 {
        return Err(EnvelopeError::BundleSignatures { count: envelope.signatures.len() });
    }
    envelope.bundle = Some(Box::new(bundle));
    Ok(envelope)
}

fn read_material(material: &Value<'_>, bytes: &[u8]) -> Result<Material, EnvelopeError> {
    let kinds = ["publicKey", "certificate", "x509CertificateChain"];
    let found: Vec<&str> = kinds.into_iter().filter(|kind| material.get(kind).is_some()).collect();
    match found.as_slice() {
        ["publicKey"] => Ok(Material::PublicKey),
        [_] => Ok(Material::Certificate { bytes: bytes.to_vec() }),
        _ => Err(EnvelopeError::Member {
            member: "verificationMaterial",
            expected: "an object with one of publicKey, certificate, x509CertificateChain",
        }),
    }
}

/// The latest integration time; in protobuf's JSON a 64-bit number is a string, or a number.
fn integrated_at(entries: &[Value<'_>]) -> Result<Option<u64>, EnvelopeError> {
    let mut latest = None;
    for entry in entries {
        let time = match entry.get("integratedTime") {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_u64(),
        };
        let expected = "seconds of Unix time";
        let member = "integratedTime";
        latest = latest.max(Some(time.ok_or(EnvelopeError::Member { member, expected })?));
    }
    Ok(latest)
}

fn inclusion(entries: &[Value<'_>], timestamps: &[Value<'_>]) -> Inclusion {
    let has = |entry: &Value<'_>, member| matches!(entry.get(member), Some(Value::Object(_)));
    let dated =
        |entry: &Value<'_>| entry.get("integratedTime").is_some_and(|it| *it != Value::Null);
    if !entries.is_empty() && entries.iter().all(|entry| has(entry, "inclusionProof")) {
        return Inclusion::Proven;
    }
    match (entries, timestamps) {
        ([entry], []) if has(entry, "inclusionPromise") && dated(entry) => Inclusion::Promised,
        _ => Inclusion::Nothing,
    }
}

fn object<'v, 'a>(
    value: &'v Value<'a>,
    member: &'static str,
) -> Result<&'v Value<'a>, EnvelopeError> {
    let found = value.get(member).filter(|found| found.as_object().is_some());
    found.ok_or(EnvelopeError::Member { member, expected: "an object" })
}

/// A list that may be missing, of bounded length.
fn list<'v, 'a>(
    value: &'v Value<'a>,
    member: &'static str,
) -> Result<&'v [Value<'a>], EnvelopeError> {
    let expected = "a list of at most 16";
    match value.get(member) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) if items.len() <= PROOFS_MAX => Ok(items),
        Some(_) => Err(EnvelopeError::Member { member, expected }),
    }
}

#[cfg(test)]
mod tests;
