//! The ledger: what it is, and how it is appended to.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use schemas::id::{EntryIndex, Environment, Hash, Origin, Time};
use schemas::kind::EventKind;
use schemas::predicate::Nonce;
use schemas::report::Finding;
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::event::{Body, Event};
use verifier::pin::Pin;
use verifier::projection::State;
use verifier::signature::SigningKey;
use verifier::signed::{KeyRing, read_all, read_one};

use crate::clock::Clock;
use crate::documents::Documents;
use crate::error::{LedgerError, malformed};
use crate::export::Asked;
use crate::folder::{Folder, read_key};
use crate::heads::KeptHeads;
use crate::loader::{Loader, Warm};
use crate::metrics::Metrics;
use crate::objects::Objects;
use crate::publish::{Published, Publisher};
use crate::receipts::{receipts_at_hand, receipts_of};
use crate::store::{AnyStore, Pool, Store, StoredEntry};
use crate::tree::Tiles;
use crate::working::{Incoming, Place, Working};

/// As many envelopes are read on the thread that has them: two or three milliseconds of work, and
/// less than it takes to have another do them and to be woken when it has.
const READ_HERE_MAX: usize = 64;

/// One thing to log.
#[derive(Debug, Clone)]
pub struct Submission {
    pub envelope: Vec<u8>,
    /// Where a foreign statement is filed.
    pub project: Option<schemas::id::Project>,
    /// Raw reports and the like, content-addressed.
    pub attachments: Vec<Vec<u8>>,
}

/// The answer to a submission.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The entry at which the event is folded: the last of its parts.
    pub index: EntryIndex,
    pub kind: EventKind,
    /// It was logged before; the receipt is that of its first entry.
    pub repeated: bool,
    /// C2SP tlog-proof file; a list of them where the statement has several parts.
    pub receipt: String,
    /// What the rules remark of it.
    pub notices: Vec<Finding>,
    pub statement: Hash,
    /// The request that it makes, answers or carries out.
    pub promotion: Option<EntryIndex>,
}

/// An entry with its envelope, which is kept with the first part of its statement.
pub type Stored = StoredEntry;

pub struct Ledger<S: Store = AnyStore> {
    pub(crate) store: S,
    pub(crate) folder: Folder,
    pub(crate) objects: Objects,
    pub(crate) pin: Arc<Pin>,
    pub(crate) origin: Origin,
    pub(crate) publisher: Publisher,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// An operator has said that a clock far ahead of the newest entry is right.
    pub(crate) accept_clock: bool,
    /// The keys that were known when last asked; refreshed where the trust document has changed.
    pub(crate) ring: Mutex<Arc<KeyRing>>,
    /// The state that the last append has left.
    pub(crate) kept: Arc<Mutex<Option<Warm>>>,
    /// Whether this process asks witnesses.
    pub(crate) asked: Asked,
    /// The newest checkpoint that a quorum has cosigned, where somebody collects cosignatures.
    pub(crate) vouched: Mutex<Option<VerifiedCheckpoint>>,
    /// To tell who signed what is shown.
    pub(crate) documents: Documents,
    /// To prove where a thread ended.
    pub(crate) kept_heads: KeptHeads,
    /// The log key, once something was signed.
    pub(crate) key: OnceLock<SigningKey>,
}

impl<S: Store> Ledger<S> {
    /// What to show to whoever asks for witnesses; an older one never replaces a newer one.
    pub(crate) fn vouch(&self, checkpoint: Option<VerifiedCheckpoint>) {
        if let (Ok(mut vouched), Some(new)) = (self.vouched.lock(), checkpoint)
            && vouched.as_ref().is_none_or(|old| old.size() <= new.size())
        {
            *vouched = Some(new);
        }
    }

