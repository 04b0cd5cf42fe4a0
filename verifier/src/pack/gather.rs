//! Which threads a pack shows whole.

use std::collections::BTreeSet;

use schemas::id::{Digest, EntryIndex};
use schemas::predicate::promotion_request::Plans;
use schemas::thread::ThreadId;

use super::bag::Scope;
use super::shown::Shown;
use crate::event::{Body, Event};

/// The threads that belong to a pack: control, the environment, the artifacts of its entries in
/// the period, and whatever the period's decisions there read.
pub fn threads(scope: &Scope, shown: &Shown) -> BTreeSet<ThreadId> {
    let mut threads = first_threads(scope);
    let here = ThreadId::Environment(scope.environment());
    for it in shown.entries.values() {
        let inside = it.entry.thread(&here).is_some() && scope.holds(it.entry.time);
        if let Some(event) = it.event.as_ref().filter(|_| inside) {
            threads.extend(threads_of(event));
        }
    }
    threads
}

/// The threads with which gathering begins.
pub fn first_threads(scope: &Scope) -> BTreeSet<ThreadId> {
    BTreeSet::from([ThreadId::Control, ThreadId::Environment(scope.environment())])
}

/// What an event of the environment in the period brings with it.
pub fn threads_of(event: &Event) -> Vec<ThreadId> {
    let mut threads: Vec<ThreadId> =
        event.digests().map(|digest: &Digest| ThreadId::Artifact(digest.clone())).collect();
    if let Body::Decision(body) = &event.body {
        let reads = body.extension.reads.iter();
        threads.extend(reads.filter_map(|read| ThreadId::parse(&read.kind, &read.id)));
    }
    threads
}

/// The checkpoints that an event's signer claims to have seen.
pub fn seen_by(event: &Event) -> Option<&schemas::predicate::Seen> {
    match &event.body {
        Body::PromotionRequest(body) => Some(&body.seen),
        Body::Approval(body) => Some(&body.seen),
        _ => None,
    }
}

/// The attachments that an event names: raw reports, plans, person cards, policy sources.
pub fn attachments_of(event: &Event) -> Vec<Digest> {
    let report = match &event.body {
        Body::Test(body) => body.report.as_ref(),
        Body::Vulnerabilities(body) => body.report.as_ref(),
        Body::Analysis(body) => Some(&body.report),
        Body::Measurement(body) => body.report.as_ref(),
        Body::Policy(body, _) => return body.source.iter().cloned().collect(),
        Body::Approval(body) => return body.card.iter().cloned().collect(),
        Body::PromotionRequest(body) => return body.plans.iter().flat_map(plans).collect(),
        _ => None,
    };
    report.map(|report| report.digest.clone()).into_iter().collect()
}

/// The plans of a request that are kept: all but its configuration, whose file may hold what must not
/// stand in a ledger.
fn plans(plans: &Plans) -> impl Iterator<Item = Digest> {
    let Plans { rollback, migration, release_notes, risk_assessment, configuration: _ } = plans;
    [release_notes, risk_assessment, rollback, migration].into_iter().flatten().cloned()
}

/// The entries that must be shown for some parts of a statement: all of its parts.
pub fn all_parts(index: EntryIndex, part: u16, parts: u16) -> std::ops::Range<EntryIndex> {
    // Parts that would begin before the log are for whoever reads them to refuse.
    let first = (index + 1).saturating_sub(u64::from(part));
    first..first + u64::from(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_side_by_side() {
        assert_eq!(all_parts(7, 2, 3), 6..9);
        assert_eq!(all_parts(0, 1, 1), 0..1);
        // No statement begins before the log does.
        assert_eq!(all_parts(2, 5, 5), 0..5);
    }
}
