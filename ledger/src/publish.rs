//! Checkpoints: signed over what was read back, published by compare and swap, never a fork.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use schemas::id::{EntryIndex, Origin, TreeSize};
use tokio::sync::watch;
use verifier::checkpoint::{Checkpoint, VerifiedCheckpoint, sign_checkpoint, verify_checkpoint};
use verifier::merkle::{self, Frontier};
use verifier::note::{Vkey, format_note};
use verifier::signature::SigningKey;

use crate::error::{LedgerError, malformed};
use crate::evidence;
use crate::folder::{Folder, write_copy};
use crate::high_water::HighWater;
use crate::store::{Read, Store};
use crate::tree::Tiles;
use crate::working::Committed;

/// How far the files may be behind while others append.
const FILES_BEHIND: Duration = Duration::from_millis(50);

/// Whoever publishes: the log key and the places where checkpoints are kept.
pub struct Publisher {
    pub origin: Origin,
    pub vkey: Vkey,
    pub folder: Folder,
    pub high_water: HighWater,
    /// Whose turn it is to publish.
    turn: tokio::sync::Mutex<Turn>,
    /// How many append at present.
    appending: Arc<AtomicUsize>,
    /// What was read back and waits for its turn: by the size before it, the frontier behind it.
    waiting: Mutex<BTreeMap<TreeSize, Frontier>>,
    /// The size that this process has published last.
    pub grown: watch::Sender<TreeSize>,
    /// Why nothing is signed any more.
    stopped: OnceLock<String>,
}

impl Publisher {
    pub fn new(origin: Origin, vkey: Vkey, folder: Folder, high_water: HighWater) -> Publisher {
        let (turn, appending, waiting, grown, stopped) = Default::default();
        Publisher { origin, vkey, folder, high_water, turn, appending, waiting, grown, stopped }
    }

    /// Counts one who appends, until what is answered is dropped.
    pub fn appending(&self) -> Appending {
        self.appending.fetch_add(1, Ordering::SeqCst);
        Appending(Arc::clone(&self.appending))
    }

    /// Signs nothing any more; the first reason stays.
    pub fn stop(&self, why: String) {
        tracing::error!(why, "the log is forked: nothing is signed any more");
        let _ = self.stopped.set(why);
    }

    /// Refuses where signing was stopped.
    pub fn check_signing(&self) -> Result<(), LedgerError> {
        match self.stopped.get() {
            None => Ok(()),
            Some(why) => Err(LedgerError::Forked(why.clone())),
        }
    }

    /// Reads the checkpoints that are kept in files: beside the database, the high-water file, what
    /// witnesses cosigned, and evidence.
    ///
    /// Before the view that they are compared with is opened: another process may publish between
    /// the two, and a file newer than the view would look like a log that was cut.
    pub fn kept(&self) -> Result<Kept, LedgerError> {
        let mut kept = Vec::new();
        let mut keep = |name: &str, it: Option<VerifiedCheckpoint>| {
            kept.extend(it.map(|it| (name.to_owned(), it)));
        };
        let (beside, cosigned) = ("the file checkpoint", "the cosigned checkpoint");
        keep(beside, self.read(&self.folder.checkpoint(), beside)?);
        keep("the high-water file", self.high_water.read(&self.vkey)?);
        keep(cosigned, self.read(&self.folder.cosigned(), cosigned)?);
        for path in evidence::list(&self.folder)? {
            let name = format!("evidence {}", path.display());
            keep(&name, self.read(&path, &name)?);
        }
        Ok(Kept(kept))
    }

    /// Refuses a database that is no continuation of what was published.
    ///
    /// Checks every checkpoint that is known here: the published one, the file beside the database,
    /// the high-water file, the one that witnesses cosigned, and what was kept as evidence. The log
    /// must be at least as long as each and have its root at its size.
    pub async fn check<R: Read>(
        &self,
        read: &mut R,
        kept: &Kept,
    ) -> Result<Option<VerifiedCheckpoint>, LedgerError> {
        let published = match read.checkpoint().await? {
            None => None,
            Some((_, note)) => Some(self.verify(note.as_bytes(), "the published checkpoint")?),
        };
        let mut tiles = Tiles::default();
        let first = published.iter().map(|it| ("the published checkpoint", it));
        let others = kept.0.iter().map(|(name, it)| (name.as_str(), it));
        for (name, checkpoint) in first.chain(others) {
            if let Some(contradiction) =
                evidence::contradiction(checkpoint, read, &mut tiles).await?
            {
                return Err(LedgerError::Forked(format!("{name} {contradiction}")));
            }
        }
        Ok(published)
    }

