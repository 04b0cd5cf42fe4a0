//! `evaluate`: may this artifact enter this environment? Pure and total under `rules 1`.

pub mod decide;
pub mod document;
mod gate;
mod glob;
mod look;
pub mod overdue;
pub mod path;
pub mod rego;
mod spdx;
pub mod supply;
mod together;
pub mod touch;
pub mod version;
pub mod waiver;
pub mod wanted;
pub mod weekly;
mod when;

pub use gate::approvals::why_not;
pub use gate::for_people;
pub use rego::BUILTINS as REGO_BUILTINS;

use together::Together;
use wanted::Wanted;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Environment, EnvironmentName, KeyId, Project, Time};
use schemas::policy::{EnvironmentRule, Fails, Gate, GateRule};
use schemas::predicate::decision::Outcome;
use schemas::predicate::promotion_request::RequestPath;
use schemas::report::{GateVerdict, Verdict};
use schemas::thread::ThreadId;

use crate::projection::slice::{ArtifactInProject, EnvironmentSlice, PolicyInForce, Signer};
use crate::projection::{Missing, State};
use crate::trust::Trust;

/// The question: this artifact, into this environment, by this request if there is one.
///
/// A request for several artifacts that names this one is answered for all of them.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub environment: &'a Environment,
    pub artifact: &'a Digest,
    pub request: Option<EntryIndex>,
}

/// The answer, gate by gate, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    pub gates: Vec<GateVerdict>,
    /// Every thread that was read, in order.
    pub reads: BTreeSet<ThreadId>,
    /// The evidence and approvals that gates relied on, with the keys that signed them.
    pub relied: Vec<(EntryIndex, KeyId)>,
    /// The gates whose fail only waits, by id.
    pub patient: BTreeSet<String>,
    /// The SLSA build level that the provenance gate has proven.
    pub level: Option<u8>,
    /// Whose approval the gates that do not admit wait for, by id. A hint, and no part of a verdict.
    pub wanted: BTreeMap<String, Wanted>,
}

impl Evaluation {
    /// An evaluation as somebody else tells it: what it has read stays with them.
    pub fn told(gates: Vec<GateVerdict>, outcome: Option<Outcome>) -> Evaluation {
        let failed = gates.iter().filter(|gate| gate.verdict == Verdict::Fail);
        let patient = match outcome {
            None => failed.map(|gate| gate.id.clone()).collect(),
            Some(Outcome::Denied | Outcome::Granted) => BTreeSet::new(),
        };
        let (reads, relied, wanted) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        Evaluation { gates, reads, relied, patient, level: None, wanted }
    }

    /// Granted where every gate admits, denied where one fails, else still open. The fail of a gate
    /// that the policy lets wait denies nothing.
    pub fn outcome(&self) -> Option<Outcome> {
        let denies =
            |gate: &GateVerdict| gate.verdict == Verdict::Fail && !self.patient.contains(&gate.id);
        if self.gates.iter().any(denies) {
            Some(Outcome::Denied)
        } else if self.gates.iter().all(|gate| gate.verdict.admits()) {
            Some(Outcome::Granted)
        } else {
            None
        }
    }

    /// The gates that do not admit.
    pub fn open_gates(&self) -> impl Iterator<Item = &GateVerdict> {
        self.gates.iter().filter(|gate| !gate.verdict.admits())
    }
}

/// Evaluates the policy in force for the ask, as of `at`.
///
/// An unknown project, policy or environment gives one indeterminate gate: could not tell is
/// never yes.
pub fn evaluate(state: &State, ask: &Ask, at: Time) -> Result<Evaluation, Missing> {
    evaluate_path(state, ask, RequestPath::Normal, at)
}

/// The same, where no request has been made: as if one asked by this path. Decides nothing.
pub fn evaluate_path(
    state: &State,
    ask: &Ask,
    way: RequestPath,
    at: Time,
) -> Result<Evaluation, Missing> {
    evaluate_together(state, ask, &[], way, at)
}

/// The same of the asked artifact and others that stand or fall with it. An open request about the
/// asked one says itself which those are, and by which path.
pub fn evaluate_together(
    state: &State,
    ask: &Ask,
    with: &[Digest],
    way: RequestPath,
    at: Time,
) -> Result<Evaluation, Missing> {
    let project = &ask.environment.project;
    match state.policy(project) {
        Some(policy) => evaluate_along(state, policy, ask, with, way, at),
        None => Ok(cannot_tell(format!("project {project} has no policy"))),
    }
}

