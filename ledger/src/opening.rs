//! Opening a ledger: what is checked before its first signature.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use schemas::id::Origin;
use verifier::pin::{Pin, parse_pin};
use verifier::signed::KeyRing;

use crate::clock::{Clock, SystemClock};
use crate::database::Database;
use crate::documents::Documents;
use crate::error::{LedgerError, file_error, malformed};
use crate::export::Asked;
use crate::folder::Folder;
use crate::heads::KeptHeads;
use crate::high_water::HighWater;
use crate::ledger::Ledger;
use crate::loader::Loader;
use crate::metrics::Metrics;
use crate::objects::Objects;
use crate::publish::Publisher;
use crate::store::{AnyStore, Append as _, Read, Store};
use crate::tree::Tiles;
use crate::working::Committed;

impl Ledger<AnyStore> {
    /// Opens a ledger's folder; refuses one that does not continue what was published.
    pub async fn open(root: &Path, high_water: &Path) -> Result<Ledger, LedgerError> {
        Ledger::open_with(root, high_water, Arc::new(SystemClock), false).await
    }

    pub async fn open_with(
        root: &Path,
        high_water: &Path,
        clock: Arc<dyn Clock>,
        accept_clock: bool,
    ) -> Result<Ledger, LedgerError> {
        let ledger = Ledger::open_unsigned(root, high_water, clock, accept_clock).await?;
        ledger.catch_up().await?;
        Ok(ledger)
    }

    /// Opens it without a signature: for who has others to ask before [`Ledger::catch_up`].
    pub async fn open_unsigned(
        root: &Path,
        high_water: &Path,
        clock: Arc<dyn Clock>,
        accept_clock: bool,
    ) -> Result<Ledger, LedgerError> {
        let store = match Folder::new(root).database()? {
            Database::Sqlite(path) if !path.exists() => {
                return Err(LedgerError::NotFound(root.to_owned()));
            }
            database => database.open().await?,
        };
        Ledger::open_checked(store, root, high_water, clock, accept_clock).await
    }

    /// Closes the database's connections.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

impl<S: Store> Ledger<S> {
    /// Opens a ledger's folder on a store that is open already.
    pub async fn open_on(
        store: S,
        root: &Path,
        high_water: &Path,
        clock: Arc<dyn Clock>,
        accept_clock: bool,
    ) -> Result<Ledger<S>, LedgerError> {
        let ledger = Ledger::open_checked(store, root, high_water, clock, accept_clock).await?;
        ledger.catch_up().await?;
        Ok(ledger)
    }

    async fn open_checked(
        store: S,
        root: &Path,
        high_water: &Path,
        clock: Arc<dyn Clock>,
        accept_clock: bool,
    ) -> Result<Ledger<S>, LedgerError> {
        let folder = Folder::new(root);
        let bytes = std::fs::read(folder.pin()).map_err(file_error(folder.pin()))?;
        let pin = parse_pin(&bytes).map_err(|cause| malformed("pin.txt", cause))?;
        let ledger = Ledger::assemble(store, folder, pin, high_water, clock, accept_clock)?;
        ledger.check().await?;
        Ok(ledger)
    }

    pub(crate) fn assemble(
        store: S,
        folder: Folder,
        pin: Pin,
        high_water: &Path,
        clock: Arc<dyn Clock>,
        accept_clock: bool,
    ) -> Result<Ledger<S>, LedgerError> {
        let vkey = pin.log().clone();
        let origin: Origin =
            vkey.name().as_str().parse().map_err(|cause| malformed("pin.txt", cause))?;
        let high_water = HighWater::of(high_water, &origin, &vkey);
        let publisher = Publisher::new(origin.clone(), vkey, folder.clone(), high_water);
        let (objects, ring) = (Objects::open(&folder)?, Mutex::default());
        Ok(Ledger {
            store,
            folder,
            objects,
            pin: Arc::new(pin),
            origin,
            publisher,
            clock,
            metrics: Metrics::default(),
            accept_clock,
            ring,
            kept: Arc::default(),
            asked: Asked::default(),
            vouched: Mutex::default(),
            documents: Documents::default(),
            kept_heads: KeptHeads::default(),
            key: OnceLock::new(),
        })
    }

    /// The checks before the first signature.
    pub(crate) async fn check(&self) -> Result<(), LedgerError> {
        let kept = self.publisher.kept()?;
        let mut read = self.store.snapshot().await?;
        self.publisher.check(&mut read, &kept).await?;
        self.refresh_ring(&Loader::new(read).await?);
        Ok(())
    }

    /// Publishes what an earlier run had only committed.
    pub async fn catch_up(&self) -> Result<(), LedgerError> {
        let mut read = self.store.snapshot().await?;
        let published = read.checkpoint().await?.map(|(size, _)| size);
        let head = read.head().clone();
        drop(read);
        if published == Some(head.size) || head.size == 0 {
            return Ok(());
        }
        // Readers without the log key cannot publish, and need not.
        let Ok(key) = self.log_key() else {
            return Ok(());
        };
        // Whoever committed that may not have got as far as to make it durable.
        self.store.lock_sealed().await?.commit().await?;
        let frontier = verifier::merkle::Frontier::from_parts(head.size, head.peaks)
            .ok_or_else(|| malformed("head", "its peaks are not those of its size"))?;
        let committed = Committed {
            from: head.size,
            leaves: Vec::new(),
            frontier,
            tiles: Tiles::default(),
            appending: self.publisher.appending(),
        };
        self.publisher.publish(&self.store, &committed, key).await?;
        Ok(())
    }

    fn refresh_ring<R: Read>(&self, loader: &Loader<R>) {
        if let Ok(mut ring) = self.ring.lock() {
            *ring = Arc::new(KeyRing::of(&loader.state));
        }
    }
}
