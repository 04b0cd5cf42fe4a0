//! Who is told of events over webhooks, and what they were told.
//!
//! The log is the outbox: an endpoint has a place in it, which moves in the transaction that adds
//! the deliveries up to there. Nothing is told of what was not committed, and nothing committed is
//! passed over, whenever the process is killed.

use std::future::Future;

use schemas::id::{EntryIndex, KeyId, Time, TreeSize};
use verifier::projection::slice::REQUEST_MS_MAX;

use super::StoreError;

/// Deliveries of one endpoint that wait; further ones stay in the log until some are done with.
pub const WAITING_MAX: u64 = 1000;

/// Deliveries of one endpoint that are done with and kept for whoever looks.
pub const KEPT_MAX: u64 = 1000;

/// The type of notices about gates: what is told because time has passed, and of which no entry
/// tells.
pub const NOTICE: &str = "promotion.overdue";

/// The type of notices about reviews of emergencies. They are kept as long as their endpoint is:
/// a review stays overdue until somebody signs it, and there is one for each emergency at most.
pub const REVIEW_NOTICE: &str = "emergency.review_overdue";

/// So long a notice about a gate is kept, however many others there are: whoever looks again knows by
/// it that it was told. No request is open for longer.
pub const NOTICE_MS_KEPT: i64 = REQUEST_MS_MAX;

/// What an endpoint shall be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub url: String,
    /// Names of projects; empty for all.
    pub projects: Vec<String>,
    /// Words of event kinds; empty for all of which something is told.
    pub kinds: Vec<String>,
    /// The key that signs what is sent there.
    pub key: KeyId,
}

/// An address that is told of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Never given twice.
    pub id: u64,
    pub subscription: Subscription,
    /// The first entry that was not looked at yet.
    pub next: EntryIndex,
    /// Why nothing is sent there any more, if so.
    pub disabled: Option<String>,
    /// Deliveries that wait to be accepted.
    pub waiting: u64,
}

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// In the order of being added; never given twice.
    pub id: u64,
    pub endpoint: u64,
    pub message: Message,
    pub since: Time,
    /// When it is tried next; none where it was accepted or given up.
    pub due: Option<Time>,
    pub attempts: u64,
    pub delivered: Option<Time>,
    /// What the last attempt came to.
    pub answer: Option<String>,
}

/// What is sent, the same at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What is told once: a second message with it to the same endpoint is dropped.
    pub suppression: String,
    /// The `webhook-id`.
    pub webhook: String,
    /// The type, such as `promotion.granted`.
    pub kind: String,
    pub index: EntryIndex,
    pub body: String,
}

/// The right to send to one endpoint until a time. Whoever was paused for longer has lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub endpoint: u64,
    pub holder: String,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    Delivered,
    /// It is tried again then.
    Retry(Time),
    GivenUp,
    /// The receiver wants nothing any more: the endpoint is disabled.
    Gone,
}

/// The webhooks' part of a database.
pub trait Outbox: Send + Sync + 'static {
    /// Adds an endpoint that is told of what is logged from `next` on; answers its id.
    fn add_endpoint(
        &self,
        subscription: &Subscription,
        next: EntryIndex,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    fn endpoints(&self) -> impl Future<Output = Result<Vec<Endpoint>, StoreError>> + Send;

    /// Takes an endpoint away with its deliveries; false where there is none.
    fn remove_endpoint(&self, id: u64) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes an endpoint for which there is something to do and which nobody else has: an entry
    /// below `published` that was not looked at, or a delivery that is due.
    fn claim(
        &self,
        key: &KeyId,
        published: TreeSize,
        holder: &str,
        now: Time,
        until: Time,
    ) -> impl Future<Output = Result<Option<Endpoint>, StoreError>> + Send;

    /// Adds messages and moves the endpoint's place in the log, or nothing of it; false where the
    /// lease was lost or somebody else has moved the place.
    fn fill(
        &self,
        lease: &Lease,
        from: EntryIndex,
        to: EntryIndex,
        messages: &[Message],
        now: Time,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Adds notices, each for an endpoint; answers how many were new. One that was added before, for
    /// which there is no room, or whose endpoint is gone or disabled is left out.
    fn notify(
        &self,
        notices: &[(u64, Message)],
        now: Time,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Renews the lease and answers the delivery that is due first; none where there is none, or
    /// the lease was lost.
    fn next_due(
        &self,
        lease: &Lease,
        now: Time,
        until: Time,
    ) -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send;

    /// Writes down what became of an attempt; false where the lease was lost.
    fn settle(
        &self,
        lease: &Lease,
        delivery: u64,
        attempt: &Attempt,
        answer: &str,
        now: Time,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives the lease back, and forgets the oldest deliveries beyond [`KEPT_MAX`]: notices about gates
    /// no sooner than after [`NOTICE_MS_KEPT`], those about reviews never.
    fn release(
        &self,
        lease: &Lease,
        now: Time,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The newest deliveries, newest first; those that were given up alone, if asked.
    fn deliveries(
        &self,
        given_up: bool,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// Makes a delivery due again, as if it were new; false where there is none.
    fn replay(
        &self,
        delivery: u64,
        now: Time,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// The stored form of a list of names, none of which has a space.
pub fn format_names(names: &[String]) -> String {
    names.join(" ")
}

pub fn parse_names(text: &str) -> Vec<String> {
    text.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
