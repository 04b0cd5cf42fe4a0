//! A new ledger with the people of a small release team.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::clock::ManualClock;
use ledger::init::{generate_key, sign_trust};
use ledger::{Ledger, LedgerError, Logged, Submission};
use schemas::id::{Digest, Hash, Origin, Project, Time};
use schemas::predicate::note::{self, Note};
use schemas::statement::{Statement, Subject};
use schemas::trust::{Grant, Identity, role};
use serde::Serialize;
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;
use verifier::trust::encode_key;

pub struct World {
    pub folder: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub ledger: Ledger,
    pub root: SigningKey,
    /// Release manager and policy admin.
    pub writer: SigningKey,
    /// Emitter of everything.
    pub ci: SigningKey,
    /// Release approver.
    pub approver: SigningKey,
}

pub const PROJECT: &str = "payments";

fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_pkcs8_pem(&key.to_pkcs8_pem().unwrap()).unwrap()
}

pub async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let start: Time = "2026-11-20T17:00:00.000Z".parse().unwrap();
    let clock = Arc::new(ManualClock::at(start));
    let origin: Origin = "ledger.test".parse().unwrap();
    let [root, writer, ci, approver] = std::array::from_fn(|_| generate_key().unwrap());
    let roots = [copy(&root)];
    let path = folder.path().join("l");
    let ledger =
        Ledger::init(&path, &origin, &roots, &state(&folder), clock.clone()).await.unwrap();
    let trust = ledger.control().await.unwrap().trust.unwrap();
    let mut document = trust.document;
    let kinds = ["build", "test", "vulnerabilities", "review", "deployment", "other"];
    for (name, key, roles) in [
        ("writer", &writer, vec![role::RELEASE_MANAGER, role::POLICY_ADMIN]),
        ("ci", &ci, vec![role::EMITTER]),
        ("approver", &approver, vec!["release-approver"]),
    ] {
        let name: schemas::id::IdentityName = name.parse().unwrap();
        let (keys, aliases) = (vec![encode_key(key.public())], Vec::new());
        let sigstore = Vec::new();
        document.identities.push(Identity {
            name: name.clone(),
            keys,
            sigstore,
            aliases,
            card: None,
        });
        for role in roles {
            let emits = role == role::EMITTER;
            let kinds = if emits { kinds.map(str::to_owned).to_vec() } else { Vec::new() };
            let (identity, role, projects) = (name.clone(), role.to_owned(), vec![PROJECT.into()]);
            document.grants.push(Grant { identity, role, kinds, projects, environments: vec![] });
        }
    }
    let envelope = sign_trust(&document, Some(trust.statement), &roots).unwrap();
    let world = World { folder, clock, ledger, root, writer, ci, approver };
    world.submit(envelope).await.unwrap();
    world
}

pub fn state(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("state")
}

impl World {
    pub async fn submit(&self, envelope: Vec<u8>) -> Result<Logged, LedgerError> {
        self.file(envelope, None).await
    }

    /// Submits a foreign statement under the project.
    pub async fn file(
        &self,
        envelope: Vec<u8>,
        project: Option<Project>,
    ) -> Result<Logged, LedgerError> {
        let one = Submission { envelope, project, attachments: Vec::new() };
        self.ledger.submit(vec![one]).await.unwrap().remove(0)
    }

    /// Signs and logs a statement about an artifact.
    pub async fn log<P: Serialize>(
        &self,
        about: &Digest,
        kind: &str,
        body: P,
        key: &SigningKey,
    ) -> Logged {
        let statement = Statement::new(vec![Subject::of(about, Some("app"))], kind, body);
        let envelope = sign_statement(&statement, &[key]).unwrap();
        self.file(envelope, Some(PROJECT.parse().unwrap())).await.unwrap()
    }

    pub fn note(&self, text: &str, key: &SigningKey) -> Vec<u8> {
        self.noted(text, 7, key)
    }

    /// A note about one of many artifacts.
    pub fn note_about(&self, artifact: u8, key: &SigningKey) -> Vec<u8> {
        self.noted("about one of many", artifact, key)
    }

    fn noted(&self, text: &str, artifact: u8, key: &SigningKey) -> Vec<u8> {
        let digest = Digest::sha256(&Hash([artifact; 32]));
        let body = Note {
            ledger: self.ledger.origin().clone(),
            project: PROJECT.parse().unwrap(),
            nonce: self.ledger.nonce().unwrap(),
            text: text.into(),
            about: None,
        };
        let statement = Statement::new(vec![Subject::of(&digest, None)], note::TYPE, body);
        sign_statement(&statement, &[key]).unwrap()
    }

    pub async fn reopen(&self, root: &Path) -> Result<Ledger, LedgerError> {
        Ledger::open_with(root, &state(&self.folder), self.clock.clone(), false).await
    }

    pub async fn verify(&self) -> verifier::log::LogReport {
        self.ledger.verify(|_| ()).await.unwrap()
    }
}
