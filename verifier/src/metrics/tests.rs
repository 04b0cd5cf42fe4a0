//! Histories as facts, in hours; what comes out of them.

use schemas::id::{Digest, EntryIndex, EnvironmentName};
use schemas::metrics::{Metric, Value};
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::incident::Cause;
use schemas::predicate::promotion_request::RequestPath;
use schemas::report::{GateVerdict, Verdict};
use schemas::time::Time;

use super::history::{
    Approval, At, Built, Burn, Canary, Decision, Deployment, History, IncidentStory, Observation,
    Request,
};
use super::*;
use crate::fixture::{artifact, project};

const HOUR: i64 = 3_600_000;

fn environment(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

/// One fact an hour: the entry of hour `h` has index `h`.
struct Told(History);

impl Told {
    fn new(hours: u64) -> Told {
        let mut history = History::of(project());
        history.reach(hours, Time(hours as i64 * HOUR));
        Told(history)
    }

    fn at(hour: u64) -> At {
        At { index: hour, time: Time(hour as i64 * HOUR) }
    }

    fn built(mut self, hour: u64, name: &str, took_hours: Option<i64>) -> Told {
        let took_ms = took_hours.map(|hours| hours * HOUR);
        let built = Built { at: Told::at(hour), took_ms, has_source: took_hours.is_some() };
        self.0.builds.insert(artifact(name), built);
        self
    }

    fn asked(mut self, hour: u64, path: RequestPath) -> Told {
        let (at, environment) = (Told::at(hour), environment("prod"));
        let request = Request { at, environment, path };
        self.0.requests.insert(hour, request);
        self
    }

    fn approved(mut self, hour: u64, request: EntryIndex) -> Told {
        let (at, environment) = (Told::at(hour), environment("prod"));
        let outcome = ApprovalOutcome::Granted;
        self.0.times.insert(hour, at.time);
        self.0.approvals.push(Approval { at, environment, request, outcome });
        self
    }

    fn decided(self, hour: u64, name: &str, request: EntryIndex, outcome: Outcome) -> Told {
        self.decided_by(hour, name, request, outcome, Vec::new())
    }

    fn decided_by(
        mut self,
        hour: u64,
        name: &str,
        request: EntryIndex,
        outcome: Outcome,
        gates: Vec<GateVerdict>,
    ) -> Told {
        let (at, environment) = (Told::at(hour), environment("prod"));
        let artifacts = name.split(' ').map(artifact).collect();
        self.0.decisions.push(Decision { at, environment, artifacts, request, outcome, gates });
        self
    }

    fn deployed(self, hour: u64, name: &str, promotion: Option<EntryIndex>) -> Told {
        self.put(hour, name, promotion, None, DeploymentResult::Succeeded)
    }

    fn back(self, hour: u64, name: &str, left: &str) -> Told {
        self.put(hour, name, None, Some(artifact(left)), DeploymentResult::Succeeded)
    }

    fn put(
        mut self,
        hour: u64,
        name: &str,
        promotion: Option<EntryIndex>,
        left: Option<Digest>,
        result: DeploymentResult,
    ) -> Told {
        let (at, environment, artifact) = (Told::at(hour), environment("prod"), artifact(name));
        let ungranted = promotion.is_none() && left.is_none();
        let deployment =
            Deployment { at, environment, artifact, result, promotion, left, ungranted };
        self.0.deployments.push(deployment);
        self
    }

    fn seen(mut self, hour: u64, names: &[&str]) -> Told {
        let artifacts = names.iter().map(|name| artifact(name)).collect();
        let (at, environment) = (Told::at(hour), environment("prod"));
        self.0.observations.push(Observation { at, environment, artifacts });
        self
    }

    fn incident(mut self, id: &str, hours: [Option<u64>; 3], cause: Cause) -> Told {
        let [opened, detected, resolved] = hours.map(|hour| hour.map(Told::at));
        let first = [opened, detected, resolved].into_iter().flatten().min_by_key(|at| at.time);
        let indexes = hours.into_iter().flatten().collect();
        let cause = Some(cause);
        let story = IncidentStory { opened, detected, resolved, cause, first, indexes };
        self.0.incidents.insert((environment("prod"), id.to_owned()), story);
        self
    }

    fn canary(mut self, hour: u64, verdict: CanaryVerdict) -> Told {
        let (at, environment) = (Told::at(hour), environment("prod"));
        self.0.canaries.push(Canary { at, environment, verdict });
        self
    }

    fn burnt(mut self, hour: u64, name: &str, millionths: i64) -> Told {
        let (at, artifact) = (Told::at(hour), artifact(name));
        self.0.burns.push(Burn { at, artifact, millionths });
        self
    }

    fn heads(mut self, hour: u64) -> Told {
        self.0.heads.push(Told::at(hour));
        self
    }

    fn measure(&self) -> MetricsReport {
        // Watched for ten hours, from the first hour on.
        let (from, to) = (Time(0), Time(i64::MAX));
        measure(&self.0, &Scope { environments: Vec::new(), from, to, watch_ms: 10 * HOUR })
    }

    fn metric(&self, definition: Definition) -> Metric {
        let report = self.measure();
        report.metrics.into_iter().find(|it| it.id == definition.id).unwrap()
    }

    /// Part, whole, pending.
    fn rate(&self, definition: Definition) -> (u64, u64, u64) {
        let metric = self.metric(definition);
        match metric.value {
            Value::Rate(rate) => (rate.part, rate.of, metric.pending),
            other => panic!("{other:?} is no rate"),
        }
    }

    /// Median in hours, count, pending.
    fn median(&self, definition: Definition) -> (Option<i64>, u64, u64) {
        let metric = self.metric(definition);
        match metric.value {
            Value::DurationMs(it) => (it.median.map(|ms| ms / HOUR), metric.n, metric.pending),
            other => panic!("{other:?} is no span"),
        }
    }
}

/// Asked at 1, granted at 2, deployed at 3.
fn promoted(hours: u64) -> Told {
    Told::new(hours).asked(1, RequestPath::Normal).decided(2, "a", 1, Outcome::Granted).deployed(
        3,
        "a",
        Some(1),
    )
}

#[test]
fn every_number_is_reported_once_in_order() {
    let report = promoted(20).measure();
    let ids: Vec<&str> = report.metrics.iter().map(|it| it.id).collect();
    let expected: Vec<&str> = DEFINITIONS.iter().map(|it| it.id).collect();
    assert_eq!(ids, expected);
    assert_eq!((report.size, report.as_of), (21, Time(20 * HOUR)));
}

#[test]
fn a_promotion_succeeds_once_it_was_watched() {
    assert_eq!(promoted(13).rate(PROMOTION_SUCCESS), (0, 0, 1));
    assert_eq!(promoted(14).rate(PROMOTION_SUCCESS), (1, 1, 0));
    assert_eq!(promoted(5).back(5, "old", "a").rate(PROMOTION_SUCCESS), (0, 1, 0));
    assert_eq!(promoted(30).back(14, "old", "a").rate(PROMOTION_SUCCESS), (1, 1, 0));
    let cause = Cause::Deployment(3);
    let hit = promoted(30).incident("i", [Some(5), None, None], cause.clone());
    assert_eq!(hit.rate(PROMOTION_SUCCESS), (0, 1, 0));
    let late = promoted(30).incident("i", [Some(14), None, None], cause);
    assert_eq!(late.rate(PROMOTION_SUCCESS), (1, 1, 0));
    // Granted, and never deployed.
    let idle =
        |hours| Told::new(hours).asked(1, RequestPath::Normal).decided(2, "a", 1, Outcome::Granted);
    assert_eq!(idle(12).rate(PROMOTION_SUCCESS), (0, 0, 1));
    assert_eq!(idle(13).rate(PROMOTION_SUCCESS), (0, 1, 0));
}

/// Several artifacts are one promotion: it stands and falls with each of them.
#[test]
fn a_promotion_of_several_is_carried_out_by_the_last_of_them() {
    let told = |hours: u64| {
        Told::new(hours)
            .asked(1, RequestPath::Normal)
            .decided(2, "a b", 1, Outcome::Granted)
            .deployed(3, "a", Some(1))
    };
    assert_eq!(told(12).rate(PROMOTION_SUCCESS), (0, 0, 1));
    assert_eq!(told(13).rate(PROMOTION_SUCCESS), (0, 1, 0));
    assert_eq!(told(13).median(LEAD_TIME_HOP), (None, 0, 1));
    let both = |hours: u64| told(hours).deployed(6, "b", Some(1));
    assert_eq!(both(16).rate(PROMOTION_SUCCESS), (0, 0, 1), "watched from the last one on");
    assert_eq!(both(17).rate(PROMOTION_SUCCESS), (1, 1, 0));
    assert_eq!(both(17).median(LEAD_TIME_HOP), (Some(5), 1, 0));
    assert_eq!(both(17).back(8, "old", "a").rate(PROMOTION_SUCCESS), (0, 1, 0));
    assert_eq!(both(17).rate(POLICY_VIOLATION), (0, 1, 0), "one decision");
}

#[test]
fn failures_are_of_the_deployment_that_caused_them() {
    let twice = || promoted(40).deployed(6, "b", None).deployed(8, "a", None);
    // The rollback leaves what was deployed last under that digest.
    let back = twice().back(9, "b", "a");
    assert_eq!(back.rate(CHANGE_FAILURE), (1, 3, 0));
    assert_eq!(back.metric(CHANGE_FAILURE).indexes, [3, 6, 8, 9]);
    for (cause, failing) in [
        (Cause::Deployment(6), 1),
        (Cause::Promotion(1), 1),
        (Cause::Artifact(artifact("b")), 1),
        (Cause::Artifact(artifact("never seen")), 0),
        (Cause::Deployment(99), 0),
    ] {
        let told = twice().incident("i", [Some(9), None, None], cause.clone());
        assert_eq!(told.rate(CHANGE_FAILURE), (failing, 3, 0), "{cause:?}");
    }
    assert_eq!(promoted(5).rate(CHANGE_FAILURE), (0, 0, 1));
}

#[test]
fn recovery_and_detection_end_or_are_pending() {
    let cause = Cause::Deployment(3);
    let told = promoted(40)
        .incident("i", [Some(5), Some(7), Some(10)], cause.clone())
        .incident("j", [Some(6), None, None], cause.clone())
        .incident("k", [None, Some(6), Some(7)], Cause::Deployment(99));
    assert_eq!(told.median(TIME_TO_RECOVER), (Some(5), 1, 1));
    assert_eq!(told.median(TIME_TO_DETECT), (Some(2), 1, 1));
    assert_eq!(told.metric(TIME_TO_RECOVER).indexes, [5, 7, 10]);
}

#[test]
fn lead_times_are_split() {
    let people = |entries: &[EntryIndex]| GateVerdict {
        id: "people".to_owned(),
        gate: "approvals".to_owned(),
        verdict: Verdict::Pass,
        reason: String::new(),
        next: None,
        entries: entries.to_vec(),
        until: None,
    };
    let told = Told::new(40)
        .built(1, "a", Some(2))
        .asked(4, RequestPath::Normal)
        .approved(6, 4)
        .approved(9, 4)
        .decided_by(10, "a", 4, Outcome::Granted, vec![people(&[6, 9])])
        .deployed(12, "a", Some(4))
        .deployed(20, "a", None)
        .asked(21, RequestPath::Normal)
        .decided(22, "b", 21, Outcome::Granted)
        .asked(23, RequestPath::Normal);
    assert_eq!(told.median(LEAD_TIME), (Some(11), 1, 0));
    assert_eq!(told.median(LEAD_TIME_HOP), (Some(8), 1, 1));
    assert_eq!(told.median(LEAD_TIME_APPROVAL), (Some(5), 1, 0));
    assert_eq!(told.median(PIPELINE_DURATION), (Some(2), 1, 0));
    assert_eq!(told.median(APPROVAL_LATENCY), (Some(2), 2, 1));
    let gate = &told.measure().gates[0];
    assert_eq!((gate.id.as_str(), gate.evaluations, gate.failures), ("people", 1, 0));
    assert_eq!(gate.waited_ms.median, Some(5 * HOUR));
}

#[test]
fn a_failure_that_was_let_in_later_is_overturned() {
    let gate = |verdict| {
        vec![GateVerdict {
            id: "scan".to_owned(),
            gate: "vulnerabilities".to_owned(),
            verdict,
            reason: String::new(),
            next: None,
            entries: Vec::new(),
            until: None,
        }]
    };
    let told = Told::new(40)
        .decided_by(2, "a", 1, Outcome::Denied, gate(Verdict::Fail))
        .decided_by(4, "a", 3, Outcome::Granted, gate(Verdict::Pass))
        .decided_by(6, "b", 5, Outcome::Denied, gate(Verdict::Fail))
        .decided_by(8, "b", 7, Outcome::Granted, gate(Verdict::Waived));
    let used = &told.measure().gates[0];
    let counts = (used.evaluations, used.failures, used.waived, used.overturned);
    assert_eq!(counts, (4, 2, 1, 1));
    assert_eq!(told.rate(POLICY_VIOLATION), (2, 4, 0));
}

#[test]
fn unplanned_and_ungranted_deployments_are_counted() {
    let told = promoted(40)
        .asked(5, RequestPath::Emergency)
        .deployed(6, "b", Some(5))
        .deployed(7, "c", None)
        .back(8, "b", "c")
        .put(9, "d", None, None, DeploymentResult::Failed);
    assert_eq!(told.rate(REWORK), (2, 4, 0));
    assert_eq!(told.rate(ESCAPED_VIOLATION), (1, 4, 0));
    match told.metric(DEPLOYMENT_FREQUENCY).value {
        Value::Frequency(it) => assert_eq!((it.count, it.days), (3, 2)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rollbacks_are_confirmed_by_what_is_seen_later() {
    let back = |hours| promoted(hours).back(6, "old", "a");
    assert_eq!(back(10).rate(ROLLBACK_SUCCESS), (0, 0, 1));
    assert_eq!(back(40).rate(ROLLBACK_SUCCESS), (0, 1, 0));
    assert_eq!(back(10).seen(8, &["old"]).rate(ROLLBACK_SUCCESS), (1, 1, 0));
    assert_eq!(back(40).seen(8, &["a"]).rate(ROLLBACK_SUCCESS), (0, 1, 0));
    assert_eq!(back(40).seen(17, &["old"]).rate(ROLLBACK_SUCCESS), (0, 1, 0));
    let failed = promoted(10).put(6, "old", None, Some(artifact("a")), DeploymentResult::Failed);
    assert_eq!(failed.rate(ROLLBACK_SUCCESS), (0, 1, 0));
}

#[test]
fn what_runs_is_what_is_seen_or_else_deployed() {
    let told = promoted(10).built(0, "a", Some(1)).built(0, "b", None);
    assert_eq!(told.rate(PROVENANCE), (1, 1, 0));
    assert_eq!(told.seen(5, &["a", "b", "c"]).rate(PROVENANCE), (1, 3, 0));
    assert_eq!(promoted(10).rate(OBSERVABILITY), (0, 0, 1));
    assert_eq!(promoted(28).rate(OBSERVABILITY), (0, 1, 0));
    assert_eq!(promoted(28).seen(20, &[]).rate(OBSERVABILITY), (1, 1, 0));
}

#[test]
fn canaries_budgets_and_audits() {
    let told = promoted(40)
        .canary(4, CanaryVerdict::Running)
        .canary(5, CanaryVerdict::Passed)
        .canary(6, CanaryVerdict::Inconclusive)
        .canary(7, CanaryVerdict::Running)
        .burnt(5, "a", 250_000)
        .burnt(20, "a", 900_000)
        .burnt(5, "never deployed", 1)
        .approved(8, 1)
        .heads(10)
        .approved(12, 1);
    assert_eq!(told.rate(CANARY_PASS), (1, 2, 1));
    assert_eq!(told.median(AUDIT_LATENCY), (Some(2), 1, 1));
    match told.metric(SLO_BURN).value {
        Value::Millionths(it) => assert_eq!(it.median, Some(250_000)),
        other => panic!("{other:?}"),
    }
    assert_eq!(told.metric(SLO_BURN).n, 1);
}

#[test]
fn a_scope_has_environments_and_a_period() {
    let told = promoted(40);
    let measured = |from: i64, to: i64, environments: Vec<EnvironmentName>| {
        let (from, to) = (Time(from * HOUR), Time(to * HOUR));
        let report = measure(&told.0, &Scope { environments, from, to, watch_ms: 10 * HOUR });
        report.metrics.into_iter().find(|it| it.id == CHANGE_FAILURE.id).unwrap().n
    };
    assert_eq!(measured(3, 4, Vec::new()), 1);
    assert_eq!(measured(4, 40, Vec::new()), 0);
    assert_eq!(measured(0, 3, Vec::new()), 0);
    assert_eq!(measured(0, 40, vec![environment("prod")]), 1);
    assert_eq!(measured(0, 40, vec![environment("staging")]), 0);
}
