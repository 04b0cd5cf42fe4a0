//! Loads slices of state from the store as the rules ask for them.

use std::collections::HashMap;

use schemas::id::{Digest, Time};
use schemas::predicate::promotion_request::RequestPath;
use schemas::thread::ThreadId;
use serde::de::DeserializeOwned;
use verifier::policy::{self, Ask, Evaluation};
use verifier::projection::slice::ControlSlice;
use verifier::projection::{Missing, State};
use verifier::view::{Lacking, View};

use crate::error::{LedgerError, malformed};
use crate::store::{LogHead, Read, Thread};
use crate::tree::Tiles;

/// Most threads that a state keeps from one append to the next.
const THREADS_KEPT_MAX: usize = 2048;

/// A partial state at the end of the log, and the tiles at its right edge, kept from one append to
/// the next.
///
/// Valid wherever the log ends with this head, whoever wrote it, since the head's leaf hash binds
/// everything before it. So it may be put down before the commit of which nobody knows yet whether
/// it succeeds.
pub struct Warm {
    head: LogHead,
    state: State,
    tiles: Tiles,
}

impl Warm {
    /// Keeps a partial state, unless it has grown too large. (A complete one, that of a log's first
    /// append, would take a statement that it has forgotten for one that is not logged.)
    pub fn keep(head: LogHead, mut state: State, tiles: Tiles) -> Option<Warm> {
        state.forget_statements();
        let small = state.threads_known() <= THREADS_KEPT_MAX;
        (state.is_partial() && small).then_some(Warm { head, state, tiles })
    }
}

/// A partial state over a view of the store.
pub struct Loader<R> {
    pub read: R,
    pub state: State,
}

impl<R: Read> Loader<R> {
    /// Loads the control thread; a log without entries has the empty state.
    pub async fn new(mut read: R) -> Result<Loader<R>, LedgerError> {
        if read.head().size == 0 {
            return Ok(Loader { read, state: State::empty() });
        }
        let rows = read.threads(&[ThreadId::Control]).await?;
        let row = rows.into_iter().next();
        let (control, head) = match row {
            Some(row) => (parse_slice::<ControlSlice>(&row)?, Some(row.head)),
            None => (ControlSlice::default(), None),
        };
        let state = State::partial(control, head).map_err(|cause| malformed("control", cause))?;
        Ok(Loader { read, state })
    }

    /// Takes over the state of an append before, where the log still ends as that one left it.
    pub async fn warm(read: R, warm: Option<Warm>) -> Result<(Loader<R>, Tiles), LedgerError> {
        match warm {
            Some(Warm { head, state, tiles }) if head == *read.head() => {
                Ok((Loader { read, state }, tiles))
            }
            _ => Ok((Loader::new(read).await?, Tiles::default())),
        }
    }

    /// Makes threads known, in one look at the store.
    pub async fn know(&mut self, threads: &[ThreadId]) -> Result<(), LedgerError> {
        let mut wanted: Vec<ThreadId> =
            threads.iter().filter(|thread| !self.state.knows(thread)).cloned().collect();
        wanted.sort();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(());
        }
        let rows = self.read.threads(&wanted).await?;
        let mut rows: HashMap<ThreadId, Thread> =
            rows.into_iter().map(|row| (row.thread.clone(), row)).collect();
        for thread in wanted {
            let row = rows.remove(&thread);
            let head = row.as_ref().map(|row| row.head);
            match thread {
                ThreadId::Artifact(digest) => {
                    let slice = row.as_ref().map(parse_slice).transpose()?;
                    self.state.know_artifact(digest, slice, head);
                }
                ThreadId::Environment(environment) => {
                    let slice = row.as_ref().map(parse_slice).transpose()?;
                    self.state.know_environment(environment, slice, head);
                }
                ThreadId::Control | ThreadId::Project(_) => self.state.know(thread, head),
            }
        }
        Ok(())
    }

    /// Loads what the rules missed.
    pub async fn supply(&mut self, missing: Missing) -> Result<(), LedgerError> {
        match missing {
            Missing::Thread(thread) => self.know(&[thread]).await,
            Missing::Statement(..) | Missing::Heads => {
                Err(malformed("state", "statements are looked up with their event, heads never"))
            }
        }
    }

    /// Asks something of the state, loading what that misses.
    pub async fn ask<T>(
        &mut self,
        at: Time,
        question: impl Fn(View<'_>) -> Result<T, Missing>,
    ) -> Result<T, LedgerError> {
        loop {
            let view = View { state: &self.state, at, lacking: Lacking::Asks };
            match question(view) {
                Ok(answer) => return Ok(answer),
                Err(missing) => self.supply(missing).await?,
            }
        }
    }

    /// Evaluates the policy in force, loading what the gates read.
    pub async fn evaluate(&mut self, ask: &Ask<'_>, at: Time) -> Result<Evaluation, LedgerError> {
        self.evaluate_together(ask, &[], RequestPath::Normal, at).await
    }

    /// The same of several artifacts that stand or fall together, by a path where no request says one.
    pub async fn evaluate_together(
        &mut self,
        ask: &Ask<'_>,
        with: &[Digest],
        way: RequestPath,
        at: Time,
    ) -> Result<Evaluation, LedgerError> {
        loop {
            match policy::evaluate_together(&self.state, ask, with, way, at) {
                Ok(evaluation) => {
                    let reads: Vec<ThreadId> = evaluation.reads.iter().cloned().collect();
                    self.know(&reads).await?;
                    return Ok(evaluation);
                }
                Err(missing) => self.supply(missing).await?,
            }
        }
    }
}

/// Reads a slice as it is stored. The table can be dropped and folded again from the entries.
pub fn parse_slice<T: DeserializeOwned + Default>(row: &Thread) -> Result<T, LedgerError> {
    match &row.slice {
        None => Ok(T::default()),
        Some(bytes) => {
            serde_json::from_slice(bytes).map_err(|cause| malformed(row.thread.to_string(), cause))
        }
    }
}
