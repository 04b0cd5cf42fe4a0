//! The gates: one file each. A gate answers with a verdict, one sentence, and the next step.

pub mod analysis;
pub mod approvals;
pub mod canary;
#[cfg(test)]
pub mod cases;
pub mod configuration;
pub mod dependency;
pub mod evidence;
pub mod freeze;
pub mod licenses;
pub mod measurement;
pub mod migration;
pub mod provenance;
pub mod rego;
mod rehearsed;
pub mod reviews;
pub mod rollback_ready;
pub mod sbom;
pub mod slo;
pub mod soak;
pub mod suites;
pub mod test_runs;
pub mod vulnerabilities;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Time};
use schemas::policy::{Duration, EnvironmentRule};
use schemas::report::{GateVerdict, Verdict};

use super::{Context, path};
use crate::projection::Missing;
use crate::projection::slice::{BuildFacts, Evidence};

/// A gate's answer before it has its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub verdict: Verdict,
    pub reason: String,
    pub next: Option<String>,
    pub entries: Vec<EntryIndex>,
    pub until: Option<Time>,
}

impl Answer {
    pub fn new(verdict: Verdict, reason: impl Into<String>) -> Answer {
        let reason = reason.into();
        Answer { verdict, reason, next: None, entries: Vec::new(), until: None }
    }

    pub fn pass(reason: impl Into<String>) -> Answer {
        Answer::new(Verdict::Pass, reason)
    }

    pub fn fail(reason: impl Into<String>) -> Answer {
        Answer::new(Verdict::Fail, reason)
    }

    pub fn waiting(reason: impl Into<String>) -> Answer {
        Answer::new(Verdict::Waiting, reason)
    }

    pub fn indeterminate(reason: impl Into<String>) -> Answer {
        Answer::new(Verdict::Indeterminate, reason)
    }

    pub fn next(mut self, next: impl Into<String>) -> Answer {
        self.next = Some(next.into());
        self
    }

    pub fn on(mut self, entries: impl IntoIterator<Item = EntryIndex>) -> Answer {
        self.entries.extend(entries);
        self.entries.sort_unstable();
        self.entries.dedup();
        self
    }

    pub fn until(mut self, time: Time) -> Answer {
        self.until = Some(time);
        self
    }

    pub fn named(self, id: &str, gate: &str) -> GateVerdict {
        let Answer { verdict, reason, next, entries, until } = self;
        let (id, gate) = (id.to_owned(), gate.to_owned());
        GateVerdict { id, gate, verdict, reason, next, entries, until }
    }
}

/// Joins answers of the parts of one gate: the worst verdict, every reason that goes with it.
pub fn join(answers: Vec<Answer>) -> Answer {
    let rank = |verdict| match verdict {
        Verdict::Fail => 0,
        Verdict::Indeterminate => 1,
        Verdict::Waiting => 2,
        Verdict::Waived => 3,
        Verdict::Pass => 4,
    };
    let worst = answers.iter().map(|answer| rank(answer.verdict)).min().unwrap_or(4);
    let entries: Vec<EntryIndex> = answers.iter().flat_map(|it| it.entries.clone()).collect();
    let mut worst: Vec<Answer> =
        answers.into_iter().filter(|answer| rank(answer.verdict) == worst).collect();
    let reason = worst.iter().map(|answer| answer.reason.as_str()).collect::<Vec<_>>().join("; ");
    let until = worst.iter().filter_map(|answer| answer.until).max();
    match worst.first_mut() {
        Some(first) => {
            let next = first.next.take();
            Answer { verdict: first.verdict, reason, next, entries: Vec::new(), until }.on(entries)
        }
        None => Answer::indeterminate("nothing to evaluate"),
    }
}

/// Gives an answer where evidence is older than allowed, or does not count any more.
pub fn staleness<T>(
    evidence: &Evidence<T>,
    what: &str,
    max_age: Option<&Duration>,
    context: &Context,
) -> Option<Answer> {
    let entry = [evidence.entry];
    if !context.counts(evidence.entry, &evidence.signers) {
        let reason = format!("{what} was signed by a key that is compromised");
        return Some(Answer::waiting(reason).next(format!("record {what} again")).on(entry));
    }
    let max_age = max_age?;
    let age = context.at.since(evidence.since());
    if age <= max_age.ms() {
        return None;
    }
    let reason = format!("{what} is {} old, policy allows {max_age}", for_people(age));
    Some(Answer::waiting(reason).next(format!("record {what} again")).on(entry))
}

