//! `provenance`: who built the artifact, and from which source.

use schemas::policy::Provenance;

use super::{Answer, newest_build};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::Source;

/// The newest build event by a granted signer decides.
pub fn evaluate(gate: &Provenance, context: &Context) -> Result<Answer, Missing> {
    let build = match newest_build(context)? {
        Ok(build) => build,
        Err(answer) => return Ok(answer),
    };
    let facts = &build.facts;
    if !gate.builders.contains(&facts.builder) {
        let reason = format!("built by {}, which the policy does not list", facts.builder);
        return Ok(Answer::fail(reason)
            .next("build it with a listed builder, or list this one in the policy")
            .on([build.entry]));
    }
    let answer = match facts.sources.iter().find(|source| is_from(&source.uri, &gate.source)) {
        Some(Source { commit, .. }) => {
            Answer::pass(format!("{}, {}@{}", facts.builder, gate.source, commit.short()))
        }
        None if facts.truncated => {
            Answer::indeterminate("the build names more sources than can be kept")
                .next("build from fewer sources")
        }
        None => {
            let found = facts.sources.first().map_or("no source", |source| source.uri.as_str());
            Answer::fail(format!("built from {found}, not from {}", gate.source))
                .next("build it from the project's source")
        }
    };
    Ok(answer.on([build.entry]))
}

/// Equal up to `@`; never merely a prefix, so that `…/payments-evil` is not `…/payments`.
pub fn is_from(uri: &str, source: &str) -> bool {
    uri.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

#[cfg(test)]
mod tests;
