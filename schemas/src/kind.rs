//! The register of everything that can be recorded, one line each.

use crate::predicate::{
    analysis, approval, build, canary, configuration, decision, deployment, export, freeze, heads,
    incident, measurement, migration, note, observation, policy, promotion_request, rehearsal,
    review, rollback, sbom, test, trust, vex, vulnerabilities, waiver,
};

/// What a predicate type means to us.
///
/// `Other` is an envelope whose predicate type we do not know: logged, listed and provable, and
/// ignored by every gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    Analysis,
    Approval,
    Build,
    Canary,
    Configuration,
    Decision,
    Deployment,
    Export,
    Freeze,
    Heads,
    Incident,
    Measurement,
    Migration,
    Note,
    Observation,
    Other,
    Policy,
    PromotionRequest,
    Rehearsal,
    Review,
    Rollback,
    Sbom,
    Test,
    Trust,
    Vex,
    Vulnerabilities,
    Waiver,
}

/// The thread that a kind joins beside project and artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraThread {
    None,
    Environment,
    Control,
    /// The environment's where the event is for exactly one of a project, else control.
    Scoped,
}

/// One line of the register.
pub struct KindLine {
    pub kind: EventKind,
    /// The word that commands, grants and policies use.
    pub name: &'static str,
    /// The predicate type that we write; empty for `other`.
    pub predicate_type: &'static str,
    /// Our own kinds are read strictly and signed with ledger, project and nonce.
    pub own: bool,
    pub thread: ExtraThread,
}

const fn line(
    kind: EventKind,
    name: &'static str,
    predicate_type: &'static str,
    own: bool,
    thread: ExtraThread,
) -> KindLine {
    KindLine { kind, name, predicate_type, own, thread }
}

/// Every kind, in the order of their names.
pub const KINDS: [KindLine; 27] = {
    use EventKind as K;
    use ExtraThread as T;
    [
        line(K::Analysis, "analysis", analysis::TYPE, true, T::None),
        line(K::Approval, "approval", approval::TYPE, true, T::Environment),
        line(K::Build, "build", build::TYPE, false, T::None),
        line(K::Canary, "canary", canary::TYPE, true, T::Environment),
        line(K::Configuration, "configuration", configuration::TYPE, true, T::Environment),
        line(K::Decision, "decision", decision::TYPE, true, T::Environment),
        line(K::Deployment, "deployment", deployment::TYPE, true, T::Environment),
        line(K::Export, "export", export::TYPE, true, T::Control),
        line(K::Freeze, "freeze", freeze::TYPE, true, T::Scoped),
        line(K::Heads, "heads", heads::TYPE, true, T::Control),
        line(K::Incident, "incident", incident::TYPE, true, T::Environment),
        line(K::Measurement, "measurement", measurement::TYPE, true, T::None),
        line(K::Migration, "migration", migration::TYPE, true, T::None),
        line(K::Note, "note", note::TYPE, true, T::None),
        line(K::Observation, "observation", observation::TYPE, true, T::Environment),
        line(K::Other, "other", "", false, T::None),
        line(K::Policy, "policy", policy::TYPE, true, T::Control),
        line(
            K::PromotionRequest,
            "promotion-request",
            promotion_request::TYPE,
            true,
            T::Environment,
        ),
        line(K::Rehearsal, "rehearsal", rehearsal::TYPE, true, T::Environment),
        line(K::Review, "review", review::TYPE, true, T::None),
        line(K::Rollback, "rollback", rollback::TYPE, true, T::Environment),
        line(K::Sbom, "sbom", sbom::TYPE, false, T::None),
        line(K::Test, "test", test::TYPE, false, T::None),
        line(K::Trust, "trust", trust::TYPE, true, T::Control),
        line(K::Vex, "vex", vex::TYPE, false, T::None),
        line(K::Vulnerabilities, "vulnerabilities", vulnerabilities::TYPE, false, T::None),
        line(K::Waiver, "waiver", waiver::TYPE, true, T::Scoped),
    ]
};

impl EventKind {
    pub fn line(self) -> &'static KindLine {
        &KINDS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.line().name
    }

    /// True for the kinds that we define, and for decisions, whose extension is ours.
    pub fn is_own(self) -> bool {
        self.line().own
    }

    pub fn from_name(name: &str) -> Option<EventKind> {
        KINDS.iter().find(|line| line.name == name).map(|line| line.kind)
    }

    /// The kind of a predicate type, where the type alone tells it.
    ///
    /// A verification summary and a reference need a look at the predicate: `of_statement` of the
    /// verifier has the whole rule.
    pub fn of_type(predicate_type: &str) -> EventKind {
        match predicate_type {
            build::TYPE | build::TYPE_V02 => EventKind::Build,
            vulnerabilities::TYPE | vulnerabilities::TYPE_V01 => EventKind::Vulnerabilities,
            vex::TYPE | vex::TYPE_UNVERSIONED => EventKind::Vex,
            text if sbom::is_document_type(text) => EventKind::Sbom,
            text => KINDS
                .iter()
                .find(|line| line.predicate_type == text && !text.is_empty())
                .map_or(EventKind::Other, |line| line.kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_register_is_indexed_by_kind_and_sorted_by_name() {
        for (position, line) in KINDS.iter().enumerate() {
            assert_eq!(line.kind as usize, position, "{}", line.name);
            assert_eq!(EventKind::from_name(line.name), Some(line.kind));
        }
        assert!(KINDS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn older_predicate_types_are_read() {
        for (text, kind) in [
            ("https://slsa.dev/provenance/v0.2", EventKind::Build),
            ("https://in-toto.io/attestation/vulns/v0.1", EventKind::Vulnerabilities),
            ("https://cyclonedx.org/bom", EventKind::Sbom),
            ("https://spdx.dev/Document/v2.3", EventKind::Sbom),
            ("https://openvex.dev/ns", EventKind::Vex),
            ("https://example.com/unknown", EventKind::Other),
            ("", EventKind::Other),
        ] {
            assert_eq!(EventKind::of_type(text), kind, "{text}");
        }
    }
}
