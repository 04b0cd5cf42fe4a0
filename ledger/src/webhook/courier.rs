//! Takes messages to endpoints: one attempt at a time for each, several endpoints at once.
//!
//! An endpoint is held by a lease, so that of several servers one sends. Whoever is killed between
//! an accepted attempt and writing that down leaves the delivery to the next holder, who sends it
//! again under the same id.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use schemas::id::{EntryIndex, Time, TreeSize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::key::WebhookKey;
use super::message::message_of;
use super::retry;
use crate::error::{LedgerError, chain};
use crate::ledger::Ledger;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::store::Store;
use crate::store::outbox::{Attempt, Delivery, Endpoint, Lease, WAITING_MAX};
use crate::tail::Tail;

/// The longest that one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);

/// How long an endpoint is held without a sign of life: longer than any attempt.
const LEASE_MS: i64 = 15_000;

/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_secs(1);

/// The shortest rest between two looks, however fast the log grows.
const REST_MIN: Duration = Duration::from_millis(100);

/// Endpoints that one server sends to at once.
const AT_ONCE: usize = 8;

/// Most bytes of entries and envelopes that are looked at in one go.
const PAGE_BYTES: u64 = 1 << 20;

/// Most characters of what an attempt came to that are written down.
const ANSWER_CHARS_MAX: usize = 200;

