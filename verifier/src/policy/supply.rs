//! Who can supply what a gate still asks for, and who may waive it.
//!
//! A hint for people, and no part of a verdict: it says who holds the grants, and of approvals whose
//! would count as far as the log says whose work it is; not who should.

use std::collections::BTreeMap;

use schemas::id::{Environment, EnvironmentName, IdentityName, Project};
use schemas::kind::EventKind;
use schemas::policy::{
    Approvals, EnvironmentRule, EvidenceKind, Excluded, Gate, GateRule, PolicyDocument, VexUse,
};
use schemas::predicate::promotion_request::RequestPath;
use schemas::report::{GateVerdict, Verdict};
use schemas::trust::role;

use super::wanted::Wanted;
use super::{Evaluation, path};
use crate::projection::slice::Request;
use crate::trust::Trust;

/// Most people that are named: a hint, no list of a company.
pub const NAMED_MAX: usize = 16;

/// People by the id of the gate.
pub type People = BTreeMap<String, Vec<IdentityName>>;

/// What was asked, as far as it decides who can answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub policy: &'a PolicyDocument,
    pub trust: &'a Trust,
    pub environment: &'a Environment,
    /// By which path.
    pub way: RequestPath,
    /// The request whose gates these are, where there is one.
    pub request: Option<&'a Request>,
}

/// Somebody who can bring a part of what a gate asks for.
enum Source<'a> {
    /// Whoever may record this kind there.
    Emitter(EventKind, &'a Project, &'a EnvironmentName),
    /// Whoever holds one of these roles for the environment that was asked about, and is no admin.
    Role(&'a [String]),
    /// Whoever the gate says it still waits for; where it says nothing, whoever may approve.
    Approver(&'a Approvals, Option<&'a Wanted>),
    /// Whoever runs releases there, and policies: known roles.
    Ledger(&'static [&'static str], &'a Project, &'a EnvironmentName),
}

impl<'a> Asked<'a> {
    /// Who can supply what the gates that do not admit still ask for.
    pub fn missing(&self, evaluation: &Evaluation) -> People {
        let mut people = People::new();
        for verdict in evaluation.open_gates() {
            let wanted = evaluation.wanted.get(&verdict.id);
            let sources = match self.rule_of(verdict) {
                Some(rule) => sources(&rule.gate, wanted, self.environment),
                None => self.sources_of_from(verdict),
            };
            people.insert(
                verdict.id.clone(),
                self.named(|name| sources.iter().any(|source| self.is_one(name, source))),
            );
        }
        people.retain(|_, names| !names.is_empty());
        people
    }

    /// True where an identity can supply a part of what a gate asks for.
    pub fn may_supply(&self, gate: &Gate, wanted: Option<&Wanted>, name: &IdentityName) -> bool {
        let sources = sources(gate, wanted, self.environment);
        sources.iter().any(|source| self.is_one(name, source))
    }

    /// Who may accept the risk of the gates that do not admit. What nobody could tell is never
    /// waived, and nobody waives what they have asked for.
    pub fn waivable(&self, verdicts: &[GateVerdict]) -> People {
        let open = |it: &&GateVerdict| matches!(it.verdict, Verdict::Fail | Verdict::Waiting);
        let mut people = People::new();
        for verdict in verdicts.iter().filter(open) {
            let Some(terms) = self.rule_of(verdict).and_then(|it| it.labels.waiver.as_ref()) else {
                continue;
            };
            let by = Source::Role(&terms.by);
            let names = self.named(|name| !self.has_asked(name) && self.is_one(name, &by));
            people.insert(verdict.id.clone(), names);
        }
        people.retain(|_, names| !names.is_empty());
        people
    }

    fn environment_rule(&self) -> Option<&'a EnvironmentRule> {
        self.policy.environment(&self.environment.name)
    }

    /// The gate of the request's path that has given a verdict.
    fn rule_of(&self, verdict: &GateVerdict) -> Option<&'a GateRule> {
        let rules = path::gates(self.environment_rule()?, self.way)?;
        rules.iter().find(|rule| rule.id == verdict.id)
    }

    /// The identities that fit, in the document's order.
    fn named(&self, fits: impl Fn(&IdentityName) -> bool) -> Vec<IdentityName> {
        let identities = self.trust.document.identities.iter().map(|it| &it.name);
        identities.filter(|name| fits(name)).take(NAMED_MAX).cloned().collect()
    }

    fn has_asked(&self, name: &IdentityName) -> bool {
        self.request.is_some_and(|request| request.requester.identity == *name)
    }

    fn is_one(&self, name: &IdentityName, source: &Source) -> bool {
        let (trust, here) = (self.trust, self.environment);
        let has = |role: &str| trust.has_role(name, role, &here.project, Some(&here.name));
        let holds = |roles: &[String]| !trust.is_admin(name) && roles.iter().any(|role| has(role));
        match source {
            Source::Emitter(kind, project, place) => {
                trust.may_emit(name, *kind, project, Some(place))
            }
            Source::Role(roles) => holds(roles),
            Source::Approver(gate, wanted) => {
                let excluded = gate.not.contains(&Excluded::Requester) && self.has_asked(name);
                let in_group = |group: &String| {
                    self.policy.groups.get(group).is_some_and(|people| people.contains(name))
                };
                let grouped = gate.groups.is_empty() || gate.groups.iter().any(in_group);
                let counts = wanted.is_none_or(|wanted| wanted.may(name, has));
                let signs = || gate.signing.is_empty() || trust.signs_by(name, &gate.signing);
                holds(&gate.roles) && grouped && !excluded && counts && signs()
            }
            Source::Ledger(roles, project, place) => {
                roles.iter().any(|role| trust.has_role(name, role, project, Some(place)))
            }
        }
    }

    /// What stands in front of all gates: that it was granted elsewhere before.
    fn sources_of_from(&self, verdict: &GateVerdict) -> Vec<Source<'a>> {
        let Some(rule) = self.environment_rule().filter(|_| verdict.id == "from") else {
            return Vec::new();
        };
        let asks = |name| Source::Ledger(&[role::RELEASE_MANAGER], &self.environment.project, name);
        rule.from.iter().map(asks).collect()
    }
}

