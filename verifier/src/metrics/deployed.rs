//! Numbers about deployments: what became of them while they were watched.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, EnvironmentName};
use schemas::metrics::{Metric, Value};
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::promotion_request::RequestPath;

use super::history::{At, Deployment, History, IncidentStory};
use super::joined::Joined;
use super::statistic::{frequency, statistic};
use super::{
    CANARY_PASS, CHANGE_FAILURE, DEPLOYMENT_FREQUENCY, ESCAPED_VIOLATION, OBSERVABILITY,
    PROVENANCE, REWORK, ROLLBACK_SUCCESS, SLO_BURN, TIME_TO_DETECT, TIME_TO_RECOVER,
};
use super::{Counted, Scope, metric};

/// An environment counts as observed where somebody looked within a day.
const OBSERVED_WITHIN_MS: i64 = 86_400_000;

pub fn measure(joined: &Joined, scope: &Scope) -> Vec<Metric> {
    vec![
        recovery(joined, scope),
        change_failure(joined, scope),
        deployment_frequency(joined, scope),
        rework(joined, scope),
        detection(joined, scope),
        canaries(joined, scope),
        provenance(joined, scope),
        rollbacks(joined, scope),
        escaped(joined, scope),
        observed(joined, scope),
        burn(joined, scope),
    ]
}

/// The successful deployments of a scope; a rollback is one that left an artifact.
fn succeeded<'a>(history: &'a History, scope: &'a Scope) -> impl Iterator<Item = &'a Deployment> {
    let succeeded = |it: &&Deployment| it.result == DeploymentResult::Succeeded;
    history.deployments.iter().filter(succeeded).filter(|it| scope.has(&it.environment, it.at))
}

fn change_failure(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for it in succeeded(joined.history, scope).filter(|it| it.left.is_none()) {
        let failed = joined.failed(it, scope.watch_ms);
        let is_old = joined.history.as_of.since(it.at.time) > scope.watch_ms;
        let standing = if failed.is_empty() { is_old.then_some(false) } else { Some(true) };
        counted.judge(standing, failed.into_iter().chain([it.at.index]));
    }
    counted.rate(CHANGE_FAILURE)
}

fn deployment_frequency(joined: &Joined, scope: &Scope) -> Metric {
    let planned = succeeded(joined.history, scope).filter(|it| it.left.is_none());
    let indexes: Vec<EntryIndex> = planned.map(|it| it.at.index).collect();
    let span = scope.to.min(joined.history.as_of).since(scope.from);
    let value = Value::Frequency(frequency(indexes.len(), span));
    metric(DEPLOYMENT_FREQUENCY, indexes.len(), 0, value, indexes)
}

fn rework(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for it in succeeded(joined.history, scope) {
        let request = it.promotion.and_then(|index| joined.history.requests.get(&index));
        let unplanned = request.is_some_and(|request| request.path != RequestPath::Normal);
        counted.judge(Some(it.left.is_some() || unplanned), [it.at.index]);
    }
    counted.rate(REWORK)
}

/// The incidents of a scope that a deployment caused.
fn caused<'a>(joined: &'a Joined, scope: &'a Scope) -> impl Iterator<Item = &'a IncidentStory> {
    let began_here = |(environment, story): &&(&EnvironmentName, &IncidentStory)| {
        story.first.is_some_and(|first| scope.has(environment, first))
    };
    joined.caused.iter().filter(began_here).map(|(_, story)| *story)
}

fn recovery(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for story in caused(joined, scope) {
        let span = story.resolved.zip(story.first).map(|(end, begin)| end.time.since(begin.time));
        counted.value(span.map(|span| span.max(0)), story.indexes.iter().copied());
    }
    counted.durations(TIME_TO_RECOVER)
}

fn detection(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for story in caused(joined, scope) {
        let Some(opened) = story.opened else { continue };
        let span = story.detected.map(|detected| detected.time.since(opened.time).max(0));
        counted.value(span, story.indexes.iter().copied());
    }
    counted.durations(TIME_TO_DETECT)
}

fn canaries(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for it in joined.history.canaries.iter().filter(|it| scope.has(&it.environment, it.at)) {
        let standing = match it.verdict {
            CanaryVerdict::Passed => Some(true),
            CanaryVerdict::Failed | CanaryVerdict::Inconclusive => Some(false),
            // It is pending as long as nothing later about it has ended.
            CanaryVerdict::Running => continue,
        };
        counted.judge(standing, [it.at.index]);
    }
    counted.pending = still_running(joined.history, scope);
    counted.rate(CANARY_PASS)
}

