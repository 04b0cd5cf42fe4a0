//! What a server does by itself: open requests are evaluated again, webhooks are told of what is
//! overdue, and heads are logged daily.
//!
//! Several servers may do so at once: whoever has the lock looks again before it decides.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::ledger::Ledger;
use crate::promotion::Which;
use crate::store::Store;

/// How often time is asked whether it has changed an answer, unless an operator says otherwise.
pub const EVALUATE_EVERY: Duration = Duration::from_secs(60);

/// How often it is looked whether heads are due.
const HEADS_EVERY: Duration = Duration::from_secs(600);

/// The shortest rest between two looks at open requests, however much is logged.
const REST_MIN: Duration = Duration::from_millis(100);

/// Rests so many times as long as the look took, so that it takes little from whoever appends.
const REST: u32 = 10;

/// Evaluates open requests whenever this process has logged something, and every so often, until
/// it is told to stop. What fails is told and tried again.
pub async fn evaluate<S: Store>(
    ledger: Arc<Ledger<S>>,
    every: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let mut grown = ledger.grown();
    loop {
        grown.mark_unchanged();
        let began = Instant::now();
        look(&ledger).await;
        let rest = (began.elapsed() * REST).max(REST_MIN).min(every);
        // Nothing is broken off half-way: it is told to stop while it waits.
        let wait = async {
            sleep(rest).await;
            tokio::select! {
                Ok(()) = grown.changed() => {}
                () = sleep(every) => {}
            }
        };
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = wait => {}
        }
    }
}

async fn look<S: Store>(ledger: &Ledger<S>) {
    let evaluated = ledger.evaluate_open(Which::All).await.unwrap_or_else(|cause| {
        tracing::warn!(%cause, "open requests could not be evaluated");
        Vec::new()
    });
    // Reviews are overdue whether or not a request could be evaluated.
    if let Err(cause) = ledger.tell_overdue(&evaluated).await {
        tracing::warn!(%cause, "what is overdue could not be told");
    }
    for it in evaluated {
        if let Some(decision) = it.decision {
            let (request, environment) = (it.request, it.environment.to_string());
            tracing::info!(request, environment, decision, "a request was decided");
        }
    }
}

/// Logs heads where they are due, until it is told to stop.
pub async fn keep_heads<S: Store>(ledger: Arc<Ledger<S>>, mut stopping: watch::Receiver<bool>) {
    loop {
        match ledger.log_heads_daily().await {
            Ok(Some(entry)) => tracing::info!(entry, "logged heads"),
            Ok(None) => {}
            Err(cause) => tracing::warn!(%cause, "heads could not be logged"),
        }
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = sleep(HEADS_EVERY) => {}
        }
    }
}
