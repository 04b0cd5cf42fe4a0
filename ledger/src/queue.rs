//! The queue before the log: callers that come at the same time are logged in one batch.
//!
//! A caller alone is not kept waiting: while no batch is under way its event goes at once. While a
//! small batch of this process is next for the lock, whoever comes is in the one behind it: so batches
//! are as large as the log is busy, whoever else appends to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::error::LedgerError;
use crate::ledger::{Ledger, Logged, Submission};
use crate::metrics::Metrics;
use crate::promotion;
use crate::store::Store;

/// Events after which a batch goes, full or not: four requests of 256 are one.
const BATCH_MAX: usize = 1024;

/// Fewer events than these wait as long as others are next for the lock. More are worth a transaction,
/// and take so long to read that they begin at once.
const FEW: usize = 64;

/// The longest that an event waits for others besides. Callers that wait for their answers send nothing
/// meanwhile, so time spent gathering is lost to all of them.
const GATHER: Duration = Duration::from_micros(200);

/// Batches under way: one is next for the lock, one has it, one is published.
const UNDER_WAY: usize = 3;

/// Callers that may wait; more are told to come back.
const WAITING_MAX: usize = 4096;

/// What became of a caller's events: an answer for each, or none of them was looked at.
pub type Answer = Result<Vec<Result<Logged, LedgerError>>, Arc<LedgerError>>;

struct Waiting {
    submissions: Vec<Submission>,
    answer: oneshot::Sender<Answer>,
    since: Instant,
    /// The caller's span.
    span: Span,
}

/// Why the queue did not take an event.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    #[error("{WAITING_MAX} callers wait already")]
    Full,
    #[error("the server is stopping")]
    Stopping,
    #[error(transparent)]
    Ledger(Arc<LedgerError>),
}

/// The way into a ledger that many callers share.
#[derive(Debug, Clone)]
pub struct Queue {
    sender: mpsc::Sender<Waiting>,
    metrics: Metrics,
}

impl Queue {
    /// Starts the task that gathers batches; it ends when every handle to the queue is gone, after
    /// what was accepted is logged.
    pub fn start<S: Store>(ledger: Arc<Ledger<S>>) -> (Queue, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let metrics = ledger.metrics().clone();
        (Queue { sender, metrics }, tokio::spawn(gather(ledger, receiver)))
    }

    /// Logs events; every one has its own answer, in their order.
    pub async fn submit(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Logged, LedgerError>>, QueueError> {
        let (answer, answered) = oneshot::channel();
        let (since, span) = (Instant::now(), Span::current());
        let waiting = Waiting { submissions, answer, since, span };
        let permit = self.sender.try_reserve().map_err(|cause| match cause {
            mpsc::error::TrySendError::Full(()) => QueueError::Full,
            mpsc::error::TrySendError::Closed(()) => QueueError::Stopping,
        })?;
        self.metrics.queued();
        permit.send(waiting);
        let answer = answered.await.map_err(|_| QueueError::Stopping)?;
        answer.map_err(QueueError::Ledger)
    }
}

async fn gather<S: Store>(ledger: Arc<Ledger<S>>, mut receiver: mpsc::Receiver<Waiting>) {
    let (under_way, next) = (Arc::new(Semaphore::new(UNDER_WAY)), Arc::new(Semaphore::new(1)));
    while let Some(first) = receiver.recv().await {
        let mut callers = vec![first];
        let idle = under_way.available_permits() == UNDER_WAY;
        if !idle {
            fill(&mut callers, &mut receiver).await;
        }
        let Ok(permit) = Arc::clone(&under_way).acquire_owned().await else { return };
        take_waiting(&mut callers, &mut receiver);
        let mut place = None;
        if events(&callers) < FEW {
            place = Arc::clone(&next).acquire_owned().await.ok();
            take_waiting(&mut callers, &mut receiver);
        }
        let ledger = Arc::clone(&ledger);
        ledger.metrics().taken(callers.len(), events(&callers));
        let span = tracing::info_span!(
            "append",
            callers = callers.len(),
            events = events(&callers),
            attestry.promotion.id = Empty
        );
        for caller in &callers {
            span.follows_from(&caller.span);
        }
        let log = async move {
            log(&ledger, callers, place).await;
            drop(permit);
        };
        tokio::spawn(log.instrument(span));
    }
    // Whoever stops the server waits for this task, and with it for what is under way.
    let _ = under_way.acquire_many(UNDER_WAY as u32).await;
}

fn events(callers: &[Waiting]) -> usize {
    callers.iter().map(|caller| caller.submissions.len()).sum()
}

/// Waits for more callers, but not longer than the first of them may wait.
async fn fill(callers: &mut Vec<Waiting>, receiver: &mut mpsc::Receiver<Waiting>) {
    let until = Instant::now() + GATHER;
    while events(callers) < BATCH_MAX {
        match timeout_at(until, receiver.recv()).await {
            Ok(Some(caller)) => callers.push(caller),
            Ok(None) | Err(_) => return,
        }
    }
}

/// Takes who has come meanwhile.
fn take_waiting(callers: &mut Vec<Waiting>, receiver: &mut mpsc::Receiver<Waiting>) {
    while events(callers) < BATCH_MAX
        && let Ok(caller) = receiver.try_recv()
    {
        callers.push(caller);
    }
}

/// Logs one batch and gives every caller its part of the answers; gives up its place before the lock, if
/// it has one, as soon as it has the lock.
async fn log<S: Store>(
    ledger: &Ledger<S>,
    callers: Vec<Waiting>,
    place: Option<OwnedSemaphorePermit>,
) {
    let mut batch = Vec::new();
    let mut answers = Vec::with_capacity(callers.len());
    for caller in callers {
        answers.push((caller.submissions.len(), caller.answer, caller.since));
        batch.extend(caller.submissions);
    }
    let logged = async {
        let incoming = ledger.read(batch).await?;
        let working = ledger.begin().await?;
        drop(place);
        ledger.log(incoming, working).await
    };
    match logged.await {
        Ok(logged) => {
            promotion::note_span(logged.iter().flatten().filter_map(|it| it.promotion));
            let mut logged = logged.into_iter();
            for (count, answer, since) in answers {
                ledger.metrics().answered(since.elapsed());
                // A caller that has gone away may ask again: the log is idempotent.
                let _ = answer.send(Ok(logged.by_ref().take(count).collect()));
            }
        }
        Err(cause) => {
            if matches!(cause, LedgerError::Forked(_)) {
                ledger.metrics().failed("forked");
            }
            let cause = Arc::new(cause);
            for (_, answer, _) in answers {
                let _ = answer.send(Err(Arc::clone(&cause)));
            }
        }
    }
}