/// Environments whose newest canary runs.
fn still_running(history: &History, scope: &Scope) -> usize {
    let mut newest = BTreeMap::new();
    for it in history.canaries.iter().filter(|it| scope.has(&it.environment, it.at)) {
        newest.insert(&it.environment, it.verdict);
    }
    newest.values().filter(|verdict| **verdict == CanaryVerdict::Running).count()
}

/// What runs now: as observed, or else as deployed.
fn running(history: &History, scope: &Scope) -> Vec<(EntryIndex, Digest)> {
    let mut seen: BTreeMap<&EnvironmentName, (EntryIndex, Vec<&Digest>)> = BTreeMap::new();
    for it in &history.deployments {
        if it.result == DeploymentResult::Succeeded && it.at.time < scope.to {
            seen.insert(&it.environment, (it.at.index, vec![&it.artifact]));
        }
    }
    for it in history.observations.iter().filter(|it| it.at.time < scope.to) {
        seen.insert(&it.environment, (it.at.index, it.artifacts.iter().collect()));
    }
    let seen = seen.into_iter().filter(|(environment, _)| scope.is_in(environment));
    seen.flat_map(|(_, (index, artifacts))| {
        artifacts.into_iter().map(move |artifact| (index, artifact.clone()))
    })
    .collect()
}

fn provenance(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for (index, artifact) in running(joined.history, scope) {
        let built = joined.history.builds.get(&artifact);
        counted.judge(Some(built.is_some_and(|built| built.has_source)), [index]);
    }
    counted.rate(PROVENANCE)
}

fn rollbacks(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    let ended = |it: &&Deployment| {
        it.left.is_some()
            && it.result != DeploymentResult::Started
            && scope.has(&it.environment, it.at)
    };
    for it in joined.history.deployments.iter().filter(ended) {
        let confirmed = confirmed_by(joined, it, scope.watch_ms);
        let is_old = joined.history.as_of.since(it.at.time) > scope.watch_ms;
        let standing = match (it.result, confirmed) {
            (DeploymentResult::Succeeded, Some(_)) => Some(true),
            (DeploymentResult::Succeeded, None) => is_old.then_some(false),
            (DeploymentResult::Started | DeploymentResult::Failed, _) => Some(false),
        };
        counted.judge(standing, confirmed.into_iter().chain([it.at.index]));
    }
    counted.rate(ROLLBACK_SUCCESS)
}

/// The later observation or deployment that shows a rollback's artifact in its place.
fn confirmed_by(joined: &Joined, it: &Deployment, watch_ms: i64) -> Option<EntryIndex> {
    let in_time = |at: &At| at.time.since(it.at.time) <= watch_ms;
    let mut seen = joined.observed_after(&it.environment, it.at.index);
    let seen = seen.find(|seen| seen.artifacts.contains(&it.artifact)).map(|seen| seen.at);
    let again = joined.deployed_after(&it.artifact, &it.environment, it.at.index);
    let found = [seen, again.map(|again| again.at)].into_iter().flatten();
    found.filter(in_time).map(|at| at.index).min()
}

fn escaped(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for it in joined.history.deployments.iter().filter(|it| scope.has(&it.environment, it.at)) {
        if it.result != DeploymentResult::Failed {
            counted.judge(Some(it.ungranted), [it.at.index]);
        }
    }
    counted.rate(ESCAPED_VIOLATION)
}

fn observed(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for it in succeeded(joined.history, scope) {
        let seen = joined.observed_after(&it.environment, it.at.index).next();
        let seen = seen.filter(|seen| seen.at.time.since(it.at.time) <= OBSERVED_WITHIN_MS);
        let is_old = joined.history.as_of.since(it.at.time) > OBSERVED_WITHIN_MS;
        let standing = if seen.is_some() { Some(true) } else { is_old.then_some(false) };
        counted.judge(standing, seen.map(|seen| seen.at.index).into_iter().chain([it.at.index]));
    }
    counted.rate(OBSERVABILITY)
}

fn burn(joined: &Joined, scope: &Scope) -> Metric {
    let (mut values, mut indexes) = (Vec::new(), Vec::new());
    let in_period = |at: At| scope.from <= at.time && at.time < scope.to;
    for it in joined.history.burns.iter().filter(|it| in_period(it.at)) {
        let watched = joined.deployments_of(&it.artifact).any(|deployed| {
            scope.is_in(&deployed.environment)
                && deployed.at.index < it.at.index
                && it.at.time.since(deployed.at.time) <= scope.watch_ms
        });
        if watched {
            values.push(it.millionths);
            indexes.push(it.at.index);
        }
    }
    let n = values.len();
    metric(SLO_BURN, n, 0, Value::Millionths(statistic(values)), indexes)
}
