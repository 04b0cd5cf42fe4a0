//! Webhooks, as their command asks for them.

use ledger::outgoing::{self, Outgoing};
use ledger::store::outbox::{Delivery, Endpoint};
use ledger::webhook::format_public;
use schemas::id::Project;
use schemas::kind::EventKind;

use super::{Service, failure_of};
use crate::failure::Failure;

/// Longest accepted address, in bytes.
const URL_BYTES_MAX: usize = 2048;

impl Service {
    /// Adds an endpoint; answers its number.
    pub fn add_webhook(
        &self,
        url: &str,
        projects: &[Project],
        kinds: &[EventKind],
    ) -> Result<u64, Failure> {
        let outgoing =
            Outgoing::new(&outgoing::Settings::default()).map_err(|cause| failure_of(&cause))?;
        let parsed = outgoing.parse(url).map_err(|cause| Failure::usage(cause.to_string()))?;
        if url.len() > URL_BYTES_MAX {
            return Err(Failure::usage(format!(
                "the address is longer than {URL_BYTES_MAX} bytes"
            )));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(Failure::usage("the address has a name or password in it")
                .hint("receivers check the signature: attestry webhook key"));
        }
        self.wait(self.here()?.add_webhook(url, projects, kinds))
    }

    pub fn webhooks(&self) -> Result<Vec<Endpoint>, Failure> {
        self.wait(self.here()?.webhooks())
    }

    pub fn remove_webhook(&self, id: u64) -> Result<bool, Failure> {
        self.wait(self.here()?.remove_webhook(id))
    }

    pub fn webhook_deliveries(&self, given_up: bool, limit: u32) -> Result<Vec<Delivery>, Failure> {
        self.wait(self.here()?.webhook_deliveries(given_up, limit))
    }

    pub fn replay_webhook(&self, delivery: u64) -> Result<bool, Failure> {
        self.wait(self.here()?.replay_webhook(delivery))
    }

    /// The public key that signs webhooks, made where there is none.
    pub fn webhook_key(&self) -> Result<String, Failure> {
        let key = self.here()?.make_webhook_key().map_err(|cause| failure_of(&cause))?;
        Ok(format_public(key.ed25519()))
    }
}
