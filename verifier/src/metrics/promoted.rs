//! Numbers about requests, approvals and decisions: how long what was asked for took.

use std::collections::BTreeSet;

use schemas::id::{Digest, EntryIndex, EnvironmentName};
use schemas::metrics::Metric;
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::DeploymentResult;

use super::history::Decision;
use super::joined::Joined;
use super::{
    APPROVAL_LATENCY, AUDIT_LATENCY, LEAD_TIME, LEAD_TIME_APPROVAL, LEAD_TIME_HOP,
    PIPELINE_DURATION, POLICY_VIOLATION, PROMOTION_SUCCESS,
};
use super::{Counted, Scope};

/// The kind of gate that waits for people.
const APPROVALS: &str = "approvals";

pub fn measure(joined: &Joined, scope: &Scope) -> Vec<Metric> {
    vec![
        success(joined, scope),
        lead_time(joined, scope),
        hops(joined, scope),
        waiting_for_people(joined, scope),
        pipelines(joined, scope),
        approval_latency(joined, scope),
        violations(joined, scope),
        audit_latency(joined, scope),
    ]
}

fn success(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    let granted = |it: &&Decision| it.outcome == Outcome::Granted;
    let here = |it: &&Decision| scope.has(&it.environment, it.at);
    for grant in joined.history.decisions.iter().filter(granted).filter(here) {
        let mut deployed = joined.carried_out(grant);
        if deployed.last().is_some_and(|it| it.at.time.since(grant.at.time) > scope.watch_ms) {
            deployed.clear();
        }
        let failed = deployed.iter().flat_map(|it| joined.failed(it, scope.watch_ms));
        let failed: Vec<EntryIndex> = failed.collect();
        let since = deployed.last().map_or(grant.at.time, |it| it.at.time);
        let is_old = joined.history.as_of.since(since) > scope.watch_ms;
        let standing =
            if failed.is_empty() { is_old.then_some(!deployed.is_empty()) } else { Some(false) };
        let indexes = deployed.iter().map(|it| it.at.index).chain(failed);
        counted.judge(standing, indexes.chain([grant.at.index]));
    }
    counted.rate(PROMOTION_SUCCESS)
}

fn lead_time(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    let mut seen: BTreeSet<(&EnvironmentName, &Digest)> = BTreeSet::new();
    for it in
        joined.history.deployments.iter().filter(|it| it.result == DeploymentResult::Succeeded)
    {
        let first = seen.insert((&it.environment, &it.artifact));
        if !first || !scope.has(&it.environment, it.at) {
            continue;
        }
        if let Some(built) = joined.history.builds.get(&it.artifact) {
            let span = it.at.time.since(built.at.time).max(0);
            counted.value(Some(span), [built.at.index, it.at.index]);
        }
    }
    counted.durations(LEAD_TIME)
}

fn hops(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for grant in joined.history.decisions.iter().filter(|it| it.outcome == Outcome::Granted) {
        let Some(request) = joined.history.requests.get(&grant.request) else { continue };
        match joined.carried_out(grant).last() {
            Some(it) if scope.has(&it.environment, it.at) => {
                let span = it.at.time.since(request.at.time);
                counted.value(Some(span), [request.at.index, grant.at.index, it.at.index]);
            }
            Some(_) => {}
            None if scope.has(&grant.environment, grant.at) => counted.value(None, []),
            None => {}
        }
    }
    counted.durations(LEAD_TIME_HOP)
}

fn waiting_for_people(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    let granted = |it: &&Decision| it.outcome == Outcome::Granted;
    let here = |it: &&Decision| scope.has(&it.environment, it.at);
    for grant in joined.history.decisions.iter().filter(granted).filter(here) {
        let Some(request) = joined.history.requests.get(&grant.request) else { continue };
        let people = grant.gates.iter().filter(|gate| gate.gate == APPROVALS);
        let entries: BTreeSet<EntryIndex> = people.flat_map(|gate| gate.entries.clone()).collect();
        let given = |index: EntryIndex| {
            let at =
                joined.history.approvals.binary_search_by_key(&index, |it| it.at.index).ok()?;
            let approval = &joined.history.approvals[at];
            (approval.outcome == ApprovalOutcome::Granted).then_some(approval.at)
        };
        if let Some(last) = entries.iter().filter_map(|index| given(*index)).next_back() {
            let span = last.time.since(request.at.time);
            counted.value(Some(span), [request.at.index, last.index, grant.at.index]);
        }
    }
    counted.durations(LEAD_TIME_APPROVAL)
}

fn pipelines(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for built in joined.history.builds.values() {
        // A build belongs to no environment.
        let here = scope.from <= built.at.time && built.at.time < scope.to;
        if let Some(took) = built.took_ms.filter(|_| here) {
            counted.value(Some(took), [built.at.index]);
        }
    }
    counted.durations(PIPELINE_DURATION)
}

fn approval_latency(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    let mut answered: BTreeSet<EntryIndex> = BTreeSet::new();
    for it in joined.history.approvals.iter().filter(|it| it.outcome == ApprovalOutcome::Granted) {
        answered.insert(it.request);
        let request = joined.history.requests.get(&it.request);
        if let Some(request) = request.filter(|_| scope.has(&it.environment, it.at)) {
            let span = it.at.time.since(request.at.time);
            counted.value(Some(span), [request.at.index, it.at.index]);
        }
    }
    let decided: BTreeSet<EntryIndex> =
        joined.history.decisions.iter().map(|it| it.request).collect();
    let open = joined.history.requests.iter().filter(|(index, request)| {
        scope.has(&request.environment, request.at)
            && !answered.contains(index)
            && !decided.contains(index)
    });
    counted.pending = open.count();
    counted.durations(APPROVAL_LATENCY)
}

fn violations(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    for it in joined.history.decisions.iter().filter(|it| scope.has(&it.environment, it.at)) {
        counted.judge(Some(it.outcome == Outcome::Denied), [it.at.index]);
    }
    counted.rate(POLICY_VIOLATION)
}

fn audit_latency(joined: &Joined, scope: &Scope) -> Metric {
    let mut counted = Counted::default();
    let here = joined.history.approvals.iter().filter(|it| scope.has(&it.environment, it.at));
    for it in here {
        let next = joined.history.heads.partition_point(|heads| heads.index < it.at.index);
        let heads = joined.history.heads.get(next);
        let span = heads.map(|heads| heads.time.since(it.at.time));
        counted.value(span, heads.map(|heads| heads.index).into_iter().chain([it.at.index]));
    }
    counted.durations(AUDIT_LATENCY)
}
