//! What an accepted event changes in the slice of an artifact.

use schemas::id::{Digest, EnvironmentName, Time};
use schemas::predicate::canary::Canary;
use schemas::predicate::decision::Decision;
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::incident::{Incident, IncidentStatus};
use schemas::predicate::measurement::Metric;
use schemas::predicate::rehearsal::Rehearsal;
use schemas::predicate::report::ReportNote;

use crate::admission::{Accepted, Moment};
use crate::event::{Body, Event, EventSubject};
use crate::projection::evidence;
use crate::projection::slice::{
    ArtifactInProject, AttributedEvent, Canaries, CanaryFacts, Decided, Deployed, Evidence,
    SbomFacts, Signer,
};

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

/// A build's subject brings the artifact's name and version.
fn name(known: &mut ArtifactInProject, event: &Event, digest: &Digest) {
    let subject = event.subjects.iter().find(|subject| subject.digests.contains(digest));
    let said = |text: fn(&EventSubject) -> &Option<String>| {
        subject.and_then(|it| text(it).as_deref()).map(evidence::bounded)
    };
    if let Some(name) = said(|it| &it.name) {
        known.name = Some(name);
    }
    if let Some(version) = said(|it| &it.version) {
        known.version = Some(version);
    }
}

/// The newest event per suite, metric or kind takes the place of the one before.
pub(super) fn put(
    known: &mut ArtifactInProject,
    event: &Event,
    accepted: &Accepted,
    digest: &Digest,
    at: &Moment,
) {
    let keep = |report, time| record(event, accepted, at, report, time, ());
    match &event.body {
        Body::Build(body) => {
            name(known, event, digest);
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
            let evidence = swap(evidence, evidence::scan_facts(body));
            known.scans.insert(evidence::suite_of(report), evidence);
        }
        Body::Analysis(body) => {
            let report = Some(&body.report);
            let evidence = swap(keep(report, None), evidence::analysis_facts(body));
            known.analyses.insert(evidence::suite_of(report), evidence);
        }
        Body::Measurement(body) => {
            let evidence = keep(body.report.as_ref(), body.measured_at);
            let of =
                |metric: &Metric| (metric.name.clone(), swap(evidence.clone(), metric.clone()));
            known.metrics.extend(body.metrics.iter().map(of));
        }
        Body::Sbom(bill) => {
            let bill = bill.as_ref().map(|bill| bill.facts(digest));
            let facts = SbomFacts { predicate_type: event.predicate_type.clone(), bill };
            known.sbom = Some(swap(keep(None, None), facts));
        }
        Body::Review(body) => {
            let evidence = keep(None, body.reviewed_at);
            known.review = Some(swap(evidence, evidence::review_facts(body)));
        }
        Body::Unreadable(_) => {
            known.unreadable.insert(event.kind.name().to_owned(), at.index);
        }
        Body::Vex(body) => {
            let evidence = keep(None, evidence::vex_time(body));
            let said = evidence::vex::facts(body, digest).into_iter();
            known.vex.extend(said.map(|(name, facts)| (name, swap(evidence.clone(), facts))));
        }
        Body::Migration(body) => {
            known.migration = Some(swap(keep(None, None), evidence::migration_facts(body)));
        }
        Body::Canary(_)
        | Body::Decision(_)
        | Body::Deployment(_)
        | Body::Incident(_)
        | Body::Rehearsal(_)
        | Body::Rollback(_) => put_happening(known, event, accepted, at),
        // Requests, approvals and waivers live in the environment's slice; policies, trust, heads,
        // exports, freezes and notes say nothing of an artifact that a gate reads. Configurations
        // and observations are about the ledger.
        Body::Approval(_)
        | Body::Configuration(_)
        | Body::Export(_)
        | Body::Freeze(_)
        | Body::Heads(_)
        | Body::Note(_)
        | Body::Observation(_)
        | Body::Other
        | Body::Policy(..)
        | Body::PromotionRequest(_)
        | Body::Trust(..)
        | Body::Waiver(_) => {}
    }
}