    /// A checkpoint that is kept in a file: none where there is none, or an empty one.
    fn read(&self, path: &Path, what: &str) -> Result<Option<VerifiedCheckpoint>, LedgerError> {
        match std::fs::read(path) {
            Ok(bytes) if !bytes.is_empty() => self.verify(&bytes, what).map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    fn verify(&self, note: &[u8], what: &str) -> Result<VerifiedCheckpoint, LedgerError> {
        verify_checkpoint(note, &self.vkey)
            .map_err(|cause| LedgerError::Forked(format!("{what} does not verify: {cause}")))
    }

    /// Publishes the log as committed, unless somebody has published more already.
    ///
    /// One at a time, and whoever has the turn publishes for those who wait: however many append
    /// at once, a checkpoint and its files are written once for all that was committed meanwhile.
    pub async fn publish<S: Store>(
        &self,
        store: &S,
        committed: &Committed,
        key: &SigningKey,
    ) -> Result<Published, LedgerError> {
        let mut read = store.snapshot().await?;
        let entries = self.read_back(&mut read, committed).await?;
        drop(read);
        let grown = Some(&committed.frontier).filter(|it| it.size() > committed.from);
        self.wait_with(committed.from, grown);
        let mut turn = self.turn.lock().await;
        self.wait_with(committed.from, None);
        let size = committed.frontier.size();
        let checkpoint = match turn.last.clone().filter(|last| last.size() >= size) {
            Some(longer) => longer,
            None => {
                self.check_signing()?;
                let frontier = self.longest(&committed.frontier);
                let checkpoint = self.checkpoint(store, &frontier, key, &mut turn).await?;
                turn.last = Some(checkpoint.clone());
                self.grown.send_replace(checkpoint.size());
                checkpoint
            }
        };
        // Whoever appends behind this one writes the files, too: then once for both.
        let is_last = self.appending.load(Ordering::SeqCst) <= 1;
        if is_last || turn.kept.is_none_or(|at| at.elapsed() >= FILES_BEHIND) {
            self.keep(&mut turn)?;
        }
        Ok(Published { checkpoint, entries })
    }

    /// Publishes a checkpoint once more, with more cosignatures, unless the log has gone on since.
    pub async fn publish_cosigned<S: Store>(
        &self,
        store: &S,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), LedgerError> {
        // Whoever appends has the turn: then the log goes on, and nobody is to wait for this.
        let Ok(mut turn) = self.turn.try_lock() else { return Ok(()) };
        self.keep(&mut turn)?;
        let (size, note) = (checkpoint.size(), format_note(checkpoint.note()));
        if store.swap_checkpoint(Some(size), size, &note).await? {
            write_copy(&self.folder.checkpoint(), note.as_bytes())?;
            turn.last = Some(checkpoint.clone());
        }
        Ok(())
    }

    /// Notes what waits to be published behind an entry, or that it waits no more.
    fn wait_with(&self, from: TreeSize, frontier: Option<&Frontier>) {
        if let Ok(mut waiting) = self.waiting.lock() {
            match frontier {
                Some(frontier) => drop(waiting.insert(from, frontier.clone())),
                None => drop(waiting.remove(&from)),
            }
        }
    }

    /// The end of what waits, one behind the other, from here on.
    fn longest(&self, frontier: &Frontier) -> Frontier {
        let waiting = self.waiting.lock().map(|waiting| waiting.clone()).unwrap_or_default();
        let next = |frontier: &&Frontier| waiting.get(&frontier.size());
        let behind = std::iter::successors(Some(frontier), next);
        behind.last().unwrap_or(frontier).clone()
    }

    /// Signs and swaps in a checkpoint of this log, unless a longer one is published.
    ///
    /// Whoever swaps first may have published a shorter log than this one: then nobody else will
    /// publish ours, and it is tried again. Each round that fails is one in which somebody else
    /// got further. The first one goes without a look at what is published, as long as nobody else
    /// publishes.
    async fn checkpoint<S: Store>(
        &self,
        store: &S,
        frontier: &Frontier,
        key: &SigningKey,
        turn: &mut Turn,
    ) -> Result<VerifiedCheckpoint, LedgerError> {
        let checkpoint = self.sign(frontier, key)?;
        let (size, note) = (frontier.size(), format_note(checkpoint.note()));
        let last = turn.last.as_ref().map(VerifiedCheckpoint::size);
        if turn.alone && store.swap_checkpoint(last, size, &note).await? {
            turn.behind = Some(checkpoint.clone());
            return Ok(checkpoint);
        }
        loop {
            let mut read = store.snapshot().await?;
            let published = read.checkpoint().await?.map(|(size, _)| size);
            turn.alone = last.is_some() && published == last;
            if let Some(longer) = published.filter(|it| *it >= size) {
                let note = read.checkpoint_at(longer).await?;
                let note = note.ok_or_else(|| malformed("checkpoint", "it has gone"))?;
                return self.verify(note.as_bytes(), "the published checkpoint");
            }
            drop(read);
            if store.swap_checkpoint(published, size, &note).await? {
                turn.behind = Some(checkpoint.clone());
                return Ok(checkpoint);
            }
        }
    }

    /// Keeps what was published in the files beside the database and outside.
    fn keep(&self, turn: &mut Turn) -> Result<(), LedgerError> {
        if let Some(checkpoint) = &turn.behind {
            write_copy(&self.folder.checkpoint(), format_note(checkpoint.note()).as_bytes())?;
            self.high_water.write(checkpoint)?;
            (turn.behind, turn.kept) = (None, Some(Instant::now()));
        }
        Ok(())
    }

    /// Signs the checkpoint of a log that is committed: always a prefix of what will be published.
    pub fn sign(
        &self,
        frontier: &Frontier,
        key: &SigningKey,
    ) -> Result<VerifiedCheckpoint, LedgerError> {
        let (origin, size, root) = (self.origin.clone(), frontier.size(), frontier.root());
        let note = sign_checkpoint(&Checkpoint { origin, size, root }, key);
        self.verify(format_note(&note).as_bytes(), "the checkpoint just signed")
    }

    /// What was committed must be what was meant: the entries are hashed again as stored.
    async fn read_back<R: Read>(
        &self,
        read: &mut R,
        committed: &Committed,
    ) -> Result<HashMap<EntryIndex, Vec<u8>>, LedgerError> {
        let end = committed.from + committed.leaves.len() as TreeSize;
        let mut entries = HashMap::with_capacity(committed.leaves.len());
        for (index, leaf) in (committed.from..end).zip(&committed.leaves) {
            if !entries.contains_key(&index) {
                entries.extend(read.entries_alone(index, end).await?);
            }
            match entries.get(&index) {
                Some(entry) if merkle::leaf_hash(entry) == *leaf => {}
                Some(_) => {
                    let detail = format!("entry {index} was not stored as written");
                    return Err(LedgerError::Forked(detail));
                }
                None => {
                    let detail = format!("entry {index} is not in the database");
                    return Err(LedgerError::Forked(detail));
                }
            }
        }
        Ok(entries)
    }
}

/// What was published, and where.
#[derive(Default)]
struct Turn {
    /// Published last, as far as this process knows.
    last: Option<VerifiedCheckpoint>,
    /// That was still the last one when it was looked at.
    alone: bool,
    /// Published by this process and not in the files yet.
    behind: Option<VerifiedCheckpoint>,
    /// When the files were written.
    kept: Option<Instant>,
}

/// Somebody who appends.
pub struct Appending(Arc<AtomicUsize>);

impl Drop for Appending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The checkpoints that files keep, as they were read, each with what to call it.
pub struct Kept(Vec<(String, VerifiedCheckpoint)>);

/// A checkpoint that is published, and the entries that it is the first to cover, as stored.
pub struct Published {
    pub checkpoint: VerifiedCheckpoint,
    pub entries: HashMap<EntryIndex, Vec<u8>>,
}
