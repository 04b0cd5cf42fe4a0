//! What an accepted event changes.

mod artifact;

use schemas::id::{Digest, Environment, Project};
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::decision::{Decision, Outcome};
use schemas::predicate::deployment::{Deployment, DeploymentResult};
use schemas::thread::ThreadId;

use super::State;
use super::slice::{
    ApprovalGiven, Attempt, ControlSlice, EnvironmentSlice, Granted, PolicyInForce, Request,
    Running, Signer, TrustInForce,
};
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
        if event.kind.line().thread == schemas::kind::ExtraThread::Control {
            self.apply_control(event, at);
        }
        let Some(project) = project else { return };
        if let Some(name) = event.environment() {
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

    fn apply_control(&mut self, event: &Event, at: &Moment) {
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
        let slice = self.environments.entry(environment.clone()).or_default();
        slice.requests.retain(|_, request| !request.is_expired(at.time));
        let artifact = event
            .digests()
            .find(|digest| digest.algorithm() == schemas::id::DigestAlgorithm::Sha256);
        let (Some(artifact), Some(signer)) = (artifact, accepted.signers.first()) else {
            return;
        };
        match &event.body {
            Body::PromotionRequest(body) => {
                let request = Request {
                    statement: event.statement,
                    artifact: artifact.clone(),
                    requester: signer.clone(),
                    time: at.time,
                    reason: body.reason.clone(),
                    ticket: body.ticket.clone(),
                    approvals: Vec::new(),
                };
                slice.requests.insert(at.index, request);
            }
            Body::Approval(body) => {
                if let Some(request) = slice.requests.get_mut(&body.request.index) {
                    add_approval(request, event, body, signer, at);
                }
            }
            Body::Decision(body) => apply_decision(slice, body, artifact, at),
            Body::Deployment(body) => {
                apply_deployment(slice, body, artifact, at);
            }
            _ => {}
        }
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

fn add_approval(
    request: &mut Request,
    event: &Event,
    body: &schemas::predicate::approval::Approval,
    signer: &Signer,
    at: &Moment,
) {
    if body.outcome == ApprovalOutcome::Withdrawn {
        request.approvals.retain(|approval| Some(approval.statement) != body.withdraws);
        return;
    }
    request.approvals.push(ApprovalGiven {
        entry: at.index,
        time: at.time,
        statement: event.statement,
        signer: signer.clone(),
        outcome: body.outcome,
        role: body.role.clone(),
        meaning: body.meaning.clone(),
        reason: body.reason.clone(),
        policy: body.policy,
        expires_at: body.expires_at,
        signing_mode: body.signing_mode,
    });
}

fn apply_decision(slice: &mut EnvironmentSlice, body: &Decision, artifact: &Digest, at: &Moment) {
    let said = &body.extension;
    slice.requests.remove(&said.request.index);
    match said.outcome {
        Outcome::Granted => {
            slice.granted = Some(Granted {
                artifact: artifact.clone(),
                entry: at.index,
                request: said.request.index,
                time: at.time,
            });
        }
        // It refuses what was asked, and says nothing of what was granted before.
        Outcome::Denied => {}
    }
}

fn apply_deployment(
    slice: &mut EnvironmentSlice,
    body: &Deployment,
    artifact: &Digest,
    at: &Moment,
) {
    let (artifact, entry) = (artifact.clone(), at.index);
    slice.last_attempt = Some(Attempt { artifact: artifact.clone(), entry, result: body.result });
    if body.result != DeploymentResult::Succeeded {
        return;
    }
    let running = Running { artifact, entry, time: at.time, until: None };
    if let Some(before) = slice.deployed.replace(running)
        && slice.deployed.as_ref().is_some_and(|now| now.artifact != before.artifact)
    {
        slice.previous = Some(Running { until: Some(at.time), ..before });
    }
}
