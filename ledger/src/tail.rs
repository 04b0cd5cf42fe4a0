//! The end of the published log, for whoever waits for it to grow.

use std::sync::Arc;
use std::time::Duration;

use schemas::id::TreeSize;
use tokio::sync::watch;

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::store::{Read, Store};

/// How often it is looked for what other processes have published.
const LOOK: Duration = Duration::from_millis(500);

/// Knows how long the published log is, whoever has published it.
#[derive(Debug, Clone)]
pub struct Tail {
    size: watch::Receiver<TreeSize>,
}

impl Tail {
    /// Follows a ledger until nobody asks any more.
    ///
    /// What this process publishes is known at once, what others do with the next look: the
    /// database's answer is the truth, and nothing depends on being told.
    pub async fn follow<S: Store>(ledger: Arc<Ledger<S>>) -> Result<Tail, LedgerError> {
        let (sender, size) = watch::channel(ledger.published_size().await?);
        tokio::spawn(look(ledger, sender));
        Ok(Tail { size })
    }

    /// The size of the published log, as last heard.
    pub fn size(&self) -> TreeSize {
        *self.size.borrow()
    }

    /// Waits until the published log is longer than this, and answers its size; none where the
    /// follower has ended.
    pub async fn longer_than(&mut self, size: TreeSize) -> Option<TreeSize> {
        self.size.wait_for(|published| *published > size).await.ok().map(|published| *published)
    }
}

async fn look<S: Store>(ledger: Arc<Ledger<S>>, sender: watch::Sender<TreeSize>) {
    let mut here = ledger.grown();
    while !sender.is_closed() {
        let size = tokio::select! {
            Ok(()) = here.changed() => *here.borrow_and_update(),
            () = tokio::time::sleep(LOOK) => match ledger.published_size().await {
                Ok(size) => size,
                Err(cause) => {
                    tracing::warn!(%cause, "cannot look for the end of the log");
                    continue;
                }
            },
        };
        sender.send_if_modified(|known| {
            let longer = size > *known;
            *known = size.max(*known);
            longer
        });
    }
}

impl<S: Store> Ledger<S> {
    /// Tells when this process has published a longer log.
    pub fn grown(&self) -> watch::Receiver<TreeSize> {
        self.publisher.grown.subscribe()
    }

    /// How many entries the published checkpoint covers.
    pub async fn published_size(&self) -> Result<TreeSize, LedgerError> {
        let published = self.store.snapshot().await?.checkpoint().await?;
        Ok(published.map_or(0, |(size, _)| size))
    }
}
