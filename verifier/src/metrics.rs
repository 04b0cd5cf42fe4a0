//! Measured delivery: numbers about promotions, computed from the log alone.
//!
//! A pure function of a history up to one entry, so whoever has the log at that size gets the same
//! numbers. What is too young to tell is pending, and never counted as a success.

mod deployed;
mod gates;
pub mod history;
mod joined;
mod promoted;
mod statistic;

use schemas::id::{EntryIndex, EnvironmentName};
use schemas::metrics::{INDEXES_MAX, Metric, MetricsReport, Value};
use schemas::time::Time;

use history::{At, History};
use joined::Joined;

/// How long a deployment is watched before it is called good, unless asked otherwise: 7 days.
pub const WATCH_MS: i64 = 7 * 86_400_000;

/// Which part of a history is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Empty: every environment.
    pub environments: Vec<EnvironmentName>,
    pub from: Time,
    pub to: Time,
    pub watch_ms: i64,
}

impl Scope {
    fn has(&self, environment: &EnvironmentName, at: At) -> bool {
        self.is_in(environment) && self.from <= at.time && at.time < self.to
    }

    fn is_in(&self, environment: &EnvironmentName) -> bool {
        self.environments.is_empty() || self.environments.contains(environment)
    }
}

/// The id of a number, and what exactly it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    pub id: &'static str,
    pub text: &'static str,
}

macro_rules! definitions {
    ($($name:ident $id:literal $text:literal;)*) => {
        $(pub const $name: Definition = Definition { id: $id, text: $text };)*
        /// Every number, in the order in which they are reported.
        pub const DEFINITIONS: &[Definition] = &[$($name),*];
    };
}

definitions! {
    PROMOTION_SUCCESS "promotion-success-rate" "of the requests that were granted in the period, those whose artifact was deployed there with success and was not rolled back from, nor named as the cause of an incident, while it was watched; a grant that is not deployed within the watch is no success; younger ones are pending";
    LEAD_TIME "lead-time" "from the first build of an artifact to its first successful deployment in an environment, for first deployments in the period; artifacts without a recorded build are not counted";
    LEAD_TIME_HOP "lead-time-hop" "from a request to the first successful deployment of its artifact there after the grant, for such deployments in the period; granted requests that are not deployed are pending";
    LEAD_TIME_APPROVAL "lead-time-approval" "the part of a hop that waited for people: from the request to the newest approval on which an approvals gate of the granting decision rests, for grants in the period";
    TIME_TO_RECOVER "time-to-recover" "from the first event of an incident that a deployment caused (the time said in it, at most that of its entry) to its resolution, for incidents that began in the period; unresolved ones are pending";
    CHANGE_FAILURE "change-failure-rate" "of the successful deployments in the period, rollbacks aside, those that were rolled back from, or named as the cause of an incident, while they were watched; those without a failure that are younger than the watch are pending";
    DEPLOYMENT_FREQUENCY "deployment-frequency" "successful deployments in the period, rollbacks aside, and the days of the period that are over";
    REWORK "rework-rate" "of the successful deployments in the period, those that were not planned: rollbacks, and deployments of a request by the emergency or rollback path";
    TIME_TO_DETECT "time-to-detect" "from when an incident that a deployment caused was opened to when it was detected, for incidents that began in the period and have both; those opened and not yet detected are pending";
    CANARY_PASS "canary-pass-rate" "of the canaries that ended in the period, those that passed; inconclusive ones are no pass; running ones are pending";
    PIPELINE_DURATION "pipeline-duration" "from the start to the end of a build as its builder states them, for artifacts first built in the period; builds that state no times are not counted";
    APPROVAL_LATENCY "approval-latency" "from a request to each approval of it, for approvals in the period; requests without an approval that are still open are pending";
    PROVENANCE "provenance-completeness" "of the artifacts that the newest observation of each environment saw, or, where nobody observes it, the newest successful deployment, those with a recorded build that names its builder and a source pinned to a commit";
    ROLLBACK_SUCCESS "rollback-success-rate" "of the rollbacks in the period that were not merely started, those that succeeded and whose artifact a later observation or deployment confirmed there within the watch; unconfirmed younger ones are pending";
    POLICY_VIOLATION "policy-violation-rate" "of the decisions in the period, those that denied";
    ESCAPED_VIOLATION "policy-violation-escaped-rate" "of the deployments and rollbacks in the period that did not fail, those that no decision had granted when they were logged";
    OBSERVABILITY "observability-coverage" "of the successful deployments and rollbacks in the period, those after which an observation of the environment was logged within a day; younger ones are pending";
    SLO_BURN "slo-burn" "the error budget that releases burnt: values of the metric slo.budget_burnt recorded in the period about artifacts while their deployment was watched";
    AUDIT_LATENCY "approval-audit-latency" "from the entry of an approval to the next heads event, by which the log commits to it in a checkpoint, for approvals in the period; approvals after the newest heads are pending";
}

/// Measures a project.
pub fn measure(history: &History, scope: &Scope) -> MetricsReport {
    let joined = Joined::of(history);
    let mut metrics = promoted::measure(&joined, scope);
    metrics.extend(deployed::measure(&joined, scope));
    let place = |metric: &Metric| DEFINITIONS.iter().position(|it| it.id == metric.id);
    metrics.sort_by_key(place);
    MetricsReport {
        project: history.project.clone(),
        environments: scope.environments.clone(),
        from: scope.from,
        to: scope.to,
        size: history.size,
        as_of: history.as_of,
        watch_ms: scope.watch_ms,
        metrics,
        gates: gates::measure(history, scope),
    }
}

/// What a number was counted from.
#[derive(Default)]
struct Counted {
    good: usize,
    bad: usize,
    pending: usize,
    values: Vec<i64>,
    indexes: Vec<EntryIndex>,
}

impl Counted {
    fn judge(&mut self, standing: Option<bool>, indexes: impl IntoIterator<Item = EntryIndex>) {
        match standing {
            Some(true) => self.good += 1,
            Some(false) => self.bad += 1,
            None => {
                self.pending += 1;
                return;
            }
        }
        self.indexes.extend(indexes);
    }

    fn value(&mut self, value: Option<i64>, indexes: impl IntoIterator<Item = EntryIndex>) {
        match value {
            Some(value) => {
                self.values.push(value);
                self.indexes.extend(indexes);
            }
            None => self.pending += 1,
        }
    }

    /// The part that `judge` called good, of everything that it could tell.
    fn rate(self, definition: Definition) -> Metric {
        let of = self.good + self.bad;
        let value = Value::Rate(statistic::rate(self.good, of));
        metric(definition, of, self.pending, value, self.indexes)
    }

    fn durations(self, definition: Definition) -> Metric {
        let n = self.values.len();
        let value = Value::DurationMs(statistic::statistic(self.values));
        metric(definition, n, self.pending, value, self.indexes)
    }
}

fn metric(
    definition: Definition,
    n: usize,
    pending: usize,
    value: Value,
    indexes: Vec<EntryIndex>,
) -> Metric {
    let (n, pending) = (n as u64, pending as u64);
    let indexes = bounded(indexes);
    Metric { id: definition.id, definition: definition.text, n, pending, value, indexes }
}

fn bounded(mut indexes: Vec<EntryIndex>) -> Vec<EntryIndex> {
    indexes.sort_unstable();
    indexes.dedup();
    indexes.truncate(INDEXES_MAX);
    indexes
}

#[cfg(test)]
mod tests;
