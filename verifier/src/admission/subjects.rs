//! What a promotion is about: one artifact, or several that stand or fall together.

use schemas::id::{Digest, DigestAlgorithm, EntryIndex, Environment};
use schemas::predicate::promotion_request::ARTIFACTS_MAX;
use schemas::report::Code;

use super::{Case, Refusal, refuse};
use crate::projection::Missing;

impl Case<'_> {
    /// The one artifact of a promotion: one subject with a sha256.
    pub(super) fn artifact(&self) -> Result<Digest, Refusal> {
        let [subject] = self.event.subjects.as_slice() else {
            return refuse(self, Code::SubjectInvalid, "a promotion is about one artifact");
        };
        let promotable =
            subject.digests.iter().find(|digest| digest.algorithm() == DigestAlgorithm::Sha256);
        match promotable {
            Some(digest) if digest.is_sha256(&self.trust.ledger) => {
                refuse(self, Code::SubjectInvalid, "the ledger itself is no artifact")
            }
            Some(digest) => Ok(digest.clone()),
            None => refuse(self, Code::SubjectInvalid, "a promotable subject needs a sha256"),
        }
    }

    /// The artifacts that a request, or an answer to one, is about: one, or several that are told
    /// apart.
    pub(super) fn artifacts(&self) -> Result<Vec<Digest>, Refusal> {
        let subjects = &self.event.subjects;
        if subjects.len() <= 1 {
            return self.artifact().map(|artifact| vec![artifact]);
        }
        let artifacts: Vec<Digest> = self.event.artifacts().cloned().collect();
        let mut digests: Vec<&Digest> = self.event.digests().collect();
        let named = digests.len();
        digests.sort_unstable();
        digests.dedup();
        if artifacts.len() != subjects.len()
            || artifacts.len() > ARTIFACTS_MAX
            || digests.len() != named
            || artifacts.iter().any(|it| it.is_sha256(&self.trust.ledger))
        {
            let detail = format!(
                "a request is about 1 to {ARTIFACTS_MAX} artifacts, each with a sha256 and no \
                 digest twice"
            );
            return refuse(self, Code::SubjectInvalid, detail);
        }
        Ok(artifacts)
    }

    /// An answer is about exactly what was asked, in that order.
    pub(super) fn answers<'d>(
        &self,
        index: EntryIndex,
        asked: impl Iterator<Item = &'d Digest>,
    ) -> Result<(), Refusal> {
        let (asked, said) = (asked.collect::<Vec<_>>(), self.artifacts()?);
        if asked.iter().copied().eq(&said) {
            return Ok(());
        }
        let code = match (asked.len(), said.len()) {
            (1, 1) => Code::RequestMismatch,
            (_, _) => Code::SubjectsDiffer,
        };
        refuse(self, code, format!("P-{index} is about {}", listed(asked)))
    }

    /// The promotion that an event names as its own is one of its artifact to its environment: it
    /// is open, among the last that were closed there, or the newest that was decided about the
    /// artifact. Others are not remembered, and what cannot be told is no yes.
    pub(super) fn belongs(
        &self,
        promotion: EntryIndex,
        artifact: &Digest,
        environment: &Environment,
    ) -> Result<(), Refusal> {
        let slice = self.state.environment(environment)?;
        match slice.and_then(|slice| slice.asked_about(promotion)) {
            Some(others) if !others.contains(&artifact) => {
                let detail = format!("P-{promotion} is about {}", listed(others));
                refuse(self, Code::RequestMismatch, detail)
            }
            Some(_) => Ok(()),
            None if self.decided_last(artifact, environment)? == Some(promotion) => Ok(()),
            None => {
                let detail = format!("no P-{promotion} of {artifact} is known in {environment}");
                refuse(self, Code::RequestUnknown, detail)
            }
        }
    }

    /// The request of the newest decision about an artifact there.
    fn decided_last(
        &self,
        artifact: &Digest,
        environment: &Environment,
    ) -> Result<Option<EntryIndex>, Missing> {
        let known = self.state.artifact(artifact)?;
        let known = known.and_then(|it| it.projects.get(&environment.project));
        let place = known.and_then(|it| it.places.get(&environment.name));
        Ok(place.and_then(|it| it.decided.as_ref()).map(|it| it.request))
    }
}

/// Artifacts, one after the other.
pub(super) fn listed(artifacts: Vec<&Digest>) -> String {
    artifacts.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
