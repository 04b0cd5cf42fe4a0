//! What ran under a waiver after its end: found in the period, from what the pack shows.
//!
//! A deployment rests on the newest decision that had granted its artifact, until another one grants
//! it again or something else is deployed. What that decision let through by a waiver is accepted
//! until the waiver ends, or is taken back.

use std::collections::BTreeSet;

use schemas::id::{Digest, EntryIndex, Hash, Time};
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::waiver::WaiverOutcome;
use schemas::report::{Code, Finding, GateVerdict, Verdict};

use super::bag::Scope;
use super::shown::{Shown, ShownEntry};
use crate::event::{Body, Event};

/// Something that ran, from its deployment to what took its place.
struct Run<'a> {
    deployment: EntryIndex,
    artifact: &'a Digest,
    from: Time,
    to: Time,
}

/// A decision that granted an artifact.
struct Grant<'a> {
    entry: EntryIndex,
    time: Time,
    event: &'a Event,
    gates: &'a [GateVerdict],
}

/// A waiver, and the time from which it admits nothing.
struct Waived<'a> {
    entry: EntryIndex,
    gate: &'a str,
    end: Time,
}

/// Finds what still ran in the scope's environment and period under a waiver that had ended.
pub fn findings(scope: &Scope, shown: &Shown) -> Vec<Finding> {
    let (grants, waivers) = (grants(scope, shown), waivers(shown));
    let runs = runs(scope, shown, &grants);
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    for run in &runs {
        for (grant, from, to) in rests_on(run, &grants) {
            let (from, to) = (from.max(scope.from), to.min(scope.to));
            for waived in waived_by(grant, &waivers) {
                let lapsed = waived.end.max(from) < to;
                if lapsed && told.insert((run.deployment, waived.entry, waived.gate)) {
                    found.push(finding(run, grant, waived));
                }
            }
        }
    }
    found
}

fn finding(run: &Run, grant: &Grant, waived: &Waived) -> Finding {
    let detail = format!(
        "{} by decision {}: gate {}, waived by entry {} until {}",
        run.artifact.short(),
        grant.entry,
        waived.gate,
        waived.entry,
        waived.end
    );
    Finding::new(Code::WaiverExpiredInUse, Some(run.deployment), detail)
}

/// Events that the rules accepted, in the order of the log.
fn accepted(shown: &Shown) -> impl Iterator<Item = (EntryIndex, &ShownEntry, &Event)> {
    let told = shown.entries.iter().filter(|(_, it)| !it.signers.is_empty());
    told.filter_map(|(index, it)| Some((*index, it, it.event.as_ref()?)))
}

fn runs<'a>(scope: &Scope, shown: &'a Shown, grants: &[Grant]) -> Vec<Run<'a>> {
    // Of what came after the newest entry nothing is known.
    let Some(end) = shown.entries.last_key_value().map(|(_, it)| it.entry.time) else {
        return Vec::new();
    };
    let (mut over, mut running): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for (deployment, it, event) in accepted(shown) {
        let (project, environment, result) = match &event.body {
            Body::Deployment(body) => (&body.project, &body.environment, body.result),
            Body::Rollback(body) => (&body.project, &body.environment, body.result),
            _ => continue,
        };
        let here = *project == scope.project && *environment == scope.environment;
        let Some(artifact) = event.digests().next() else { continue };
        if here && result == DeploymentResult::Succeeded {
            // What was granted together runs side by side; everything else it takes the place of.
            let mut of_it = grants.iter().rev().filter(|grant| grant.is_about(artifact));
            let by = of_it.find(|grant| grant.entry < deployment);
            let beside = |run: &Run| {
                run.artifact != artifact && by.is_some_and(|by| by.is_about(run.artifact))
            };
            let (stay, gone): (Vec<Run>, Vec<Run>) = running.into_iter().partition(beside);
            over.extend(gone.into_iter().map(|run| Run { to: it.entry.time, ..run }));
            running = stay;
            running.push(Run { deployment, artifact, from: it.entry.time, to: end });
        }
    }
    over.extend(running);
    over.sort_by_key(|run| run.deployment);
    over
}

impl Grant<'_> {
    fn is_about(&self, artifact: &Digest) -> bool {
        self.event.digests().any(|digest| digest == artifact)
    }
}

fn grants<'a>(scope: &Scope, shown: &'a Shown) -> Vec<Grant<'a>> {
    let granted = |(entry, it, event): (EntryIndex, &'a ShownEntry, &'a Event)| {
        let Body::Decision(body) = &event.body else { return None };
        let said = &body.extension;
        let here = said.project == scope.project && said.environment == scope.environment;
        let grant = Grant { entry, time: it.entry.time, event, gates: &said.gates };
        (here && said.outcome == Outcome::Granted).then_some(grant)
    };
    accepted(shown).filter_map(granted).collect()
}

/// The decisions that a run rests on, one after the other, each with the time for which it does.
fn rests_on<'a, 'b>(run: &Run, grants: &'a [Grant<'b>]) -> Vec<(&'a Grant<'b>, Time, Time)> {
    let of_it = grants.iter().filter(|it| it.is_about(run.artifact));
    let (before, since): (Vec<&Grant>, Vec<&Grant>) =
        of_it.partition(|it| it.entry < run.deployment);
    let mut found: Vec<(&Grant, Time, Time)> = Vec::new();
    let first = before.last().map(|it| (*it, run.from));
    let again = since.into_iter().map(|it| (it, it.time)).filter(|(_, from)| *from < run.to);
    for (grant, from) in first.into_iter().chain(again) {
        if let Some(before) = found.last_mut() {
            before.2 = from;
        }
        found.push((grant, from, run.to));
    }
    found
}

/// The waivers by which a decision let gates pass.
fn waived_by<'a>(
    grant: &'a Grant,
    waivers: &'a [Waived<'a>],
) -> impl Iterator<Item = &'a Waived<'a>> {
    let gates = grant.gates.iter().filter(|gate| gate.verdict == Verdict::Waived);
    gates.flat_map(move |gate| {
        let of_it = move |it: &&Waived| it.gate == gate.id && gate.entries.contains(&it.entry);
        waivers.iter().filter(of_it)
    })
}

fn waivers(shown: &Shown) -> Vec<Waived<'_>> {
    let mut found: Vec<(Hash, Waived)> = Vec::new();
    for (entry, it, event) in accepted(shown) {
        let Body::Waiver(body) = &event.body else { continue };
        match (body.outcome, body.withdraws) {
            (WaiverOutcome::Accepted, _) => {
                let waived = Waived { entry, gate: &body.gate, end: body.expires_at };
                found.push((event.statement, waived));
            }
            (WaiverOutcome::Withdrawn, Some(withdrawn)) => {
                let of_it = found.iter_mut().filter(|(statement, _)| *statement == withdrawn);
                of_it.for_each(|(_, waived)| waived.end = waived.end.min(it.entry.time));
            }
            (WaiverOutcome::Withdrawn, None) => {}
        }
    }
    found.into_iter().map(|(_, waived)| waived).collect()
}

#[cfg(test)]
mod tests;
