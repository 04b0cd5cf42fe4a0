//! The lines that a heads event commits to: read from a view, outside of the lock, and brought up to
//! date under it with what was appended since.
//!
//! Kept are the threads' names and the tree over their lines, about a hundred bytes for each
//! thread. The lines themselves are read again where somebody wants them proven.

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{EntryIndex, Hash, TreeSize};
use schemas::thread::ThreadId;
use verifier::entry::Entry;
use verifier::merkle::proof::prove_inclusion;
use verifier::merkle::{self, MemoryTree, root_at};
use verifier::pack::heads::{HeadProofs, LineProof, encode};
use verifier::projection::{HeadsRoot, heads_line};

use super::names::{Name, Names};
use crate::error::{LedgerError, malformed};
use crate::store::{Read, Thread};

/// How many threads are read in one go.
const PAGE: u32 = 1024;

/// How many entries are looked through for the threads that they touched, in one go.
const STEP: TreeSize = 8192;

/// Every thread's line at one size of the log.
pub struct Lines<R> {
    /// The log that the lines are about, which is the index of the event that commits to them.
    pub size: TreeSize,
    names: Names,
    tree: MemoryTree,
    /// Where lines are read again.
    view: R,
    /// Those that have changed since the view.
    since: BTreeMap<ThreadId, String>,
}

impl<R: Read> Lines<R> {
    /// Reads every thread of a view.
    pub async fn read(mut view: R) -> Result<Lines<R>, LedgerError> {
        let (mut names, mut leaves) = (Names::default(), Vec::new());
        let mut after: Option<ThreadId> = None;
        loop {
            let page = view.threads_page(None, after.as_ref(), PAGE).await?;
            for row in &page {
                names.push(&Name::of(&row.thread));
                leaves.push(merkle::leaf_hash(line_of(row).as_bytes()));
            }
            let Some(last) = page.into_iter().next_back() else { break };
            after = Some(last.thread);
        }
        let (size, tree) = (view.head().size, MemoryTree::new(leaves));
        Ok(Lines { size, names, tree, view, since: BTreeMap::new() })
    }

    /// The hashes of the lines, in their order.
    pub fn leaves_bytes(&self) -> Vec<u8> {
        self.tree.leaves().iter().flat_map(|leaf| leaf.0).collect()
    }

    /// Goes on to a newer view.
    pub async fn move_to(&mut self, mut view: R) -> Result<(), LedgerError> {
        self.catch_up(&mut view).await?;
        self.view = view;
        self.since.clear();
        Ok(())
    }

    /// Takes in what was logged since: the work is that of the entries since then, and where a
    /// thread is new also that of hashing the tree.
    pub async fn catch_up(&mut self, read: &mut impl Read) -> Result<(), LedgerError> {
        let to = read.head().size;
        while self.size < to {
            let end = to.min(self.size + STEP);
            let touched: Vec<ThreadId> = touched(read, self.size, end).await?.into_iter().collect();
            let mut new = Vec::new();
            for some in touched.chunks(PAGE as usize) {
                for row in rows(read, some).await? {
                    new.extend(self.put(row));
                }
            }
            self.insert(new);
            self.size = end;
        }
        Ok(())
    }

    /// Takes a thread's new line; answers it where the thread is new itself.
    fn put(&mut self, row: Thread) -> Option<(Name, Hash)> {
        let (name, line) = (Name::of(&row.thread), line_of(&row));
        let leaf = merkle::leaf_hash(line.as_bytes());
        self.since.insert(row.thread, line);
        match self.names.search(&name) {
            Ok(number) => {
                self.tree.replace(number, leaf);
                None
            }
            Err(_) => Some((name, leaf)),
        }
    }

    fn insert(&mut self, mut new: Vec<(Name, Hash)>) {
        if !new.is_empty() {
            new.sort_unstable_by(|one, other| one.0.cmp(&other.0));
            let leaves = std::mem::take(&mut self.tree).into_leaves();
            self.tree = MemoryTree::new(self.names.merge(leaves, new));
        }
    }

    pub fn root(&mut self) -> Result<HeadsRoot, LedgerError> {
        let threads = self.names.len() as TreeSize;
        let root = root_at(&mut self.tree, threads).map_err(|cause| malformed("heads", cause))?;
        Ok(HeadsRoot { threads, root })
    }

