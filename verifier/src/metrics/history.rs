//! What is remembered of a project's log to measure it: facts with their entries, nothing else.

use std::collections::{BTreeMap, HashSet};

use schemas::id::{Digest, DigestAlgorithm, EntryIndex, EnvironmentName, Hash, Project, TreeSize};
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::build::Build;
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::incident::{Cause, Incident, IncidentStatus};
use schemas::predicate::measurement::Metric;
use schemas::predicate::promotion_request::RequestPath;
use schemas::report::GateVerdict;
use schemas::time::Time;

use crate::decimal::Decimal;
use crate::event::{Body, Event};

/// The metric by which a release says how much of the error budget it has burnt.
pub const BURN: &str = "slo.budget_burnt";

/// Where something stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub index: EntryIndex,
    pub time: Time,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub at: At,
    pub environment: EnvironmentName,
    pub path: RequestPath,
}

#[derive(Debug, Clone)]
pub struct Decision {
    pub at: At,
    pub environment: EnvironmentName,
    /// Several stand or fall together.
    pub artifacts: Vec<Digest>,
    pub request: EntryIndex,
    pub outcome: Outcome,
    pub gates: Vec<GateVerdict>,
}

#[derive(Debug, Clone)]
pub struct Approval {
    pub at: At,
    pub environment: EnvironmentName,
    pub request: EntryIndex,
    pub outcome: ApprovalOutcome,
}

/// A deployment, or a rollback: then it left an artifact.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub at: At,
    pub environment: EnvironmentName,
    pub artifact: Digest,
    pub result: DeploymentResult,
    pub promotion: Option<EntryIndex>,
    pub left: Option<Digest>,
    /// No decision had granted it when it was logged.
    pub ungranted: bool,
}

#[derive(Debug, Clone)]
pub struct Canary {
    pub at: At,
    pub environment: EnvironmentName,
    pub verdict: CanaryVerdict,
}

#[derive(Debug, Clone)]
pub struct Observation {
    pub at: At,
    pub environment: EnvironmentName,
    pub artifacts: Vec<Digest>,
}

/// All events of one incident: when each was first said to have happened.
#[derive(Debug, Clone, Default)]
pub struct IncidentStory {
    pub opened: Option<At>,
    pub detected: Option<At>,
    pub resolved: Option<At>,
    /// The newest attribution.
    pub cause: Option<Cause>,
    pub first: Option<At>,
    pub indexes: Vec<EntryIndex>,
}

#[derive(Debug, Clone)]
pub struct Burn {
    pub at: At,
    pub artifact: Digest,
    pub millionths: i64,
}

/// The first build of an artifact, and what the builder said of its time.
#[derive(Debug, Clone)]
pub struct Built {
    pub at: At,
    pub took_ms: Option<i64>,
    /// It names a builder, and a source pinned to a commit.
    pub has_source: bool,
}

/// A project's history, in the order of the log.
#[derive(Debug, Clone)]
pub struct History {
    pub project: Project,
    pub size: TreeSize,
    pub as_of: Time,
    pub requests: BTreeMap<EntryIndex, Request>,
    pub decisions: Vec<Decision>,
    pub approvals: Vec<Approval>,
    pub deployments: Vec<Deployment>,
    pub canaries: Vec<Canary>,
    pub observations: Vec<Observation>,
    pub incidents: BTreeMap<(EnvironmentName, String), IncidentStory>,
    pub burns: Vec<Burn>,
    pub builds: BTreeMap<Digest, Built>,
    pub heads: Vec<At>,
    statements: HashSet<Hash>,
    /// The time of every entry that was added.
    pub(super) times: BTreeMap<EntryIndex, Time>,
    /// The newest decision about each artifact, and the newest grant of each environment.
    newest: BTreeMap<(EnvironmentName, Digest), Outcome>,
    grants: BTreeMap<EnvironmentName, Vec<Digest>>,
}

impl History {
    pub fn of(project: Project) -> History {
        History {
            project,
            size: 0,
            as_of: Time(0),
            requests: BTreeMap::new(),
            decisions: Vec::new(),
            approvals: Vec::new(),
            deployments: Vec::new(),
            canaries: Vec::new(),
            observations: Vec::new(),
            incidents: BTreeMap::new(),
            burns: Vec::new(),
            builds: BTreeMap::new(),
            heads: Vec::new(),
            statements: HashSet::new(),
            times: BTreeMap::new(),
            newest: BTreeMap::new(),
            grants: BTreeMap::new(),
        }
    }

    /// Notes that the log reaches to here, whatever this entry is about.
    pub fn reach(&mut self, index: EntryIndex, time: Time) {
        self.size = self.size.max(index + 1);
        self.as_of = self.as_of.max(time);
    }

    /// The time of an entry of this project.
    pub fn time_of(&self, index: EntryIndex) -> Option<Time> {
        self.times.get(&index).copied()
    }

    /// Adds an event that the rules accepted, filed under this project or under none. In the order
    /// of the log.
    pub fn add(&mut self, index: EntryIndex, time: Time, event: &Event) {
        self.reach(index, time);
        // A repeat adds a signer; the statement took effect at its first entry.
        if !self.statements.insert(event.statement) {
            return;
        }
        self.times.insert(index, time);
        let at = At { index, time };
        match &event.body {
            Body::Heads(_) => self.heads.push(at),
            Body::Build(body) => self.add_build(at, event, body),
            Body::Measurement(body) => self.add_burns(at, event, &body.metrics),
            Body::Incident(body) => self.add_incident(at, body),
            Body::Observation(body) => self.observations.push(Observation {
                at,
                environment: body.environment.clone(),
                artifacts: body.artifacts.iter().map(|it| it.digest.clone()).collect(),
            }),
            _ => {
                let digest = event.digests().find(|it| it.algorithm() == DigestAlgorithm::Sha256);
                if let Some(artifact) = digest.cloned() {
                    self.add_promotion(at, event, artifact);
                }
            }
        }
    }

