//! What may be logged: the rules that an event must keep at its position.
//!
//! The sequencer asks before it appends, and the auditor asks again years later; both ask here.

mod body;
mod control;
mod deployment;
mod environment;
mod exception;
mod promotion;
mod subjects;

use std::fmt;

use schemas::id::{EntryIndex, Hash, IdentityName, KeyId, Project, Time};
use schemas::kind::{EventKind, ExtraThread};
use schemas::report::{Code, Finding};
use schemas::trust::role;

use crate::dsse::{Bundle, Spelling};
use crate::entry::genesis_prev;
use crate::event::{Body, Event};
use crate::projection::slice::{
    ArtifactInProject, METRICS_MAX, PLACES_MAX, SUITES_MAX, Signer, VEX_MAX,
};
use crate::projection::{Missing, State, evidence};
use crate::trust::Trust;

/// Where an event stands, or would stand.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub index: EntryIndex,
    pub time: Time,
    /// The time of the entry before; of the entry itself for entry 0.
    pub time_before: Time,
}

/// Why an event may not be logged, or has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Rule(Finding),
    /// A partial state cannot tell.
    Missing(Missing),
}

impl From<Missing> for Refusal {
    fn from(missing: Missing) -> Refusal {
        Refusal::Missing(missing)
    }
}

/// An event that keeps the rules, and what the fold needs to know of its signers.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub project: Option<Project>,
    /// The identities whose signatures count, with the keys they used.
    pub signers: Vec<Signer>,
    /// Every known key whose signature verifies.
    pub keys: Vec<KeyId>,
    /// Logged before: only the signers are new.
    pub repeated: bool,
    /// What is worth saying of an event that keeps the rules.
    pub notices: Vec<Finding>,
    /// Evidence and approvals that a decision relied on.
    pub relied: Vec<(EntryIndex, KeyId)>,
}

impl Accepted {
    fn by(project: Option<Project>, signers: Vec<Signer>) -> Accepted {
        let keys = Vec::new();
        Accepted {
            project,
            signers,
            keys,
            repeated: false,
            notices: Vec::new(),
            relied: Vec::new(),
        }
    }
}

/// Checks that entry 0 is made for the log of this name, given as its `prev`.
///
/// Nothing else compares the two: a later statement is for the origin of the document in force.
pub fn check_genesis(event: &Event, ledger: &Hash, index: EntryIndex) -> Result<(), Finding> {
    match event.ledger() {
        Some(origin) if index == 0 && genesis_prev(origin) != *ledger => {
            let detail = format!("entry 0 makes a ledger named {origin}, which this log is not");
            Err(Finding::new(Code::OtherLedger, Some(index), detail))
        }
        Some(_) | None => Ok(()),
    }
}

/// Everything that the rules of one kind look at.
struct Case<'a> {
    state: &'a State,
    trust: &'a Trust,
    event: &'a Event,
    signed_by: &'a [KeyId],
    at: &'a Moment,
}

/// Judges an event at its position.
///
/// `signed_by` are the known keys whose signatures verify, and `filed` the project that a foreign
/// statement is filed under.
pub fn judge(
    state: &State,
    event: &Event,
    signed_by: &[KeyId],
    filed: Option<&Project>,
    at: &Moment,
) -> Result<Accepted, Refusal> {
    judge_by(state, event, signed_by, filed, at, |case, project| match &event.body {
        Body::Trust(body, digest) => case.trust_document(body, digest),
        Body::Policy(body, digest) => case.policy(body, digest),
        Body::Heads(body) => case.heads(body),
        Body::Export(body) => case.export(body),
        Body::PromotionRequest(body) => case.request(body),
        Body::Approval(body) => case.approval(body),
        Body::Decision(body) => case.decision(body),
        Body::Deployment(body) => case.deployment(body),
        Body::Rollback(body) => case.rollback(body),
        Body::Canary(body) => case.canary(body),
        Body::Configuration(body) => case.configuration(body),
        Body::Observation(body) => case.observation(body),
        Body::Incident(body) => case.incident(body),
        Body::Rehearsal(body) => case.rehearsal(body),
        Body::Waiver(body) => case.waiver(body),
        Body::Freeze(body) => case.freeze(body),
        Body::Note(body) => case.note(body),
        Body::Analysis(_)
        | Body::Build(_)
        | Body::Measurement(_)
        | Body::Migration(_)
        | Body::Other
        | Body::Review(_)
        | Body::Sbom(_)
        | Body::Test(_)
        | Body::Unreadable(_)
        | Body::Vex(_)
        | Body::Vulnerabilities(_) => {
            let accepted = case.evidence(project)?;
            case.room(project).map(|()| accepted)
        }
    })
}