    /// The lines of these threads with their proofs; of an absent one, those of its neighbours.
    pub async fn prove(mut self, threads: &BTreeSet<ThreadId>) -> Result<HeadProofs, LedgerError> {
        let mut wanted = BTreeMap::new();
        for number in threads.iter().flat_map(|thread| self.around(thread)) {
            let thread = self.names.thread(number);
            let thread = thread.ok_or_else(|| malformed("heads", "a thread without a name"))?;
            wanted.insert(thread, number);
        }
        let mut lines = self.lines(wanted.keys().cloned().collect()).await?;
        let size = self.names.len() as TreeSize;
        let mut proven = Vec::with_capacity(wanted.len());
        for (thread, number) in wanted {
            let line = lines.remove(&thread).unwrap_or_default();
            if self.tree.leaves().get(number) != Some(&merkle::leaf_hash(line.as_bytes())) {
                return Err(malformed("heads", format!("{thread} has another line than before")));
            }
            let number = number as u64;
            let proof = prove_inclusion(&mut self.tree, number, size)
                .map_err(|cause| malformed("heads", cause))?;
            proven.push(LineProof { line, number, proof: encode(&proof) });
        }
        Ok(HeadProofs { entry: self.size, lines: proven })
    }

    /// The number of a thread, or those of its neighbours.
    fn around(&self, thread: &ThreadId) -> Vec<usize> {
        match self.names.search(&Name::of(thread)) {
            Ok(number) => vec![number],
            Err(next) => {
                let before = next.checked_sub(1);
                before.into_iter().chain((next < self.names.len()).then_some(next)).collect()
            }
        }
    }

    /// The lines of threads, as they were at this size.
    async fn lines(
        &mut self,
        mut threads: Vec<ThreadId>,
    ) -> Result<BTreeMap<ThreadId, String>, LedgerError> {
        let mut lines = BTreeMap::new();
        threads.retain(|thread| match self.since.remove_entry(thread) {
            Some((thread, line)) => lines.insert(thread, line).is_some(),
            None => true,
        });
        for some in threads.chunks(PAGE as usize) {
            let rows = rows(&mut self.view, some).await?;
            lines.extend(rows.into_iter().map(|row| (row.thread.clone(), line_of(&row))));
        }
        Ok(lines)
    }
}

fn line_of(row: &Thread) -> String {
    let slice = row.slice.as_deref().map(|bytes| merkle::sha256(&[bytes]));
    // Written as text, so it is text.
    String::from_utf8(heads_line(&row.thread, &row.head, slice)).unwrap_or_default()
}

/// The rows of threads, each of which must be there.
async fn rows(read: &mut impl Read, threads: &[ThreadId]) -> Result<Vec<Thread>, LedgerError> {
    let rows = read.threads(threads).await?;
    match rows.len() == threads.len() {
        true => Ok(rows),
        false => Err(malformed("thread", "entries name one that is not there")),
    }
}

