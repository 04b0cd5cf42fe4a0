//! Sigstore identities: who signed a bundle, as a certificate authority and a log testify.
//!
//! The signing key of such a bundle lived for ten minutes. What lasts is the certificate that binds
//! it to an issuer and a subject (a workflow, an e-mail address), and proof that the signature was
//! logged or timestamped while the certificate was valid. All of it is checked against a trusted
//! root that the trust document carries, and nothing is fetched.
//!
//! Whoever controls an authority of that root can sign as anybody whom it certifies.

mod provider;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use schemas::id::{Digest, DigestAlgorithm, Hash, KeyId, Time};
use schemas::trust::{SIGSTORE_ROOT_BYTES_MAX, SigstoreName};
use sigstore_verify::crypto::SubjectAltName;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{
    Artifact, ArtifactDigest, Bundle as SigstoreBundle, HashAlgorithm, SignatureContent,
};
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier};

use crate::dsse::{Bundle, BundleVersion, Inclusion, Material};
use crate::event::Event;
use crate::json::{self, Value};
use crate::merkle::sha256;

/// A trusted root: the authorities and logs of one Sigstore instance.
#[derive(Clone)]
pub struct SigstoreRoot {
    verifier: Arc<Verifier>,
    /// SHA-256 of its text.
    digest: Hash,
    /// The latest moment from which an authority or log of it counts.
    starts: Option<Time>,
    transparency: Transparency,
}

/// What an instance has beside its certificate authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Transparency {
    /// A log of signatures: each must be in it. Without one, signed timestamps tell the time.
    log: bool,
    /// A log of certificates: each must have been promised to it.
    certificates: bool,
}

/// Why a text is no trusted root that can be verified against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreRootError {
    #[error("trusted root of {bytes} bytes, at most {SIGSTORE_ROOT_BYTES_MAX} are accepted")]
    TooLarge { bytes: usize },
    #[error("trusted root is not strict JSON: {0}")]
    Json(json::JsonError),
    #[error("trusted root cannot be used: {0}")]
    Unusable(String),
    #[error("the library that checks Sigstore bundles was given another crypto provider")]
    Provider,
}

impl SigstoreRoot {
    /// Reads the text of a `trusted_root.json`.
    pub fn parse(text: &str) -> Result<SigstoreRoot, SigstoreRootError> {
        if text.len() > SIGSTORE_ROOT_BYTES_MAX {
            return Err(SigstoreRootError::TooLarge { bytes: text.len() });
        }
        provider::install().ok_or(SigstoreRootError::Provider)?;
        let unusable = |cause: &dyn fmt::Display| SigstoreRootError::Unusable(cause.to_string());
        let value = json::parse(text.as_bytes()).map_err(SigstoreRootError::Json)?;
        let starts = latest_start(&value).map_err(|text| unusable(&text))?;
        let root = TrustedRoot::from_json(text).map_err(|cause| unusable(&cause))?;
        if root.certificate_authorities.is_empty() {
            return Err(unusable(&"it names no certificate authority"));
        }
        let transparency =
            Transparency { log: !root.tlogs.is_empty(), certificates: !root.ctlogs.is_empty() };
        if !transparency.log && root.timestamp_authorities.is_empty() {
            return Err(unusable(&"it names no log and no timestamp authority"));
        }
        let verifier = Verifier::new(&root).map_err(|cause| unusable(&cause))?;
        let digest = sha256(&[text.as_bytes()]);
        Ok(SigstoreRoot { verifier: Arc::new(verifier), digest, starts, transparency })
    }

    /// SHA-256 of the text, as `sha256sum trusted_root.json` prints it.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The latest moment from which an authority or log of it counts.
    ///
    /// The library that checks bundles leaves out, by its own clock, what has not begun. A trust
    /// document is refused whose roots begin after its own entry, so that on no sound clock
    /// anything is left out, and every machine gives the same answer.
    pub fn starts(&self) -> Option<Time> {
        self.starts
    }
}

impl fmt::Debug for SigstoreRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigstoreRoot({})", self.digest)
    }
}

/// The id of a Sigstore identity, where others have the id of their key.
///
/// The key of each signature is another one; what is counted, and may be compromised, is the
/// concrete issuer and subject. Neither holds a line feed.
pub fn key_id(name: &SigstoreName) -> KeyId {
    sha256(&[
        b"attestry/sigstore/v1\n",
        name.issuer.as_bytes(),
        b"\n",
        name.subject.as_bytes(),
        b"\n",
    ])
}