/// Judges an event of which not everything is at hand: spelling, signatures, ledger, project and
/// repeats, and that somebody in force signed it; evidence, that its signers may record it.
/// Whether it kept the rest of the rules is the word of the log.
pub fn judge_as_logged(
    state: &State,
    event: &Event,
    signed_by: &[KeyId],
    filed: Option<&Project>,
    at: &Moment,
) -> Result<Accepted, Refusal> {
    judge_by(state, event, signed_by, filed, at, |case, project| {
        if event.kind.line().thread == ExtraThread::None && event.kind != EventKind::Note {
            return case.evidence(project);
        }
        let signers = case.signers(format_args!("sign"), "at all", |_| true)?;
        Ok(Accepted::by(project.cloned(), signers))
    })
}

/// Judges by what every kind must keep, and then by `rules`.
fn judge_by(
    state: &State,
    event: &Event,
    signed_by: &[KeyId],
    filed: Option<&Project>,
    at: &Moment,
    rules: impl FnOnce(&Case, Option<&Project>) -> Result<Accepted, Refusal>,
) -> Result<Accepted, Refusal> {
    let Some(trust) = state.trust() else {
        return control::judge_genesis(event, signed_by, at);
    };
    let case = Case { state, trust, event, signed_by, at };
    case.readable()?;
    case.signatures()?;
    let project = case.project(filed)?;
    let repeated = case.repeated(project.as_ref())?;
    let accepted = rules(&case, project.as_ref())?;
    Ok(Accepted { repeated, keys: signed_by.to_vec(), ..accepted })
}

fn refuse<T>(case: &Case, code: Code, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Rule(Finding::new(code, Some(case.at.index), detail)))
}

