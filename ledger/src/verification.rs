//! Verifies the ledger that is here: the verifier's whole check over the store.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use schemas::id::{EntryIndex, Hash, Origin, TreeSize};
use schemas::report::{Code, Finding};
use verifier::log::{Hearing, LogReport, LogSource, Record, verify_log_heard};
use verifier::merkle::proof::verify_consistency;
use verifier::pin::Pin;

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::store::{Read, Store, Views};
use crate::tree::Tiles;

/// How much is read ahead: batches of this many bytes, and so many of them.
const BATCH_BYTES: u64 = 4 << 20;
const BATCHES_AHEAD: usize = 3;

impl<S: Store + Clone> Ledger<S> {
    /// Verifies everything from bytes: entries, envelopes, signatures, threads, heads, decisions,
    /// the published checkpoint, and the pin. `progress` hears how far it is.
    pub async fn verify(
        &self,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<LogReport, LedgerError> {
        verify(&self.store, &self.origin, &self.pin, progress).await
    }

    /// Verifies everything, while somebody hears what happens in the log.
    pub async fn verify_heard<H: Hearing + 'static>(
        &self,
        hearing: H,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<(LogReport, H), LedgerError> {
        verify_heard(&self.store, &self.origin, &self.pin, hearing, progress).await
    }
}

/// Verifies a log from bytes, wherever it is kept.
pub async fn verify<V: Views + Clone>(
    views: &V,
    origin: &Origin,
    pin: &Pin,
    progress: impl Fn(TreeSize) + Send + 'static,
) -> Result<LogReport, LedgerError> {
    verify_heard(views, origin, pin, (), progress).await.map(|(report, ())| report)
}

/// Verifies a log from bytes, while somebody hears what happens in it.
pub async fn verify_heard<V: Views + Clone, H: Hearing + 'static>(
    views: &V,
    origin: &Origin,
    pin: &Pin,
    mut hearing: H,
    progress: impl Fn(TreeSize) + Send + 'static,
) -> Result<(LogReport, H), LedgerError> {
    let (send, receive) = sync_channel(BATCHES_AHEAD);
    // Before the log, which may grow meanwhile: so a log that is shorter has lost something.
    let published = views.view().await?.checkpoint().await?.map(|(_, note)| note);
    let read = views.view().await?;
    let size = read.head().size;
    let reader = tokio::spawn(read_ahead(read, size, send));
    let handle = tokio::runtime::Handle::current();
    let (origin, more) = (origin.clone(), views.clone());
    let work = move || {
        let mut source = Source { receive, views: more, handle, done: 0, progress };
        let report = verify_log_heard(&origin, &mut source, &mut hearing)?;
        Ok::<_, LedgerError>((report, hearing))
    };
    let verified = tokio::task::spawn_blocking(work).await;
    reader.abort();
    let (mut report, hearing) = verified.map_err(|_| LedgerError::Abandoned)??;
    check_published(&mut views.view().await?, published, pin, &mut report).await;
    Ok((report, hearing))
}

/// Compares what the entries gave with the checkpoint and the pin.
async fn check_published<R: Read>(
    read: &mut R,
    published: Option<String>,
    pin: &Pin,
    report: &mut LogReport,
) {
    let mut wrong = |code, detail: String| report.findings.push(Finding::new(code, None, detail));
    if let (Some(pinned), Some(genesis)) = (pin.genesis(), report.genesis)
        && *pinned != genesis
    {
        wrong(Code::GenesisMismatch, format!("entry 0 hashes to {genesis}, pinned is {pinned}"));
    }
    if report.halted {
        return;
    }
    let Some(note) = published else {
        return wrong(Code::CheckpointMissing, "no checkpoint was published".to_owned());
    };
    let checkpoint = match verifier::checkpoint::verify_checkpoint(note.as_bytes(), pin.log()) {
        Ok(checkpoint) => checkpoint,
        Err(cause) => return wrong(Code::CheckpointInvalid, cause.to_string()),
    };
    // The log may have grown since the checkpoint; then it must extend it.
    let (size, root) = (checkpoint.size(), checkpoint.root());
    let proof = match size <= report.size {
        true => Tiles::default().consistency(read, size, report.size).await.unwrap_or_default(),
        false => Vec::new(),
    };
    let extends = verify_consistency(size, root, report.size, &report.root, &proof);
    if let Err(cause) = extends {
        let found = format!("{} entries hash to {}", report.size, report.root);
        wrong(Code::RootMismatch, format!("checkpoint {size} {root}; {found}: {cause}"));
    }
}

async fn read_ahead<R: Read>(
    mut read: R,
    size: TreeSize,
    send: SyncSender<Result<Vec<Record>, LedgerError>>,
) {
    let mut next: EntryIndex = 0;
    while next < size {
        let batch = match read.read_range(next, size, BATCH_BYTES).await {
            Ok(batch) => batch,
            Err(cause) => {
                let _ = send.send(Err(cause.into()));
                return;
            }
        };
        let Some(last) = batch.last() else { return };
        next = last.index + 1;
        let record = |stored: crate::store::StoredEntry| Record {
            entry: stored.entry,
            envelope: stored.envelope,
        };
        let records: Vec<Record> = batch.into_iter().map(record).collect();
        let sent = tokio::task::block_in_place(|| send.send(Ok(records)));
        if sent.is_err() {
            return;
        }
    }
}

struct Source<V, P> {
    receive: Receiver<Result<Vec<Record>, LedgerError>>,
    views: V,
    handle: tokio::runtime::Handle,
    done: TreeSize,
    progress: P,
}

impl<V: Views, P: Fn(TreeSize)> LogSource for Source<V, P> {
    type Error = LedgerError;

    fn next_records(&mut self) -> Result<Vec<Record>, LedgerError> {
        match self.receive.recv() {
            Ok(batch) => {
                let batch = batch?;
                self.done += batch.len() as TreeSize;
                (self.progress)(self.done);
                Ok(batch)
            }
            Err(_) => Ok(Vec::new()),
        }
    }

    fn consistency(&mut self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, LedgerError> {
        self.handle.block_on(async {
            let mut read = self.views.view().await?;
            Tiles::default().consistency(&mut read, from, to).await
        })
    }
}