/// Delivers until it is told to stop, and then finishes the attempts under way.
pub async fn deliver<S: Store>(
    ledger: Arc<Ledger<S>>,
    outgoing: Outgoing,
    first_wait: Duration,
    mut tail: Tail,
    mut stopping: watch::Receiver<bool>,
) {
    let courier = Courier { ledger, outgoing, first_wait, stopping: stopping.clone() };
    let mut under_way = JoinSet::new();
    while !*stopping.borrow() {
        while under_way.try_join_next().is_some() {}
        let size = tail.size();
        if let Err(cause) = courier.send_out(size, &mut under_way).await {
            tracing::warn!(%cause, "webhooks could not be looked at");
        }
        let wait = async {
            sleep(REST_MIN).await;
            let _ = timeout(LOOK, tail.longer_than(size)).await;
        };
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = wait => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

struct Courier<S: Store> {
    ledger: Arc<Ledger<S>>,
    outgoing: Outgoing,
    first_wait: Duration,
    stopping: watch::Receiver<bool>,
}

impl<S: Store> Clone for Courier<S> {
    fn clone(&self) -> Courier<S> {
        Courier {
            ledger: Arc::clone(&self.ledger),
            outgoing: self.outgoing.clone(),
            first_wait: self.first_wait,
            stopping: self.stopping.clone(),
        }
    }
}

impl<S: Store> Courier<S> {
    /// Claims what there is to do, and sends somebody out for each endpoint.
    async fn send_out(
        &self,
        published: TreeSize,
        under_way: &mut JoinSet<()>,
    ) -> Result<(), LedgerError> {
        // No key, no endpoint: it is made with the first one.
        let Some(key) = self.ledger.webhook_key()?.map(Arc::new) else { return Ok(()) };
        while under_way.len() < AT_ONCE {
            let holder = self.ledger.nonce()?;
            let holder = format!("{holder:?}");
            let (now, until) = self.lease();
            let store = &self.ledger.store;
            let claimed = store.claim(&key.id(), published, &holder, now, until).await?;
            let Some(endpoint) = claimed else { return Ok(()) };
            let round = Round {
                courier: self.clone(),
                lease: Lease { endpoint: endpoint.id, holder },
                key: Arc::clone(&key),
                endpoint,
            };
            under_way.spawn(async move {
                let id = round.endpoint.id;
                if let Err(cause) = round.run(published).await {
                    tracing::warn!(%cause, endpoint = id, "a webhook's round broke off");
                }
            });
        }
        Ok(())
    }

    fn lease(&self) -> (Time, Time) {
        let now = self.ledger.now();
        (now, Time(now.0 + LEASE_MS))
    }
}

/// What is done while an endpoint is held.
struct Round<S: Store> {
    courier: Courier<S>,
    endpoint: Endpoint,
    lease: Lease,
    key: Arc<WebhookKey>,
}

impl<S: Store> Round<S> {
    async fn run(mut self, published: TreeSize) -> Result<(), LedgerError> {
        loop {
            let filled = self.fill(published).await?;
            while !*self.courier.stopping.borrow() {
                let (now, until) = self.courier.lease();
                let store = &self.courier.ledger.store;
                let Some(delivery) = store.next_due(&self.lease, now, until).await? else { break };
                if !self.attempt(&delivery).await? {
                    return Ok(());
                }
            }
            if !filled || *self.courier.stopping.borrow() {
                break;
            }
        }
        let (ledger, lease) = (&self.courier.ledger, &self.lease);
        Ok(ledger.store.release(lease, ledger.now()).await?)
    }

    /// Looks at the next entries, as many as there is room for; false where there is nothing more.
    async fn fill(&mut self, published: TreeSize) -> Result<bool, LedgerError> {
        let (ledger, from) = (&self.courier.ledger, self.endpoint.next);
        let mut room = WAITING_MAX.saturating_sub(self.endpoint.waiting);
        if from >= published || room == 0 {
            return Ok(false);
        }
        let (mut to, mut messages): (EntryIndex, _) = (from, Vec::new());
        for stored in ledger.reading().await?.page(from, published, PAGE_BYTES).await? {
            to = stored.index + 1;
            messages.extend(message_of(ledger, &self.endpoint.subscription, &stored).await?);
            if messages.len() as u64 == room {
                break;
            }
        }
        room = messages.len() as u64;
        let (lease, now) = (&self.lease, ledger.now());
        let filled = ledger.store.fill(lease, from, to, &messages, now).await?;
        (self.endpoint.next, self.endpoint.waiting) = (to, self.endpoint.waiting + room);
        Ok(filled)
    }

    /// Makes one attempt and writes down what came of it; false where the lease was lost.
    async fn attempt(&self, delivery: &Delivery) -> Result<bool, LedgerError> {
        let ledger = &self.courier.ledger;
        let (mut asked, mut attempt) = (None, None);
        let answer = match self.send(delivery).await {
            Ok(answer) => {
                asked = retry::asked(&answer.headers);
                attempt = match answer.status {
                    status if status.is_success() => Some(Attempt::Delivered),
                    reqwest::StatusCode::GONE => Some(Attempt::Gone),
                    _ => None,
                };
                answer.status.to_string()
            }
            Err(cause) => told(&cause),
        };
        let now = ledger.now();
        let again = retry::next(delivery, self.courier.first_wait, asked, chance()?, now);
        let attempt = attempt.unwrap_or(again);
        let (id, endpoint) = (delivery.id, delivery.endpoint);
        tracing::info!(delivery = id, endpoint, answer, "a webhook was sent");
        Ok(ledger.store.settle(&self.lease, id, &attempt, &answer, now).await?)
    }

    async fn send(&self, delivery: &Delivery) -> Result<crate::outgoing::Answer, OutgoingError> {
        let message = &delivery.message;
        // Of this attempt: receivers refuse what is old.
        let timestamp = self.courier.ledger.now().0.div_euclid(1000);
        let signature = self.key.sign(&message.webhook, timestamp, &message.body);
        let request = self
            .courier
            .outgoing
            .post(&self.endpoint.subscription.url)?
            .timeout(ATTEMPT_MAX)
            .header("content-type", "application/json")
            .header("webhook-id", &message.webhook)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(message.body.clone());
        self.courier.outgoing.send_for_head(request).await
    }
}

fn chance() -> Result<u8, LedgerError> {
    let mut byte = [0];
    getrandom::fill(&mut byte).map_err(|cause| LedgerError::Random(cause.to_string()))?;
    Ok(byte[0])
}

/// A failure with everything behind it, cut to what is worth keeping.
fn told(cause: &OutgoingError) -> String {
    // The address may hold a secret of the receiver's.
    let first = match cause {
        OutgoingError::Plain(_) => "plain http would leave this machine unprotected".to_owned(),
        OutgoingError::NotPublic(url) => {
            format!("{} is no public address", url.host_str().unwrap_or_default())
        }
        OutgoingError::Address(_) => "not a web address".to_owned(),
        OutgoingError::NoAnswer(..) | OutgoingError::TooLarge(_) => cause.to_string(),
    };
    let text = match cause.source() {
        Some(source) => format!("{first}: {}", chain(source)),
        None => first,
    };
    text.chars().take(ANSWER_CHARS_MAX).collect()
}
