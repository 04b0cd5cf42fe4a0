//! What an accepted event changes.

use schemas::id::{Digest, Environment, Project, Time};
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::decision::{Decision, Outcome};
use schemas::predicate::deployment::{Deployment, DeploymentResult};
use schemas::predicate::report::ReportNote;
use schemas::thread::ThreadId;

use super::State;
use super::evidence;
use super::slice::{
    AnalysisFacts, ApprovalGiven, ArtifactInProject, Attempt, ControlSlice, Decided, Deployed,
    EnvironmentSlice, Evidence, Granted, PolicyInForce, Request, ReviewFacts, Running, SbomFacts,
    Signer, TrustInForce,
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
            let environment = Environment {
                project: project.clone(),
                name: name.clone(),
            };
            self.apply_environment(event, accepted, &environment, at);
        }
        let digests: Vec<&Digest> = event.digests().collect();
        for (position, digest) in digests.iter().enumerate() {
            let first = !digests[..position].contains(digest);
            if first && self.knows(&ThreadId::Artifact((*digest).clone())) {
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
                let control = ControlSlice {
                    trust: Some(trust),
                    ..std::mem::take(&mut self.control)
                };
                // The rules have accepted the document, so it decodes.
                if self.set_control(control).is_err() {
                    return;
                }
            }
            Body::Policy(body, digest) => {
                let revision = self
                    .policy(&body.project)
                    .map_or(0, |policy| policy.revision);
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
        slice
            .requests
            .retain(|_, request| !request.is_expired(at.time));
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
        let slice = self.artifacts.entry(digest.clone()).or_default();
        let known = slice.projects.entry(project.clone()).or_default();
        if accepted.repeated {
            add_signers(known, event, &accepted.signers, at);
        } else {
            put(known, event, accepted, digest, at);
        }
        self.touch(ThreadId::Artifact(digest.clone()));
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
        request
            .approvals
            .retain(|approval| Some(approval.statement) != body.withdraws);
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
        Outcome::Denied => {
            if slice
                .granted
                .as_ref()
                .is_some_and(|granted| granted.artifact == *artifact)
            {
                slice.granted = None;
            }
        }
    }
}

fn apply_deployment(
    slice: &mut EnvironmentSlice,
    body: &Deployment,
    artifact: &Digest,
    at: &Moment,
) {
    let (artifact, entry) = (artifact.clone(), at.index);
    slice.last_attempt = Some(Attempt {
        artifact: artifact.clone(),
        entry,
        result: body.result,
    });
    if body.result != DeploymentResult::Succeeded {
        return;
    }
    let running = Running {
        artifact,
        entry,
        time: at.time,
    };
    if let Some(before) = slice.deployed.replace(running)
        && slice
            .deployed
            .as_ref()
            .is_some_and(|now| now.artifact != before.artifact)
    {
        slice.previous = Some(before);
    }
}

fn record<T>(
    event: &Event,
    accepted: &Accepted,
    at: &Moment,
    report: Option<&ReportNote>,
    tool_time: Option<Time>,
    facts: T,
) -> Evidence<T> {
    Evidence {
        entry: at.index,
        time: at.time,
        tool_time: tool_time.or_else(|| report.and_then(|report| report.finished_at)),
        statement: event.statement,
        signers: accepted.signers.clone(),
        binding: report.map(|report| report.binding),
        facts,
    }
}

