//! What gates over suites share: which suites count, and the newest event of each.

use std::collections::BTreeMap;

use schemas::policy::Duration;

use super::{Answer, join, recorded_since, staleness, unreadable};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::Evidence;

/// What was recorded of a kind, and what of it a gate asks for.
pub struct Suites<'a, T> {
    pub kind: &'static str,
    /// All of these; where none is named, every one that was recorded, and at least one.
    pub named: &'a [String],
    pub max_age: Option<&'a Duration>,
    pub found: Option<&'a BTreeMap<String, Evidence<T>>>,
}

/// Joins what is said of the newest event of each suite.
pub fn each_suite<T>(
    suites: &Suites<T>,
    context: &Context,
    judge: impl Fn(&Evidence<T>) -> Answer,
) -> Result<Answer, Missing> {
    let (empty, kind) = (BTreeMap::new(), suites.kind);
    let found = suites.found.unwrap_or(&empty);
    let all: Vec<String> = found.keys().cloned().collect();
    let named = if suites.named.is_empty() { &all[..] } else { suites.named };
    if let Some(answer) = unreadable(kind, recorded_since(named, found), context)? {
        return Ok(answer);
    }
    if named.is_empty() {
        return Ok(missing(kind, kind));
    }
    let answer = |suite: &String| {
        let what = if suite.is_empty() { kind.to_owned() } else { format!("{kind} {suite}") };
        let Some(evidence) = found.get(suite) else {
            return missing(kind, &what);
        };
        staleness(evidence, &what, suites.max_age, context)
            .unwrap_or_else(|| prefixed(suite, judge(evidence)).on([evidence.entry]))
    };
    Ok(join(named.iter().map(answer).collect()))
}

fn prefixed(suite: &str, answer: Answer) -> Answer {
    match suite {
        "" => answer,
        suite => Answer { reason: format!("{suite}: {}", answer.reason), ..answer },
    }
}

pub fn missing(kind: &str, what: &str) -> Answer {
    Answer::waiting(format!("no {what} is recorded"))
        .next(format!("record it: attestry record {kind}"))
}
