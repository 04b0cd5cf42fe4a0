//! Several artifacts that one request is about: `--with`, once for each further one.

use clap::Args;
use schemas::id::{Digest, Project};
use schemas::predicate::promotion_request::ARTIFACTS_MAX;
use schemas::statement::Subject;

use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::Called;
use crate::service::Service;
use crate::subject::{self, Written};

#[derive(Debug, Args)]
pub struct WithArgs {
    /// A further artifact of the project, that stands or falls with it; may be repeated
    #[arg(long, value_name = "SUBJECT")]
    pub with: Vec<String>,
}

impl WithArgs {
    /// Reads what was written, before any ledger is opened.
    pub fn read(&self, io: &Io) -> Result<Vec<Written>, Failure> {
        if self.with.len() >= ARTIFACTS_MAX {
            let most = ARTIFACTS_MAX - 1;
            return Err(Failure::usage(format!("--with: at most {most} times")));
        }
        self.with.iter().map(|text| subject::read(text, io)).collect()
    }

    /// The asked artifact, then the further ones.
    pub fn all(
        &self,
        first: Digest,
        written: Vec<Written>,
        service: &Service,
    ) -> Result<Vec<Digest>, Failure> {
        let mut all = vec![first];
        for (text, written) in self.with.iter().zip(written) {
            let artifact = super::artifact(text, written, service)?;
            if all.contains(&artifact) {
                let message = format!("--with {text}: {} is named twice", artifact.short());
                return Err(Failure::usage(message).hint("name each artifact once"));
            }
            all.push(artifact);
        }
        Ok(all)
    }
}

/// What they are called in a project.
pub fn called<'a>(
    artifacts: impl IntoIterator<Item = &'a Digest>,
    project: &Project,
    service: &Service,
) -> Result<Vec<Called>, Failure> {
    let called = |artifact: &'a Digest| -> Result<Called, Failure> {
        let slice = service.artifact(artifact)?;
        Ok(Called::of(artifact, slice.as_ref(), project))
    };
    artifacts.into_iter().map(called).collect()
}

/// The subjects of a statement about all of them.
pub fn subjects(called: &[Called]) -> Vec<Subject> {
    called.iter().map(|it| Subject::of(&it.digest, it.name.as_deref())).collect()
}
