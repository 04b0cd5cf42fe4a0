//! Which members are times that people write by hand.

use schemas::kind::EventKind;

/// The members of a kind that are times and that people write.
pub fn members(kind: EventKind) -> &'static [&'static str] {
    use EventKind as K;
    match kind {
        K::Canary => &["startedAt", "finishedAt"],
        K::Deployment | K::Rehearsal | K::Rollback => &["finishedAt"],
        K::Freeze => &["from", "until"],
        K::Incident => &["at"],
        K::Measurement => &["measuredAt"],
        K::Observation => &["takenAt"],
        K::Review => &["reviewedAt"],
        K::Waiver => &["expiresAt", "reviewAt"],
        // We write their times ourselves, or they have none.
        K::Analysis
        | K::Approval
        | K::Configuration
        | K::Decision
        | K::Export
        | K::Heads
        | K::Migration
        | K::Note
        | K::Policy
        | K::PromotionRequest
        | K::Trust => &[],
        // Other people's predicates stay as they are.
        K::Build | K::Other | K::Sbom | K::Test | K::Vex | K::Vulnerabilities => &[],
    }
}
