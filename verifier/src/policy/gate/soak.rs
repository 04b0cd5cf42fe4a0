//! `soak`: time in another environment, since the newest succeeded deployment there and until
//! another artifact took its place, without an incident that is attributed to it.

use schemas::id::Time;
use schemas::policy::Soak;

use super::{Answer, for_people};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{Attributed, Deployed};

pub fn evaluate(gate: &Soak, context: &Context) -> Result<Answer, Missing> {
    let known = context.asked()?;
    let place = known.and_then(|known| known.places.get(&gate.environment));
    let Some(deployed) = place.and_then(|place| place.deployed.as_ref()) else {
        return Ok(Answer::waiting(format!("not deployed in {}", gate.environment))
            .next(format!("deploy it to {} and record the deployment", gate.environment)));
    };
    let entry = [deployed.entry];
    if context.trust.is_tainted(&deployed.key, deployed.entry) {
        return Ok(Answer::waiting("the deployment was signed by a key that is compromised")
            .next("record the deployment again")
            .on(entry));
    }
    context.relied.borrow_mut().push((deployed.entry, deployed.key));
    let again = format!("deploy it to {} again and record the deployment", gate.environment);
    let slice = context.environment_named(&gate.environment)?;
    let ran =
        [slice.and_then(|it| it.deployed.as_ref()), slice.and_then(|it| it.previous.as_ref())];
    let Some(ran) = ran.into_iter().flatten().find(|it| it.is_from(deployed.entry)) else {
        let reason = format!("replaced in {}, and nobody can tell when", gate.environment);
        return Ok(Answer::waiting(reason).next(again).on(entry));
    };
    let blamed = known.and_then(|known| known.incidents.get(&gate.environment));
    let (since, entries) = match undisturbed(deployed, blamed) {
        Ok(since) => since,
        Err(answer) => return Ok(answer.on(entry)),
    };
    let spent = ran.until.unwrap_or(context.at).since(since);
    let after = if since == deployed.time { "" } else { " since an incident" };
    let shown =
        format!("{} of {} in {}{after}", for_people(spent), gate.duration, gate.environment);
    if spent >= gate.duration.ms() {
        return Ok(Answer::pass(shown).on(entries));
    }
    if ran.until.is_some() {
        let reason = format!("{shown}, then another artifact took its place");
        return Ok(Answer::waiting(reason).next(again).on(entries));
    }
    let until = since.plus_ms(gate.duration.ms());
    Ok(Answer::waiting(shown).next(format!("wait until {until}")).on(entries).until(until))
}

/// Since when nothing was wrong with it there: an incident begins the time anew when it is over.
fn undisturbed(
    deployed: &Deployed,
    blamed: Option<&Attributed>,
) -> Result<(Time, Vec<u64>), Answer> {
    if let Some((id, entry)) = blamed.and_then(|blamed| blamed.open.first_key_value()) {
        return Err(Answer::waiting(format!("incident {id} is attributed to it"))
            .next(format!("resolve {id}: attestry record incident"))
            .on([*entry]));
    }
    let newest = blamed.and_then(|blamed| blamed.newest.as_ref());
    Ok(match newest.filter(|newest| newest.time > deployed.time) {
        Some(newest) => (newest.time, vec![deployed.entry, newest.entry]),
        None => (deployed.time, vec![deployed.entry]),
    })
}

#[cfg(test)]
pub(super) mod tests;
