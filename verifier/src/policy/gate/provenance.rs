//! `provenance`: who built the artifact, and from which source.

use schemas::policy::Provenance;

use super::{Answer, join, newest_build, reviews};
use crate::policy::Context;
use crate::policy::glob::fits;
use crate::projection::Missing;
use crate::projection::slice::{BuildFacts, Source};

/// The newest build event by a granted signer decides.
pub fn evaluate(gate: &Provenance, context: &Context) -> Result<Answer, Missing> {
    let build = match newest_build(context)? {
        Ok(build) => build,
        Err(answer) => return Ok(answer),
    };
    let answer = judge(gate, &build.facts).unwrap_or_else(|answer| answer).on([build.entry]);
    if !answer.verdict.admits() {
        return Ok(answer);
    }
    let answer = match gate.reviewed {
        true => join(vec![answer, reviews::reviewed(None, context)?]),
        false => answer,
    };
    if answer.verdict.admits()
        && let Some(level) = gate.levels.get(&build.facts.builder)
    {
        context.proves_level(*level);
    }
    Ok(answer)
}

/// What the build itself says; the first thing that is wrong speaks.
fn judge(gate: &Provenance, facts: &BuildFacts) -> Result<Answer, Answer> {
    if !gate.builders.contains(&facts.builder) {
        let reason = format!("built by {}, which the policy does not list", facts.builder);
        return Err(Answer::fail(reason)
            .next("build it with a listed builder, or list this one in the policy"));
    }
    let Source { uri, commit } = source(gate, facts)?;
    if !gate.refs.is_empty() {
        check_ref(gate, uri)?;
    }
    if let Some(asked) = gate.level {
        match gate.levels.get(&facts.builder) {
            None => {
                let reason = format!("the policy gives {} no build level", facts.builder);
                return Err(Answer::indeterminate(reason).next("write its level into the policy"));
            }
            Some(level) if *level < asked => {
                let reason =
                    format!("{} is build level {level}, policy asks for {asked}", facts.builder);
                return Err(Answer::fail(reason).next("build it with a stronger builder"));
            }
            Some(_) => {}
        }
    }
    if gate.pinned && facts.unpinned > 0 {
        let reason = format!("{} dependencies have no digest", facts.unpinned);
        return Err(Answer::fail(reason).next("build it with every dependency pinned"));
    }
    Ok(Answer::pass(format!("{}, {}@{}", facts.builder, gate.source, commit.short())))
}

fn source<'a>(gate: &Provenance, facts: &'a BuildFacts) -> Result<&'a Source, Answer> {
    let from = facts.sources.iter().filter(|source| is_from(&source.uri, &gate.source));
    // Of several the one with the right ref: a build may check out its source twice.
    let mut from: Vec<&Source> = from.collect();
    from.sort_by_key(|source| !ref_of(&source.uri).is_some_and(|it| fits_any(&gate.refs, it)));
    match from.first() {
        Some(source) => Ok(source),
        None if facts.truncated => {
            Err(Answer::indeterminate("the build names more sources than can be kept")
                .next("build from fewer sources"))
        }
        None => {
            let found = facts.sources.first().map_or("no source", |source| source.uri.as_str());
            Err(Answer::fail(format!("built from {found}, not from {}", gate.source))
                .next("build it from the project's source"))
        }
    }
}

fn check_ref(gate: &Provenance, uri: &str) -> Result<(), Answer> {
    match ref_of(uri) {
        Some(found) if fits_any(&gate.refs, found) => Ok(()),
        Some(found) => {
            let reason = format!("built from {found}, policy asks for {}", gate.refs.join(" or "));
            Err(Answer::fail(reason).next("build it from a listed branch or tag"))
        }
        None => Err(Answer::indeterminate("the build does not say from which branch or tag")
            .next("record a build whose source ends in `@` and its ref")),
    }
}

fn fits_any(globs: &[String], text: &str) -> bool {
    globs.iter().any(|glob| fits(glob, text))
}

/// What stands behind the `@` of the last segment.
fn ref_of(uri: &str) -> Option<&str> {
    let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = path.split_once('/').map_or("", |(_, path)| path);
    path.split_once('@').map(|(_, found)| found)
}

/// Equal up to `@`; never merely a prefix, so that `…/payments-evil` is not `…/payments`.
pub fn is_from(uri: &str, source: &str) -> bool {
    uri.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

#[cfg(test)]
pub(super) mod tests;
