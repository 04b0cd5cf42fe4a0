//! Heads: where every thread ends and what the state is, committed to in the log itself.

mod kept;

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Hash, TreeSize};
use schemas::kind::EventKind;
use schemas::predicate::heads::{self, Heads};
use schemas::statement::{Statement, Subject};
use schemas::thread::ThreadId;
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::entry::{Entry, genesis_prev};
use verifier::merkle::proof::prove_inclusion;
use verifier::merkle::{self, MemoryTree};
use verifier::pack::heads::{HeadProofs, LineProof, encode};
use verifier::projection::{HeadsRoot, heads_line};
use verifier::sign;

pub use kept::{KeptHeads, ProvenLine};

use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::loader::Loader;
use crate::store::{Read, Store};
use crate::working::Working;

/// How many threads are read in one go.
const PAGE: u32 = 1024;

/// The age of the newest heads at which a server logs new ones, in ms.
const AGE_MS_MAX: i64 = 86_400_000;

/// Every thread's line at the size of a heads event.
pub(crate) struct Lines {
    pub index: EntryIndex,
    lines: BTreeMap<ThreadId, (u64, String)>,
    leaves: Vec<Hash>,
}

impl<S: Store> Ledger<S> {
    /// Logs heads where the newest are a day old and the log has grown since; answers their entry.
    ///
    /// Asked again under the lock: of several servers one logs them.
    pub async fn log_heads_daily(&self) -> Result<Option<EntryIndex>, LedgerError> {
        if !self.is_due(&mut self.loader().await?).await? {
            return Ok(None);
        }
        let key = self.log_key()?;
        let mut working = self.begin().await?;
        if !self.is_due(working.loader()).await? {
            return Ok(None);
        }
        let lines = self.append_heads(&mut working).await?;
        self.commit(working, &key).await?;
        self.metrics.logged(EventKind::Heads);
        self.keep_leaves(&lines).await;
        Ok(Some(lines.index))
    }

    async fn is_due<R: Read>(&self, loader: &mut Loader<R>) -> Result<bool, LedgerError> {
        let newest = loader.state.control().heads.unwrap_or(0);
        if loader.read.head().size <= newest + 1 {
            return Ok(false);
        }
        let found = loader.read.entries_alone(newest, newest + 1).await?;
        let (_, bytes) = found.first().ok_or(LedgerError::NoEntry(newest))?;
        let entry = Entry::parse(bytes).map_err(|cause| malformed("entry", cause))?;
        Ok(self.clock.now().since(entry.time) >= AGE_MS_MAX)
    }

    /// Logs a heads event about the log just before it, and publishes.
    pub(crate) async fn log_heads(&self) -> Result<(Lines, VerifiedCheckpoint), LedgerError> {
        let key = self.log_key()?;
        let mut working = self.begin().await?;
        let lines = self.append_heads(&mut working).await?;
        let checkpoint = self.commit(working, &key).await?.0.checkpoint;
        self.metrics.logged(EventKind::Heads);
        self.keep_leaves(&lines).await;
        if checkpoint.size() == lines.index + 1 {
            return Ok((lines, checkpoint));
        }
        // Somebody else was faster and has published more: ours is among what they published.
        Err(malformed("heads", "the log grew meanwhile; try again"))
    }

    /// Keeps the hashes of the lines, so that a thread's line can be proven for as long as these heads
    /// are the newest. Nothing rests on it: without them a client reads more of the log.
    async fn keep_leaves(&self, lines: &Lines) {
        let bytes = lines.leaves.iter().flat_map(|leaf| leaf.0).collect();
        if let Err(cause) = self.objects.keep_heads(lines.index, bytes).await {
            tracing::warn!(cause = crate::error::chain(&cause), "the lines of heads are not kept");
        }
    }

    async fn append_heads(&self, working: &mut Working<S::Append>) -> Result<Lines, LedgerError> {
        let service = self.service_key()?;
        let lines = Lines::read(&mut working.loader().read).await?;
        let root = lines.root();
        let body = Heads {
            ledger: self.origin.clone(),
            nonce: self.nonce()?,
            size: lines.index,
            threads: root.threads,
            root: root.root,
        };
        let ledger = Digest::sha256(&genesis_prev(&self.origin));
        let subject = Subject::of(&ledger, Some(self.origin.as_str()));
        let statement = Statement::new(vec![subject], heads::TYPE, body);
        let envelope = sign::sign_statement(&statement, &[&service])
            .map_err(|cause| malformed("heads", cause))?;
        Ledger::<S>::append_own(working, envelope).await?;
        Ok(lines)
    }
}

impl Lines {
    async fn read<R: Read>(read: &mut R) -> Result<Lines, LedgerError> {
        let index = read.head().size;
        let mut lines = BTreeMap::new();
        let mut after: Option<ThreadId> = None;
        loop {
            let page = read.threads_page(None, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.thread.clone());
            for row in page {
                let slice = row.slice.as_deref().map(|bytes| merkle::sha256(&[bytes]));
                let line = heads_line(&row.thread, &row.head, slice);
                let line = String::from_utf8(line).map_err(|cause| malformed("heads", cause))?;
                lines.insert(row.thread, (0, line));
            }
        }
        let mut leaves = Vec::with_capacity(lines.len());
        for (number, line) in (0..).zip(lines.values_mut()) {
            line.0 = number;
            leaves.push(merkle::leaf_hash(line.1.as_bytes()));
        }
        Ok(Lines { index, lines, leaves })
    }

    fn root(&self) -> HeadsRoot {
        HeadsRoot { threads: self.leaves.len() as u64, root: merkle::root_of(&self.leaves) }
    }

    /// The lines of these threads with their proofs; of an absent one, those of its neighbours.
    pub fn prove(&self, threads: &BTreeSet<ThreadId>) -> Result<HeadProofs, LedgerError> {
        let mut wanted: BTreeSet<&ThreadId> = BTreeSet::new();
        for thread in threads {
            if self.lines.contains_key(thread) {
                wanted.insert(thread);
            } else {
                wanted.extend(self.lines.range(..thread).next_back().map(|(thread, _)| thread));
                wanted.extend(self.lines.range(thread..).next().map(|(thread, _)| thread));
            }
        }
        let mut tree = MemoryTree::new(self.leaves.clone());
        let size = self.leaves.len() as TreeSize;
        let lines = wanted
            .into_iter()
            .map(|thread| {
                let (number, line) = &self.lines[thread];
                let proof = prove_inclusion(&mut tree, *number, size)
                    .map_err(|cause| malformed("heads", cause))?;
                Ok(LineProof { line: line.clone(), number: *number, proof: encode(&proof) })
            })
            .collect::<Result<_, LedgerError>>()?;
        Ok(HeadProofs { entry: self.index, lines })
    }
}