/// What happened to the artifact in an environment.
fn put_happening(known: &mut ArtifactInProject, event: &Event, accepted: &Accepted, at: &Moment) {
    let keep = |report, time| record(event, accepted, at, report, time, ());
    match &event.body {
        Body::Decision(body) => put_decided(known, body, at),
        Body::Deployment(body) if body.result == DeploymentResult::Succeeded => {
            put_deployed(known, &body.environment, accepted, at);
        }
        Body::Rollback(body) if body.result == DeploymentResult::Succeeded => {
            put_deployed(known, &body.environment, accepted, at);
        }
        Body::Canary(body) => {
            put_canary(known, body, keep(body.report.as_ref(), body.finished_at));
        }
        Body::Rehearsal(body) => {
            put_rehearsal(known, body, keep(body.report.as_ref(), body.finished_at));
        }
        Body::Incident(body) => attribute(known, body, at),
        _ => {}
    }
}

fn put_decided(known: &mut ArtifactInProject, body: &Decision, at: &Moment) {
    let said = &body.extension;
    let place = known.places.entry(said.environment.clone()).or_default();
    place.decided = Some(Decided {
        entry: at.index,
        time: at.time,
        request: said.request.index,
        outcome: said.outcome,
    });
}

fn put_deployed(
    known: &mut ArtifactInProject,
    environment: &EnvironmentName,
    accepted: &Accepted,
    at: &Moment,
) {
    let place = known.places.entry(environment.clone()).or_default();
    let granted = place.is_granted();
    if let Some(signer) = accepted.signers.first() {
        let (entry, time, key) = (at.index, at.time, signer.key);
        place.deployed = Some(Deployed { entry, time, key, granted });
    }
}

fn put_rehearsal(known: &mut ArtifactInProject, body: &Rehearsal, evidence: Evidence<()>) {
    let here = known.rehearsals.entry(body.environment.clone()).or_default();
    here.insert(body.of, swap(evidence, body.result));
}

fn put_canary(known: &mut ArtifactInProject, body: &Canary, evidence: Evidence<()>) {
    let facts = CanaryFacts {
        verdict: body.verdict,
        started_at: body.started_at,
        finished_at: body.finished_at,
        windows: body.windows,
        samples: body.samples,
    };
    let newest = swap(evidence, facts);
    let before = known.canaries.remove(&body.environment);
    let last_final = match body.verdict.is_final() {
        true => Some(newest.clone()),
        false => before.and_then(|before| before.last_final),
    };
    known.canaries.insert(body.environment.clone(), Canaries { newest, last_final });
}

/// An incident is about an artifact only where it is attributed to it.
fn attribute(known: &mut ArtifactInProject, body: &Incident, at: &Moment) {
    let here = known.incidents.entry(body.environment.clone()).or_default();
    match body.status {
        IncidentStatus::Resolved => drop(here.open.remove(&body.id)),
        IncidentStatus::Opened | IncidentStatus::Detected => {
            here.open.entry(body.id.clone()).or_insert(at.index);
        }
    }
    let (id, entry, time) = (body.id.clone(), at.index, at.time);
    here.newest = Some(AttributedEvent { id, entry, time });
}

fn swap<T>(evidence: Evidence<()>, facts: T) -> Evidence<T> {
    let Evidence { entry, time, tool_time, statement, signers, binding, facts: () } = evidence;
    Evidence { entry, time, tool_time, statement, signers, binding, facts }
}

/// A repeat adds its signers to the evidence that the statement's first entry gave, each with the
/// entry that brought it: a key may have been compromised between the two.
pub(super) fn add_signers(
    known: &mut ArtifactInProject,
    event: &Event,
    signers: &[Signer],
    at: &Moment,
) {
    let lists = [
        known.build.iter_mut().map(|it| (it.statement, &mut it.signers)).collect::<Vec<_>>(),
        known.tests.values_mut().map(|it| (it.statement, &mut it.signers)).collect(),
        known.scans.values_mut().map(|it| (it.statement, &mut it.signers)).collect(),
        known.sbom.iter_mut().map(|it| (it.statement, &mut it.signers)).collect(),
        known.vex.values_mut().map(|it| (it.statement, &mut it.signers)).collect(),
    ];
    for (statement, list) in lists.into_iter().flatten() {
        if statement == event.statement {
            for signer in signers {
                if !list.iter().any(|known| known.key == signer.key) {
                    let repeat = Some(at.index);
                    list.push(Signer { repeat, ..signer.clone() });
                }
            }
        }
    }
}
