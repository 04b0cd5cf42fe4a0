//! What waivers and freezes change, wherever their slice is.

use schemas::id::Hash;
use schemas::predicate::freeze::{Freeze, FreezeOutcome};
use schemas::predicate::waiver::{Waiver, WaiverOutcome};

use crate::admission::{Accepted, Moment};
use crate::projection::slice::{FreezeKept, Freezes, WaiverKept, Waivers};

pub(super) fn put_waiver(
    waivers: &mut Waivers,
    body: &Waiver,
    statement: Hash,
    accepted: &Accepted,
    at: &Moment,
) {
    waivers.retain(|_, waiver| !waiver.is_gone(at.time));
    let Some(signer) = accepted.signers.first() else { return };
    match (body.outcome, body.withdraws) {
        (WaiverOutcome::Accepted, _) => {
            let kept = WaiverKept {
                entry: at.index,
                time: at.time,
                signer: signer.clone(),
                gate: body.gate.clone(),
                artifact: body.artifact.clone(),
                versions: body.versions.clone(),
                reason: body.reason.clone(),
                role: body.role.clone(),
                expires_at: body.expires_at,
                review_at: body.review_at,
            };
            waivers.insert(statement, kept);
        }
        (WaiverOutcome::Withdrawn, Some(withdrawn)) => drop(waivers.remove(&withdrawn)),
        (WaiverOutcome::Withdrawn, None) => {}
    }
}

pub(super) fn put_freeze(
    freezes: &mut Freezes,
    body: &Freeze,
    statement: Hash,
    accepted: &Accepted,
    at: &Moment,
) {
    freezes.retain(|_, freeze| !freeze.is_gone(at.time));
    let Some(signer) = accepted.signers.first() else { return };
    match (body.outcome, body.lifts) {
        (FreezeOutcome::Set, _) => {
            let kept = FreezeKept {
                entry: at.index,
                time: at.time,
                signer: signer.clone(),
                project: body.project.clone(),
                environments: body.environments.clone(),
                from: body.from,
                until: body.until,
                reason: body.reason.clone(),
                except_emergency: body.except_emergency,
            };
            freezes.insert(statement, kept);
        }
        (FreezeOutcome::Lifted, Some(lifted)) => drop(freezes.remove(&lifted)),
        (FreezeOutcome::Lifted, None) => {}
    }
}