    fn add_promotion(&mut self, at: At, event: &Event, artifact: Digest) {
        match &event.body {
            Body::PromotionRequest(body) if body.withdraws.is_none() => {
                let (environment, path) = (body.to.clone(), body.path);
                self.requests.insert(at.index, Request { at, environment, path });
            }
            Body::Decision(body) => {
                let said = &body.extension;
                let artifacts: Vec<Digest> = event.artifacts().cloned().collect();
                for artifact in &artifacts {
                    let key = (said.environment.clone(), artifact.clone());
                    self.newest.insert(key, said.outcome);
                }
                if said.outcome == Outcome::Granted {
                    self.grants.insert(said.environment.clone(), artifacts.clone());
                }
                self.decisions.push(Decision {
                    at,
                    environment: said.environment.clone(),
                    artifacts,
                    request: said.request.index,
                    outcome: said.outcome,
                    gates: said.gates.clone(),
                });
            }
            Body::Approval(body) => self.approvals.push(Approval {
                at,
                environment: body.environment.clone(),
                request: body.request.index,
                outcome: body.outcome,
            }),
            Body::Deployment(body) => {
                let (environment, result) = (body.environment.clone(), body.result);
                self.add_deployment(at, environment, artifact, result, body.promotion, None);
            }
            Body::Rollback(body) => {
                let (environment, result) = (body.environment.clone(), body.result);
                let left = Some(body.from.clone());
                self.add_deployment(at, environment, artifact, result, body.promotion, left);
            }
            Body::Canary(body) => {
                let (environment, verdict) = (body.environment.clone(), body.verdict);
                self.canaries.push(Canary { at, environment, verdict });
            }
            _ => {}
        }
    }

    fn add_deployment(
        &mut self,
        at: At,
        environment: EnvironmentName,
        artifact: Digest,
        result: DeploymentResult,
        promotion: Option<EntryIndex>,
        left: Option<Digest>,
    ) {
        // A denial leaves the environment's newest grant to the artifact that has it.
        let key = (environment.clone(), artifact.clone());
        let granted = self.newest.get(&key) == Some(&Outcome::Granted)
            || self.grants.get(&environment).is_some_and(|granted| granted.contains(&artifact));
        let ungranted = !granted;
        let deployment =
            Deployment { at, environment, artifact, result, promotion, left, ungranted };
        self.deployments.push(deployment);
    }

    fn add_build(&mut self, at: At, event: &Event, body: &Build) {
        let time = |text: &Option<String>| text.as_deref().and_then(Time::parse_rfc3339);
        let metadata = body.run_details.metadata.as_ref();
        let took_ms = metadata.and_then(|it| {
            let (started, finished) = (time(&it.started_on)?, time(&it.finished_on)?);
            (finished >= started).then(|| finished.since(started))
        });
        let pinned = crate::projection::evidence::build_facts(body);
        let has_source = !pinned.builder.is_empty() && !pinned.sources.is_empty();
        for digest in event.digests() {
            let built = Built { at, took_ms, has_source };
            let known = self.builds.entry(digest.clone()).or_insert(built);
            known.has_source |= has_source;
        }
    }

    fn add_burns(&mut self, at: At, event: &Event, metrics: &[Metric]) {
        let burnt = metrics.iter().find(|metric| metric.name == BURN);
        let Some(millionths) = burnt.and_then(|it| millionths(it.value.as_str())) else { return };
        for artifact in event.digests().cloned() {
            self.burns.push(Burn { at, artifact, millionths });
        }
    }

    fn add_incident(&mut self, at: At, body: &Incident) {
        let key = (body.environment.clone(), body.id.clone());
        let story = self.incidents.entry(key).or_default();
        // Nobody knew of it later than it was logged.
        let said = At { time: body.at.min(at.time), ..at };
        let slot = match body.status {
            IncidentStatus::Opened => &mut story.opened,
            IncidentStatus::Detected => &mut story.detected,
            IncidentStatus::Resolved => &mut story.resolved,
        };
        slot.get_or_insert(said);
        if story.first.is_none_or(|first| said.time < first.time) {
            story.first = Some(said);
        }
        if body.cause.is_some() {
            story.cause.clone_from(&body.cause);
        }
        story.indexes.push(at.index);
    }
}

/// A decimal number in whole millionths, if it is one exactly and not beyond 2^53 of them.
fn millionths(text: &str) -> Option<i64> {
    text.parse::<Decimal>().ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 {
        return None;
    }
    let digits = format!("{whole}{fraction:0<6}");
    let value: i64 = digits.parse().ok().filter(|value| *value < 1 << 53)?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_exact_or_nothing() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("0.25", Some(250_000)),
            ("-2.500000", Some(-2_500_000)),
            ("0.0000001", None),
            ("1e3", None),
            ("9007199254.740991", Some((1 << 53) - 1)),
            ("9007199254.740992", None),
            ("99999999999999999999", None),
            ("a", None),
        ] {
            assert_eq!(millionths(text), expected, "{text}");
        }
    }
}
