//! Which key may say what, and when: the trust document in force, with its look-ups.

mod credential;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use schemas::id::{EntryIndex, EnvironmentName, Hash, IdentityName, KeyId, Project, Time};
use schemas::kind::EventKind;
use schemas::predicate::approval::SigningMode;
use schemas::trust::{
    ALL_PROJECTS, ENTRY_VERSION, Grant, IDENTITIES_MAX, SIGSTORE_ROOTS_MAX, TrustDocument, role,
};

use crate::RULES;
use crate::entry::genesis_prev;
use crate::note::{self, Vkey};
use crate::signature::PublicKey;
use crate::sigstore::{SigstoreRoot, SigstoreRootError};

use credential::Credential;
pub use credential::{decode_key, encode_key};

/// A trust document that keeps the rules of trust documents, with its keys decoded.
#[derive(Debug, Clone)]
pub struct Trust {
    pub document: TrustDocument,
    /// The `prev` of entry 0, by which statements name the ledger itself.
    pub ledger: Hash,
    identities: HashMap<KeyId, (IdentityName, Credential)>,
    /// The Sigstore instances that are believed.
    sigstore_roots: Vec<SigstoreRoot>,
    roots: HashMap<KeyId, Arc<PublicKey>>,
    compromised: HashMap<KeyId, EntryIndex>,
    projects: HashSet<Project>,
    /// Whose name or alias a text is.
    called: HashMap<String, IdentityName>,
    /// The places in the document of each identity's grants.
    grants: HashMap<IdentityName, Vec<usize>>,
}

