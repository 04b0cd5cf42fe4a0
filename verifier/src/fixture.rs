//! A log made in memory, for tests and benches: a cast with keys from seeds, one verb for each
//! event, and the records to verify.
//!
//! Everything is deterministic: a key is the hash of its name, nonces are counted, and time moves
//! only where the caller says so.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a fixture is part of the tests"
)]

pub mod authenticator;
pub mod body;
pub mod cast;
pub mod forge;
mod happenings;
pub mod traffic;
mod verbs;

use schemas::id::{Digest, EntryIndex, Environment, Hash, KeyId, Origin, Project, Time, TreeSize};
use schemas::kind::EventKind;
use schemas::predicate::{Nonce, Seen};
use schemas::statement::{Statement, Subject};
use schemas::thread::ThreadId;
use schemas::trust::TrustDocument;
use serde::Serialize;

use crate::admission::Refusal;
use crate::event::Event;
use crate::log::{LogReport, LogSource, Record, verify_log, verify_log_heard};
use crate::merkle::proof::prove_consistency;
use crate::policy::{Ask, Evaluation, evaluate};
use crate::replay::{Replay, Scope};
use crate::sequence::Sequence;
use crate::signature::SigningKey;
use crate::signed::{KeyRing, signed_by};
use crate::{merkle, sign};

/// The project that the verbs speak of.
pub const PROJECT: &str = "payments";

/// The name of the fixture's log.
pub const ORIGIN: &str = "ledger.acme.example/audit";

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Makes the key of this name: always the same one.
pub fn key(name: &str) -> SigningKey {
    let seed = merkle::sha256(&[b"attestry fixture key ", name.as_bytes()]);
    SigningKey::from_seed(&seed.0).unwrap()
}

pub fn key_id(name: &str) -> KeyId {
    key(name).public().key_id()
}

/// The digest of an artifact that is told apart by its name.
pub fn artifact(name: &str) -> Digest {
    Digest::sha256(&merkle::sha256(&[name.as_bytes()]))
}

/// A commit that is told apart by its name.
pub fn commit(name: &str) -> Digest {
    let hex = merkle::sha256(&[b"commit ", name.as_bytes()]).to_string();
    format!("gitCommit:{}", &hex[..40]).parse().unwrap()
}

pub fn project() -> Project {
    PROJECT.parse().unwrap()
}

pub fn environment(name: &str) -> Environment {
    Environment { project: project(), name: name.parse().unwrap() }
}

/// A growing log with its state, and everything that its verifier needs.
#[derive(Debug, Clone)]
pub struct World {
    pub sequence: Sequence,
    pub records: Vec<Record>,
    pub leaves: Vec<Hash>,
    /// The trust document in force.
    pub document: TrustDocument,
    /// The time of the next entry.
    pub now: Time,
    ring: KeyRing,
    nonces: u64,
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// A log with entry 0: the cast of [`cast::document`], signed by two of three roots.
    pub fn new() -> World {
        World::of(cast::document(), &["root-1", "root-2"])
    }

    /// A log that begins with this trust document.
    pub fn of(document: TrustDocument, roots: &[&str]) -> World {
        let mut world = World::empty(document.clone());
        world.trust(document, roots).unwrap();
        world
    }

    /// A log before its entry 0.
    pub fn empty(document: TrustDocument) -> World {
        World {
            sequence: Sequence::genesis(&document.origin),
            records: Vec::new(),
            leaves: Vec::new(),
            document,
            now: "2026-11-20T09:00:00.000Z".parse().unwrap(),
            ring: KeyRing::default(),
            nonces: 0,
        }
    }

    /// A log with a policy: each gate list as JSON, for `staging` and for `prod`.
    pub fn with_gates(staging: &str, prod: &str) -> World {
        let mut world = World::new();
        world.policy("paul", &body::policy_json(staging, prod)).unwrap();
        world
    }

    pub fn origin(&self) -> &Origin {
        &self.document.origin
    }

    pub fn size(&self) -> TreeSize {
        self.leaves.len() as TreeSize
    }

    pub fn root(&self) -> Hash {
        self.sequence.chain.root()
    }

    /// What a client has seen that is up to date.
    pub fn seen(&self) -> Seen {
        Seen { size: self.size(), root: self.root() }
    }

    /// Lets time pass.
    pub fn wait(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The next number used once.
    pub fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        Nonce::from_bytes(u128::from(self.nonces).to_be_bytes())
    }

    /// The keys of the log's trust documents that signed.
    pub fn signed_by(&self, event: &Event) -> Vec<KeyId> {
        signed_by(event, &self.ring)
    }

