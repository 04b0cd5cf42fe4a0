//! `configuration`: what the environment is, or shall be, configured with was approved there.

use schemas::id::Digest;
use schemas::policy::Configuration;

use super::Answer;
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{ConfigurationKept, EnvironmentSlice};

pub fn evaluate(gate: &Configuration, context: &Context) -> Result<Answer, Missing> {
    let slice = context.environment()?;
    let named = context.request()?.and_then(|request| request.plans.as_ref());
    let named = named.and_then(|plans| plans.configuration.as_ref());
    let applied = slice.and_then(|slice| slice.configurations.applied.as_ref());
    let applied = applied.filter(|it| context.counts_one(it.entry, &it.signer));
    let Some(digest) = named.or(applied.map(|it| &it.digest)) else {
        let next = "record what is applied: attestry record configuration";
        return Ok(Answer::waiting("no configuration is named or applied").next(next));
    };
    let found = approved(gate, digest, slice, context);
    let Some(found) = found else {
        let roles = gate.roles.join(" or ");
        let reason = format!("configuration {} is not approved by {roles}", digest.short());
        return Ok(Answer::waiting(reason)
            .next(format!("have {roles} approve it: attestry record configuration")));
    };
    let by = format!("configuration {} approved by {}", digest.short(), found.signer.identity);
    let entries = [found.entry];
    // What is applied under an approved digest refers to the secrets that were approved with it.
    if let Some(applied) = applied.filter(|it| it.digest == *digest && it.secrets != found.secrets)
    {
        return Ok(Answer::fail(format!("{by}, with other versions of its secrets"))
            .next("approve it with the versions that are applied")
            .on([found.entry, applied.entry]));
    }
    match &gate.parity {
        Some(other) => {
            let there = context.environment_named(other)?;
            let there = there.and_then(|slice| slice.configurations.applied.as_ref());
            let there = there.filter(|it| context.counts_one(it.entry, &it.signer));
            Ok(parity(found, there, other.as_str(), by).on(entries))
        }
        None => Ok(Answer::pass(by).on(entries)),
    }
}

/// The newest approval that counts now: in a role that the policy asks for and its signer still
/// has.
fn approved<'a>(
    gate: &Configuration,
    digest: &Digest,
    slice: Option<&'a EnvironmentSlice>,
    context: &Context,
) -> Option<&'a ConfigurationKept> {
    let all = slice.into_iter().flat_map(|slice| &slice.configurations.approved);
    let counts = |it: &&ConfigurationKept| {
        let role = it.role.as_ref().filter(|role| gate.roles.contains(role));
        it.digest == *digest
            && role.is_some_and(|role| {
                let name = &context.ask.environment.name;
                context.trust.has_role(&it.signer.identity, role, context.project, Some(name))
            })
            && !context.trust.is_admin(&it.signer.identity)
            && context.counts_one(it.entry, &it.signer)
    };
    all.rev().find(counts)
}

/// Compares the shapes of two configurations; one that is not told cannot be compared.
fn parity(
    ours: &ConfigurationKept,
    there: Option<&ConfigurationKept>,
    place: &str,
    by: String,
) -> Answer {
    let Some(there) = there else {
        return Answer::waiting(format!("{by}; no configuration of {place} is recorded"))
            .next(format!("record what is applied in {place}: attestry record configuration"));
    };
    let answer = match (&ours.shape, &there.shape) {
        (Some(ours), Some(theirs)) if ours == theirs => {
            Answer::pass(format!("{by}, of the same shape as in {place}"))
        }
        (Some(_), Some(_)) => Answer::fail(format!("{by}, of another shape than in {place}"))
            .next("give both the same keys, or say why not with a waiver"),
        (None, _) | (_, None) => {
            Answer::indeterminate(format!("{by}; its shape or that in {place} is not told"))
                .next("record both with their shapes")
        }
    };
    answer.on([there.entry])
}

#[cfg(test)]
pub(super) mod tests;
