//! Whether a decision has granted an artifact in an environment, and which one, as far as the
//! slices of state tell.

use std::iter::once;

use schemas::id::{Digest, EntryIndex, Environment};

use crate::projection::Missing;
use crate::projection::promotion::{Closed, Step};
use crate::projection::slice::EnvironmentSlice;
use crate::view::View;

/// How an artifact was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// By this decision.
    By(Step),
    /// It was when it was deployed; by which decision no slice tells any more.
    Once,
    /// By none.
    No,
    /// Nothing is known of the artifact here.
    Unknown,
}

/// The artifacts that a promotion is about.
pub(crate) fn artifacts_of(closed: &Closed) -> impl Iterator<Item = &Digest> {
    closed.artifacts()
}

/// What runs in an environment, as far as deployments were recorded.
pub(crate) fn running_in(slice: &EnvironmentSlice) -> impl Iterator<Item = &Digest> {
    let deployed = slice.deployed.iter();
    deployed.flat_map(|it| once(&it.artifact).chain(it.beside.iter().map(|it| &it.artifact)))
}

/// The newest grant of an artifact in an environment, below an entry.
pub fn grant_of(
    view: &View<'_>,
    slice: &EnvironmentSlice,
    environment: &Environment,
    artifact: &Digest,
    below: EntryIndex,
) -> Result<Grant, Missing> {
    let of_it = slice.closed.iter().filter(|it| artifacts_of(it).any(|it| it == artifact));
    let closed = of_it.filter_map(Closed::granted);
    let newest = slice.granted.iter().filter(|it| it.is_about(artifact));
    let newest = newest.map(|it| Step { entry: it.entry, time: it.time });
    let found = closed.chain(newest).filter(|it| it.entry < below);
    if let Some(step) = found.max_by_key(|step| step.entry) {
        return Ok(Grant::By(step));
    }
    if view.leaves_out_artifact(artifact) {
        return Ok(Grant::Unknown);
    }
    let known = view.artifact_in(artifact, &environment.project)?;
    let Some(place) = known.and_then(|known| known.places.get(&environment.name)) else {
        return Ok(Grant::No);
    };
    let decided = place.decided.as_ref().filter(|it| place.is_granted() && it.entry < below);
    if let Some(it) = decided {
        return Ok(Grant::By(Step { entry: it.entry, time: it.time }));
    }
    let once = place.deployed.as_ref().is_some_and(|it| it.granted && it.entry <= below);
    Ok(if once { Grant::Once } else { Grant::No })
}