    pub(crate) fn vouched(&self) -> Option<VerifiedCheckpoint> {
        self.vouched.lock().ok().and_then(|vouched| vouched.clone())
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Where the high-water file of this ledger is.
    pub fn high_water(&self) -> PathBuf {
        self.publisher.high_water.path().to_owned()
    }

    /// What this process counts of the ledger.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The connections that this process has to the database now.
    pub fn pools(&self) -> Vec<Pool> {
        self.store.pools()
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The key that signs checkpoints, read once: whoever appends needs it every time.
    pub(crate) fn log_key(&self) -> Result<&SigningKey, LedgerError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = read_key(&self.folder.log_key(), "the log key")?;
        let public = verifier::checkpoint::log_vkey(&self.origin, key.ed25519());
        if public == *self.pin.log() {
            Ok(self.key.get_or_init(|| key))
        } else {
            Err(malformed("keys/log.pem", "it is not the key that pin.txt names"))
        }
    }

    pub(crate) fn service_key(&self) -> Result<SigningKey, LedgerError> {
        read_key(&self.folder.service_key(), "the service key")
    }

    pub fn nonce(&self) -> Result<Nonce, LedgerError> {
        nonce()
    }

    /// Logs a batch in one transaction; each submission has its own answer.
    pub async fn submit(
        &self,
        batch: Vec<Submission>,
    ) -> Result<Vec<Result<Logged, LedgerError>>, LedgerError> {
        let incoming = self.read(batch).await?;
        let working = self.begin().await?;
        self.log(incoming, working).await
    }

    /// Judges what was read, and logs what the rules accept.
    pub(crate) async fn log(
        &self,
        incoming: Vec<Result<Incoming, Finding>>,
        mut working: Working<S::Append>,
    ) -> Result<Vec<Result<Logged, LedgerError>>, LedgerError> {
        let key = self.log_key()?;
        let prepared: Vec<&Incoming> = incoming.iter().filter_map(|it| it.as_ref().ok()).collect();
        working.prepare(&prepared).await?;
        let mut places = Vec::with_capacity(incoming.len());
        for it in incoming {
            places.push(match it {
                Err(finding) => Err(finding),
                Ok(it) => {
                    let mut about = About::of(&it.event);
                    if about.request.is_none() {
                        about.request = granted(working.state(), &it.event);
                    }
                    working.append(it).await?.map(|place| (place, about))
                }
            });
        }
        let (published, tiles) = self.commit(working, key).await?;
        self.answer(places, published, tiles).await
    }

    /// Reads envelopes, checks their signatures and keeps what is attached, outside of any lock.
    ///
    /// Over all cores but one: whoever holds the lock keeps everybody waiting, and is not to wait
    /// for a core.
    pub(crate) async fn read(
        &self,
        batch: Vec<Submission>,
    ) -> Result<Vec<Result<Incoming, Finding>>, LedgerError> {
        self.log_key()?;
        for attachment in batch.iter().flat_map(|submission| &submission.attachments) {
            self.objects.attach(attachment).await?;
        }
        let ring = self.ring.lock().map(|ring| Arc::clone(&ring)).unwrap_or_default();
        let version = ring.version();
        let (envelopes, projects): (Vec<Vec<u8>>, Vec<_>) =
            batch.into_iter().map(|it| (it.envelope, it.project)).unzip();
        let few = envelopes.len() <= READ_HERE_MAX;
        let read = move || {
            let events = match readers() {
                Some(readers) if envelopes.len() > 1 => {
                    readers.install(|| read_all(&envelopes, &ring))
                }
                _ => envelopes.iter().map(|bytes| read_one(bytes, &ring)).collect(),
            };
            (events, envelopes)
        };
        let (events, envelopes) = match few {
            true => read(),
            false => tokio::task::spawn_blocking(read).await.map_err(|_| LedgerError::Abandoned)?,
        };
        let parts = events.into_iter().zip(envelopes).zip(projects);
        Ok(parts
            .map(|((event, envelope), filed)| match event {
                Ok((event, keys)) => Ok(Incoming { event, keys, ring: version, filed, envelope }),
                Err(cause) => Err(Finding::new(cause.code, None, cause.detail)),
            })
            .collect())
    }

    pub(crate) async fn begin(&self) -> Result<Working<S::Append>, LedgerError> {
        self.publisher.check_signing()?;
        let appending = self.publisher.appending();
        let append = self.store.lock().await?;
        let (now, accept) = (self.clock.now(), self.accept_clock);
        Working::begin(append, &self.origin, now, accept, &self.kept, appending).await
    }

    pub(crate) async fn commit(
        &self,
        working: Working<S::Append>,
        key: &SigningKey,
    ) -> Result<(Published, Tiles), LedgerError> {
        if let Ok(mut ring) = self.ring.lock() {
            *ring = Arc::new(working.ring().clone());
        }
        let committed = working.commit().await?;
        let published = self.publisher.publish(&self.store, &committed, key).await?;
        let tiles = match published.checkpoint.size() == committed.frontier.size() {
            true => committed.tiles,
            // Somebody has published a longer log: its edge is elsewhere.
            false => Tiles::default(),
        };
        Ok((published, tiles))
    }

    async fn answer(
        &self,
        places: Vec<Result<(Place, About), Finding>>,
        published: Published,
        mut tiles: Tiles,
    ) -> Result<Vec<Result<Logged, LedgerError>>, LedgerError> {
        let Published { checkpoint, entries } = published;
        let logged: Vec<&Place> = places.iter().flatten().map(|(place, _)| place).collect();
        let receipts = match receipts_at_hand(&mut tiles, &entries, &logged, &checkpoint)? {
            Some(receipts) => receipts,
            None => {
                let mut read = self.store.snapshot().await?;
                receipts_of(&mut read, &mut tiles, entries, &logged, &checkpoint).await?
            }
        };
        let mut receipts = receipts.into_iter();
        let answer = |place: Result<(Place, About), Finding>| match place {
            Err(finding) => {
                self.metrics.failed(finding.code.name());
                Err(LedgerError::Refused(finding))
            }
            Ok((place, about)) => {
                let (index, repeated) = (Place::last(&place), place.repeated);
                let promotion = about.promotion(index);
                let About { kind, statement, .. } = about;
                if !repeated {
                    self.metrics.logged(kind);
                }
                let (receipt, notices) = (receipts.next().unwrap_or_default(), place.notices);
                Ok(Logged { index, kind, repeated, receipt, notices, statement, promotion })
            }
        };
        Ok(places.into_iter().map(answer).collect())
    }

    /// Logs one event that the service itself signs, within an append.
    pub(crate) async fn append_own(
        working: &mut Working<S::Append>,
        envelope: Vec<u8>,
    ) -> Result<Place, LedgerError> {
        let event = Event::read(&envelope).map_err(|cause| malformed("own event", cause))?;
        let it = Incoming { event, keys: Vec::new(), ring: None, filed: None, envelope };
        working.prepare(&[&it]).await?;
        working.append(it).await?.map_err(LedgerError::Refused)
    }

    pub(crate) async fn loader(&self) -> Result<Loader<S::Snapshot>, LedgerError> {
        Loader::new(self.store.snapshot().await?).await
    }
}

/// Chance that makes a statement unlike every other.
pub fn nonce() -> Result<Nonce, LedgerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|cause| LedgerError::Random(cause.to_string()))?;
    Ok(Nonce::from_bytes(bytes))
}

