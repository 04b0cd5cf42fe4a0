//! The log as static files, for a CDN: the same bytes as the server's own tiles, in a folder or a
//! bucket.
//!
//! Tiles first, then the checkpoint that needs them, replaced only if nobody has replaced it
//! meanwhile: so readers never see a checkpoint whose tiles are missing, and it never goes back,
//! however many servers publish and whenever they are killed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use schemas::id::TreeSize;
use tokio::sync::watch;
use tokio::time::timeout;
use verifier::checkpoint::verify_checkpoint;
use verifier::merkle::tile_path::TilePath;

use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::objects::Shown;
use crate::store::Store;
use crate::tree::Tiles;

const CHECKPOINT: &str = "checkpoint";

/// How often it is looked whether there is something new to publish.
const EVERY: Duration = Duration::from_secs(1);

/// Files that are written at the same time.
const AT_ONCE: usize = 8;

/// Publishes until the server stops, and then what was logged last.
pub async fn keep_published<S: Store>(ledger: Arc<Ledger<S>>, mut stopped: watch::Receiver<bool>) {
    loop {
        let stops = *stopped.borrow();
        if let Err(cause) = ledger.publish_files().await {
            tracing::error!(cause = crate::error::chain(&cause), "the log's files are behind");
        }
        if stops {
            return;
        }
        let _ = timeout(EVERY, stopped.wait_for(|stopped| *stopped)).await;
    }
}

impl<S: Store> Ledger<S> {
    /// Brings the published files up to the published checkpoint; answers the size they show.
    pub async fn publish_files(&self) -> Result<TreeSize, LedgerError> {
        loop {
            let checkpoint = self.reading().await?.published().await?;
            let before = self.objects.shown(CHECKPOINT).await?;
            let from = self.size_shown(before.as_ref()).await?;
            let to = checkpoint.size();
            if from >= to {
                return Ok(from);
            }
            futures_util::stream::iter(TilePath::between(from, to).map(Ok))
                .try_for_each_concurrent(AT_ONCE, |it| self.publish_tile(it))
                .await?;
            let note = verifier::note::format_note(checkpoint.note()).into_bytes();
            if self.objects.replace(CHECKPOINT, before, note).await? {
                self.withdraw_partial(from, to).await?;
                return Ok(to);
            }
        }
    }

    /// The size that is shown already; refuses what is no beginning of this log.
    async fn size_shown(&self, shown: Option<&Shown>) -> Result<TreeSize, LedgerError> {
        let Some(shown) = shown else { return Ok(0) };
        let checkpoint = verify_checkpoint(&shown.bytes, self.pin.log()).map_err(|cause| {
            LedgerError::Forked(format!("the published files are of another log: {cause}"))
        })?;
        let mut read = self.store.snapshot().await?;
        let (shown, size) = (checkpoint.size(), crate::store::Read::head(&read).size);
        if shown > size {
            let detail = format!("the published files show size {shown}, the database {size}");
            return Err(LedgerError::Forked(detail));
        }
        if Tiles::default().root(&mut read, shown).await? != *checkpoint.root() {
            let detail = format!("the published files show another root at size {shown}");
            return Err(LedgerError::Forked(detail));
        }
        Ok(shown)
    }

    async fn publish_tile(&self, it: TilePath) -> Result<(), LedgerError> {
        let name = format!("tile/{}", it.format());
        let bytes = self.tile(&it).await?.ok_or_else(|| malformed(&name, "it is not stored"))?;
        self.objects.publish(&name, bytes).await
    }

    /// Takes the partial tiles away that are full now; clients that look for one take the full.
    async fn withdraw_partial(&self, from: TreeSize, to: TreeSize) -> Result<(), LedgerError> {
        let edge = TilePath::edge(from);
        for full in edge.into_iter().map(TilePath::full).filter(|full| full.is_within(to)) {
            self.objects.withdraw(&format!("tile/{}.p", full.format())).await?;
        }
        Ok(())
    }
}
