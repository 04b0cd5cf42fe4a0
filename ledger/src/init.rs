//! Makes a new ledger: keys, database, and entry 0 signed by the roots.

use std::path::Path;
use std::sync::Arc;

use schemas::id::{Digest, IdentityName, Origin};
use schemas::predicate::trust::{self, Trust};
use schemas::statement::{Statement, Subject};
use schemas::trust::{ALL_PROJECTS, ENTRY_VERSION, Grant, Identity, Roots, TrustDocument, role};
use verifier::checkpoint::log_vkey;
use verifier::merkle;
use verifier::pin::{Pin, format_pin};
use verifier::signature::SigningKey;
use verifier::trust::encode_key;
use verifier::{canonical, sign};

use crate::clock::Clock;
use crate::database::Database;
use crate::error::{LedgerError, file_error, malformed};
use crate::folder::{Folder, write_durably, write_key};
use crate::ledger::Ledger;
use crate::store::AnyStore;

/// The name of the ledger's own identity, which signs decisions, heads and exports.
pub const SERVICE: &str = "ledger";

impl Ledger<AnyStore> {
    /// Makes a ledger in an empty or absent folder. The root keys stay with the caller: all of
    /// them are needed to change who may do what.
    pub async fn init(
        root: &Path,
        origin: &Origin,
        roots: &[SigningKey],
        high_water: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Ledger, LedgerError> {
        let folder = Folder::new(root);
        folder.create()?;
        let store = folder.database()?.create().await?;
        Ledger::init_on(store, folder, origin, roots, high_water, clock).await
    }

    /// Makes a ledger whose log is in another database, which holds none yet.
    pub async fn init_in(
        database: &Database,
        root: &Path,
        origin: &Origin,
        roots: &[SigningKey],
        high_water: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Ledger, LedgerError> {
        let folder = Folder::new(root);
        folder.check_empty()?;
        // It may be away, or hold a log: then nothing is made here.
        let store = database.create().await?;
        folder.create()?;
        folder.name_database(database)?;
        Ledger::init_on(store, folder, origin, roots, high_water, clock).await
    }

    async fn init_on(
        store: AnyStore,
        folder: Folder,
        origin: &Origin,
        roots: &[SigningKey],
        high_water: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Ledger, LedgerError> {
        let (log, service) = (generate_key()?, generate_key()?);
        write_key(&folder.log_key(), &log)?;
        write_key(&folder.service_key(), &service)?;
        let document = first_document(origin, &log, &service, roots)?;
        let envelope = sign_trust(&document, None, roots)?;
        let vkey = log_vkey(origin, log.ed25519());
        let unpinned = verifier::pin::parse_pin(format!("{vkey}\n").as_bytes())
            .map_err(|cause| malformed("pin", cause))?;
        let mut ledger = Ledger::assemble(store, folder, unpinned, high_water, clock, false)?;
        let mut working = ledger.begin().await?;
        Ledger::<AnyStore>::append_own(&mut working, envelope).await?;
        ledger.commit(working, &log).await?;
        let genesis = merkle::leaf_hash(&ledger.entry(0).await?.entry);
        let pin = Pin::new(vkey, genesis).map_err(|cause| malformed("pin", cause))?;
        ledger.pin = std::sync::Arc::new(pin);
        write_durably(&ledger.folder.pin(), format_pin(&ledger.pin).as_bytes(), 0o644)?;
        Ok(ledger)
    }
}

/// Makes a key from the system's randomness.
pub fn generate_key() -> Result<SigningKey, LedgerError> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|cause| LedgerError::Random(cause.to_string()))?;
    SigningKey::from_seed(&seed).map_err(|cause| malformed("key", cause))
}

fn first_document(
    origin: &Origin,
    log: &SigningKey,
    service: &SigningKey,
    roots: &[SigningKey],
) -> Result<TrustDocument, LedgerError> {
    let name: IdentityName = SERVICE.parse().map_err(|cause| malformed("identity", cause))?;
    let grant = Grant {
        identity: name.clone(),
        role: role::SERVICE.to_owned(),
        kinds: Vec::new(),
        projects: vec![ALL_PROJECTS.to_owned()],
        environments: Vec::new(),
    };
    let keys = vec![encode_key(service.public())];
    Ok(TrustDocument {
        origin: origin.clone(),
        entry: ENTRY_VERSION.to_owned(),
        rules: verifier::RULES,
        log_key: log_vkey(origin, log.ed25519()).to_string(),
        roots: Roots {
            threshold: u32::try_from(roots.len()).unwrap_or(u32::MAX),
            keys: roots.iter().map(|key| encode_key(key.public())).collect(),
        },
        identities: vec![Identity {
            name,
            keys,
            sigstore: Vec::new(),
            aliases: Vec::new(),
            card: None,
        }],
        grants: vec![grant],
        sigstore_roots: Vec::new(),
        compromises: Vec::new(),
    })
}

/// Signs a trust document that replaces the one whose statement is named.
pub fn sign_trust(
    document: &TrustDocument,
    replaces: Option<schemas::id::Hash>,
    roots: &[SigningKey],
) -> Result<Vec<u8>, LedgerError> {
    let keys: Vec<&SigningKey> = roots.iter().collect();
    Ok(sign::sign_payload(&trust_payload(document, replaces)?, &keys))
}

/// The payload of such a statement, for those who sign it elsewhere.
pub fn trust_payload(
    document: &TrustDocument,
    replaces: Option<schemas::id::Hash>,
) -> Result<Vec<u8>, LedgerError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|cause| LedgerError::Random(cause.to_string()))?;
    let body = Trust {
        ledger: document.origin.clone(),
        nonce: schemas::predicate::Nonce::from_bytes(nonce),
        trust: document.clone(),
        replaces,
    };
    let bytes = canonical::canonical_of(document).map_err(|cause| malformed("trust", cause))?;
    let digest = Digest::sha256(&merkle::sha256(&[&bytes]));
    let statement = Statement::new(vec![Subject::of(&digest, None)], trust::TYPE, body);
    sign::payload_of(&statement).map_err(|cause| malformed("trust", cause))
}

/// Reads a file that must be there.
pub fn read_file(path: &Path) -> Result<Vec<u8>, LedgerError> {
    std::fs::read(path).map_err(file_error(path))
}