/// Evaluates a policy, whether or not it is the one in force.
pub fn evaluate_by(
    state: &State,
    policy: &PolicyInForce,
    ask: &Ask,
    at: Time,
) -> Result<Evaluation, Missing> {
    evaluate_along(state, policy, ask, &[], RequestPath::Normal, at)
}

/// By the path of the request, else by the one that is given.
fn evaluate_along(
    state: &State,
    policy: &PolicyInForce,
    ask: &Ask,
    with: &[Digest],
    without_request: RequestPath,
    at: Time,
) -> Result<Evaluation, Missing> {
    let artifacts = together::artifacts(state, ask, with)?;
    together::evaluate_each(&artifacts, |one| {
        evaluate_one(state, policy, ask, one, without_request, at)
    })
}

/// Evaluates for one of the artifacts that are asked about together.
fn evaluate_one(
    state: &State,
    policy: &PolicyInForce,
    ask: &Ask,
    Together { artifact, all }: Together,
    without_request: RequestPath,
    at: Time,
) -> Result<Evaluation, Missing> {
    let ask = Ask { artifact, ..*ask };
    let project = &ask.environment.project;
    let Some(trust) = state.trust() else {
        return Ok(cannot_tell(format!("project {project} has no policy")));
    };
    let Some(rule) = policy.document.environment(&ask.environment.name) else {
        return Ok(cannot_tell(format!("the policy has no environment {}", ask.environment.name)));
    };
    let reads = RefCell::new(BTreeSet::from([
        ThreadId::Control,
        ThreadId::Artifact(ask.artifact.clone()),
        ThreadId::Environment(ask.environment.clone()),
    ]));
    let (relied, level, wanted) = (RefCell::default(), Cell::default(), RefCell::default());
    let (reads, relied, level, wanted) = (&reads, &relied, &level, &wanted);
    let context = Context {
        state,
        trust,
        policy,
        project,
        ask,
        all,
        without_request,
        at,
        reads,
        relied,
        level,
        wanted,
    };
    let slice = context.environment()?;
    let request = ask.request.and_then(|index| slice?.requests.get(&index));
    let way = request.map_or(without_request, |request| request.path);
    let Some(rules) = path::gates(rule, way) else {
        let (reason, next) = path::none_such(ask.environment, way);
        return Ok(alone(gate::Answer::fail(reason).next(next)));
    };
    let mut gates = Vec::with_capacity(rules.len() + 1);
    // What an emergency does without, its own gates say; and whoever goes back has been there.
    let own_gates = match way {
        RequestPath::Normal => false,
        RequestPath::Emergency => true,
        RequestPath::Rollback => rule.rollback.is_some(),
    };
    if !own_gates {
        gates.extend(gate::source_environment(rule, &context)?);
    }
    if request.is_none() && way == RequestPath::Rollback {
        gates.extend(gate::way_back(&context)?);
    }
    let mut waited_for = BTreeMap::new();
    for gate in rules {
        let verdict = evaluate_gate(gate, &context)?;
        let open = wanted.take().filter(|_| !verdict.verdict.admits());
        waited_for.extend(open.map(|wanted| (gate.id.clone(), wanted)));
        gates.push(verdict);
    }
    let mut relied = relied.take();
    relied.sort_unstable();
    relied.dedup();
    let patient = rules.iter().filter(|rule| rule.labels.fails == Fails::Wait);
    let patient = patient.map(|rule| rule.id.clone()).collect();
    let (reads, level, wanted) = (reads.take(), level.get(), waited_for);
    Ok(Evaluation { gates, reads, relied, patient, level, wanted })
}

macro_rules! evaluate_each {
    ($($variant:ident $module:ident $name:literal $asks:literal;)*) => {
        fn answer_of(gate: &Gate, context: &Context) -> Result<gate::Answer, Missing> {
            match gate { $(Gate::$variant(gate) => gate::$module::evaluate(gate, context),)* }
        }
    };
}

schemas::for_gates!(evaluate_each);

