//! What an accepted event changes.

mod artifact;
mod environment;
mod exception;
mod running;

use schemas::id::{Digest, Environment, Project};
use schemas::thread::ThreadId;

use super::State;
use super::slice::{ControlSlice, PolicyInForce, TrustInForce};
use crate::admission::{Accepted, Moment};
use crate::event::{Body, Event};

impl State {
    /// Folds an event that the rules accepted.
    pub fn apply(&mut self, event: &Event, accepted: &Accepted, at: &Moment) {
        let project = accepted.project.as_ref();
        let mut keys: Vec<_> = match self.statements.get(&event.statement, project) {
            Some(earlier) => earlier.to_vec(),
            None => Vec::new(),
        };
        keys.extend_from_slice(&accepted.keys);
        self.statements.insert(&event.statement, project, &keys);
        if event.joins_control() {
            self.apply_control(event, accepted, at);
            if event.is_project_free() {
                return;
            }
        }
        let Some(project) = project else { return };
        if let Some(name) = event.environment().filter(|_| !event.joins_control()) {
            let environment = Environment { project: project.clone(), name: name.clone() };
            self.apply_environment(event, accepted, &environment, at);
        }
        // The ledger itself is no artifact: its digest has no thread, so no slice either.
        let ledger = self.trust().map(|trust| trust.ledger);
        let digests: Vec<&Digest> = event
            .digests()
            .filter(|digest| !ledger.is_some_and(|ledger| digest.is_sha256(&ledger)))
            .collect();
        for (position, digest) in digests.iter().enumerate() {
            let first = !digests[..position].contains(digest);
            let thread = ThreadId::Artifact((*digest).clone());
            if first && self.knows(&thread) {
                self.touch(thread);
                self.apply_artifact(event, accepted, project, digest, at);
            }
        }
    }

    fn apply_control(&mut self, event: &Event, accepted: &Accepted, at: &Moment) {
        match &event.body {
            Body::Trust(body, _) => {
                let trust = TrustInForce {
                    entry: at.index,
                    statement: event.statement,
                    document: body.trust.clone(),
                };
                let control =
                    ControlSlice { trust: Some(trust), ..std::mem::take(&mut self.control) };
                // The rules have accepted the document, so it decodes.
                if self.set_control(control).is_err() {
                    return;
                }
            }
            Body::Policy(body, digest) => {
                let revision = self.policy(&body.project).map_or(0, |policy| policy.revision);
                let policy = PolicyInForce {
                    entry: at.index,
                    statement: event.statement,
                    digest: *digest,
                    revision: revision + 1,
                    document: body.policy.clone(),
                };
                self.control.policies.insert(body.project.clone(), policy);
            }
            Body::Heads(_) => self.control.heads = Some(at.index),
            Body::Waiver(body) => {
                let waivers = self.control.waivers.entry(body.project.clone()).or_default();
                exception::put_waiver(waivers, body, event.statement, accepted, at);
                self.control.waivers.retain(|_, waivers| !waivers.is_empty());
            }
            Body::Freeze(body) => {
                let freezes = &mut self.control.freezes;
                exception::put_freeze(freezes, body, event.statement, accepted, at);
            }
            // What else stands on the control thread changes no slice.
            _ => return,
        }
        self.touch(ThreadId::Control);
    }

    fn apply_environment(
        &mut self,
        event: &Event,
        accepted: &Accepted,
        environment: &Environment,
        at: &Moment,
    ) {
        let thread = ThreadId::Environment(environment.clone());
        if !self.knows(&thread) {
            return;
        }
        self.touch(thread);
        let policy = self.control.policies.get(&environment.project);
        let rule = policy.and_then(|policy| policy.document.environment(&environment.name));
        let slice = self.environments.entry(environment.clone()).or_default();
        environment::apply(slice, rule, event, accepted, at);
    }

    fn apply_artifact(
        &mut self,
        event: &Event,
        accepted: &Accepted,
        project: &Project,
        digest: &Digest,
        at: &Moment,
    ) {
        let slice = match self.artifacts.get_mut(digest) {
            Some(slice) => slice,
            None => self.artifacts.entry(digest.clone()).or_default(),
        };
        let known = match slice.projects.get_mut(project) {
            Some(known) => known,
            None => slice.projects.entry(project.clone()).or_default(),
        };
        if accepted.repeated {
            artifact::add_signers(known, event, &accepted.signers, at);
        } else {
            artifact::put(known, event, accepted, digest, at);
        }
    }
}
