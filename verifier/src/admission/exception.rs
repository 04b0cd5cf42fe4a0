//! The rules of waivers and freezes.

use schemas::id::{EnvironmentName, IdentityName, Project};
use schemas::predicate::freeze::{ENVIRONMENTS_MAX, Freeze, FreezeOutcome};
use schemas::predicate::waiver::{Waiver, WaiverOutcome};
use schemas::report::Code;
use schemas::trust::{ALL_PROJECTS, role};

use super::environment::environment_of;
use super::{Accepted, Case, Refusal, bounded, refuse};
use crate::policy::version::Range;
use crate::projection::Missing;
use crate::projection::slice::{
    FREEZES_MAX, FreezeKept, Freezes, Signer, WAIVERS_MAX, WaiverKept, Waivers,
};

impl Case<'_> {
    /// The signers who hold an approval role: for an environment, or for all of a project.
    pub(super) fn approvers(
        &self,
        role: &str,
        project: &Project,
        environment: Option<&EnvironmentName>,
    ) -> Result<Vec<Signer>, Refusal> {
        let signers =
            self.signers(format_args!("sign as {role} of {project}"), role, |identity| {
                role::is_approval(role) && self.holds(identity, role, project, environment)
            })?;
        match signers.iter().find(|signer| self.trust.is_admin(&signer.identity)) {
            Some(admin) => {
                refuse(self, Code::AdminApproves, format!("{} is an admin", admin.identity))
            }
            None => Ok(signers),
        }
    }

    /// A grant for some environments does not reach all of them.
    fn holds(
        &self,
        identity: &IdentityName,
        role: &str,
        project: &Project,
        environment: Option<&EnvironmentName>,
    ) -> bool {
        let mut grants = self.trust.grants_of(identity, project, environment);
        grants.any(|grant| {
            grant.role == role && (environment.is_some() || grant.environments.is_empty())
        })
    }

    pub fn waiver(&self, body: &Waiver) -> Result<Accepted, Refusal> {
        let signers = self.approvers(&body.role, &body.project, body.environment.as_ref())?;
        match &body.artifact {
            Some(named) if self.artifact()? != *named => {
                return refuse(self, Code::SubjectInvalid, "the subject is not its artifact");
            }
            Some(_) => {}
            None => self.about_the_ledger()?,
        }
        let versions = body.versions.as_ref().is_none_or(|it| it.parse::<Range>().is_ok());
        let scoped = body.artifact.is_none() || body.versions.is_none();
        if !versions || !scoped || !is_gate_id(&body.gate) || !bounded(&body.reason, 4096) {
            let detail = "a waiver names a gate, an artifact or a range of versions such as \
                          `>=1.4.0, <1.5.0`, and a reason of 1 to 4,096 bytes";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        let empty = Waivers::new();
        let kept = self.waivers(body)?.unwrap_or(&empty);
        match (body.outcome, &body.withdraws) {
            (WaiverOutcome::Accepted, None) => self.acceptance(body, kept)?,
            (WaiverOutcome::Withdrawn, Some(withdrawn)) => {
                let known = kept.get(withdrawn).filter(|it| {
                    it.gate == body.gate
                        && it.artifact == body.artifact
                        && (it.role == body.role || is_by(it, &signers))
                });
                if known.is_none() {
                    let detail = format!("no waiver {} of that scope", withdrawn.short());
                    return refuse(self, Code::NothingWithdrawn, detail);
                }
            }
            (WaiverOutcome::Accepted, Some(_)) | (WaiverOutcome::Withdrawn, None) => {
                let detail = "a withdrawal names the waiver that it takes back";
                return refuse(self, Code::PredicateInvalid, detail);
            }
        }
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    fn acceptance(&self, body: &Waiver, kept: &Waivers) -> Result<(), Refusal> {
        let staying = kept.values().filter(|it| !it.is_gone(self.at.time)).count();
        let timely = body.expires_at > self.at.time && body.review_at <= body.expires_at;
        if timely && staying < WAIVERS_MAX {
            return Ok(());
        }
        let detail = "a waiver ends after now, is reviewed before its end, and is one of at most \
                      256 of its environment";
        refuse(self, Code::PredicateInvalid, detail)
    }

    fn waivers(&self, body: &Waiver) -> Result<Option<&Waivers>, Missing> {
        Ok(match &body.environment {
            Some(name) => {
                let slice = self.state.environment(&environment_of(&body.project, name))?;
                slice.map(|slice| &slice.waivers)
            }
            None => self.state.control().waivers.get(&body.project),
        })
    }

    /// Of one project by its release managers and policy admins, of all projects by an admin of
    /// all of them.
    pub fn freeze(&self, body: &Freeze) -> Result<Accepted, Refusal> {
        let signers = self.signers(
            format_args!("freeze that"),
            role::RELEASE_MANAGER,
            |identity| match &body.project {
                Some(project) => self.may_freeze(identity, project, &body.environments),
                None => self.trust.all_grants_of(identity).any(|grant| {
                    let all = grant.projects.iter().any(|name| name == ALL_PROJECTS);
                    grant.role == role::ADMIN && all && grant.environments.is_empty()
                }),
            },
        )?;
        self.about_the_ledger()?;
        let mut names: Vec<&EnvironmentName> = body.environments.iter().collect();
        names.sort_unstable();
        let distinct = names.windows(2).all(|pair| pair[0] != pair[1]);
        if !distinct || names.len() > ENVIRONMENTS_MAX || !bounded(&body.reason, 4096) {
            let detail = "a freeze names at most 64 environments, each once, and a reason of 1 to \
                          4,096 bytes";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        let empty = Freezes::new();
        let kept = self.freezes(body)?.unwrap_or(&empty);
        match (body.outcome, &body.lifts) {
            (FreezeOutcome::Set, None) => self.setting(body, kept)?,
            (FreezeOutcome::Lifted, Some(lifted)) => {
                if !kept.get(lifted).is_some_and(|it| is_of(it, body)) {
                    let detail = format!("no freeze {} of that scope", lifted.short());
                    return refuse(self, Code::NothingWithdrawn, detail);
                }
            }
            (FreezeOutcome::Set, Some(_)) | (FreezeOutcome::Lifted, None) => {
                let detail = "what lifts a freeze names it";
                return refuse(self, Code::PredicateInvalid, detail);
            }
        }
        Ok(Accepted::by(body.project.clone(), signers))
    }

    fn may_freeze(
        &self,
        identity: &IdentityName,
        project: &Project,
        environments: &[EnvironmentName],
    ) -> bool {
        let may = |environment: Option<&EnvironmentName>| {
            [role::RELEASE_MANAGER, role::POLICY_ADMIN]
                .into_iter()
                .any(|role| self.holds(identity, role, project, environment))
        };
        match environments {
            [] => may(None),
            named => named.iter().all(|name| may(Some(name))),
        }
    }

    fn setting(&self, body: &Freeze, kept: &Freezes) -> Result<(), Refusal> {
        let staying =
            kept.values().filter(|it| !it.is_gone(self.at.time) && it.project == body.project);
        let timely = body.until > body.from && body.until > self.at.time;
        if timely && staying.count() < FREEZES_MAX {
            return Ok(());
        }
        let detail = "a freeze ends after now and after its beginning, and is one of at most 64";
        refuse(self, Code::PredicateInvalid, detail)
    }

    fn freezes(&self, body: &Freeze) -> Result<Option<&Freezes>, Missing> {
        Ok(match (&body.project, self.event.environment()) {
            (Some(project), Some(name)) => {
                let slice = self.state.environment(&environment_of(project, name))?;
                slice.map(|slice| &slice.freezes)
            }
            (Some(_), None) | (None, _) => Some(&self.state.control().freezes),
        })
    }
}

/// Ids of gates are spelt as names are.
fn is_gate_id(id: &str) -> bool {
    id.parse::<EnvironmentName>().is_ok()
}

fn is_by(kept: &WaiverKept, signers: &[Signer]) -> bool {
    signers.iter().any(|signer| signer.identity == kept.signer.identity)
}

fn is_of(kept: &FreezeKept, body: &Freeze) -> bool {
    kept.project == body.project && kept.environments == body.environments
}