fn evaluate_gate(rule: &GateRule, context: &Context) -> Result<GateVerdict, Missing> {
    let applies = match &rule.labels.when {
        Some(when) => Some(when::applies(when, context)?),
        None => None,
    };
    let answer = match applies {
        None => answer_of(&rule.gate, context)?,
        Some(it) if it.applies => it.noted(answer_of(&rule.gate, context)?),
        Some(it) => gate::Answer::pass(format!("does not apply: {}", it.because)).on(it.entries),
    };
    let terms = rule.labels.waiver.as_ref();
    let terms = terms.map(|it| waiver::Terms { by: &it.by, max_ms: it.max.ms() });
    let answer = waiver::apply(&rule.id, answer, terms, context)?;
    Ok(answer.named(&rule.id, rule.gate.kind()))
}

fn cannot_tell(reason: String) -> Evaluation {
    let next = "log a policy with this environment: attestry policy set";
    alone(gate::Answer::indeterminate(reason).next(next))
}

/// What the policy itself says, before any gate. A request waits for another policy.
fn alone(answer: gate::Answer) -> Evaluation {
    let reads = BTreeSet::from([ThreadId::Control]);
    Evaluation { reads, ..Evaluation::told(vec![answer.named("policy", "policy")], None) }
}

/// What a gate may look at. Every look at a thread is written down.
#[derive(Clone, Copy)]
struct Context<'a> {
    state: &'a State,
    trust: &'a Trust,
    policy: &'a PolicyInForce,
    project: &'a Project,
    ask: Ask<'a>,
    /// The artifacts that are asked about together: the asked one, and those that go with it.
    all: &'a [Digest],
    /// The path that is asked about where there is no request.
    without_request: RequestPath,
    at: Time,
    reads: &'a RefCell<BTreeSet<ThreadId>>,
    relied: &'a RefCell<Vec<(EntryIndex, KeyId)>>,
    /// What a provenance gate has proven; of several the lowest.
    level: &'a Cell<Option<u8>>,
    /// Whose approval the gate that is being evaluated waits for.
    wanted: &'a RefCell<Option<Wanted>>,
}

impl<'a> Context<'a> {
    /// The same about another of the artifacts.
    fn about(&self, artifact: &'a Digest) -> Context<'a> {
        Context { ask: Ask { artifact, ..self.ask }, ..*self }
    }

    /// What the log says of an artifact or commit in this project.
    fn artifact(&self, digest: &Digest) -> Result<Option<&'a ArtifactInProject>, Missing> {
        self.reads.borrow_mut().insert(ThreadId::Artifact(digest.clone()));
        let slice = self.state.artifact(digest)?;
        Ok(slice.and_then(|slice| slice.projects.get(self.project)))
    }

    /// What it says of the artifact that is asked about.
    fn asked(&self) -> Result<Option<&'a ArtifactInProject>, Missing> {
        self.artifact(self.ask.artifact)
    }

    fn environment(&self) -> Result<Option<&'a EnvironmentSlice>, Missing> {
        self.state.environment(self.ask.environment)
    }

    /// Another environment of the project.
    fn environment_named(
        &self,
        name: &EnvironmentName,
    ) -> Result<Option<&'a EnvironmentSlice>, Missing> {
        let environment = Environment { project: self.project.clone(), name: name.clone() };
        self.reads.borrow_mut().insert(ThreadId::Environment(environment.clone()));
        self.state.environment(&environment)
    }

    /// Notes the build level that a provenance gate has proven; of several the lowest holds.
    fn proves_level(&self, level: u8) {
        let before = self.level.get().unwrap_or(level);
        self.level.set(Some(level.min(before)));
    }

    /// True where a signer still counts; what counts is relied on.
    ///
    /// A key that a notice has since called compromised taints what it signed from then on.
    fn counts(&self, entry: EntryIndex, signers: &[Signer]) -> bool {
        let sound: Vec<(EntryIndex, KeyId)> = signers
            .iter()
            .map(|signer| (signer.signed_at(entry), signer.key))
            .filter(|(signed_at, key)| !self.trust.is_tainted(key, *signed_at))
            .collect();
        self.relied.borrow_mut().extend(&sound);
        !sound.is_empty()
    }
}

/// The rule of an environment, for those who print it.
pub fn environment_rule<'a>(
    policy: &'a PolicyInForce,
    environment: &Environment,
) -> Option<&'a EnvironmentRule> {
    policy.document.environment(&environment.name)
}
