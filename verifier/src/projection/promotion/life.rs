//! From what happens in an environment to the moves of its promotions.
//!
//! An event about a promotion whose state has no such move is no move: what was deployed without
//! a grant is a finding elsewhere, and moves nothing here but what it takes the place of.

use schemas::id::{Digest, EntryIndex, Time};
use schemas::predicate::observation::Observed;

use super::{CLOSED_MAX, Closed, Step};

/// What happens in an environment that may move its promotions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening<'a> {
    /// An artifact was deployed, perhaps for a promotion that the event names.
    Deployed { artifact: &'a Digest, promotion: Option<EntryIndex> },
    /// An artifact was left for another.
    RolledBack { from: &'a Digest, to: &'a Digest, promotion: Option<EntryIndex> },
    /// These artifacts were seen to run.
    Seen { artifacts: &'a [Observed], taken_at: Time },
    /// Its canary passed.
    Passed { artifact: &'a Digest, finished_at: Time },
}

/// Keeps a promotion whose request was just closed.
pub fn close(closed: &mut Vec<Closed>, promotion: Closed) {
    closed.push(promotion);
    if closed.len() > CLOSED_MAX {
        let oldest = closed.iter().position(Closed::is_over).unwrap_or(0);
        closed.remove(oldest);
    }
}

/// Notes the review of an emergency after the fact.
pub fn review(closed: &mut [Closed], request: EntryIndex, step: Step) {
    let Some(closed) = closed.iter_mut().find(|it| it.request() == request) else {
        return;
    };
    let reviewed = match closed {
        Closed::Granted(it) => &mut it.reviewed,
        Closed::Denied(it) => &mut it.reviewed,
        Closed::Expired(it) => &mut it.reviewed,
        Closed::Withdrawn(it) => &mut it.reviewed,
        Closed::Deployed(it) => &mut it.reviewed,
        Closed::Verified(it) => &mut it.reviewed,
        Closed::RolledBack(it) => &mut it.reviewed,
        Closed::Superseded(it) => &mut it.reviewed,
    };
    *reviewed = Some(step);
}

/// Moves the promotions of an environment by what has happened there.
pub fn happen(closed: &mut Vec<Closed>, happening: Happening, step: Step) {
    let moving = match happening {
        Happening::Deployed { artifact, promotion } => granted(closed, artifact, promotion),
        Happening::RolledBack { to, promotion, .. } => granted(closed, to, promotion),
        Happening::Seen { .. } | Happening::Passed { .. } => None,
    };
    let moves = |it: Closed| match happening {
        Happening::Deployed { artifact, .. } => deployed(it, artifact, moving, step),
        Happening::RolledBack { from, to, .. } => rolled_back(it, from, to, moving, step),
        // One look sees all of several, or tells nothing of whether they run together.
        Happening::Seen { artifacts, taken_at } => match it {
            Closed::Deployed(it)
                if taken_at >= it.by.deployed.time
                    && it.artifacts().all(|of| artifacts.iter().any(|seen| seen.digest == *of)) =>
            {
                Closed::Verified(it.verify(step))
            }
            it => it,
        },
        // A canary may end while the rest is still being deployed. One of several artifacts says
        // nothing of the others.
        Happening::Passed { artifact, finished_at } => match it {
            Closed::Deployed(it)
                if it.artifact == *artifact
                    && it.with.is_empty()
                    && finished_at >= it.by.granted.time =>
            {
                Closed::Verified(it.verify(step))
            }
            it => it,
        },
    };
    *closed = std::mem::take(closed).into_iter().map(moves).collect();
}

/// The artifacts that one was granted with: by the promotion that its deployment carries out, else by
/// the one that it runs for.
pub fn companions(
    closed: &[Closed],
    artifact: &Digest,
    promotion: Option<EntryIndex>,
) -> Vec<Digest> {
    let carried_out = granted(closed, artifact, promotion);
    let fits = |it: &&Closed| match carried_out {
        Some(request) => it.request() == request,
        None => matches!(it, Closed::Deployed(_) | Closed::Verified(_)) && it.is_about(artifact),
    };
    let by = closed.iter().rev().find(fits);
    by.map(|it| it.artifacts().cloned().collect()).unwrap_or_default()
}

/// The promotion that a deployment carries out: the granted one that it names, else the newest
/// granted one of its artifact.
fn granted(
    closed: &[Closed],
    artifact: &Digest,
    promotion: Option<EntryIndex>,
) -> Option<EntryIndex> {
    let fits = |it: &&Closed| {
        matches!(it, Closed::Granted(_))
            && it.is_about(artifact)
            && promotion.is_none_or(|named| named == it.request())
    };
    closed.iter().rev().find(fits).map(Closed::request)
}

fn deployed(it: Closed, artifact: &Digest, moving: Option<EntryIndex>, step: Step) -> Closed {
    match it {
        Closed::Granted(it) if Some(it.request) == moving => it.deploy(artifact, step),
        // What was granted before it and never deployed has missed its turn.
        Closed::Granted(it) if moving.is_some_and(|moving| it.request < moving) => {
            Closed::Superseded(it.supersede(step))
        }
        Closed::Granted(it) if !it.is_about(artifact) => Closed::Granted(it.displace()),
        // The same artifact again is a restart, unless another promotion brings it.
        Closed::Deployed(it) if !it.is_about(artifact) || moving.is_some() => {
            Closed::Superseded(it.supersede(step))
        }
        Closed::Verified(it) if !it.is_about(artifact) || moving.is_some() => {
            Closed::Superseded(it.supersede(step))
        }
        it => it,
    }
}

fn rolled_back(
    it: Closed,
    from: &Digest,
    to: &Digest,
    moving: Option<EntryIndex>,
    step: Step,
) -> Closed {
    match it {
        Closed::Deployed(it) if it.is_about(from) => Closed::RolledBack(it.roll_back(step)),
        Closed::Verified(it) if it.is_about(from) => Closed::RolledBack(it.roll_back(step)),
        Closed::Granted(it) => match it.part(from) {
            Some(part) => Closed::RolledBack(it.roll_back(part, step)),
            None => deployed(Closed::Granted(it), to, moving, step),
        },
        it => deployed(it, to, moving, step),
    }
}
