//! What gates that ask for a rehearsal make of the newest one.

use schemas::id::EnvironmentName;
use schemas::policy::Duration;
use schemas::predicate::rehearsal::RehearsalResult;

use super::{Answer, staleness};
use crate::policy::Context;
use crate::projection::slice::Evidence;

/// Passes where none is asked for; `shown` says what would be rehearsed.
pub fn judge(
    place: Option<&EnvironmentName>,
    max_age: Option<&Duration>,
    found: Option<&Evidence<RehearsalResult>>,
    shown: &str,
    context: &Context,
) -> Answer {
    let Some(place) = place else {
        return Answer::pass(shown);
    };
    let next = format!("rehearse it in {place} and record it: attestry record rehearsal");
    let Some(found) = found else {
        return Answer::waiting(format!("{shown}; not rehearsed in {place}")).next(next);
    };
    if let Some(answer) = staleness(found, &format!("rehearsal in {place}"), max_age, context) {
        return answer;
    }
    let answer = match found.facts {
        RehearsalResult::Passed => Answer::pass(format!("{shown}, rehearsed in {place}")),
        RehearsalResult::Failed => {
            Answer::fail(format!("{shown}; its rehearsal in {place} failed")).next(next)
        }
    };
    answer.on([found.entry])
}
