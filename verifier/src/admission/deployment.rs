//! The rules of deployments and rollbacks.

use schemas::id::{Digest, DigestAlgorithm, Environment};
use schemas::kind::EventKind;
use schemas::predicate::deployment::{Deployment, DeploymentResult};
use schemas::predicate::rollback::Rollback;
use schemas::report::{Code, Finding};
use schemas::trust::role;

use super::environment::environment_of;
use super::{Accepted, Case, Refusal, bounded, refuse};
use crate::policy::path;
use crate::projection::Missing;
use crate::projection::slice::Running;

impl Case<'_> {
    pub fn deployment(&self, body: &Deployment) -> Result<Accepted, Refusal> {
        let (project, name) = (&body.project, &body.environment);
        let signers = self.signers(
            format_args!("record deployments to {project}/{name}"),
            role::EMITTER,
            |identity| self.trust.may_emit(identity, EventKind::Deployment, project, Some(name)),
        )?;
        let artifact = self.artifact()?;
        let environment = environment_of(project, name);
        self.room(Some(project))?;
        if let Some(promotion) = body.promotion {
            self.belongs(promotion, &artifact, &environment)?;
        }
        let mut accepted = Accepted::by(Some(project.clone()), signers);
        accepted.notices.extend(self.ungranted(&artifact, &environment, body.result)?);
        Ok(accepted)
    }

    /// A rollback leaves what runs. What it goes back to was granted once; else that is said of it
    /// as of any deployment.
    pub fn rollback(&self, body: &Rollback) -> Result<Accepted, Refusal> {
        let (project, name) = (&body.project, &body.environment);
        let what = format_args!("record rollbacks of {project}/{name}");
        let signers = self.signers(what, role::EMITTER, |identity| {
            self.trust.may_emit(identity, EventKind::Deployment, project, Some(name))
        })?;
        let artifact = self.artifact()?;
        let environment = environment_of(project, name);
        let sha256 = body.from.algorithm() == DigestAlgorithm::Sha256;
        let known = body.incident.is_none_or(|entry| entry < self.at.index);
        if !sha256 || body.from == artifact || !known || !bounded(&body.reason, 4096) {
            let detail = "a rollback goes from one sha256 to another, for a reason of 1 to 4,096 \
                          bytes, and its incident is an earlier entry";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        if !self.leaves(&body.from, &artifact, &environment)? {
            let detail = format!("{} does not run in {environment}", body.from);
            return refuse(self, Code::IllegalMove, detail);
        }
        self.room(Some(project))?;
        if let Some(promotion) = body.promotion {
            self.belongs(promotion, &artifact, &environment)?;
        }
        let mut accepted = Accepted::by(Some(project.clone()), signers);
        accepted.notices.extend(self.ungranted(&artifact, &environment, body.result)?);
        Ok(accepted)
    }

    /// True where an artifact runs there, or was just left for this one: one target after another
    /// may say so.
    fn leaves(
        &self,
        from: &Digest,
        to: &Digest,
        environment: &Environment,
    ) -> Result<bool, Missing> {
        let Some(slice) = self.state.environment(environment)? else { return Ok(false) };
        let is = |running: &Option<Running>, artifact: &Digest| {
            running.as_ref().is_some_and(|it| it.holds(artifact))
        };
        Ok(is(&slice.deployed, from) || (is(&slice.deployed, to) && is(&slice.previous, from)))
    }

    /// What is said of a deployment that nothing has granted.
    fn ungranted(
        &self,
        artifact: &Digest,
        environment: &Environment,
        result: DeploymentResult,
    ) -> Result<Option<Finding>, Missing> {
        let slice = self.state.artifact(artifact)?;
        let known = slice.and_then(|slice| slice.projects.get(&environment.project));
        let place = known.and_then(|known| known.places.get(&environment.name));
        let granted = place.is_some_and(|place| place.is_granted())
            || path::holds_newest_grant(self.state, artifact, environment)?;
        let found = !granted && result != DeploymentResult::Failed;
        let detail = format!("{artifact} in {environment}");
        Ok(found.then(|| Finding::new(Code::DeployedWithoutGrant, Some(self.at.index), detail)))
    }
}