/// The threads that entries are on: whose heads they have moved, and whose state they may have
/// changed. No event changes the state of a thread that it is not on.
async fn touched(
    read: &mut impl Read,
    from: EntryIndex,
    to: EntryIndex,
) -> Result<BTreeSet<ThreadId>, LedgerError> {
    let (mut threads, mut next) = (BTreeSet::new(), from);
    while next < to {
        let some = read.entries_alone(next, to).await?;
        for (index, bytes) in &some {
            let entry =
                Entry::parse(bytes).map_err(|cause| malformed(format!("entry {index}"), cause))?;
            threads.extend(entry.threads.into_iter().map(|line| line.thread));
        }
        let last = some.last().ok_or(LedgerError::NoEntry(next))?;
        next = last.0 + 1;
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use schemas::id::{Hash, Time};
    use verifier::entry::{Link, ThreadLine};
    use verifier::pack::heads;
    use verifier::projection::Head;

    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Append, Batch, LogHead, Store, StoredEntry};

    /// A log whose entries are on threads that numbers choose; what else they say is made up.
    struct Log {
        _folder: tempfile::TempDir,
        store: SqliteStore,
        threads: BTreeMap<ThreadId, Head>,
        size: TreeSize,
    }

    impl Log {
        async fn new() -> Log {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::create(folder.path().join("log.db")).await.unwrap();
            Log { _folder: folder, store, threads: BTreeMap::new(), size: 0 }
        }

        /// Logs an entry on some threads, and gives each a new slice.
        async fn log(&mut self, threads: BTreeSet<ThreadId>) {
            let index = self.size;
            let leaf = merkle::sha256(&[&index.to_be_bytes()]);
            let mut batch = Batch::default();
            let mut lines = Vec::new();
            for thread in threads {
                let before = self.threads.get(&thread).copied();
                let position = before.map_or(0, |head| head.position + 1);
                let link = before.map(|head| Link { index: head.index, leaf: head.leaf });
                lines.push(ThreadLine { thread: thread.clone(), position, before: link });
                let head = Head { position, index, leaf };
                self.threads.insert(thread.clone(), head);
                let slice = (thread.kind() != "project").then(|| format!("{index}").into_bytes());
                batch.threads.push(Thread { thread, head, slice });
            }
            let entry = Entry {
                index,
                time: Time(1000),
                prev: Hash([0; 32]),
                predicate_type: "urn:attestry:note:v1".into(),
                statement: leaf,
                envelope: leaf,
                envelope_bytes: 1,
                part: 1,
                parts: 1,
                threads: lines,
            };
            let envelope = Some(vec![1]);
            batch.entries = vec![StoredEntry { index, entry: entry.format(), envelope }];
            self.size += 1;
            batch.head = LogHead { size: self.size, leaf, ..LogHead::default() };
            let mut append = self.store.lock().await.unwrap();
            append.write(&batch).await.unwrap();
            append.commit().await.unwrap();
        }

        async fn read(&self) -> Lines<<SqliteStore as Store>::Snapshot> {
            Lines::read(self.store.snapshot().await.unwrap()).await.unwrap()
        }
    }

    fn thread(number: u64) -> ThreadId {
        let hash = merkle::sha256(&[&number.to_be_bytes()]);
        match number % 4 {
            0 => ThreadId::parse("project", &format!("p{}", number % 8)).unwrap(),
            1 => ThreadId::parse("environment", &format!("p/e{}", number % 9)).unwrap(),
            _ => ThreadId::parse("artifact", &format!("sha256:{hash}")).unwrap(),
        }
    }

    /// The same numbers each time.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |it| {
            Some(it.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        })
        .map(|it| it >> 33)
    }

    #[tokio::test]
    async fn lines_that_follow_a_log_are_those_of_reading_it_anew() {
        for seed in 0..8 {
            let mut log = Log::new().await;
            let mut chance = numbers(seed);
            let mut number = |below: u64| chance.next().unwrap() % below;
            let mut lines = log.read().await;
            for step in 0..12 {
                for _ in 0..number(9) {
                    let count = 1 + number(4);
                    let threads = (0..count).map(|_| thread(number(40))).collect();
                    log.log(threads).await;
                }
                // Now under the lock, now outside.
                if number(2) == 0 {
                    lines.move_to(log.store.snapshot().await.unwrap()).await.unwrap();
                } else {
                    let mut lock = log.store.lock().await.unwrap();
                    lines.catch_up(&mut lock).await.unwrap();
                }
                let mut anew = log.read().await;
                let (followed, read) = (lines.root().unwrap(), anew.root().unwrap());
                assert_eq!(followed, read, "seed {seed}, step {step}");
                assert_eq!(followed.threads, log.threads.len() as u64);
                assert_eq!(lines.size, log.size);
            }
        }
    }

    /// Of every thread, there or not, whatever has been logged behind the heads.
    #[tokio::test]
    async fn every_thread_is_proven_or_proven_absent() {
        let mut log = Log::new().await;
        for number in 0..20 {
            log.log([thread(number)].into()).await;
        }
        let mut lines = log.read().await;
        log.log([thread(3), thread(30)].into()).await;
        let mut lock = log.store.lock().await.unwrap();
        lines.catch_up(&mut lock).await.unwrap();
        drop(lock);
        let (root, heads) = (lines.root().unwrap(), log.threads.clone());
        log.log([thread(3), thread(7), thread(31)].into()).await;
        let asked: BTreeSet<ThreadId> = (0..40).map(thread).collect();
        let proofs = lines.prove(&asked).await.unwrap();
        assert_eq!(proofs.entry, 21);
        let proven = heads::prove(&proofs, &root).unwrap();
        for thread in &asked {
            match heads.get(thread) {
                Some(head) => assert_eq!(proven[thread].head, *head, "{thread}"),
                None => assert!(heads::is_absent(thread, &proven, &root), "{thread}"),
            }
        }
    }

    #[tokio::test]
    async fn an_entry_whose_thread_is_not_there_is_an_error() {
        let mut log = Log::new().await;
        let mut lines = log.read().await;
        log.log([thread(1)].into()).await;
        let mut view = log.store.snapshot().await.unwrap();
        assert!(touched(&mut view, 0, 2).await.is_err());
        assert!(rows(&mut view, &[thread(1), thread(2)]).await.is_err());
        lines.move_to(view).await.unwrap();
        assert_eq!(lines.root().unwrap().threads, 1);
    }
}