/// What remains of an event once it is logged.
pub(crate) struct About {
    pub kind: EventKind,
    pub statement: Hash,
    /// The request that it names.
    request: Option<EntryIndex>,
}

impl About {
    pub fn of(event: &Event) -> About {
        let request = match &event.body {
            Body::Approval(it) => Some(it.request.index),
            Body::Canary(it) => it.promotion,
            Body::Deployment(it) => it.promotion,
            Body::Rollback(it) => it.promotion,
            _ => None,
        };
        About { kind: event.kind, statement: event.statement, request }
    }

    /// The request that an event at this index makes, answers or carries out.
    pub fn promotion(&self, index: EntryIndex) -> Option<EntryIndex> {
        // A request is named by its own index.
        let asks = self.kind == EventKind::PromotionRequest;
        self.request.or_else(|| asks.then_some(index))
    }
}

/// The request by which the artifact of a deployment was admitted, where the deployment names none.
fn granted(state: &State, event: &Event) -> Option<EntryIndex> {
    let Body::Deployment(_) = &event.body else { return None };
    let environment =
        Environment { project: event.project()?.clone(), name: event.environment()?.clone() };
    let granted = state.environment(&environment).ok()??.granted.as_ref()?;
    event.digests().any(|digest| granted.is_about(digest)).then_some(granted.request)
}

/// The threads that read what is submitted, where there are more of them than one: otherwise whoever
/// has it reads it.
fn readers() -> Option<&'static rayon::ThreadPool> {
    static READERS: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    let start = || {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Some(cores - 1).filter(|threads| *threads > 1)?;
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok()
    };
    READERS.get_or_init(start).as_ref()
}