/// The roles in which what a gate asks for is recorded or signed; none where only time helps. Of
/// approvals, where it is known, those that are still missing.
pub fn roles(gate: &Gate, wanted: Option<&Wanted>, environment: &Environment) -> Vec<String> {
    let mut roles: Vec<String> = Vec::new();
    for source in sources(gate, wanted, environment) {
        let held: Vec<&str> = match &source {
            Source::Emitter(..) => vec![role::EMITTER],
            Source::Role(roles) => roles.iter().map(String::as_str).collect(),
            Source::Approver(gate, wanted) => {
                let roles = wanted.map_or(&gate.roles, |wanted| &wanted.roles);
                roles.iter().map(String::as_str).collect()
            }
            Source::Ledger(roles, ..) => roles.to_vec(),
        };
        let new: Vec<&str> =
            held.into_iter().filter(|it| !roles.iter().any(|known| known == it)).collect();
        roles.extend(new.into_iter().map(str::to_owned));
    }
    roles
}

/// Who brings what a gate asks for.
fn sources<'a>(
    gate: &'a Gate,
    wanted: Option<&'a Wanted>,
    environment: &'a Environment,
) -> Vec<Source<'a>> {
    let Environment { project, name: here } = environment;
    let records = |kind| Source::Emitter(kind, project, here);
    let records_in = |kind, place: &'a EnvironmentName| Source::Emitter(kind, project, place);
    let mut sources = Vec::new();
    match gate {
        Gate::Approvals(gate) => sources.push(Source::Approver(gate, wanted)),
        Gate::Provenance(gate) => {
            sources.push(records(EventKind::Build));
            sources.extend(gate.reviewed.then(|| records(EventKind::Review)));
        }
        Gate::Vulnerabilities(gate) => {
            sources.push(records(EventKind::Vulnerabilities));
            let vex = gate.vex == VexUse::Honour;
            sources.extend(vex.then(|| records(EventKind::Vex)));
        }
        Gate::Measurement(_) | Gate::Slo(_) => sources.push(records(EventKind::Measurement)),
        Gate::Analysis(_) => sources.push(records(EventKind::Analysis)),
        Gate::Sbom(_) | Gate::Licenses(_) => sources.push(records(EventKind::Sbom)),
        Gate::Soak(gate) => {
            sources.push(records_in(EventKind::Deployment, &gate.environment));
        }
        Gate::Evidence(gate) if !gate.signed_by.is_empty() => {
            sources.push(Source::Role(&gate.signed_by));
        }
        Gate::Evidence(gate) => sources.push(records(kind_of(gate.kind))),
        Gate::Canary(gate) => {
            let place = gate.environment.as_ref().unwrap_or(here);
            sources.push(records_in(EventKind::Canary, place));
        }
        Gate::Configuration(gate) => {
            sources.push(Source::Role(&gate.roles));
            let places = std::iter::once(here).chain(&gate.parity);
            sources.extend(places.map(|it| records_in(EventKind::Configuration, it)));
        }
        Gate::Migration(gate) => {
            sources.push(records(EventKind::Migration));
            let place = gate.rehearsed_in.iter();
            sources.extend(place.map(|it| records_in(EventKind::Rehearsal, it)));
        }
        Gate::RollbackReady(gate) => {
            let place = gate.rehearsed_in.iter();
            sources.extend(place.map(|it| records_in(EventKind::Rehearsal, it)));
            let seen = gate.seen_within.is_some();
            sources.extend(seen.then(|| records(EventKind::Observation)));
            sources.push(records(EventKind::Deployment));
        }
        Gate::Dependency(gate) => {
            let place = gate.environment.as_ref().unwrap_or(here);
            sources.push(Source::Ledger(&[role::RELEASE_MANAGER], &gate.project, place));
            sources.push(Source::Emitter(EventKind::Deployment, &gate.project, place));
        }
        // Whoever may set a freeze may lift it.
        Gate::Freeze(_) => {
            let roles = &[role::RELEASE_MANAGER, role::POLICY_ADMIN];
            sources.push(Source::Ledger(roles, project, here));
        }
        // Time; and what a rule of the policy's own reads, nobody can tell.
        Gate::Window(_) | Gate::Rego(_) => {}
    }
    sources
}

fn kind_of(kind: EvidenceKind) -> EventKind {
    match kind {
        EvidenceKind::Test => EventKind::Test,
        EvidenceKind::Analysis => EventKind::Analysis,
        EvidenceKind::Measurement => EventKind::Measurement,
        EvidenceKind::Sbom => EventKind::Sbom,
        EvidenceKind::Review => EventKind::Review,
    }
}

#[cfg(test)]
mod tests;
