//! A state as it is shown at some time, and what to do where it lacks something.

use schemas::id::{Digest, Environment, Project, Time};
use schemas::predicate::decision::Outcome;
use schemas::report::{GateVerdict, Verdict};
use schemas::thread::ThreadId;

use crate::policy::{self, Ask, Evaluation};
use crate::projection::slice::{ArtifactInProject, ArtifactSlice, EnvironmentSlice};
use crate::projection::{Missing, State};

/// What a question does where the state lacks a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// It names the slice, and is asked again once that is loaded.
    Asks,
    /// There is no more to be had, as in a pack: it goes on without.
    GoesOn,
}

/// What an artifact is called in a project; it decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: Option<String>,
    pub version: Option<String>,
    pub digest: Digest,
}

impl Named {
    /// `payments 1.4.2 sha256:9f2c41d0`, as far as it has a name.
    pub fn line(&self) -> String {
        let called = [self.name.as_deref(), self.version.as_deref()].into_iter().flatten();
        let called: Vec<&str> = called.collect();
        format!("{} {}", called.join(" "), self.digest.short()).trim_start().to_owned()
    }
}

/// A state at a time. Decides nothing: gates are the policy's.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub state: &'a State,
    pub at: Time,
    pub lacking: Lacking,
}

impl<'a> View<'a> {
    fn or_go_on<T>(&self, found: Result<Option<T>, Missing>) -> Result<Option<T>, Missing> {
        match self.lacking {
            Lacking::Asks => found,
            Lacking::GoesOn => Ok(found.ok().flatten()),
        }
    }

    pub fn artifact(&self, digest: &Digest) -> Result<Option<&'a ArtifactSlice>, Missing> {
        self.or_go_on(self.state.artifact(digest))
    }

    pub fn artifact_in(
        &self,
        digest: &Digest,
        project: &Project,
    ) -> Result<Option<&'a ArtifactInProject>, Missing> {
        Ok(self.artifact(digest)?.and_then(|slice| slice.projects.get(project)))
    }

    /// What an artifact is called, as far as that is known.
    pub fn named(&self, digest: &Digest, project: &Project) -> Result<Named, Missing> {
        let known = self.artifact_in(digest, project)?;
        Ok(Named {
            name: known.and_then(|known| known.name.clone()),
            version: known.and_then(|known| known.version.clone()),
            digest: digest.clone(),
        })
    }

    pub fn environment(&self, it: &Environment) -> Result<Option<&'a EnvironmentSlice>, Missing> {
        self.or_go_on(self.state.environment(it))
    }

    /// Evaluates without logging; nothing where what that takes is not to be had.
    pub fn evaluate(&self, ask: &Ask<'_>) -> Result<Option<Evaluation>, Missing> {
        self.or_go_on(policy::evaluate(self.state, ask, self.at).map(Some))
    }

    /// True where nothing can be known of an artifact.
    pub fn leaves_out_artifact(&self, digest: &Digest) -> bool {
        self.lacking == Lacking::GoesOn && !self.state.knows(&ThreadId::Artifact(digest.clone()))
    }

    /// True where nothing can be known of an environment.
    pub fn leaves_out(&self, it: &Environment) -> bool {
        self.lacking == Lacking::GoesOn && !self.state.knows(&ThreadId::Environment(it.clone()))
    }
}

/// The names of the gates that do not admit: `soak, approvals`.
pub fn open_names(gates: &[GateVerdict]) -> String {
    let open = gates.iter().filter(|gate| !gate.verdict.admits());
    open.map(|gate| gate.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// The names of the gates that failed: what a request was denied by. Others may have waited.
pub fn failed_names(gates: &[GateVerdict]) -> String {
    let failed = gates.iter().filter(|gate| gate.verdict == Verdict::Fail);
    failed.map(|gate| gate.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// What an open request waits for, in a word or two.
pub fn state_of(evaluation: Option<&Evaluation>) -> String {
    match evaluation.map(|it| (it.outcome(), &it.gates)) {
        None => "cannot be told".to_owned(),
        Some((Some(Outcome::Granted), _)) => "may be granted".to_owned(),
        Some((Some(Outcome::Denied), gates)) => format!("fails {}", failed_names(gates)),
        Some((None, gates)) => format!("waits: {}", open_names(gates)),
    }
}
