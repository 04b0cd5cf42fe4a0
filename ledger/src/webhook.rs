//! Webhooks, by the Standard Webhooks specification: what happened in the log, told to addresses
//! that the operator has named, signed with a key that signs nothing else.

mod courier;
mod key;
mod message;
mod notice;
mod retry;

use std::time::Duration;

use schemas::id::Project;
use schemas::kind::EventKind;

pub use courier::deliver;
pub use key::{WebhookKey, format_public};
pub use message::KINDS;

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::outgoing::Reach;
use crate::store::Store;
use crate::store::outbox::{Delivery, Endpoint, Subscription};

/// What an operator may choose for webhooks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which machines may be told; private ones only where an operator says so.
    pub reach: Reach,
    /// The wait after a first failed attempt; each further one is three times as long.
    pub first_wait: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { reach: Reach::Public, first_wait: Duration::from_secs(5) }
    }
}

/// What an operator asks of the webhooks of a ledger.
impl<S: Store> Ledger<S> {
    /// The key that signs webhooks, where one was made.
    pub fn webhook_key(&self) -> Result<Option<WebhookKey>, LedgerError> {
        WebhookKey::read(&self.folder)
    }

    /// The key that signs webhooks, made now where there is none.
    pub fn make_webhook_key(&self) -> Result<WebhookKey, LedgerError> {
        WebhookKey::read_or_make(&self.folder)
    }

    /// Adds an endpoint that is told of what is logged from now on.
    pub async fn add_webhook(
        &self,
        url: &str,
        projects: &[Project],
        kinds: &[EventKind],
    ) -> Result<u64, LedgerError> {
        let subscription = Subscription {
            url: url.to_owned(),
            projects: projects.iter().map(ToString::to_string).collect(),
            kinds: kinds.iter().map(|kind| kind.name().to_owned()).collect(),
            key: self.make_webhook_key()?.id(),
        };
        let next = self.published_size().await?;
        Ok(self.store.add_endpoint(&subscription, next).await?)
    }

    pub async fn webhooks(&self) -> Result<Vec<Endpoint>, LedgerError> {
        Ok(self.store.endpoints().await?)
    }

    pub async fn remove_webhook(&self, id: u64) -> Result<bool, LedgerError> {
        Ok(self.store.remove_endpoint(id).await?)
    }

    /// The newest deliveries, newest first; those that were given up alone, if asked.
    pub async fn webhook_deliveries(
        &self,
        given_up: bool,
        limit: u32,
    ) -> Result<Vec<Delivery>, LedgerError> {
        Ok(self.store.deliveries(given_up, limit).await?)
    }

    /// Sends a delivery again, as if it were new; false where there is none.
    pub async fn replay_webhook(&self, delivery: u64) -> Result<bool, LedgerError> {
        Ok(self.store.replay(delivery, self.clock.now()).await?)
    }
}
