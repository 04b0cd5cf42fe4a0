//! Decisions evaluated again, from the log alone, as they were and by another policy.
//!
//! Both hear a log that is being verified, so what they say rests on bytes, signatures and proofs.

use schemas::id::{Digest, EntryIndex, Environment, Project, Time};
use schemas::policy::PolicyDocument;
use schemas::predicate::decision::{Decision, Outcome};
use schemas::report::{Code, GateVerdict};

use crate::admission::{Accepted, Moment, Refusal};
use crate::event::{Body, Event};
use crate::log::Hearing;
use crate::policy::{Ask, evaluate_by};
use crate::projection::State;
use crate::projection::slice::PolicyInForce;

/// Most decisions that are listed; the counts go on.
const LISTED_MAX: usize = 100_000;

/// A decision, evaluated again at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub entry: EntryIndex,
    pub request: EntryIndex,
    pub environment: Environment,
    /// Several stand or fall together.
    pub artifacts: Vec<Digest>,
    pub at: Time,
    pub outcome: Outcome,
    /// How many gates were evaluated.
    pub gates: usize,
    /// Why it grants nothing; none where every gate says the same again.
    pub disagrees: Option<(Code, String)>,
}

/// Every decision of a log, or of one environment.
#[derive(Debug, Default)]
pub struct Replay {
    pub scope: Scope,
    pub agreed: u64,
    pub disagreed: u64,
    pub decisions: Vec<Replayed>,
}

/// Which decisions are heard.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub project: Option<Project>,
    pub environment: Option<Environment>,
    /// From this time, and before the other.
    pub from: Option<Time>,
    pub to: Option<Time>,
}

impl Scope {
    fn has(&self, environment: &Environment, time: Time) -> bool {
        self.project.as_ref().is_none_or(|project| *project == environment.project)
            && self.environment.as_ref().is_none_or(|only| only == environment)
            && self.from.is_none_or(|from| from <= time)
            && self.to.is_none_or(|to| time < to)
    }
}

impl Replay {
    pub fn of(scope: Scope) -> Replay {
        Replay { scope, ..Replay::default() }
    }
}

fn environment_of(body: &Decision) -> Environment {
    let said = &body.extension;
    Environment { project: said.project.clone(), name: said.environment.clone() }
}

impl Hearing for Replay {
    fn hear(&mut self, _: &State, event: &Event, judged: &Result<Accepted, Refusal>, at: &Moment) {
        let Body::Decision(body) = &event.body else { return };
        let environment = environment_of(body);
        if !self.scope.has(&environment, at.time) {
            return;
        }
        let disagrees = match judged {
            Ok(_) => None,
            Err(Refusal::Rule(finding)) => Some((finding.code, finding.detail.clone())),
            Err(Refusal::Missing(missing)) => {
                Some((Code::DecisionNotReplayed, format!("{missing:?} is not at hand")))
            }
        };
        match disagrees {
            None => self.agreed += 1,
            Some(_) => self.disagreed += 1,
        }
        if self.decisions.len() < LISTED_MAX {
            let said = &body.extension;
            self.decisions.push(Replayed {
                entry: at.index,
                request: said.request.index,
                environment,
                artifacts: event.artifacts().cloned().collect(),
                at: said.at,
                outcome: said.outcome,
                gates: said.gates.len(),
                disagrees,
            });
        }
    }
}

/// What another policy would have said of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub entry: EntryIndex,
    pub request: EntryIndex,
    pub environment: Environment,
    pub artifacts: Vec<Digest>,
    pub was: Outcome,
    /// None: it would have gone on waiting.
    pub would_be: Option<Outcome>,
    /// The gates that do not admit, or, where it would be let in, those that did not.
    pub by: Vec<GateVerdict>,
}

/// Evaluates another policy wherever a decision was made, on what was known there.
///
/// Approvals count as given under it: what is asked is what its gates would have said, not whether
/// people had signed it.
#[derive(Debug)]
pub struct WhatIf {
    pub scope: Scope,
    document: PolicyDocument,
    pub same: u64,
    /// Not every thread that the policy asks for could be told.
    pub unknown: u64,
    pub changed: Vec<Changed>,
}

impl WhatIf {
    pub fn of(document: PolicyDocument, scope: Scope) -> WhatIf {
        WhatIf { scope, document, same: 0, unknown: 0, changed: Vec::new() }
    }

    fn evaluate(&mut self, state: &State, body: &Decision, artifacts: &[&Digest], at: &Moment) {
        let (environment, said) = (environment_of(body), &body.extension);
        let Some(in_force) = state.policy(&said.project) else { return };
        let other = PolicyInForce { document: self.document.clone(), ..in_force.clone() };
        let (request, Some(artifact)) = (Some(said.request.index), artifacts.first()) else {
            return;
        };
        let ask = Ask { environment: &environment, artifact, request };
        let Ok(evaluation) = evaluate_by(state, &other, &ask, said.at) else {
            self.unknown += 1;
            return;
        };
        let would_be = evaluation.outcome();
        if would_be == Some(said.outcome) {
            self.same += 1;
            return;
        }
        let by = match would_be {
            Some(Outcome::Granted) => refusing(&said.gates),
            Some(Outcome::Denied) | None => refusing(&evaluation.gates),
        };
        if self.changed.len() < LISTED_MAX {
            self.changed.push(Changed {
                entry: at.index,
                request: said.request.index,
                environment,
                artifacts: artifacts.iter().map(|it| (*it).clone()).collect(),
                was: said.outcome,
                would_be,
                by,
            });
        }
    }
}

fn refusing(gates: &[GateVerdict]) -> Vec<GateVerdict> {
    gates.iter().filter(|gate| !gate.verdict.admits()).cloned().collect()
}

impl Hearing for WhatIf {
    fn hear(
        &mut self,
        state: &State,
        event: &Event,
        judged: &Result<Accepted, Refusal>,
        at: &Moment,
    ) {
        if let (Body::Decision(body), Ok(_)) = (&event.body, judged)
            && body.extension.project == self.document.project
            && self.scope.has(&environment_of(body), at.time)
        {
            self.evaluate(state, body, &event.artifacts().collect::<Vec<_>>(), at);
        }
    }
}