impl Case<'_> {
    /// Our own kinds are read strictly.
    fn readable(&self) -> Result<(), Refusal> {
        match &self.event.body {
            Body::Unreadable(it) if self.event.kind.is_own() => {
                refuse(self, Code::PredicateInvalid, it.why.as_str())
            }
            _ => Ok(()),
        }
    }

    /// Checks the number of signatures and, for our own kinds, the spelling and the ledger.
    fn signatures(&self) -> Result<(), Refusal> {
        let count = self.event.signed.signatures.len();
        if let Some(bundle) = &self.event.signed.bundle {
            self.bundle(bundle)?;
        }
        if self.signed_by.is_empty() {
            return refuse(self, Code::SignatureInvalid, "no signature of a known key verifies");
        }
        if !self.event.kind.is_own() {
            return Ok(());
        }
        if self.signed_by.len() != count {
            let detail = format!("{} of {count} signatures verify", self.signed_by.len());
            return refuse(self, Code::SignatureExtra, detail);
        }
        if self.event.signed.spelling != Spelling::Own
            || (count != 1 && self.event.kind != EventKind::Trust)
        {
            let detail = "our own kinds have one spelling of the envelope and one signature";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        match self.event.ledger() {
            Some(ledger) if *ledger == self.trust.document.origin => Ok(()),
            ledger => {
                let named = ledger.map_or_else(|| "no ledger".to_owned(), ToString::to_string);
                refuse(self, Code::OtherLedger, format!("made for {named}"))
            }
        }
    }

    /// A bundle holds no kind of our own, and its log entries are older than ours.
    ///
    /// The library that checks bundles refuses, by its own clock, a log entry that is yet to come. This
    /// rule is stricter, and the same on every machine.
    fn bundle(&self, bundle: &Bundle) -> Result<(), Refusal> {
        if self.event.kind.is_own() {
            let detail = "our own kinds have one spelling, which is no Sigstore bundle";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        let at_secs = u64::try_from(self.at.time.0 / 1000).unwrap_or(0);
        match bundle.integrated_at {
            Some(integrated_at) if integrated_at > at_secs => {
                let detail =
                    format!("its log took it at {integrated_at} (Unix time), after this entry");
                refuse(self, Code::SignatureInvalid, detail)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The project of the event: signed in our own kinds, as filed in others.
    fn project(&self, filed: Option<&Project>) -> Result<Option<Project>, Refusal> {
        if self.event.is_project_free() {
            return Ok(None);
        }
        let signed = self.event.project();
        if let (Some(signed), Some(filed)) = (signed, filed)
            && signed != filed
        {
            let detail = format!("signed for {signed}, filed under {filed}");
            return refuse(self, Code::ProjectMismatch, detail);
        }
        match signed.or(filed) {
            Some(project) if self.trust.has_project(project) => Ok(Some(project.clone())),
            Some(project) => {
                refuse(self, Code::UnknownProject, format!("no grant names project {project}"))
            }
            None => refuse(self, Code::UnknownProject, "filed under no project"),
        }
    }

    /// True where the statement is logged already and this brings a new signer.
    fn repeated(&self, project: Option<&Project>) -> Result<bool, Refusal> {
        let Some(earlier) = self.state.signers_of(&self.event.statement, project)? else {
            return Ok(false);
        };
        let brings_new = self.signed_by.iter().any(|key| !earlier.contains(key));
        if brings_new && !self.event.kind.is_own() {
            Ok(true)
        } else {
            refuse(self, Code::StatementRepeated, "logged already, with these signers")
        }
    }

    /// The identities behind the signatures that pass `may`; `role` is what the others lack.
    fn signers(
        &self,
        what: fmt::Arguments<'_>,
        role: &str,
        may: impl Fn(&IdentityName) -> bool,
    ) -> Result<Vec<Signer>, Refusal> {
        let mut denied = None;
        let mut signers = Vec::new();
        for key in self.signed_by {
            match self.trust.identity(key, self.at.index) {
                Some(identity) if may(identity) => {
                    signers.push(Signer { identity: identity.clone(), key: *key, repeat: None });
                }
                Some(identity) => denied = Some(identity.to_string()),
                None => {}
            }
        }
        if !signers.is_empty() {
            return Ok(signers);
        }
        match denied {
            Some(name) => {
                let detail = format!("{name} may not {what}: that needs the role {role}");
                refuse(self, Code::RoleMissing, detail)
            }
            None => refuse(self, Code::SignatureInvalid, "signed by no identity in force"),
        }
    }

    /// Evidence: an emitter with this kind, about at least one digest that opens a thread.
    fn evidence(&self, project: Option<&Project>) -> Result<Accepted, Refusal> {
        let Some(project) = project else {
            return refuse(self, Code::UnknownProject, "filed under no project");
        };
        let kind = self.event.kind;
        let signers = self.signers(
            format_args!("record {} about {project}", kind.name()),
            role::EMITTER,
            |name| self.trust.may_emit(name, kind, project, None),
        )?;
        self.evidence_body()?;
        Ok(Accepted::by(Some(project.clone()), signers))
    }

    /// Evidence stays within the limits of what is kept of each artifact.
    fn room(&self, project: Option<&Project>) -> Result<(), Refusal> {
        let empty = ArtifactInProject::default();
        for digest in self.event.digests() {
            let slice = self.state.artifact(digest)?;
            let known = slice.and_then(|slice| slice.projects.get(project?));
            if !evidence::has_room(known.unwrap_or(&empty), &self.event.body, digest) {
                let detail = format!(
                    "{digest} has no room beside {SUITES_MAX} suites, {METRICS_MAX} metrics, \
                     {PLACES_MAX} environments, {VEX_MAX} vulnerabilities with statements"
                );
                return refuse(self, Code::SubjectInvalid, detail);
            }
        }
        Ok(())
    }
}

/// A text that is there, and no longer than so many bytes.
fn bounded(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len())
}

#[cfg(test)]
mod tests;