/// Gives an answer where an event of this kind after `since` could not be read: then nobody can
/// tell what it said, nor of which suite.
pub fn unreadable(
    kind: &str,
    since: EntryIndex,
    context: &Context,
) -> Result<Option<Answer>, Missing> {
    let unreadable = context.asked()?.and_then(|known| known.unreadable.get(kind).copied());
    Ok(unreadable.filter(|entry| *entry > since).map(|entry| {
        Answer::indeterminate(format!("a newer {kind} event cannot be read"))
            .next(format!("record the {kind} again"))
            .on([entry])
    }))
}

/// The entry since which each of these suites has been recorded; 0 where one is missing.
pub fn recorded_since<T>(suites: &[String], found: &BTreeMap<String, Evidence<T>>) -> EntryIndex {
    suites
        .iter()
        .map(|suite| found.get(suite).map_or(0, |evidence| evidence.entry))
        .min()
        .unwrap_or(0)
}

/// The newest build, or the answer of every gate that needs one: an older build than one that
/// cannot be read, or one that a compromised key signed, names neither builder nor commits.
pub fn newest_build<'a>(
    context: &Context<'a>,
) -> Result<Result<&'a Evidence<BuildFacts>, Answer>, Missing> {
    let build = context.asked()?.and_then(|known| known.build.as_ref());
    let since = build.map_or(0, |build| build.entry);
    if let Some(answer) = unreadable("build", since, context)? {
        return Ok(Err(answer));
    }
    let Some(build) = build else {
        let next = "record the build: attestry record build";
        return Ok(Err(Answer::waiting("no build is recorded").next(next)));
    };
    Ok(match staleness(build, "build", None, context) {
        Some(answer) => Err(answer),
        None => Ok(build),
    })
}

/// The commits that the newest build is made from, all of them, or why they cannot be told.
pub fn commits<'a>(
    context: &Context<'a>,
) -> Result<Result<(EntryIndex, BTreeSet<&'a Digest>), Answer>, Missing> {
    let build = match newest_build(context)? {
        Ok(build) => build,
        Err(answer) => return Ok(Err(answer)),
    };
    if build.facts.sources.is_empty() || build.facts.truncated {
        let answer = Answer::indeterminate("the build does not name all its commits")
            .next("record a build that names its sources with their commits")
            .on([build.entry]);
        return Ok(Err(answer));
    }
    let sources = build.facts.sources.iter();
    let commits = sources.map(|source| &source.commit).collect();
    Ok(Ok((build.entry, commits)))
}

/// The policy's `from`: the artifact must be granted in one of these environments.
pub fn source_environment(
    rule: &EnvironmentRule,
    context: &Context,
) -> Result<Option<GateVerdict>, Missing> {
    if rule.from.is_empty() {
        return Ok(None);
    }
    let places = context.asked()?.map(|known| &known.places);
    let granted = rule.from.iter().find_map(|name| {
        let decided = places?.get(name).filter(|place| place.is_granted())?.decided.as_ref()?;
        Some((name, decided.entry))
    });
    let names = rule.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let answer = match granted {
        Some((name, entry)) => Answer::pass(format!("granted in {name}")).on([entry]),
        None => Answer::waiting(format!("not granted in {names}"))
            .next(format!("promote it to {} first", rule.from[0])),
    };
    Ok(Some(answer.named("from", "source-environment")))
}

/// Why a request for the way back would be refused; a request that is there has been admitted.
pub fn way_back(context: &Context) -> Result<Option<GateVerdict>, Missing> {
    let environment = context.ask.environment;
    for artifact in context.all {
        if !path::was_granted(context.state, artifact, environment)? {
            let which = match context.all {
                [_] => "it".to_owned(),
                _ => artifact.short(),
            };
            let answer = Answer::fail(format!("{which} was never granted in {}", environment.name))
                .next("go back to what was granted there, or ask by the normal path");
            return Ok(Some(answer.named("granted-before", "granted-before")));
        }
    }
    Ok(None)
}

/// A span in the two largest units that matter: `3 d 4 h`, `19 h`, `12 min`, `5 s`.
pub fn for_people(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h"),
        (1..=6, 1.., _) => format!("{days} d {hours} h"),
        _ => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests;
