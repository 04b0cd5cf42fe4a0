//! Where what an environment is seen to run differs from what was granted and deployed there.
//!
//! Compares the newest look with the slices of state. What cannot be told is a difference of its
//! own, and never none.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, Environment, Time};
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::observation::Observed;

use crate::granted::{Grant, artifacts_of, grant_of, running_in};
use crate::projection::Missing;
use crate::projection::promotion::{Closed, Step};
use crate::projection::slice::{EnvironmentSlice, ObservedKept};
use crate::view::{Named, View};

/// A look older than this says little of now.
pub const LOOK_MS_MAX: i64 = 86_400_000;

/// How an environment differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    pub environment: Environment,
    /// False where a pack leaves it out.
    pub known: bool,
    /// The newest look.
    pub look: Option<Look>,
    /// What is granted and should be seen there.
    pub expected: Vec<Expected>,
    /// The worst first.
    pub differences: Vec<Difference>,
}

/// The newest look at what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub entry: EntryIndex,
    pub taken_at: Time,
    pub source: String,
    pub artifacts: u64,
    pub instances: u64,
}

/// An artifact that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub artifact: Named,
    /// The decision that granted it, or the rollback that went back to it.
    pub by: Step,
    /// A rollback has brought it.
    pub rollback: bool,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub kind: DriftKind,
    /// What it is about; none where it is about the environment.
    pub artifact: Option<Named>,
    /// As it was seen, where it was.
    pub seen: Option<Observed>,
    /// The entry that it is compared with.
    pub entry: Option<EntryIndex>,
}

/// In the order of how much they weigh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftKind {
    /// It runs, and no decision has granted it there.
    UnapprovedDigest,
    /// It runs although the environment was rolled back from it.
    RolledBackRuns,
    /// One tag runs as two digests, or as another digest than the granted version of that name.
    TagDrift,
    /// It runs, and something newer of the same name was granted before the look.
    OlderThanGranted,
    /// It was granted before the look, and is not seen.
    GrantedNotRunning,
    /// Something was granted or deployed, and nobody has ever looked.
    NeverObserved,
    /// The newest look is older than a day.
    ObservedLongAgo,
    /// Whether it was granted cannot be told here.
    CannotBeTold,
}

impl DriftKind {
    pub fn name(self) -> &'static str {
        match self {
            DriftKind::UnapprovedDigest => "unapproved-digest",
            DriftKind::RolledBackRuns => "rolled-back-runs",
            DriftKind::TagDrift => "tag-drift",
            DriftKind::OlderThanGranted => "older-than-granted",
            DriftKind::GrantedNotRunning => "granted-not-running",
            DriftKind::NeverObserved => "never-observed",
            DriftKind::ObservedLongAgo => "observed-long-ago",
            DriftKind::CannotBeTold => "cannot-be-told",
        }
    }
}

/// Compares the newest look at an environment with what was granted there.
pub fn drift(view: &View<'_>, environment: &Environment) -> Result<Drift, Missing> {
    let mut drift = Drift {
        environment: environment.clone(),
        known: !view.leaves_out(environment),
        look: None,
        expected: Vec::new(),
        differences: Vec::new(),
    };
    let Some(slice) = view.environment(environment)? else { return Ok(drift) };
    let compare = Compare { view, environment, slice, grants: grants(slice) };
    drift.expected = compare.expected()?;
    match &slice.observed {
        Some(look) => {
            drift.look = Some(look_of(look));
            drift.differences = compare.look(look, &drift.expected)?;
        }
        None if !drift.expected.is_empty() || slice.deployed.is_some() => {
            let entry = slice.deployed.as_ref().map(|it| it.entry);
            drift.differences.push(Difference::of(DriftKind::NeverObserved, entry));
        }
        None => {}
    }
    drift.differences.sort_by_key(|it| it.kind);
    Ok(drift)
}