/// Which rule a trust document breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    #[error("rules {0}: this verifier has rules 1")]
    Rules(u32),
    #[error("entry version {0:?}: a log keeps {ENTRY_VERSION}")]
    EntryVersion(String),
    #[error("the log key is not a vkey of this origin: {0}")]
    LogKey(String),
    #[error("{threshold} of {keys} root keys")]
    Threshold { threshold: u32, keys: usize },
    #[error("key {0} is malformed")]
    Key(String),
    #[error("key {0} stands twice")]
    KeyTwice(KeyId),
    #[error("Sigstore identity of {identity}: {problem}")]
    Sigstore { identity: IdentityName, problem: &'static str },
    #[error("{0} trusted roots of Sigstore: at most {SIGSTORE_ROOTS_MAX}, each once")]
    SigstoreRoots(usize),
    #[error(transparent)]
    SigstoreRoot(#[from] SigstoreRootError),
    #[error("a trusted root of Sigstore begins at {0}, after the entry that pins it")]
    SigstoreRootAhead(Time),
    #[error("identity {0} stands twice, or there are more than {IDENTITIES_MAX}")]
    IdentityTwice(IdentityName),
    #[error("alias {0:?} belongs to two identities, or is empty or too long")]
    Alias(String),
    #[error("grant of {role} to {identity}: {problem}")]
    Grant { identity: IdentityName, role: String, problem: &'static str },
    #[error("{0} of the document in force is changed or dropped")]
    Changed(&'static str),
}

impl Trust {
    /// Checks a document by itself and decodes its keys.
    pub fn of(document: TrustDocument) -> Result<Trust, TrustError> {
        if document.rules != RULES {
            return Err(TrustError::Rules(document.rules));
        }
        if document.entry != ENTRY_VERSION {
            return Err(TrustError::EntryVersion(document.entry));
        }
        let log_key = log_vkey(&document)?;
        let log_key = PublicKey::from_raw(*log_key.public_key())
            .map_err(|cause| TrustError::LogKey(cause.to_string()))?;
        let mut seen = HashSet::from([log_key.key_id()]);
        let roots = credential::decode_keys(&document.roots.keys, &mut seen)?;
        let threshold = document.roots.threshold;
        if threshold == 0 || threshold as usize > roots.len() || roots.len() > 32 {
            return Err(TrustError::Threshold { threshold, keys: roots.len() });
        }
        let identities = credential::decode_identities(&document, &mut seen)?;
        let sigstore_roots = credential::decode_roots(&document)?;
        check_grants(&document)?;
        let mut compromised: HashMap<KeyId, EntryIndex> = HashMap::new();
        for notice in &document.compromises {
            let from = compromised.entry(notice.key).or_insert(notice.from);
            // Of two notices about one key the earlier holds.
            *from = notice.from.min(*from);
        }
        let projects = document
            .grants
            .iter()
            .flat_map(|grant| &grant.projects)
            .filter_map(|name| name.parse().ok())
            .collect();
        let mut grants: HashMap<IdentityName, Vec<usize>> = HashMap::new();
        for (nth, grant) in document.grants.iter().enumerate() {
            grants.entry(grant.identity.clone()).or_default().push(nth);
        }
        let names = document.identities.iter().flat_map(|identity| {
            let aliases = identity.aliases.iter().cloned();
            let names = aliases.chain([identity.name.to_string()]);
            names.map(|name| (name, identity.name.clone()))
        });
        let called = names.collect();
        Ok(Trust {
            called,
            grants,
            ledger: genesis_prev(&document.origin),
            document,
            identities,
            sigstore_roots,
            roots: roots.into_iter().collect(),
            compromised,
            projects,
        })
    }

    /// Checks that this document may follow `old`: what holds for a log's life is unchanged, and
    /// no notice of a compromise is dropped or moved later.
    pub fn check_follows(&self, old: &Trust) -> Result<(), TrustError> {
        let (new, old) = (&self.document, &old.document);
        if new.origin != old.origin {
            return Err(TrustError::Changed("origin"));
        }
        if new.log_key != old.log_key {
            return Err(TrustError::Changed("log key"));
        }
        let kept = |notice: &schemas::trust::Compromise| {
            self.compromised.get(&notice.key).is_some_and(|from| *from <= notice.from)
        };
        if old.compromises.iter().all(kept) {
            Ok(())
        } else {
            Err(TrustError::Changed("a compromise"))
        }
    }

    /// The identity whose key this is, unless the key is compromised from before `index`.
    pub fn identity(&self, key: &KeyId, index: EntryIndex) -> Option<&IdentityName> {
        if self.is_tainted(key, index) {
            return None;
        }
        self.identities.get(key).map(|(name, _)| name)
    }

    /// True where what this key signed at `index` does not count.
    pub fn is_tainted(&self, key: &KeyId, index: EntryIndex) -> bool {
        self.compromised.get(key).is_some_and(|from| *from <= index)
    }

    pub fn public_key(&self, key: &KeyId) -> Option<&Arc<PublicKey>> {
        let theirs = self.identities.get(key).and_then(|(_, credential)| credential.key());
        theirs.or_else(|| self.roots.get(key))
    }

    /// True where the identity has a key that is held in one of these ways and still counts.
    pub fn signs_by(&self, identity: &IdentityName, modes: &[SigningMode]) -> bool {
        self.identities.iter().any(|(id, (name, credential))| {
            let held = credential.key().is_some_and(|key| modes.contains(&key.signing_mode()));
            name == identity && held && !self.compromised.contains_key(id)
        })
    }

    /// Every key that may have signed something: identities and roots.
    pub fn public_keys(&self) -> impl Iterator<Item = (&KeyId, &Arc<PublicKey>)> {
        let theirs = self.identities.iter();
        let theirs = theirs.filter_map(|(id, (_, credential))| Some((id, credential.key()?)));
        theirs.chain(self.roots.iter())
    }

    /// The ids of the Sigstore identities.
    pub fn sigstore_ids(&self) -> impl Iterator<Item = &KeyId> {
        let all = self.identities.iter();
        all.filter(|(_, (_, credential))| credential.key().is_none()).map(|(id, _)| id)
    }

    pub fn sigstore_roots(&self) -> &[SigstoreRoot] {
        &self.sigstore_roots
    }

    /// Checks that everything in the trusted roots counts from before `time`, which is that of the
    /// entry that pins them.
    pub fn check_sigstore_roots(&self, time: Time) -> Result<(), TrustError> {
        match self.sigstore_roots.iter().filter_map(SigstoreRoot::starts).max() {
            Some(start) if start > time => Err(TrustError::SigstoreRootAhead(start)),
            Some(_) | None => Ok(()),
        }
    }

    /// The keys that may sign trust documents.
    pub fn root_keys(&self) -> impl Iterator<Item = (&KeyId, &Arc<PublicKey>)> {
        self.roots.iter()
    }

    /// The root keys that are not compromised.
    pub fn sound_roots(&self, index: EntryIndex) -> HashSet<KeyId> {
        self.roots.keys().filter(|key| !self.is_tainted(key, index)).copied().collect()
    }

    /// True where a grant names this project.
    pub fn has_project(&self, project: &Project) -> bool {
        self.projects.contains(project)
    }

    /// True where the identity has the role for the project, and for the environment if one is
    /// asked about.
    pub fn has_role(
        &self,
        identity: &IdentityName,
        role: &str,
        project: &Project,
        environment: Option<&EnvironmentName>,
    ) -> bool {
        self.grants_of(identity, project, environment).any(|grant| grant.role == role)
    }

    /// True where the identity may record this kind about the project.
    pub fn may_emit(
        &self,
        identity: &IdentityName,
        kind: EventKind,
        project: &Project,
        environment: Option<&EnvironmentName>,
    ) -> bool {
        self.grants_of(identity, project, environment).any(|grant| {
            let listed = grant.kinds.iter().any(|name| name == kind.name());
            grant.role == role::EMITTER && (listed || kind == EventKind::Other)
        })
    }

    /// True where the identity has any role for the project.
    pub fn has_any_role(&self, identity: &IdentityName, project: &Project) -> bool {
        self.grants_of(identity, project, None).next().is_some()
    }

    /// An admin cannot approve, wherever it is one.
    pub fn is_admin(&self, identity: &IdentityName) -> bool {
        self.document
            .grants
            .iter()
            .any(|grant| grant.role == role::ADMIN && grant.identity == *identity)
    }

    /// True for a service identity of the ledger as a whole: of every project, those too that do not
    /// exist yet.
    pub fn is_service(&self, identity: &IdentityName) -> bool {
        self.all_grants_of(identity).any(|grant| {
            let everywhere = grant.projects.iter().any(|name| name == ALL_PROJECTS);
            grant.role == role::SERVICE && everywhere && grant.environments.is_empty()
        })
    }

    /// The identity that an alias (or the identity's own name) belongs to.
    pub fn by_alias(&self, alias: &str) -> Option<&IdentityName> {
        self.called.get(alias)
    }

    /// Everything that an identity is granted, wherever.
    pub(crate) fn all_grants_of(&self, identity: &IdentityName) -> impl Iterator<Item = &Grant> {
        let theirs = self.grants.get(identity).into_iter().flatten();
        theirs.map(|nth| &self.document.grants[*nth])
    }

    pub(crate) fn grants_of(
        &self,
        identity: &IdentityName,
        project: &Project,
        environment: Option<&EnvironmentName>,
    ) -> impl Iterator<Item = &Grant> {
        self.all_grants_of(identity).filter(move |grant| {
            let names = |name: &String| name == ALL_PROJECTS || name == project.as_str();
            grant.projects.iter().any(names)
                && environment.is_none_or(|environment| {
                    grant.environments.is_empty() || grant.environments.contains(environment)
                })
        })
    }
}

/// The log key of a document, which must be an Ed25519 vkey named by the origin.
pub fn log_vkey(document: &TrustDocument) -> Result<Vkey, TrustError> {
    let vkey: Vkey = document
        .log_key
        .parse()
        .map_err(|cause| TrustError::LogKey(format!("{}: {cause}", document.log_key)))?;
    if vkey.name().as_str() != document.origin.as_str()
        || vkey.algorithm() != note::KeyAlgorithm::Ed25519
    {
        return Err(TrustError::LogKey(document.log_key.clone()));
    }
    Ok(vkey)
}

fn check_grants(document: &TrustDocument) -> Result<(), TrustError> {
    let names: HashSet<&IdentityName> = document.identities.iter().map(|it| &it.name).collect();
    for grant in &document.grants {
        if let Some(problem) = grant_problem(&names, grant) {
            let (identity, role) = (grant.identity.clone(), grant.role.clone());
            return Err(TrustError::Grant { identity, role, problem });
        }
    }
    Ok(())
}

fn grant_problem(names: &HashSet<&IdentityName>, grant: &Grant) -> Option<&'static str> {
    let emitter = grant.role == role::EMITTER;
    let kinds_known = grant.kinds.iter().all(|name| EventKind::from_name(name).is_some());
    let project_fits = |name: &String| name == ALL_PROJECTS || name.parse::<Project>().is_ok();
    if !names.contains(&grant.identity) {
        Some("there is no such identity")
    } else if !role::is_word(&grant.role) {
        Some("a role is 1 to 63 lower-case letters, digits and hyphens")
    } else if grant.projects.is_empty() || !grant.projects.iter().all(project_fits) {
        Some("a grant names projects, or *")
    } else if !kinds_known {
        Some("it lists an unknown kind")
    } else if emitter == grant.kinds.is_empty() {
        Some("emitters list the kinds that they record, other roles none")
    } else {
        None
    }
}
