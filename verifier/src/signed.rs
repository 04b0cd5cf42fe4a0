//! Which known keys signed an event. A fact about bytes: valid whenever it is asked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use schemas::id::{Hash, KeyId};

use crate::dsse::{self, EnvelopeSignature};
use crate::event::{Body, Event, EventError};
use crate::projection::State;
use crate::signature::PublicKey;
use crate::sigstore::{self, SigstoreRoot};
use crate::trust::Trust;

/// Most checks of one envelope's signatures against known keys.
///
/// A foreign envelope may name its keys in its own way, and then every known key is tried.
const ATTEMPTS_MAX: usize = 1024;

/// The keys that signatures are checked against: those of one trust document.
///
/// Whoever judges an event judges it by the keys in force just before it, whichever keys there were
/// earlier; else a ledger that was started anew would count other signers than one that was not.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    version: Option<Hash>,
    keys: HashMap<KeyId, Arc<PublicKey>>,
    order: Vec<KeyId>,
    /// The Sigstore identities, and the roots by which they are told.
    sigstore: Arc<Sigstore>,
}

#[derive(Debug, Default)]
struct Sigstore {
    ids: HashSet<KeyId>,
    roots: Vec<SigstoreRoot>,
}

impl KeyRing {
    /// The keys in force in a state; none before entry 0.
    pub fn of(state: &State) -> KeyRing {
        let version = state.control().trust.as_ref().map(|trust| trust.statement);
        let ring = state.trust().map(|trust| KeyRing::of_document(trust)).unwrap_or_default();
        KeyRing { version, ..ring }
    }

    /// The keys of a document by itself, for those who show who signed.
    pub fn of_document(trust: &Trust) -> KeyRing {
        let ids = trust.sigstore_ids().copied().collect();
        let roots = trust.sigstore_roots().to_vec();
        let mut ring =
            KeyRing { sigstore: Arc::new(Sigstore { ids, roots }), ..KeyRing::default() };
        ring.extend(trust.public_keys());
        ring
    }

    fn extend<'a>(&mut self, keys: impl Iterator<Item = (&'a KeyId, &'a Arc<PublicKey>)>) {
        for (id, key) in keys {
            if self.keys.insert(*id, Arc::clone(key)).is_none() {
                self.order.push(*id);
            }
        }
        self.order.sort_unstable();
    }

    /// The statement of the trust document whose keys these are.
    pub fn version(&self) -> Option<Hash> {
        self.version
    }

    pub fn get(&self, key: &KeyId) -> Option<&Arc<PublicKey>> {
        self.keys.get(key)
    }
}

/// The distinct known keys that signed, in the order of the signatures.
///
/// Our own kinds name the key by its id, and no other is tried; elsewhere `keyid` only orders the
/// attempts. A trust document brings its own roots: those of entry 0, and those that a rotation
/// puts in force, are in no document before it.
pub fn signed_by(event: &Event, ring: &KeyRing) -> Vec<KeyId> {
    match &event.body {
        Body::Trust(body, _) => match Trust::of(body.trust.clone()) {
            Ok(trust) => {
                let mut ring = ring.clone();
                ring.extend(trust.root_keys());
                signed_by_known(event, &ring)
            }
            Err(_) => signed_by_known(event, ring),
        },
        _ => signed_by_known(event, ring),
    }
}

fn signed_by_known(event: &Event, ring: &KeyRing) -> Vec<KeyId> {
    let message = dsse::pae(schemas::statement::PAYLOAD_TYPE, &event.signed.payload);
    let mut found: Vec<KeyId> = Vec::with_capacity(1);
    let mut attempts = 0;
    for signature in &event.signed.signatures {
        let key = signer(event, ring, &message, signature, &mut attempts);
        if let Some(key) = key
            && !found.contains(&key)
        {
            found.push(key);
        }
    }
    if found.is_empty() {
        found.extend(certified(event, &ring.sigstore));
    }
    found
}

/// The known Sigstore identity that signed a bundle. The one signature of a bundle is either that of
/// a known key or of a certified one.
fn certified(event: &Event, sigstore: &Sigstore) -> Option<KeyId> {
    if sigstore.ids.is_empty() || event.kind.is_own() {
        return None;
    }
    let name = sigstore::signer(event, &sigstore.roots)?;
    Some(sigstore::key_id(&name)).filter(|id| sigstore.ids.contains(id))
}

fn signer(
    event: &Event,
    ring: &KeyRing,
    message: &[u8],
    signature: &EnvelopeSignature,
    attempts: &mut usize,
) -> Option<KeyId> {
    let named: Option<Hash> = signature.keyid.as_deref().and_then(|text| text.parse().ok());
    let mut fits = |id: &KeyId| {
        *attempts += 1;
        *attempts <= ATTEMPTS_MAX
            && ring.get(id).is_some_and(|key| key.verify(message, &signature.sig).is_ok())
    };
    if let Some(id) = named.filter(|id| ring.get(id).is_some())
        && fits(&id)
    {
        return Some(id);
    }
    if event.kind.is_own() {
        return None;
    }
    ring.order.iter().find(|id| Some(**id) != named && fits(id)).copied()
}

/// Reads envelopes and checks their signatures, over all cores; the answers keep the order.
pub fn read_all(
    envelopes: &[Vec<u8>],
    ring: &KeyRing,
) -> Vec<Result<(Event, Vec<KeyId>), EventError>> {
    use rayon::prelude::*;
    envelopes.par_iter().map(|bytes| read_one(bytes, ring)).collect()
}

/// Reads an envelope and checks its signatures.
pub fn read_one(bytes: &[u8], ring: &KeyRing) -> Result<(Event, Vec<KeyId>), EventError> {
    let event = Event::read(bytes)?;
    let keys = signed_by(&event, ring);
    Ok((event, keys))
}
