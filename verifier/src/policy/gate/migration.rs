//! `migration`: what the artifact migrates can be taken back, has a plan for it, and was tried.

use schemas::policy::Migration;
use schemas::predicate::rehearsal::{RehearsalOf, RehearsalResult};

use super::{Answer, rehearsed, staleness};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{ArtifactInProject, Evidence, MigrationFacts};

pub fn evaluate(gate: &Migration, context: &Context) -> Result<Answer, Missing> {
    let known = context.asked()?;
    let Some((known, declared)) = known.and_then(|it| Some((it, it.migration.as_ref()?))) else {
        return Ok(Answer::waiting("nobody has declared what it migrates")
            .next("declare it, also where it is nothing: attestry record migration"));
    };
    if let Some(answer) = staleness(declared, "migration", None, context) {
        return Ok(answer);
    }
    let entry = [declared.entry];
    if declared.facts.migrations.is_none() {
        return Ok(Answer::pass("migrates nothing").on(entry));
    }
    if !declared.facts.reversible && !gate.irreversible {
        return Ok(Answer::fail("its migration cannot be taken back")
            .next("make it reversible: expand first, contract in a later release")
            .on(entry));
    }
    let plans = context.request()?.and_then(|request| request.plans.as_ref());
    let plan = declared.facts.rollback_plan.as_ref().or(plans.and_then(|it| it.rollback.as_ref()));
    let Some(plan) = plan else {
        return Ok(Answer::waiting("its migration has no plan for the way back")
            .next("declare it with a rollback plan, or name one in the request")
            .on(entry));
    };
    let kind = if declared.facts.reversible { "reversible" } else { "irreversible" };
    let shown = format!("{kind}, plan {}", plan.short());
    let answer = rehearsed::judge(
        gate.rehearsed_in.as_ref(),
        gate.max_age.as_ref(),
        rehearsal(gate, known, declared),
        &shown,
        context,
    );
    Ok(answer.on(entry))
}

/// The newest rehearsal since the migration was declared: an earlier one tried something else.
fn rehearsal<'a>(
    gate: &Migration,
    known: &'a ArtifactInProject,
    declared: &Evidence<MigrationFacts>,
) -> Option<&'a Evidence<RehearsalResult>> {
    let here = known.rehearsals.get(gate.rehearsed_in.as_ref()?)?;
    here.get(&RehearsalOf::Migration).filter(|it| it.entry > declared.entry)
}

#[cfg(test)]
pub(super) mod tests;