/// Whoever signed the bundle of an event, by the first of the roots under which everything holds.
///
/// The answer is about bytes alone, and nobody where anything could not be told. That the log took
/// the signature before the ledger did is the rule of whoever knows the entry's time.
pub fn signer(event: &Event, roots: &[SigstoreRoot]) -> Option<SigstoreName> {
    let bundle = event.signed.bundle.as_deref()?;
    let Material::Certificate { bytes } = &bundle.material else {
        return None;
    };
    let text = str::from_utf8(bytes).ok()?;
    let artifact = event.digests().find_map(artifact)?;
    roots.iter().find_map(|root| {
        let proof = proof(bundle, root)?;
        // A panic of the library is no signature. It must not stop a server or an audit either.
        let check = || verify(text, event, &artifact, root, proof);
        catch_unwind(AssertUnwindSafe(check)).ok().flatten()
    })
}

/// Which proof of a log is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Inclusion,
    /// None, because the time is proven otherwise: by the log's signed promise, which version 0.1
    /// allows, or by a timestamp, where the instance has no log.
    Time,
}

fn proof(bundle: &Bundle, root: &SigstoreRoot) -> Option<Proof> {
    match (root.transparency.log, bundle.inclusion) {
        (true, Inclusion::Proven) => Some(Proof::Inclusion),
        // With one promise and no timestamp, a verified time is that of the promise.
        (true, Inclusion::Promised) if bundle.version == BundleVersion::V01 => Some(Proof::Time),
        (true, Inclusion::Promised | Inclusion::Nothing) => None,
        (false, _) => Some(Proof::Time),
    }
}

/// One digest of the statement itself: the library wants to know what the bundle is about.
fn artifact(digest: &Digest) -> Option<ArtifactDigest> {
    let algorithm = match digest.algorithm() {
        DigestAlgorithm::Sha256 => HashAlgorithm::Sha2256,
        DigestAlgorithm::Sha512 => HashAlgorithm::Sha2512,
        DigestAlgorithm::Sha384 | DigestAlgorithm::GitCommit => return None,
    };
    let hex = digest.hex().as_bytes().chunks_exact(2);
    let bytes: Option<Vec<u8>> =
        hex.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect();
    ArtifactDigest::new(algorithm, bytes?).ok()
}

fn verify(
    text: &str,
    event: &Event,
    artifact: &ArtifactDigest,
    root: &SigstoreRoot,
    proof: Proof,
) -> Option<SigstoreName> {
    let bundle = SigstoreBundle::from_json(text).ok()?;
    if !is_what_we_read(&bundle, event) {
        return None;
    }
    let mut policy = VerificationPolicy::any_identity();
    if proof == Proof::Time {
        policy = policy.skip_tlog_unsafe();
    }
    if !root.transparency.certificates {
        policy = policy.skip_sct();
    }
    let artifact = Artifact::from_digest(artifact.clone());
    let result = root.verifier.verify(artifact, &bundle, &policy).ok()?;
    let told = result.certificate_verified()
        && result.tlog_verified() == (proof == Proof::Inclusion)
        && result.sct_verified() == root.transparency.certificates
        && !result.verified_timestamps().is_empty();
    if told { name_of(&result) } else { None }
}

/// Whether the library has read the same payload and signature as we have.
fn is_what_we_read(bundle: &SigstoreBundle, event: &Event) -> bool {
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        return false;
    };
    let ours = &event.signed;
    let signature = ours.signatures.first().map(|signature| signature.sig.as_slice());
    envelope.payload_type == crate::dsse::PAYLOAD_TYPE
        && envelope.payload.as_bytes() == ours.payload
        && Some(envelope.signature.sig.as_bytes()) == signature
}

fn name_of(result: &VerificationResult) -> Option<SigstoreName> {
    let subject = match result.identity()? {
        SubjectAltName::Email(text) | SubjectAltName::Uri(text) => text.clone(),
        _ => return None,
    };
    let name = SigstoreName { issuer: result.issuer()?.to_owned(), subject };
    name.is_sound().then_some(name)
}

/// The latest `start` of a validity anywhere in a trusted root.
fn latest_start(value: &Value<'_>) -> Result<Option<Time>, String> {
    let mut latest = None;
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let found = match value {
                    Value::String(text) if name == "start" => Some(
                        parse_start(text).ok_or_else(|| format!("start {text:?} is no time"))?,
                    ),
                    _ => latest_start(value)?,
                };
                latest = latest.max(found);
            }
        }
        Value::Array(values) => {
            for value in values {
                latest = latest.max(latest_start(value)?);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(latest)
}

/// Reads a time to the millisecond, rounded up.
fn parse_start(text: &str) -> Option<Time> {
    Time::parse_rfc3339(text).map(|time| time.plus_ms(1))
}

#[cfg(test)]
mod tests;
