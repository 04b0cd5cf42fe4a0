//! `freeze`: no freeze of the environment, the project or every project is active.

use schemas::policy::Freeze;
use schemas::predicate::promotion_request::RequestPath;

use super::Answer;
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::FreezeKept;

/// A freeze holds to its end, whoever set it: to lift one is a signed event of its own.
pub fn evaluate(_: &Freeze, context: &Context) -> Result<Answer, Missing> {
    let environment = context.ask.environment;
    let slice = context.environment()?;
    let here = slice.iter().flat_map(|slice| slice.freezes.values());
    let control = context.state.control().freezes.values();
    let beyond = control.filter(|it| it.covers(&environment.project, &environment.name));
    let active = here.chain(beyond).filter(|freeze| freeze.is_active(context.at));
    let emergency = context.path()? == RequestPath::Emergency;
    let (open, closed): (Vec<&FreezeKept>, Vec<&FreezeKept>) =
        active.partition(|freeze| emergency && freeze.except_emergency);
    let entries = |list: &[&FreezeKept]| list.iter().map(|it| it.entry).collect::<Vec<_>>();
    let Some(longest) = closed.iter().max_by_key(|freeze| (freeze.until, freeze.entry)) else {
        let reason = match open.len() {
            0 => "no freeze is active",
            _ => "the freeze leaves the emergency path open",
        };
        return Ok(Answer::pass(reason).on(entries(&open)));
    };
    let (until, by) = (longest.until, &longest.signer.identity);
    let reason = format!("frozen until {until} by {by}: {}", longest.reason);
    Ok(Answer::waiting(reason)
        .next(format!("wait until {until}, or have {by} lift it"))
        .on(entries(&closed))
        .until(until))
}

#[cfg(test)]
pub(super) mod tests;
