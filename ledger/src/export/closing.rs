//! The checkpoint that a pack closes with: the newest heads, and where witnesses are asked, one that
//! enough of them have cosigned.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemas::id::EntryIndex;
use tokio::time::{Instant, sleep};
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::entry::Entry;

use crate::error::{LedgerError, malformed};
use crate::evidence;
use crate::heads::Lines;
use crate::ledger::Ledger;
use crate::store::{Read, Store};
use crate::tree::Tiles;

/// How often it is looked for cosignatures.
const LOOK: Duration = Duration::from_millis(100);

/// How often heads are logged for one pack: others may log theirs before the witnesses have come to
/// ours, and a pack closes behind the newest.
const TRIES: usize = 3;

/// Whether enough witnesses have seen the log that a pack shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cosigned {
    /// Nobody asks witnesses here.
    NotAsked,
    /// As many as the policy asks for have cosigned the closing checkpoint.
    Met,
    /// They had not when the patience ended: the checkpoint has the log's signature alone.
    Missed,
}

/// Where witnesses are asked by this process.
#[derive(Debug, Default)]
pub(crate) struct Asked(AtomicBool);

impl Asked {
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a pack closes with.
pub(super) struct Closing<R> {
    pub lines: Lines<R>,
    pub checkpoint: VerifiedCheckpoint,
    pub cosigned: Cosigned,
}

impl<S: Store> Ledger<S> {
    /// Logs heads, and waits for a quorum behind them where there is one to wait for.
    pub(super) async fn close_pack(
        &self,
        patience: Duration,
    ) -> Result<Closing<S::Snapshot>, LedgerError> {
        let until = Instant::now() + patience;
        let mut tries = 0;
        loop {
            tries += 1;
            let (lines, checkpoint) = self.log_heads().await?;
            let cosigned = match self.asks_witnesses() {
                true => Cosigned::Missed,
                false => Cosigned::NotAsked,
            };
            if cosigned == Cosigned::NotAsked {
                return Ok(Closing { lines, checkpoint, cosigned });
            }
            let Some(found) = self.cosigned_from(checkpoint.size(), until).await else {
                return Ok(Closing { lines, checkpoint, cosigned });
            };
            if self.closes(lines.size, &found).await? {
                return Ok(Closing { lines, checkpoint: found, cosigned: Cosigned::Met });
            }
            if tries == TRIES {
                return Ok(Closing { lines, checkpoint, cosigned });
            }
        }
    }

    /// This process does, or another one has: it leaves what it has collected in the folder.
    fn asks_witnesses(&self) -> bool {
        self.asked.0.load(Ordering::Relaxed) || self.folder.cosigned().exists()
    }

    /// Waits for a checkpoint of at least this size that a quorum has cosigned.
    async fn cosigned_from(&self, size: u64, until: Instant) -> Option<VerifiedCheckpoint> {
        loop {
            let found = self.vouched().or_else(|| {
                let kept = std::fs::read(self.folder.cosigned()).ok()?;
                verify_checkpoint(&kept, self.pin.log()).ok()
            });
            if let Some(found) = found.filter(|found| found.size() >= size) {
                return Some(found);
            }
            if Instant::now() >= until {
                return None;
            }
            sleep(LOOK).await;
        }
    }

    /// Whether a checkpoint is one of this log, and has no newer heads in it than these.
    async fn closes(
        &self,
        heads: EntryIndex,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<bool, LedgerError> {
        let mut read = self.store.snapshot().await?;
        let contradiction =
            evidence::contradiction(checkpoint, &mut read, &mut Tiles::default()).await?;
        if let Some(contradiction) = contradiction {
            return Err(LedgerError::Forked(format!("the cosigned checkpoint {contradiction}")));
        }
        let mut next = heads + 1;
        while next < checkpoint.size() {
            let some = read.entries_alone(next, checkpoint.size()).await?;
            for (index, bytes) in &some {
                let entry = Entry::parse(bytes)
                    .map_err(|cause| malformed(format!("entry {index}"), cause))?;
                if entry.predicate_type == schemas::predicate::heads::TYPE {
                    return Ok(false);
                }
            }
            let last = some.last().ok_or(LedgerError::NoEntry(next))?;
            next = last.0 + 1;
        }
        Ok(true)
    }
}
