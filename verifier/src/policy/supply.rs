//! Who can supply what a gate still asks for.

use std::collections::BTreeMap;

use schemas::id::{Environment, IdentityName};
use schemas::kind::EventKind;
use schemas::policy::{EvidenceKind, Gate, GateRule};
use schemas::report::GateVerdict;
use schemas::trust::role;

use crate::trust::Trust;

/// Most people that are named: a hint, no list of a company.
pub const NAMED_MAX: usize = 16;

/// What a gate rests on.
enum Supply<'a> {
    /// Events of this kind.
    Kind(EventKind),
    /// Signatures in one of these roles.
    Roles(&'a [String]),
    /// Time, or the policy itself.
    Nobody,
}

/// The identities that may record or sign what the gate asks for, in the document's order.
pub fn suppliers(gate: &Gate, trust: &Trust, environment: &Environment) -> Vec<IdentityName> {
    let identities = trust.document.identities.iter().map(|it| &it.name);
    let may = identities.filter(|it| may_supply(gate, it, trust, environment));
    may.take(NAMED_MAX).cloned().collect()
}

/// True where an identity may record or sign what the gate asks for.
pub fn may_supply(
    gate: &Gate,
    identity: &IdentityName,
    trust: &Trust,
    environment: &Environment,
) -> bool {
    let (project, name) = (&environment.project, Some(&environment.name));
    match supply(gate) {
        Supply::Kind(kind) => trust.may_emit(identity, kind, project, name),
        Supply::Roles(roles) => {
            !trust.is_admin(identity)
                && roles.iter().any(|role| trust.has_role(identity, role, project, name))
        }
        Supply::Nobody => false,
    }
}

/// The roles in which what the gate asks for is recorded or signed; none where only time helps.
pub fn roles(gate: &Gate) -> Vec<String> {
    match supply(gate) {
        Supply::Kind(_) => vec![role::EMITTER.to_owned()],
        Supply::Roles(roles) => roles.to_vec(),
        Supply::Nobody => Vec::new(),
    }
}

/// Who can supply what is still asked for, by the gate that asks.
pub fn missing(
    rules: &[GateRule],
    verdicts: &[GateVerdict],
    trust: &Trust,
    environment: &Environment,
) -> BTreeMap<String, Vec<IdentityName>> {
    let open = |rule: &&GateRule| {
        verdicts.iter().any(|verdict| verdict.id == rule.id && !verdict.verdict.admits())
    };
    let named = rules
        .iter()
        .filter(open)
        .map(|rule| (rule.id.clone(), suppliers(&rule.gate, trust, environment)));
    named.filter(|(_, people)| !people.is_empty()).collect()
}

fn supply(gate: &Gate) -> Supply<'_> {
    match gate {
        Gate::Approvals(gate) => Supply::Roles(&gate.roles),
        Gate::Provenance(_) => Supply::Kind(EventKind::Build),
        Gate::Vulnerabilities(_) => Supply::Kind(EventKind::Vulnerabilities),
        Gate::Measurement(_) => Supply::Kind(EventKind::Measurement),
        Gate::Analysis(_) => Supply::Kind(EventKind::Analysis),
        Gate::Sbom(_) | Gate::Licenses(_) => Supply::Kind(EventKind::Sbom),
        Gate::Soak(_) => Supply::Kind(EventKind::Deployment),
        Gate::Evidence(gate) if !gate.signed_by.is_empty() => Supply::Roles(&gate.signed_by),
        Gate::Evidence(gate) => Supply::Kind(match gate.kind {
            EvidenceKind::Test => EventKind::Test,
            EvidenceKind::Analysis => EventKind::Analysis,
            EvidenceKind::Measurement => EventKind::Measurement,
            EvidenceKind::Sbom => EventKind::Sbom,
            EvidenceKind::Review => EventKind::Review,
        }),
        Gate::Canary(_) => Supply::Kind(EventKind::Canary),
        Gate::Slo(_) => Supply::Kind(EventKind::Measurement),
        Gate::Configuration(gate) => Supply::Roles(&gate.roles),
        Gate::Migration(_) => Supply::Kind(EventKind::Migration),
        Gate::RollbackReady(_) => Supply::Kind(EventKind::Rehearsal),
        // Another project, or time.
        Gate::Dependency(_) | Gate::Freeze(_) => Supply::Nobody,
        Gate::Window(_) | Gate::Rego(_) => Supply::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{World, environment};

    fn check(gate: &str, expected: &[&str]) {
        let world = World::new();
        let rule: schemas::policy::GateRule = serde_json::from_str(gate).unwrap();
        let trust = world.sequence.state.trust().unwrap();
        let found = suppliers(&rule.gate, trust, &environment("prod"));
        let found: Vec<&str> = found.iter().map(IdentityName::as_str).collect();
        assert_eq!(found, expected, "{gate}");
    }

    #[test]
    fn those_with_the_grant_can_supply() {
        check(r#"{"approvals":{"count":1,"roles":["security"]}}"#, &["sara"]);
        // An admin who was made an approver approves nothing.
        let approvers = &["mia", "anna", "ben", "alex"];
        check(r#"{"approvals":{"count":1,"roles":["release-approver"]}}"#, approvers);
        check(r#"{"evidence":{"kind":"test","result":"passed"}}"#, &["ci", "bot"]);
        check(r#"{"evidence":{"kind":"review"}}"#, &["ci"]);
        check(r#"{"evidence":{"kind":"sbom","signed_by":["security"]}}"#, &["sara"]);
        check(r#"{"soak":{"in":"a","for":"1h"}}"#, &["ci"]);
        check(r#"{"window":{"allow":"Mon 09:00-10:00","zone":"UTC"}}"#, &[]);
    }

    #[test]
    fn what_is_asked_for_is_signed_in_a_role() {
        for (gate, expected) in [
            (r#"{"approvals":{"count":1,"roles":["security","qa"]}}"#, &["security", "qa"][..]),
            (r#"{"evidence":{"kind":"test","result":"passed"}}"#, &["emitter"]),
            (r#"{"evidence":{"kind":"sbom","signed_by":["security"]}}"#, &["security"]),
            (r#"{"window":{"allow":"Mon 09:00-10:00","zone":"UTC"}}"#, &[]),
        ] {
            let rule: schemas::policy::GateRule = serde_json::from_str(gate).unwrap();
            assert_eq!(roles(&rule.gate), expected, "{gate}");
        }
    }
}
