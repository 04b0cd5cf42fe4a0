//! What time makes overdue, each thing told once to whoever has asked for webhooks: gates of open
//! requests, and reviews of emergencies.
//!
//! No entry tells of it, so no place in the log says what was told. A delivery itself does: it is
//! kept for longer than a request can be open, or for good where it is about a review, and a second
//! one of its kind is dropped. Whoever is killed before it is written down finds the same overdue
//! still when it looks again.

use schemas::id::{Digest, Environment, Time, TreeSize};
use schemas::thread::ThreadId;
use verifier::policy::{environment_rule, overdue};
use verifier::status::reviews;

use super::message::{Late, Notice, notice_of};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::loader::Loader;
use crate::promotion::{Evaluated, environments};
use crate::store::outbox::{Endpoint, Message};
use crate::store::{Read, Store};

impl<S: Store> Ledger<S> {
    /// Tells of gates that have waited for longer than their limit, in requests that were just
    /// evaluated and are still open, and of reviews of emergencies that nobody has signed in time;
    /// answers how many notices were new.
    pub async fn tell_overdue(&self, evaluated: &[Evaluated]) -> Result<u64, LedgerError> {
        let mut endpoints = self.store.endpoints().await?;
        endpoints.retain(|it| it.disabled.is_none());
        if endpoints.is_empty() {
            return Ok(0);
        }
        let (at, published) = (self.now(), self.published_size().await?);
        let mut loader = self.loader().await?;
        let environments = environments(&loader, None);
        let threads = environments.iter().cloned().map(ThreadId::Environment);
        loader.know(&threads.collect::<Vec<_>>()).await?;
        let mut notices = Vec::new();
        {
            let look = Look { loader: &loader, at, published };
            let mut add = |notice: &Notice| self.add_notice(&endpoints, notice, &mut notices);
            for it in evaluated.iter().filter(|it| it.decision.is_none()) {
                look.gates(it, &mut add)?;
            }
            for environment in &environments {
                look.reviews(environment, &mut add)?;
            }
        }
        Ok(self.store.notify(&notices, at).await?)
    }

    fn add_notice(
        &self,
        endpoints: &[Endpoint],
        notice: &Notice,
        notices: &mut Vec<(u64, Message)>,
    ) -> Result<(), LedgerError> {
        for endpoint in endpoints {
            let message = notice_of(self.origin(), &endpoint.subscription, notice)?;
            notices.extend(message.map(|message| (endpoint.id, message)));
        }
        Ok(())
    }
}

/// One look at what is overdue. What is not published yet is told of to nobody.
struct Look<'a, R: Read> {
    loader: &'a Loader<R>,
    at: Time,
    published: TreeSize,
}

impl<R: Read> Look<'_, R> {
    fn gates(
        &self,
        it: &Evaluated,
        add: &mut impl FnMut(&Notice) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        if it.request >= self.published {
            return Ok(());
        }
        let state = &self.loader.state;
        let slice = state.environment(&it.environment).ok().flatten();
        let request = slice.and_then(|slice| slice.requests.get(&it.request));
        let policy = state.policy(&it.environment.project);
        let rule = policy.and_then(|policy| environment_rule(policy, &it.environment));
        let Some(request) = request.filter(|request| !request.is_expired(self.at)) else {
            return Ok(());
        };
        let artifacts: Vec<Digest> = request.artifacts().cloned().collect();
        for late in overdue::of_request(rule, request, &it.evaluation.gates, self.at) {
            add(&Notice {
                request: it.request,
                environment: &it.environment,
                artifacts: &artifacts,
                late: Late::Gate(&late),
            })?;
        }
        Ok(())
    }

    fn reviews(
        &self,
        environment: &Environment,
        add: &mut impl FnMut(&Notice) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let Some(slice) = self.loader.state.environment(environment).ok().flatten() else {
            return Ok(());
        };
        let due = reviews(slice, self.at).into_iter();
        for it in due.filter(|it| it.overdue && it.granted < self.published) {
            let artifacts: Vec<Digest> = it.artifacts().cloned().collect();
            add(&Notice {
                request: it.request,
                environment,
                artifacts: &artifacts,
                late: Late::Review(it.due_at, &it.roles),
            })?;
        }
        Ok(())
    }
}
