//! Whoever runs the server: holds the database and the keys beside it, and can leave out every rule.
//!
//! What is slipped in is sound in every byte, hash and link, and the ledger signs the checkpoint over
//! it: only the rules are broken, and only who evaluates them again can tell.

use ledger::clock::{Clock as _, SystemClock};
use ledger::database::FILE;
use ledger::store::{Append as _, Batch, LogHead, Read as _, Store as _, Thread, Tile};
use ledger::store::{SqliteStore, StoredEntry};
use ledger::verification;
use schemas::id::{EntryIndex, Hash, Origin, Time};
use schemas::predicate::Nonce;
use schemas::thread::ThreadId;
use tokio::runtime::{Builder, Runtime};
use verifier::entry::{Entry, Link, ThreadLine, genesis_prev};
use verifier::event::Event;
use verifier::log::LogReport;
use verifier::merkle::{Frontier, leaf_hash};
use verifier::pin::{Pin, parse_pin};
use verifier::projection::Head;
use verifier::signature::SigningKey;
use verifier::thread::derive_threads;

use crate::Place;

/// Entries of one tile: a longer log would have tiles above it.
const TILE: u64 = 256;

/// More than such a log has.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// Somebody at the server of a place's ledger, which is in one file.
pub struct Insider<'a> {
    place: &'a Place,
    pin: Pin,
    origin: Origin,
    runtime: Runtime,
}

impl<'a> Insider<'a> {
    /// # Panics
    /// Where the place has no ledger.
    pub fn of(place: &'a Place) -> Insider<'a> {
        let pin = std::fs::read(place.file("ledger/pin.txt")).expect("a pin");
        let pin = parse_pin(&pin).expect("a pin");
        let origin = pin.log().name().as_str().parse().expect("a log is named by its origin");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Insider { place, pin, origin, runtime: runtime.expect("a runtime") }
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A key of the place: the service's own, or one that was stolen from a person.
    ///
    /// # Panics
    /// Where there is none.
    pub fn key(&self, name: &str) -> SigningKey {
        let pem = std::fs::read_to_string(self.place.file(name)).expect("a key");
        SigningKey::from_pkcs8_pem(&pem).expect("a key")
    }

    /// # Panics
    /// Where the machine has no chance to give.
    pub fn nonce(&self) -> Nonce {
        ledger::nonce().expect("a nonce")
    }

    /// The log as its verifier sees it, with the state at its end.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn log(&self) -> LogReport {
        let read = async {
            let store = self.open().await;
            let report = verification::verify(&store, &self.origin, &self.pin, |_| {}).await;
            store.close().await;
            report
        };
        self.runtime.block_on(read).expect("a log")
    }

    /// The time of the newest entry.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn newest(&self) -> Time {
        self.runtime.block_on(async {
            let store = self.open().await;
            let time = store.snapshot().await.expect("a log").head().time;
            store.close().await;
            time.expect("a log with entries")
        })
    }

    /// Logs an envelope of one of our own kinds, and asks no rule.
    ///
    /// # Panics
    /// Where the database does not take it.
    pub fn slip_in(&self, envelope: &[u8]) -> EntryIndex {
        let event = Event::read(envelope).expect("an envelope");
        self.runtime.block_on(async {
            let store = self.open().await;
            let mut append = store.lock().await.expect("the lock");
            let head = append.head().clone();
            let [threads] = &derive_threads(&event, None, &genesis_prev(&self.origin))[..] else {
                panic!("a statement of one part");
            };
            let known = append.threads(threads).await.expect("threads");
            let entry = entry(&event, threads, &known, &head);
            let before = append.read_range(0, head.size, LOG_BYTES_MAX).await.expect("the log");
            let batch = batch(&entry, envelope, &known, &before, &head);
            append.write(&batch).await.expect("a batch");
            append.commit().await.expect("a commit");
            store.close().await;
            head.size
        })
    }

    async fn open(&self) -> SqliteStore {
        let path = self.place.file("ledger").join(FILE);
        SqliteStore::open(&path).await.expect("a ledger in one file")
    }
}

/// The entry that comes next, linked as a ledger links it.
fn entry(event: &Event, threads: &[ThreadId], known: &[Thread], head: &LogHead) -> Entry {
    let line = |thread: &ThreadId| {
        let newest = newest(thread, known);
        ThreadLine {
            thread: thread.clone(),
            position: newest.map_or(0, |newest| newest.position + 1),
            before: newest.map(|newest| Link { index: newest.index, leaf: newest.leaf }),
        }
    };
    Entry {
        index: head.size,
        time: SystemClock.now().max(head.time.expect("a log with entries")),
        prev: head.leaf,
        predicate_type: event.predicate_type.clone(),
        statement: event.statement,
        envelope: event.envelope,
        envelope_bytes: event.envelope_bytes,
        part: 1,
        parts: 1,
        threads: threads.iter().map(line).collect(),
    }
}

fn newest(thread: &ThreadId, known: &[Thread]) -> Option<Head> {
    known.iter().find(|row| row.thread == *thread).map(|row| row.head)
}

/// Everything that a ledger writes of an entry that changes nothing but where its threads end.
fn batch(
    entry: &Entry,
    envelope: &[u8],
    known: &[Thread],
    before: &[StoredEntry],
    head: &LogHead,
) -> Batch {
    let bytes = entry.format();
    let (index, leaf) = (entry.index, leaf_hash(&bytes));
    assert!(index < TILE - 1 && before.len() as u64 == index, "a log of one tile");
    let leaves: Vec<Hash> = before.iter().map(|it| leaf_hash(&it.entry)).chain([leaf]).collect();
    let hashes = leaves.iter().flat_map(|leaf| leaf.0).collect();
    let mut frontier = Frontier::from_parts(head.size, head.peaks.clone()).expect("a tree");
    frontier.push(leaf);
    let moved = |line: &ThreadLine| {
        let row = known.iter().find(|row| row.thread == line.thread);
        let slice = row.expect("a thread that is there").slice.clone();
        let head = Head { position: line.position, index, leaf };
        Thread { thread: line.thread.clone(), head, slice }
    };
    Batch {
        entries: vec![StoredEntry { index, entry: bytes, envelope: Some(envelope.to_vec()) }],
        threads: entry.threads.iter().map(moved).collect(),
        tiles: vec![Tile { level: 0, number: 0, hashes }],
        head: LogHead {
            size: frontier.size(),
            leaf,
            time: Some(entry.time),
            peaks: frontier.peaks().to_vec(),
        },
        ..Batch::default()
    }
}
