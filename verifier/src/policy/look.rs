//! What gates look at beside evidence: the request, and other projects.

use schemas::id::{Digest, EntryIndex, Environment, KeyId, Project};
use schemas::predicate::promotion_request::RequestPath;
use schemas::thread::ThreadId;

use super::Context;
use super::wanted::Wanted;
use crate::projection::Missing;
use crate::projection::slice::{ArtifactInProject, EnvironmentSlice, Request, Signer};

impl<'a> Context<'a> {
    /// The open request that is asked about.
    pub(super) fn request(&self) -> Result<Option<&'a Request>, Missing> {
        let slice = self.environment()?;
        let request = self.ask.request.and_then(|index| slice?.requests.get(&index));
        Ok(request.filter(|it| it.is_about(self.ask.artifact) && !it.is_expired(self.at)))
    }

    /// Notes whose approval the gate waits for, if it does.
    pub(super) fn wants(&self, wanted: Wanted) {
        *self.wanted.borrow_mut() = Some(wanted);
    }

    /// The way in that is asked for.
    pub(super) fn path(&self) -> Result<RequestPath, Missing> {
        Ok(self.request()?.map_or(self.without_request, |request| request.path))
    }

    /// An environment of another project.
    pub(super) fn other_environment(
        &self,
        environment: &Environment,
    ) -> Result<Option<&'a EnvironmentSlice>, Missing> {
        self.reads.borrow_mut().insert(ThreadId::Environment(environment.clone()));
        self.state.environment(environment)
    }

    /// What the log says of an artifact in another project.
    pub(super) fn artifact_of(
        &self,
        project: &Project,
        digest: &Digest,
    ) -> Result<Option<&'a ArtifactInProject>, Missing> {
        self.reads.borrow_mut().insert(ThreadId::Artifact(digest.clone()));
        let slice = self.state.artifact(digest)?;
        Ok(slice.and_then(|slice| slice.projects.get(project)))
    }

    /// True where what one signer has signed still counts; then it is relied on.
    pub(super) fn counts_one(&self, entry: EntryIndex, signer: &Signer) -> bool {
        self.counts(entry, std::slice::from_ref(signer))
    }

    /// The same of a key.
    pub(super) fn counts_key(&self, entry: EntryIndex, key: KeyId) -> bool {
        let sound = !self.trust.is_tainted(&key, entry);
        if sound {
            self.relied.borrow_mut().push((entry, key));
        }
        sound
    }
}
