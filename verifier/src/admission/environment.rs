//! The rules of what happens in an environment beside promotions: canaries, configurations,
//! observations, incidents, rehearsals.

use schemas::id::{Digest, DigestAlgorithm, Environment, EnvironmentName, Project, Time};
use schemas::kind::EventKind;
use schemas::predicate::canary::Canary;
use schemas::predicate::configuration::{Configuration, ConfigurationState, SECRETS_MAX};
use schemas::predicate::incident::{Cause, Incident, IncidentStatus};
use schemas::predicate::observation::{ARTIFACTS_MAX, Observation};
use schemas::predicate::rehearsal::Rehearsal;
use schemas::report::Code;
use schemas::trust::role;

use super::control::has_one_subject;
use super::{Accepted, Case, Refusal, bounded, refuse};
use crate::projection::slice::{EnvironmentSlice, INCIDENTS_MAX, Place, Running, Signer};

/// A tool's clock may be ahead of the ledger's by so much.
const AHEAD_MS_MAX: i64 = 5 * 60_000;

pub(super) fn environment_of(project: &Project, name: &EnvironmentName) -> Environment {
    Environment { project: project.clone(), name: name.clone() }
}

fn is_sha256(digest: &Digest) -> bool {
    digest.algorithm() == DigestAlgorithm::Sha256
}