impl Difference {
    fn of(kind: DriftKind, entry: Option<EntryIndex>) -> Difference {
        Difference { kind, artifact: None, seen: None, entry }
    }
}

fn look_of(look: &ObservedKept) -> Look {
    Look {
        entry: look.entry,
        taken_at: look.taken_at,
        source: look.source.clone(),
        artifacts: look.artifacts.len() as u64,
        instances: look.artifacts.iter().map(|it| it.instances).fold(0, u64::saturating_add),
    }
}

/// A grant from which nobody went back, or the rollback that brought what runs.
struct Standing<'a> {
    artifact: &'a Digest,
    by: Step,
    rollback: bool,
    /// It may still be deployed, or is.
    stands: bool,
}

/// As far as the slice tells, oldest first.
fn grants(slice: &EnvironmentSlice) -> Vec<Standing<'_>> {
    let mut found = Vec::new();
    for closed in slice.closed.iter().filter(|it| !matches!(it, Closed::RolledBack(_))) {
        if let Some(by) = closed.granted() {
            let stands = !closed.is_over();
            let of = |artifact| Standing { artifact, by, rollback: false, stands };
            found.extend(artifacts_of(closed).map(of));
        }
    }
    let back = slice.last_rollback.as_ref().filter(|back| {
        let brought = slice.deployed.as_ref().is_some_and(|it| it.entry == back.entry);
        brought && back.result == DeploymentResult::Succeeded
    });
    let back = back.map(|back| Standing {
        artifact: &back.artifact,
        by: Step { entry: back.entry, time: back.time },
        rollback: true,
        stands: true,
    });
    // Whatever was deployed in its place without a grant, the newest grant stands.
    let newest = found.iter().map(|it| it.by.entry).max();
    found.iter_mut().filter(|it| Some(it.by.entry) == newest).for_each(|it| it.stands = true);
    found.extend(back);
    found.sort_by_key(|it| it.by.entry);
    found
}

/// Names of artifacts are only asked for where something depends on them: each may be a look at
/// the store.
struct Compare<'a> {
    view: &'a View<'a>,
    environment: &'a Environment,
    slice: &'a EnvironmentSlice,
    grants: Vec<Standing<'a>>,
}

