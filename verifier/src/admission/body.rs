//! What the bodies of evidence and notes must keep that their types cannot say.

use schemas::id::{Digest, EntryIndex};
use schemas::predicate::measurement::Metric;
use schemas::predicate::note::Note;
use schemas::predicate::review::{CHANGE_LIST_MAX, Change};
use schemas::report::Code;

use super::environment::environment_of;
use super::subjects::listed;
use super::{Accepted, Case, Refusal, bounded, refuse};
use crate::event::Body;
use crate::projection::slice::{EnvironmentSlice, Running, SUITES_MAX};

impl Case<'_> {
    pub(super) fn evidence_body(&self) -> Result<(), Refusal> {
        use schemas::id::DigestAlgorithm::{GitCommit, Sha256};
        let named = self.event.digests().next().is_some();
        if self.event.kind.is_own() && !named {
            return refuse(self, Code::SubjectInvalid, "the subject has no digest");
        }
        match &self.event.body {
            Body::Measurement(body) => self.metrics(&body.metrics, 1)?,
            Body::Migration(body) => {
                let digests = [&body.migrations, &body.rollback_plan].into_iter().flatten();
                if !digests.into_iter().all(|digest| digest.algorithm() == Sha256) {
                    let detail = "migrations and rollback plan are named by their sha256";
                    return refuse(self, Code::PredicateInvalid, detail);
                }
            }
            Body::Review(body) => {
                let commits = self.event.digests().all(|digest| digest.algorithm() == GitCommit);
                let committers = body.committers.iter().flatten();
                let mut people = body.authors.iter().chain(committers).chain(&body.reviewers);
                // No alias is longer.
                let bounded = people.clone().count() <= 256 && people.all(|it| it.len() <= 320);
                if !body.change.as_ref().is_none_or(is_bounded) {
                    let detail = "a change has at most 256 paths, labels and owners of 1 to 512 \
                                  bytes, and words of 1 to 63";
                    return refuse(self, Code::PredicateInvalid, detail);
                }
                if !commits || body.authors.is_empty() || !bounded {
                    let detail = "a review is of a gitCommit and names its authors";
                    return refuse(self, Code::PredicateInvalid, detail);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks metrics, of which there are at least so many.
    pub(super) fn metrics(&self, metrics: &[Metric], min: usize) -> Result<(), Refusal> {
        let mut names: Vec<&str> = metrics.iter().map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        let distinct = names.windows(2).all(|pair| pair[0] != pair[1]);
        let texts = names.iter().all(|name| bounded(name, 200))
            && metrics.iter().flat_map(|it| &it.unit).all(|unit| unit.len() <= 200);
        if (min..=SUITES_MAX).contains(&names.len()) && distinct && texts {
            return Ok(());
        }
        let detail = format!("{min} to {SUITES_MAX} metrics with distinct names");
        refuse(self, Code::PredicateInvalid, detail)
    }

    pub(super) fn note(&self, body: &Note) -> Result<Accepted, Refusal> {
        let signers = self.signers(
            format_args!("note anything about {}", body.project),
            "of anybody in that project",
            |name| self.trust.has_any_role(name, &body.project),
        )?;
        if body.text.is_empty() || body.text.len() > 65_536 {
            return refuse(self, Code::PredicateInvalid, "a note has 1 to 65,536 bytes of text");
        }
        self.concerns(body)?;
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    /// What a note is about came before it. Where the note has an artifact, that is no request for
    /// another one and no deployment of another one, as far as the project's environments remember:
    /// what they have forgotten, and every other entry, may be anybody's.
    fn concerns(&self, body: &Note) -> Result<(), Refusal> {
        let Some(entry) = body.about else { return Ok(()) };
        if entry >= self.at.index {
            return refuse(self, Code::PredicateInvalid, "a note is about an earlier entry");
        }
        let named = self.event.artifacts().filter(|it| !it.is_sha256(&self.trust.ledger));
        let named: Vec<&Digest> = named.collect();
        let policy = self.state.policy(&body.project).filter(|_| !named.is_empty());
        for rule in policy.iter().flat_map(|it| &it.document.environments) {
            let environment = environment_of(&body.project, &rule.name);
            let slice = self.state.environment(&environment)?;
            let Some(known) = slice.and_then(|slice| artifacts_at(slice, entry)) else { continue };
            if !named.iter().all(|it| known.contains(it)) {
                let detail = format!("entry {entry} is about {}", listed(known.iter().collect()));
                return refuse(self, Code::SubjectInvalid, detail);
            }
        }
        Ok(())
    }
}

/// The artifacts of the request or of the deployment at an entry, where the environment remembers
/// it.
fn artifacts_at(slice: &EnvironmentSlice, entry: EntryIndex) -> Option<Vec<Digest>> {
    if let Some(asked) = slice.asked_about(entry) {
        return Some(asked.into_iter().cloned().collect());
    }
    let ran = [&slice.deployed, &slice.previous].into_iter().flatten().flat_map(Running::all);
    let ran = ran.map(|it| (it.entry, it.artifact));
    let tried = slice.last_attempt.iter().map(|it| (it.entry, it.artifact.clone()));
    ran.chain(tried).find(|(at, _)| *at == entry).map(|(_, artifact)| vec![artifact])
}

/// Within what a slice keeps of a change.
fn is_bounded(change: &Change) -> bool {
    let lists = [&change.paths, &change.labels, &change.owners].into_iter().flatten();
    let word = |it: &String| (1..=63).contains(&it.len());
    let text = |it: &String| (1..=512).contains(&it.len());
    lists.into_iter().all(|list| list.len() <= CHANGE_LIST_MAX && list.iter().all(text))
        && [&change.class, &change.customer_impact].into_iter().flatten().all(word)
}