impl Case<'_> {
    /// The signers who record this kind for an environment.
    fn emitters(
        &self,
        kind: EventKind,
        project: &Project,
        environment: &EnvironmentName,
    ) -> Result<Vec<Signer>, Refusal> {
        let what = format_args!("record {} of {project}/{environment}", kind.name());
        self.signers(what, role::EMITTER, |name| {
            self.trust.may_emit(name, kind, project, Some(environment))
        })
    }

    /// The subject is the ledger itself, and nothing else.
    pub(super) fn about_the_ledger(&self) -> Result<(), Refusal> {
        match has_one_subject(self.event, &self.trust.ledger) {
            true => Ok(()),
            false => refuse(self, Code::SubjectInvalid, "the subject is not the ledger"),
        }
    }

    /// What a tool says that it did later than now, it did not do.
    fn not_ahead(&self, time: Time) -> Result<(), Refusal> {
        if time.since(self.at.time) <= AHEAD_MS_MAX {
            return Ok(());
        }
        let detail = format!("{time} is more than 5 minutes ahead");
        refuse(self, Code::PredicateInvalid, detail)
    }

    pub fn canary(&self, body: &Canary) -> Result<Accepted, Refusal> {
        let signers = self.emitters(EventKind::Canary, &body.project, &body.environment)?;
        let artifact = self.artifact()?;
        if let Some(promotion) = body.promotion {
            let environment = environment_of(&body.project, &body.environment);
            self.belongs(promotion, &artifact, &environment)?;
        }
        self.not_ahead(body.finished_at.unwrap_or(body.started_at))?;
        let ended = body.finished_at.is_none_or(|end| end >= body.started_at);
        if body.verdict.is_final() != body.finished_at.is_some() || !ended {
            let detail = "a canary has an end unless it still runs, and not before its beginning";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        self.metrics(&body.metrics, 0)?;
        self.room(Some(&body.project))?;
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    pub fn rehearsal(&self, body: &Rehearsal) -> Result<Accepted, Refusal> {
        let signers = self.emitters(EventKind::Rehearsal, &body.project, &body.environment)?;
        self.artifact()?;
        self.not_ahead(body.finished_at.unwrap_or(self.at.time))?;
        self.room(Some(&body.project))?;
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    pub fn configuration(&self, body: &Configuration) -> Result<Accepted, Refusal> {
        let (project, name) = (&body.project, &body.environment);
        let signers = match (body.state, &body.role) {
            (ConfigurationState::Applied, None) => {
                self.emitters(EventKind::Configuration, project, name)?
            }
            (ConfigurationState::Approved | ConfigurationState::Withdrawn, Some(role)) => {
                self.approvers(role, project, Some(name))?
            }
            (ConfigurationState::Applied, Some(_)) | (_, None) => {
                let detail = "a role approves a configuration, and none applies it";
                return refuse(self, Code::PredicateInvalid, detail);
            }
        };
        self.about_the_ledger()?;
        let mut names: Vec<&str> = body.secrets.iter().map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        let distinct = names.windows(2).all(|pair| pair[0] != pair[1]);
        let texts =
            body.secrets.iter().all(|it| bounded(&it.name, 200) && bounded(&it.version, 200));
        let reason = body.reason.as_ref().is_none_or(|text| bounded(text, 4096));
        let digests = is_sha256(&body.digest) && body.shape.as_ref().is_none_or(is_sha256);
        if !digests || !distinct || names.len() > SECRETS_MAX || !texts || !reason {
            let detail = "a configuration has sha256 digests, and at most 256 secrets with \
                          distinct names and a version each";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        if body.state == ConfigurationState::Withdrawn {
            let slice = self.state.environment(&environment_of(project, name))?;
            let mut approved = slice.iter().flat_map(|slice| &slice.configurations.approved);
            if !approved.any(|it| it.digest == body.digest && it.role == body.role) {
                let detail = format!("{} is not approved in that role", body.digest.short());
                return refuse(self, Code::NothingWithdrawn, detail);
            }
        }
        Ok(Accepted::by(Some(project.clone()), signers))
    }

    pub fn observation(&self, body: &Observation) -> Result<Accepted, Refusal> {
        let signers = self.emitters(EventKind::Observation, &body.project, &body.environment)?;
        self.about_the_ledger()?;
        self.not_ahead(body.taken_at)?;
        let mut digests: Vec<&Digest> = body.artifacts.iter().map(|it| &it.digest).collect();
        digests.sort_unstable();
        let distinct = digests.windows(2).all(|pair| pair[0] != pair[1]);
        let named = |text: &Option<String>| text.as_ref().is_none_or(|text| bounded(text, 200));
        let sound = body.artifacts.iter().all(|it| {
            is_sha256(&it.digest) && it.instances > 0 && named(&it.name) && named(&it.tag)
        });
        if !distinct || !sound || digests.len() > ARTIFACTS_MAX || !role::is_word(&body.source) {
            let detail = "an observation has a source in one word and at most 1,024 artifacts, \
                          each sha256 once and with its instances";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    /// Whoever has any role may say that something is wrong.
    pub fn incident(&self, body: &Incident) -> Result<Accepted, Refusal> {
        let (project, name) = (&body.project, &body.environment);
        let signers = self.signers(
            format_args!("record incidents of {project}/{name}"),
            role::EMITTER,
            |it| self.trust.has_any_role(it, project),
        )?;
        self.not_ahead(body.at)?;
        if !bounded(&body.id, 128) || !bounded(&body.summary, 4096) {
            let detail = "an incident has an id of 1 to 128 bytes and a summary of 1 to 4,096";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        let slice = self.state.environment(&environment_of(project, name))?;
        let open = slice.and_then(|slice| slice.incidents.get(&body.id));
        if open.is_none() && body.status == IncidentStatus::Resolved {
            let detail = format!("{} is not open in {project}/{name}", body.id);
            return refuse(self, Code::IncidentMismatch, detail);
        }
        if open.is_none() && slice.is_some_and(|slice| slice.incidents.len() >= INCIDENTS_MAX) {
            let detail = format!("{INCIDENTS_MAX} incidents are open in {project}/{name}");
            return refuse(self, Code::PredicateInvalid, detail);
        }
        self.attribution(body, slice, open.and_then(|it| it.artifact.as_ref()))?;
        Ok(Accepted::by(Some(project.clone()), signers))
    }

    /// The subject of an incident is the artifact that it is attributed to; once that is said, it
    /// stays so, or the artifact's thread would miss the end.
    fn attribution(
        &self,
        body: &Incident,
        slice: Option<&EnvironmentSlice>,
        known: Option<&Digest>,
    ) -> Result<(), Refusal> {
        if body.cause.is_none() && known.is_none() {
            return self.about_the_ledger();
        }
        let artifact = self.artifact()?;
        let same = known.is_none_or(|known| *known == artifact);
        let fits = match &body.cause {
            Some(cause) => self.is_cause(body, cause, &artifact, slice)?,
            None => true,
        };
        if !same || !fits {
            let detail = format!("{} is not attributed to {artifact}", body.id);
            return refuse(self, Code::IncidentMismatch, detail);
        }
        self.room(Some(&body.project))
    }

    /// True where the artifact is the one that the cause names, as far as the state remembers.
    fn is_cause(
        &self,
        body: &Incident,
        cause: &Cause,
        artifact: &Digest,
        slice: Option<&EnvironmentSlice>,
    ) -> Result<bool, Refusal> {
        let known = self.state.artifact(artifact)?;
        let known = known.and_then(|it| it.projects.get(&body.project));
        let place: Option<&Place> = known.and_then(|it| it.places.get(&body.environment));
        Ok(match cause {
            Cause::Artifact(named) => named == artifact,
            Cause::Deployment(entry) => {
                place.is_some_and(|it| it.deployed.as_ref().is_some_and(|it| it.entry == *entry))
                    || slice.is_some_and(|slice| attempted(slice, *entry, artifact))
            }
            Cause::Promotion(request) => {
                let environment = environment_of(&body.project, &body.environment);
                self.belongs(*request, artifact, &environment)?;
                true
            }
        })
    }
}

fn attempted(slice: &EnvironmentSlice, entry: u64, artifact: &Digest) -> bool {
    let ran = [&slice.deployed, &slice.previous].into_iter().flatten();
    let ran = ran.flat_map(Running::all).map(|it| (it.entry, it.artifact));
    let last = slice.last_attempt.iter().map(|it| (it.entry, it.artifact.clone()));
    ran.chain(last).any(|it| it == (entry, artifact.clone()))
}
