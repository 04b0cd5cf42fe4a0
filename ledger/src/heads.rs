//! Heads: where every thread ends and what the state is, committed to in the log itself.

mod kept;
mod lines;
mod names;

use schemas::id::{Digest, EntryIndex, TreeSize};
use schemas::kind::EventKind;
use schemas::predicate::heads::{self, Heads};
use schemas::statement::{Statement, Subject};
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::entry::{Entry, genesis_prev};
use verifier::sign;

pub use self::kept::{KeptHeads, ProvenLine};

pub(crate) use self::lines::Lines;
use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::loader::Loader;
use crate::store::{Read, Store};
use crate::working::Working;

/// The age of the newest heads at which a server logs new ones, in ms.
const AGE_MS_MAX: i64 = 86_400_000;

/// How far the lines may be behind the log when the lock is taken, in entries.
const BEHIND_MAX: TreeSize = 256;

/// How often the log is caught up with before that: whoever appends faster than the lines are read
/// waits a little longer then.
const ROUNDS: usize = 8;

impl<S: Store> Ledger<S> {
    /// Logs heads where the newest are a day old and the log has grown since; answers their entry.
    ///
    /// Asked again under the lock: of several servers one logs them.
    pub async fn log_heads_daily(&self) -> Result<Option<EntryIndex>, LedgerError> {
        if !self.is_due(&mut self.loader().await?).await? {
            return Ok(None);
        }
        let key = self.log_key()?;
        let mut lines = self.lines().await?;
        let mut working = self.begin().await?;
        if !self.is_due(working.loader()).await? {
            return Ok(None);
        }
        self.append_heads(&mut working, &mut lines).await?;
        self.commit(working, key).await?;
        self.metrics.logged(EventKind::Heads);
        self.keep_leaves(lines.size, lines.leaves_bytes()).await;
        Ok(Some(lines.size))
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

    /// Logs a heads event about the log just before it, and publishes; answers a checkpoint that
    /// ends with that event, whoever has appended or published behind it.
    pub(crate) async fn log_heads(
        &self,
    ) -> Result<(Lines<S::Snapshot>, VerifiedCheckpoint), LedgerError> {
        let key = self.log_key()?;
        let mut lines = self.lines().await?;
        let mut working = self.begin().await?;
        self.append_heads(&mut working, &mut lines).await?;
        let committed = working.commit().await?;
        let published = self.publisher.publish(&self.store, &committed, key).await?;
        self.metrics.logged(EventKind::Heads);
        let checkpoint = published.checkpoint;
        let checkpoint = match checkpoint.size() == committed.frontier.size() {
            true => checkpoint,
            false => self.publisher.sign(&committed.frontier, key)?,
        };
        self.keep_leaves(lines.size, lines.leaves_bytes()).await;
        Ok((lines, checkpoint))
    }

    /// Keeps the hashes of the lines, so that a thread's line can be proven for as long as these heads
    /// are the newest. Nothing rests on it: without them a client reads more of the log.
    async fn keep_leaves(&self, index: EntryIndex, leaves: Vec<u8>) {
        if let Err(cause) = self.objects.keep_heads(index, leaves).await {
            tracing::warn!(cause = crate::error::chain(&cause), "the lines of heads are not kept");
        }
    }

    /// Reads the lines of a log that goes on meanwhile, until little is left to be taken in.
    async fn lines(&self) -> Result<Lines<S::Snapshot>, LedgerError> {
        let mut lines = Lines::read(self.store.snapshot().await?).await?;
        for _ in 0..ROUNDS {
            let view = self.store.snapshot().await?;
            if view.head().size - lines.size <= BEHIND_MAX {
                break;
            }
            lines.move_to(view).await?;
        }
        Ok(lines)
    }

    async fn append_heads(
        &self,
        working: &mut Working<S::Append>,
        lines: &mut Lines<S::Snapshot>,
    ) -> Result<(), LedgerError> {
        let service = self.service_key()?;
        lines.catch_up(&mut working.loader().read).await?;
        let root = lines.root()?;
        let body = Heads {
            ledger: self.origin.clone(),
            nonce: self.nonce()?,
            size: lines.size,
            threads: root.threads,
            root: root.root,
        };
        let ledger = Digest::sha256(&genesis_prev(&self.origin));
        let subject = Subject::of(&ledger, Some(self.origin.as_str()));
        let statement = Statement::new(vec![subject], heads::TYPE, body);
        let envelope = sign::sign_statement(&statement, &[&service])
            .map_err(|cause| malformed("heads", cause))?;
        Ledger::<S>::append_own(working, envelope).await?;
        Ok(())
    }
}