    /// Appends an envelope as a ledger does. Nothing moves where it is refused.
    ///
    /// Gives the index of the last of its entries.
    pub fn append(
        &mut self,
        envelope: &[u8],
        filed: Option<&Project>,
        time: Time,
    ) -> Result<EntryIndex, Refusal> {
        let event = Event::read(envelope).map_err(|cause| {
            let index = Some(self.size());
            Refusal::Rule(schemas::report::Finding::new(cause.code, index, cause.detail))
        })?;
        let keys = self.signed_by(&event);
        self.place(envelope, &event, &keys, filed, time)
    }

    /// Appends an event whose signers the caller knows.
    pub fn place(
        &mut self,
        envelope: &[u8],
        event: &Event,
        keys: &[KeyId],
        filed: Option<&Project>,
        time: Time,
    ) -> Result<EntryIndex, Refusal> {
        let (placed, _) = self.sequence.append(event, keys, filed, time)?;
        for (number, placed) in placed.into_iter().enumerate() {
            self.leaves.push(placed.leaf);
            self.records.push(Record {
                entry: placed.bytes,
                envelope: (number == 0).then(|| envelope.to_vec()),
            });
        }
        if event.kind == EventKind::Trust
            && let Some(trust) = self.sequence.state.trust()
        {
            self.document = trust.document.clone();
            self.ring = KeyRing::of(&self.sequence.state);
        }
        Ok(self.size() - 1)
    }

    /// Signs a statement and appends it now; a second passes before it.
    pub fn log<P: Serialize>(
        &mut self,
        statement: &Statement<P>,
        by: &[&str],
        filed: Option<&str>,
    ) -> Result<EntryIndex, Refusal> {
        let envelope = envelope(statement, by);
        let filed = filed.map(|name| name.parse().unwrap());
        self.now = self.now.plus_ms(SECOND);
        self.append(&envelope, filed.as_ref(), self.now)
    }

    /// Records a body about one digest, filed under the project.
    pub fn record<P: Serialize>(
        &mut self,
        by: &str,
        subject: &Digest,
        predicate_type: &str,
        body: &P,
    ) -> Result<EntryIndex, Refusal> {
        self.record_about(by, &[subject], predicate_type, body)
    }

    /// The same about several digests, each a subject of its own.
    pub fn record_about<P: Serialize>(
        &mut self,
        by: &str,
        subjects: &[&Digest],
        predicate_type: &str,
        body: &P,
    ) -> Result<EntryIndex, Refusal> {
        let subjects = subjects.iter().map(|digest| Subject::of(digest, None)).collect();
        self.log(&Statement::new(subjects, predicate_type, body), &[by], Some(PROJECT))
    }

    /// Asks the gates of an environment about an artifact, now.
    pub fn evaluate(&self, to: &str, artifact: &Digest, request: Option<EntryIndex>) -> Evaluation {
        let ask = Ask { environment: &environment(to), artifact, request };
        evaluate(&self.sequence.state, &ask, self.now).unwrap()
    }

    /// The newest entry of a thread.
    pub fn head(&self, thread: &ThreadId) -> Option<EntryIndex> {
        let head = self.sequence.state.head(thread).unwrap();
        head.map(|head| head.index)
    }

    /// Verifies the whole log from its records.
    pub fn verify(&self) -> LogReport {
        verify_log(self.origin(), &mut self.source()).unwrap()
    }

    /// Evaluates every decision of the log again.
    pub fn replay(&self) -> Replay {
        let mut replay = Replay::of(Scope::default());
        verify_log_heard(self.origin(), &mut self.source(), &mut replay).unwrap();
        replay
    }

    pub fn source(&self) -> MemoryLog {
        MemoryLog::new(self.records.clone())
    }
}

/// Writes a statement and signs it with the keys of these names.
pub fn envelope<P: Serialize>(statement: &Statement<P>, by: &[&str]) -> Vec<u8> {
    let keys: Vec<SigningKey> = by.iter().map(|name| key(name)).collect();
    sign::sign_statement(statement, &keys.iter().collect::<Vec<_>>()).unwrap()
}

/// Records in memory, read in batches.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    pub records: Vec<Record>,
    pub batch: usize,
    next: usize,
}

impl MemoryLog {
    pub fn new(records: Vec<Record>) -> MemoryLog {
        MemoryLog { records, batch: 16, next: 0 }
    }
}

impl LogSource for MemoryLog {
    type Error = crate::merkle::proof::ProveError<merkle::NoSubtree>;

    fn next_records(&mut self) -> Result<Vec<Record>, Self::Error> {
        let end = (self.next + self.batch).min(self.records.len());
        let batch = self.records[self.next..end].to_vec();
        self.next = end;
        Ok(batch)
    }

    fn consistency(&mut self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, Self::Error> {
        let leaves: Vec<Hash> =
            self.records.iter().map(|record| merkle::leaf_hash(&record.entry)).collect();
        prove_consistency(&mut leaves.as_slice(), from, to)
    }
}