impl Compare<'_> {
    fn named(&self, digest: &Digest) -> Result<Named, Missing> {
        self.view.named(digest, &self.environment.project)
    }

    /// The newest of each name that still stands.
    fn expected(&self) -> Result<Vec<Expected>, Missing> {
        let mut found: Vec<Expected> = Vec::new();
        for it in self.grants.iter().rev().filter(|it| it.stands) {
            let artifact = self.named(it.artifact)?;
            // What was granted together is no version of one another.
            let is_newer = |newer: &Expected| {
                newer.by.entry != it.by.entry && same_name(&newer.artifact, &artifact)
            };
            if !found.iter().any(is_newer) {
                found.push(Expected { artifact, by: it.by, rollback: it.rollback });
            }
        }
        Ok(found)
    }

    fn look(&self, look: &ObservedKept, expected: &[Expected]) -> Result<Vec<Difference>, Missing> {
        let mut found = Vec::new();
        if self.view.at.since(look.taken_at) > LOOK_MS_MAX {
            found.push(Difference::of(DriftKind::ObservedLongAgo, Some(look.entry)));
        }
        for seen in &look.artifacts {
            if let Some((kind, entry)) = self.seen(&seen.digest, look)? {
                let (artifact, seen) = (Some(self.named(&seen.digest)?), Some(seen.clone()));
                found.push(Difference { kind, artifact, seen, entry });
            }
        }
        self.tags(look, expected, &mut found)?;
        // What was granted after the look could not be seen by it.
        let before = expected.iter().filter(|it| it.by.time <= look.taken_at);
        for it in before {
            if !look.artifacts.iter().any(|seen| seen.digest == it.artifact.digest) {
                let (kind, artifact) = (DriftKind::GrantedNotRunning, Some(it.artifact.clone()));
                let entry = Some(it.by.entry);
                found.push(Difference { kind, artifact, seen: None, entry });
            }
        }
        Ok(found)
    }

    /// What is wrong with an artifact that runs, if anything, and the entry that says so.
    fn seen(
        &self,
        digest: &Digest,
        look: &ObservedKept,
    ) -> Result<Option<(DriftKind, Option<EntryIndex>)>, Missing> {
        let (environment, slice) = (self.environment, self.slice);
        let granted = match grant_of(self.view, slice, environment, digest, EntryIndex::MAX)? {
            Grant::No => return Ok(Some((DriftKind::UnapprovedDigest, None))),
            Grant::Unknown => return Ok(Some((DriftKind::CannotBeTold, None))),
            Grant::By(step) => step.entry,
            Grant::Once => 0,
        };
        // A rollback to it is as good as a grant.
        let own = self.grants.iter().filter(|it| it.artifact == digest);
        let since = own.map(|it| it.by.entry).fold(granted, EntryIndex::max);
        if let Some(back) = self.left(digest, since, look.taken_at) {
            return Ok(Some((DriftKind::RolledBackRuns, Some(back))));
        }
        let newer = self.grants.iter().rev().filter(|it| {
            it.by.entry > since && it.by.time <= look.taken_at && it.artifact != digest
        });
        for it in newer {
            if same_name(&self.named(it.artifact)?, &self.named(digest)?) {
                return Ok(Some((DriftKind::OlderThanGranted, Some(it.by.entry))));
            }
        }
        Ok(None)
    }

    /// The rollback that left an artifact, before a look, which was not deployed again since.
    fn left(&self, digest: &Digest, since: EntryIndex, look: Time) -> Option<EntryIndex> {
        let closed = self.slice.closed.iter();
        let of_it = closed.filter(|it| artifacts_of(it).any(|it| it == digest));
        let last = of_it.filter(|it| it.granted().is_some()).max_by_key(|it| it.request());
        let Some(Closed::RolledBack(it)) = last else { return None };
        let back = it.by.rolled_back;
        let again = running_in(self.slice).any(|it| it == digest);
        (back.entry > since && back.time <= look && !again).then_some(back.entry)
    }

    /// Where a tag runs as two digests, or as another one than the granted version of its name.
    fn tags(
        &self,
        look: &ObservedKept,
        expected: &[Expected],
        found: &mut Vec<Difference>,
    ) -> Result<(), Missing> {
        for ((_, tag), of_it) in by_tag(&look.artifacts) {
            let versions: Vec<&Expected> =
                expected.iter().filter(|it| it.artifact.version.as_deref() == Some(tag)).collect();
            for seen in &of_it {
                if versions.iter().any(|it| it.artifact.digest == seen.digest)
                    || (versions.is_empty() && of_it.len() == 1)
                {
                    continue;
                }
                let artifact = self.named(&seen.digest)?;
                let granted = versions.iter().find(|it| same_name(&it.artifact, &artifact));
                if granted.is_some() || of_it.len() > 1 {
                    found.push(Difference {
                        kind: DriftKind::TagDrift,
                        artifact: Some(artifact),
                        seen: Some((*seen).clone()),
                        entry: granted.map(|it| it.by.entry),
                    });
                }
            }
        }
        Ok(())
    }
}

/// True where one may be a version of the other. What has no name may be of any.
fn same_name(one: &Named, other: &Named) -> bool {
    match (&one.name, &other.name) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// What runs by its image's name and tag.
fn by_tag(seen: &[Observed]) -> BTreeMap<(&Option<String>, &str), Vec<&Observed>> {
    let mut tags: BTreeMap<(&Option<String>, &str), Vec<&Observed>> = BTreeMap::new();
    for it in seen {
        if let Some(tag) = &it.tag {
            tags.entry((&it.name, tag)).or_default().push(it);
        }
    }
    tags
}

#[cfg(test)]
mod tests;
