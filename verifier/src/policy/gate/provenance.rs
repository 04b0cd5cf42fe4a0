//! `provenance`: who built the artifact, and from which source.

use schemas::policy::Provenance;

use super::{Answer, staleness, unreadable};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::Source;

/// The newest build event by a granted signer decides.
pub fn evaluate(gate: &Provenance, context: &Context) -> Result<Answer, Missing> {
    let Some(build) = context.asked()?.and_then(|known| known.build.as_ref()) else {
        if let Some(answer) = unreadable("build", 0, context)? {
            return Ok(answer);
        }
        let next = "record the build: attestry record build";
        return Ok(Answer::waiting("no build is recorded").next(next));
    };
    if let Some(answer) = unreadable("build", build.entry, context)? {
        return Ok(answer);
    }
    if let Some(answer) = staleness(build, "build", None, context) {
        return Ok(answer);
    }
    let facts = &build.facts;
    if !gate.builders.contains(&facts.builder) {
        let reason = format!("built by {}, which the policy does not list", facts.builder);
        return Ok(Answer::fail(reason)
            .next("build it with a listed builder, or list this one in the policy")
            .on([build.entry]));
    }
    let answer = match facts
        .sources
        .iter()
        .find(|source| is_from(&source.uri, &gate.source))
    {
        Some(Source { commit, .. }) => Answer::pass(format!(
            "{}, {}@{}",
            facts.builder,
            gate.source,
            commit.short()
        )),
        None if facts.truncated => {
            Answer::indeterminate("the build names more sources than can be kept")
                .next("build from fewer sources")
        }
        None => {
            let found = facts
                .sources
                .first()
                .map_or("no source", |source| source.uri.as_str());
            Answer::fail(format!("built from {found}, not from {}", gate.source))
                .next("build it from the project's source")
        }
    };
    Ok(answer.on([build.entry]))
}

/// Equal up to `@`; never merely a prefix, so that `…/payments-evil` is not `…/payments`.
pub fn is_from(uri: &str, source: &str) -> bool {
    uri.strip_prefix(source)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_equal_up_to_the_at_sign() {
        let source = "git+https://github.com/acme/payments";
        for (uri, expected) in [
            ("git+https://github.com/acme/payments", true),
            ("git+https://github.com/acme/payments@refs/heads/main", true),
            ("git+https://github.com/acme/payments@4be1f0a", true),
            ("git+https://github.com/acme/payments-evil@4be1f0a", false),
            (
                "git+https://github.com/acme/payments/../evil@4be1f0a",
                false,
            ),
            ("git+https://github.com/acme/payment", false),
            ("https://github.com/acme/payments", false),
            ("", false),
        ] {
            assert_eq!(is_from(uri, source), expected, "{uri}");
        }
    }
}
