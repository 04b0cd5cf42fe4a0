//! What a store keeps: entries with their envelopes, thread heads, statements, tiles.

use schemas::id::{Digest, EntryIndex, Hash, INTEGER_MAX, KeyId, Project, Time, TreeSize};
use schemas::thread::ThreadId;
use verifier::event::Event;

use super::StoreError;

pub use verifier::projection::Head;

/// The newest state of the whole log: what the next entry links to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogHead {
    pub size: TreeSize,
    /// Leaf hash of the newest entry; zeros at size 0, where the genesis hash takes its place.
    pub leaf: Hash,
    /// Time of the newest entry.
    pub time: Option<Time>,
    /// Roots of the perfect subtrees, left to right: enough to add leaves and know the root.
    pub peaks: Vec<Hash>,
}

/// An entry and the envelope that it logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    pub index: EntryIndex,
    pub entry: Vec<u8>,
    /// Kept with the first part of a statement: none for later parts, or erased.
    pub envelope: Option<Vec<u8>>,
}

/// A thread's newest entry and the slice of state folded up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    pub thread: ThreadId,
    pub head: Head,
    /// Canonical JSON; none for project threads.
    pub slice: Option<Vec<u8>>,
}

/// What a logged statement is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatementKey {
    /// What it is about first, where that opens a thread.
    ///
    /// Statements about one artifact are logged within a short time. With this before the hash,
    /// which is random, their rows lie together, and a batch of them changes few pages.
    pub about: Option<Digest>,
    pub statement: Hash,
    pub project: Option<Project>,
}

impl StatementKey {
    /// The key of an event that is filed under a project, or under none.
    ///
    /// `ledger` is the digest by which statements name the ledger itself, which opens no thread.
    pub fn of(event: &Event, filed: Option<&Project>, ledger: &Hash) -> StatementKey {
        let about = event.digests().find(|digest| !digest.is_sha256(ledger)).cloned();
        let project = if event.is_project_free() { None } else { event.project().or(filed) };
        StatementKey { about, statement: event.statement, project: project.cloned() }
    }
}

/// Where a statement was first logged under a project, and who is known to have signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub key: StatementKey,
    /// The first part of its first entry.
    pub index: EntryIndex,
    pub parts: u16,
    pub signers: Vec<KeyId>,
}

/// A Merkle tile of height 8, full or still growing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub level: u8,
    pub number: u64,
    /// 1 to 256 hashes of 32 bytes.
    pub hashes: Vec<u8>,
}

/// The connections of one pool at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// What it is for: one word.
    pub name: &'static str,
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
}

impl Pool {
    pub fn of<D: sqlx::Database>(name: &'static str, pool: &sqlx::Pool<D>) -> Pool {
        Pool { name, open: pool.size(), idle: u32::try_from(pool.num_idle()).unwrap_or(0) }
    }
}

/// A checkpoint, and its place in the order of publishing, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub sequence: u64,
    pub size: TreeSize,
    pub note: String,
}

/// Everything that one append writes. Of several rows with one key the last one counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Dense, starting at the size of the log.
    pub entries: Vec<StoredEntry>,
    /// Replace what is there.
    pub threads: Vec<Thread>,
    /// Added; of one that is there only the signers change. The threads of what they are about are
    /// there, or written along.
    pub statements: Vec<Logged>,
    /// Replace what is there.
    pub tiles: Vec<Tile>,
    /// Added behind those that were published: only the copy of a log has any to write here.
    pub checkpoints: Vec<(TreeSize, String)>,
    /// The log after this batch.
    pub head: LogHead,
}

impl Batch {
    /// Refuses a batch that does not continue the log from `head`.
    ///
    /// A database would refuse a second entry at one index by itself, but would keep a gap, and
    /// a head that runs ahead of the entries, without a word.
    pub fn check_follows(&self, head: &LogHead) -> Result<(), StoreError> {
        let mut expected = head.size;
        for entry in &self.entries {
            if entry.index != expected {
                let found = entry.index;
                return Err(StoreError::Gap { expected, found });
            }
            expected += 1;
        }
        let found = self.head.size;
        if found != expected || found > INTEGER_MAX {
            return Err(StoreError::WrongSize { expected, found });
        }
        self.check_references()
    }

    /// Refuses rows about entries that the log does not have, even with this batch.
    fn check_references(&self) -> Result<(), StoreError> {
        let size = self.head.size;
        let check = |what: &'static str, index: EntryIndex| {
            if index < size { Ok(()) } else { Err(StoreError::Beyond { what, index, size }) }
        };
        for Thread { head, .. } in &self.threads {
            check("thread", head.index.max(head.position))?;
        }
        for logged in &self.statements {
            check("statement", logged.index)?;
        }
        for tile in &self.tiles {
            check("tile", tile.number)?;
        }
        for (published, _) in &self.checkpoints {
            check("checkpoint", published.saturating_sub(1))?;
        }
        Ok(())
    }
}
