//! What changes in an environment's slice of how it fares: seen, configured, disturbed, gone back.

use schemas::id::{Digest, Hash};
use schemas::predicate::configuration::{Configuration, ConfigurationState, SecretVersion};
use schemas::predicate::incident::{Incident, IncidentStatus};
use schemas::predicate::observation::Observation;
use schemas::predicate::rollback::Rollback;

use crate::admission::Moment;
use crate::canonical;
use crate::merkle;
use crate::projection::slice::{
    CONFIGURATIONS_MAX, ConfigurationKept, ConfigurationsKept, EnvironmentSlice, IncidentOpen,
    IncidentResolved, ObservedKept, RollbackKept, Signer,
};

/// The newest look stands.
pub(super) fn observe(
    slice: &mut EnvironmentSlice,
    body: &Observation,
    signer: &Signer,
    at: &Moment,
) {
    // An older look that arrives late takes nothing from a newer one.
    if slice.observed.as_ref().is_some_and(|newest| newest.taken_at > body.taken_at) {
        return;
    }
    slice.observed = Some(ObservedKept {
        entry: at.index,
        time: at.time,
        signer: signer.clone(),
        taken_at: body.taken_at,
        source: body.source.clone(),
        artifacts: body.artifacts.clone(),
    });
}

pub(super) fn configure(
    kept: &mut ConfigurationsKept,
    body: &Configuration,
    signer: &Signer,
    at: &Moment,
) {
    let one = ConfigurationKept {
        entry: at.index,
        time: at.time,
        signer: signer.clone(),
        digest: body.digest.clone(),
        shape: body.shape.clone(),
        secrets: secrets_hash(&body.secrets),
        role: body.role.clone(),
    };
    let same = |it: &ConfigurationKept| it.digest == body.digest && it.role == body.role;
    match body.state {
        ConfigurationState::Applied => kept.applied = Some(one),
        ConfigurationState::Approved => {
            kept.approved.retain(|it| !same(it) || it.signer.identity != signer.identity);
            kept.approved.push(one);
            if kept.approved.len() > CONFIGURATIONS_MAX {
                kept.approved.remove(0);
            }
        }
        ConfigurationState::Withdrawn => kept.approved.retain(|it| !same(it)),
    }
}

/// SHA-256 of the canonical JSON of the secrets, in the order of their names.
fn secrets_hash(secrets: &[SecretVersion]) -> Option<Hash> {
    if secrets.is_empty() {
        return None;
    }
    let mut sorted: Vec<&SecretVersion> = secrets.iter().collect();
    sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let bytes = canonical::canonical_of(&sorted).expect("texts have a canonical form");
    Some(merkle::sha256(&[&bytes]))
}

/// `artifact` is the one that the incident is attributed to.
pub(super) fn disturb(
    slice: &mut EnvironmentSlice,
    body: &Incident,
    artifact: Option<&Digest>,
    at: &Moment,
) {
    if body.status == IncidentStatus::Resolved {
        let open = slice.incidents.remove(&body.id);
        slice.last_resolved = Some(IncidentResolved {
            id: body.id.clone(),
            entry: at.index,
            time: at.time,
            severity: body.severity,
            resolved_at: body.at,
            artifact: artifact.cloned().or_else(|| open?.artifact),
        });
        return;
    }
    let open = slice.incidents.entry(body.id.clone()).or_insert_with(|| IncidentOpen {
        entry: at.index,
        time: at.time,
        severity: body.severity,
        opened_at: None,
        detected_at: None,
        cause: None,
        artifact: None,
    });
    open.severity = body.severity;
    match body.status {
        IncidentStatus::Opened => open.opened_at = Some(body.at),
        IncidentStatus::Detected => open.detected_at = Some(body.at),
        IncidentStatus::Resolved => {}
    }
    if body.cause.is_some() {
        open.cause = body.cause.clone();
        open.artifact = artifact.cloned();
    }
}

pub(super) fn note_rollback(
    slice: &mut EnvironmentSlice,
    body: &Rollback,
    artifact: &Digest,
    at: &Moment,
) {
    slice.last_rollback = Some(RollbackKept {
        entry: at.index,
        time: at.time,
        artifact: artifact.clone(),
        from: body.from.clone(),
        result: body.result,
        reason: body.reason.clone(),
        incident: body.incident,
    });
}
