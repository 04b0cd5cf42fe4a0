//! What an accepted event changes in the slice of an environment.

use schemas::id::{Digest, DigestAlgorithm, EntryIndex, Time};
use schemas::policy::EnvironmentRule;
use schemas::predicate::approval::{Approval, ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::decision::{Decision, Outcome};
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::promotion_request::{PromotionRequest, RequestPath};

use super::{exception, running};
use crate::admission::{Accepted, Moment};
use crate::event::{Body, Event};
use crate::policy::path;
use crate::projection::promotion::{
    Closed, Happening, Promotion, Step, close, companions, happen, review,
};
use crate::projection::slice::{
    ApprovalGiven, Attempt, Beside, EnvironmentSlice, Granted, Request, ReviewDue, Running, Signer,
};

/// Folds an event of this environment; `rule` is what the policy in force asks for there.
pub(super) fn apply(
    slice: &mut EnvironmentSlice,
    rule: Option<&EnvironmentRule>,
    event: &Event,
    accepted: &Accepted,
    at: &Moment,
) {
    expire(slice, at.time);
    let step = Step { entry: at.index, time: at.time };
    let is_sha256 = |digest: &&Digest| digest.algorithm() == DigestAlgorithm::Sha256;
    let (Some(artifact), Some(signer)) =
        (event.digests().find(is_sha256), accepted.signers.first())
    else {
        return;
    };
    match &event.body {
        Body::PromotionRequest(body) => match &body.withdraws {
            Some(withdrawn) => withdraw(slice, withdrawn.index, step),
            None => {
                let request = request(body, event, signer, rule, at);
                slice.requests.extend(request.map(|request| (at.index, request)));
            }
        },
        Body::Approval(body) if body.meaning == POST_HOC_REVIEW => {
            slice.reviews_due.remove(&body.request.index);
            review(&mut slice.closed, body.request.index, step);
        }
        Body::Approval(body) => {
            if let Some(request) = slice.requests.get_mut(&body.request.index) {
                add_approval(request, event, body, signer, at);
            }
        }
        Body::Decision(body) => decide(slice, rule, body, step),
        Body::Canary(_)
        | Body::Configuration(_)
        | Body::Deployment(_)
        | Body::Incident(_)
        | Body::Observation(_)
        | Body::Rollback(_) => run(slice, event, artifact, signer, at),
        Body::Waiver(body) => {
            exception::put_waiver(&mut slice.waivers, body, event.statement, accepted, at);
        }
        Body::Freeze(body) => {
            exception::put_freeze(&mut slice.freezes, body, event.statement, accepted, at);
        }
        // A rehearsal is the artifact's matter; the others join no environment.
        Body::Rehearsal(_)
        | Body::Analysis(_)
        | Body::Build(_)
        | Body::Export(_)
        | Body::Heads(_)
        | Body::Measurement(_)
        | Body::Migration(_)
        | Body::Note(_)
        | Body::Other
        | Body::Policy(..)
        | Body::Review(_)
        | Body::Sbom(_)
        | Body::Test(_)
        | Body::Trust(..)
        | Body::Unreadable(_)
        | Body::Vex(_)
        | Body::Vulnerabilities(_) => {}
    }
}

/// What runs in the environment, and what is seen of it.
fn run(
    slice: &mut EnvironmentSlice,
    event: &Event,
    artifact: &Digest,
    signer: &Signer,
    at: &Moment,
) {
    let step = Step { entry: at.index, time: at.time };
    match &event.body {
        Body::Deployment(body) => {
            let promotion = body.promotion;
            let beside = companions(&slice.closed, artifact, promotion);
            if deploy(slice, body.result, artifact, |it| beside.contains(it), at) {
                happen(&mut slice.closed, Happening::Deployed { artifact, promotion }, step);
            }
        }
        Body::Rollback(body) => {
            let (from, promotion) = (&body.from, body.promotion);
            running::note_rollback(slice, body, artifact, at);
            // Only what is left leaves: others that run beside it go back by events of their own.
            if deploy(slice, body.result, artifact, |it| it != from, at) {
                let back = Happening::RolledBack { from, to: artifact, promotion };
                happen(&mut slice.closed, back, step);
            }
        }
        Body::Canary(body) => {
            if let (CanaryVerdict::Passed, Some(finished_at)) = (body.verdict, body.finished_at) {
                happen(&mut slice.closed, Happening::Passed { artifact, finished_at }, step);
            }
        }
        Body::Observation(body) => {
            running::observe(slice, body, signer, at);
            let (artifacts, taken_at) = (&body.artifacts, body.taken_at);
            happen(&mut slice.closed, Happening::Seen { artifacts, taken_at }, step);
        }
        Body::Configuration(body) => {
            running::configure(&mut slice.configurations, body, signer, at);
        }
        Body::Incident(body) => {
            // The ledger itself is its subject where nothing is blamed.
            let blamed = body.cause.is_some()
                || slice.incidents.get(&body.id).is_some_and(|it| it.artifact.is_some());
            running::disturb(slice, body, blamed.then_some(artifact), at);
        }
        _ => {}
    }
}

/// Requests whose time is over leave with the first event after it.
fn expire(slice: &mut EnvironmentSlice, now: Time) {
    let mut over: Vec<(Time, EntryIndex)> = slice
        .requests
        .iter()
        .filter(|(_, request)| request.is_expired(now))
        .map(|(index, request)| (request.ends_at(), *index))
        .collect();
    over.sort_unstable();
    for (ended, index) in over {
        if let Some(request) = slice.requests.remove(&index) {
            let promotion = Promotion::of(index, &request).expire(ended);
            close(&mut slice.closed, Closed::Expired(promotion));
        }
    }
    slice.waivers.retain(|_, waiver| !waiver.is_gone(now));
    slice.freezes.retain(|_, freeze| !freeze.is_gone(now));
}

fn request(
    body: &PromotionRequest,
    event: &Event,
    signer: &Signer,
    rule: Option<&EnvironmentRule>,
    at: &Moment,
) -> Option<Request> {
    let mut artifacts = event.artifacts().cloned();
    Some(Request {
        statement: event.statement,
        artifact: artifacts.next()?,
        with: artifacts.collect(),
        requester: signer.clone(),
        time: at.time,
        reason: body.reason.clone(),
        ticket: body.ticket.clone(),
        path: body.path,
        plans: body.plans.clone(),
        incident: body.incident,
        expires_at: rule.and_then(path::expiry_ms).map(|ms| at.time.plus_ms(ms)),
        approvals: Vec::new(),
    })
}

fn withdraw(slice: &mut EnvironmentSlice, index: EntryIndex, step: Step) {
    if let Some(request) = slice.requests.remove(&index) {
        let promotion = Promotion::of(index, &request).withdraw(step);
        close(&mut slice.closed, Closed::Withdrawn(promotion));
    }
}

fn add_approval(
    request: &mut Request,
    event: &Event,
    body: &Approval,
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

fn decide(
    slice: &mut EnvironmentSlice,
    rule: Option<&EnvironmentRule>,
    body: &Decision,
    step: Step,
) {
    let said = &body.extension;
    let index = said.request.index;
    let Some(request) = slice.requests.remove(&index) else { return };
    let promotion = Promotion::of(index, &request);
    match said.outcome {
        Outcome::Granted => {
            slice.granted = Some(Granted {
                artifact: request.artifact.clone(),
                with: request.with.clone(),
                entry: step.entry,
                request: index,
                time: step.time,
            });
            if request.path == RequestPath::Emergency {
                slice.reviews_due.insert(index, review_due(rule, &request, step));
            }
            close(&mut slice.closed, Closed::Granted(promotion.grant(step)));
        }
        // It refuses what was asked, and says nothing of what was granted before.
        Outcome::Denied => close(&mut slice.closed, Closed::Denied(promotion.deny(step))),
    }
}

fn review_due(rule: Option<&EnvironmentRule>, request: &Request, step: Step) -> ReviewDue {
    let path::Review { within_ms, roles } = path::review(rule);
    let approvers = request.approvals.iter().map(|it| it.signer.identity.clone());
    let mut involved: Vec<_> = approvers.chain([request.requester.identity.clone()]).collect();
    involved.sort_unstable();
    involved.dedup();
    ReviewDue {
        statement: request.statement,
        artifact: request.artifact.clone(),
        with: request.with.clone(),
        granted: step.entry,
        granted_at: step.time,
        due_at: step.time.plus_ms(within_ms),
        roles,
        involved,
    }
}

/// Notes an attempt; true where the artifact is what runs there now. Of what ran before, `stays` says
/// what goes on beside it.
fn deploy(
    slice: &mut EnvironmentSlice,
    result: DeploymentResult,
    artifact: &Digest,
    stays: impl Fn(&Digest) -> bool,
    at: &Moment,
) -> bool {
    let (artifact, entry) = (artifact.clone(), at.index);
    slice.last_attempt = Some(Attempt { artifact: artifact.clone(), entry, result });
    if result != DeploymentResult::Succeeded {
        return false;
    }
    let before = slice.deployed.take();
    let others = before.iter().flat_map(Running::all).filter(|it| it.artifact != artifact);
    let beside: Vec<Beside> = others.filter(|it| stays(&it.artifact)).collect();
    let running = Running { artifact, entry, time: at.time, until: None, beside };
    if let Some(before) = before
        && before.all().any(|it| !running.holds(&it.artifact))
    {
        slice.previous = Some(Running { until: Some(at.time), ..before });
    }
    slice.deployed = Some(running);
    true
}
