//! What time makes overdue: told to whoever has asked for webhooks, each gate of a request once.
//!
//! No entry tells of it, so no place in the log says what was told. A delivery itself does: it is
//! kept for longer than a request can be open, and a second one of its kind is dropped. Whoever is
//! killed before it is written down finds the gate overdue still when it looks again.

use schemas::id::Digest;
use schemas::thread::ThreadId;
use verifier::policy::{environment_rule, overdue};

use super::message::{Notice, notice_of};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::promotion::Evaluated;
use crate::store::Store;
use crate::store::outbox::Endpoint;

impl<S: Store> Ledger<S> {
    /// Tells of gates that have waited for longer than their limit, in requests that were just
    /// evaluated and are still open; answers how many notices were new.
    pub async fn tell_overdue(&self, evaluated: &[Evaluated]) -> Result<u64, LedgerError> {
        let open: Vec<&Evaluated> = evaluated.iter().filter(|it| it.decision.is_none()).collect();
        if open.is_empty() {
            return Ok(0);
        }
        let mut endpoints = self.store.endpoints().await?;
        endpoints.retain(|it| it.disabled.is_none());
        if endpoints.is_empty() {
            return Ok(0);
        }
        let (at, published) = (self.now(), self.published_size().await?);
        let mut loader = self.loader().await?;
        let threads = open.iter().map(|it| ThreadId::Environment(it.environment.clone()));
        loader.know(&threads.collect::<Vec<_>>()).await?;
        let mut notices = Vec::new();
        // What is not published yet is told of to nobody.
        for it in open.into_iter().filter(|it| it.request < published) {
            let slice = loader.state.environment(&it.environment).ok().flatten();
            let request = slice.and_then(|slice| slice.requests.get(&it.request));
            let policy = loader.state.policy(&it.environment.project);
            let rule = policy.and_then(|policy| environment_rule(policy, &it.environment));
            let Some(request) = request.filter(|request| !request.is_expired(at)) else {
                continue;
            };
            let artifacts: Vec<Digest> = request.artifacts().cloned().collect();
            for late in overdue::of_request(rule, request, &it.evaluation.gates, at) {
                let notice = Notice {
                    request: it.request,
                    environment: &it.environment,
                    artifacts: &artifacts,
                    overdue: &late,
                };
                self.add_notice(&endpoints, &notice, &mut notices)?;
            }
        }
        Ok(self.store.notify(&notices, at).await?)
    }

    fn add_notice(
        &self,
        endpoints: &[Endpoint],
        notice: &Notice,
        notices: &mut Vec<(u64, crate::store::outbox::Message)>,
    ) -> Result<(), LedgerError> {
        for endpoint in endpoints {
            let message = notice_of(self.origin(), &endpoint.subscription, notice)?;
            notices.extend(message.map(|message| (endpoint.id, message)));
        }
        Ok(())
    }
}