/// The newest event per suite, metric or kind takes the place of the one before.
fn put(
    known: &mut ArtifactInProject,
    event: &Event,
    accepted: &Accepted,
    digest: &Digest,
    at: &Moment,
) {
    let keep = |report, time| record(event, accepted, at, report, time, ());
    match &event.body {
        Body::Build(body) => {
            let subject = event
                .subjects
                .iter()
                .find(|subject| subject.digests.contains(digest));
            known.name = subject
                .and_then(|subject| subject.name.clone())
                .or(known.name.take());
            known.version = subject
                .and_then(|subject| subject.version.clone())
                .or(known.version.take());
            let evidence = keep(None, evidence::build_time(body));
            known.build = Some(swap(evidence, evidence::build_facts(body)));
        }
        Body::Test(body) => {
            let report = body.report.as_ref();
            let evidence = swap(keep(report, None), evidence::test_facts(body));
            known.tests.insert(evidence::suite_of(report), evidence);
        }
        Body::Vulnerabilities(body) => {
            let report = body.report.as_ref();
            let evidence = keep(report, evidence::scan_time(body));
            known.scans.insert(
                evidence::suite_of(report),
                swap(evidence, evidence::scan_facts(body)),
            );
        }
        Body::Analysis(body) => {
            let facts = AnalysisFacts {
                levels: body.levels,
                suppressed: body.suppressed,
            };
            let evidence = swap(keep(Some(&body.report), None), facts);
            known
                .analyses
                .insert(evidence::suite_of(Some(&body.report)), evidence);
        }
        Body::Measurement(body) => {
            let evidence = keep(body.report.as_ref(), body.measured_at);
            for metric in &body.metrics {
                let evidence = swap(evidence.clone(), metric.clone());
                known.metrics.insert(metric.name.clone(), evidence);
            }
        }
        Body::Sbom => {
            let facts = SbomFacts {
                predicate_type: event.predicate_type.clone(),
            };
            known.sbom = Some(swap(keep(None, None), facts));
        }
        Body::Review(body) => {
            let facts = ReviewFacts {
                authors: body.authors.clone(),
                reviewers: body.reviewers.clone(),
                outcome: body.outcome,
            };
            known.review = Some(swap(keep(None, body.reviewed_at), facts));
        }
        Body::Unreadable(_) => {
            known
                .unreadable
                .insert(event.kind.name().to_owned(), at.index);
        }
        Body::Decision(_) | Body::Deployment(_) => put_place(known, event, accepted, at),
        // Requests and approvals live in the environment's slice; policies, trust, heads, exports
        // and notes say nothing of an artifact that a gate reads.
        Body::Approval(_)
        | Body::Export(_)
        | Body::Heads(_)
        | Body::Note(_)
        | Body::Other
        | Body::Policy(..)
        | Body::PromotionRequest(_)
        | Body::Trust(..) => {}
    }
}

/// Where the artifact stands in an environment: decided, and deployed.
fn put_place(known: &mut ArtifactInProject, event: &Event, accepted: &Accepted, at: &Moment) {
    match &event.body {
        Body::Decision(body) => {
            let said = &body.extension;
            let place = known.places.entry(said.environment.clone()).or_default();
            place.decided = Some(Decided {
                entry: at.index,
                time: at.time,
                request: said.request.index,
                outcome: said.outcome,
            });
        }
        Body::Deployment(body) if body.result == DeploymentResult::Succeeded => {
            let place = known.places.entry(body.environment.clone()).or_default();
            let granted = place.is_granted();
            if let Some(signer) = accepted.signers.first() {
                let (entry, time, key) = (at.index, at.time, signer.key);
                place.deployed = Some(Deployed {
                    entry,
                    time,
                    key,
                    granted,
                });
            }
        }
        _ => {}
    }
}

fn swap<T>(evidence: Evidence<()>, facts: T) -> Evidence<T> {
    let Evidence {
        entry,
        time,
        tool_time,
        statement,
        signers,
        binding,
        facts: (),
    } = evidence;
    Evidence {
        entry,
        time,
        tool_time,
        statement,
        signers,
        binding,
        facts,
    }
}

/// A repeat adds its signers to the evidence that the statement's first entry gave, each with the
/// entry that brought it: a key may have been compromised between the two.
fn add_signers(known: &mut ArtifactInProject, event: &Event, signers: &[Signer], at: &Moment) {
    let lists = [
        known
            .build
            .iter_mut()
            .map(|it| (it.statement, &mut it.signers))
            .collect::<Vec<_>>(),
        known
            .tests
            .values_mut()
            .map(|it| (it.statement, &mut it.signers))
            .collect(),
        known
            .scans
            .values_mut()
            .map(|it| (it.statement, &mut it.signers))
            .collect(),
        known
            .sbom
            .iter_mut()
            .map(|it| (it.statement, &mut it.signers))
            .collect(),
    ];
    for (statement, list) in lists.into_iter().flatten() {
        if statement == event.statement {
            for signer in signers {
                if !list.iter().any(|known| known.key == signer.key) {
                    let repeat = Some(at.index);
                    list.push(Signer {
                        repeat,
                        ..signer.clone()
                    });
                }
            }
        }
    }
}
