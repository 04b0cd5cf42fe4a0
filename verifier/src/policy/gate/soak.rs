//! `soak`: time in another environment, since the newest succeeded deployment there and until
//! another artifact took its place.

use schemas::policy::Soak;

use super::{Answer, for_people};
use crate::policy::Context;
use crate::projection::Missing;

pub fn evaluate(gate: &Soak, context: &Context) -> Result<Answer, Missing> {
    let place = context.asked()?.and_then(|known| known.places.get(&gate.environment));
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
    let Some(ran) = ran.into_iter().flatten().find(|it| it.entry == deployed.entry) else {
        let reason = format!("replaced in {}, and nobody can tell when", gate.environment);
        return Ok(Answer::waiting(reason).next(again).on(entry));
    };
    let spent = ran.until.unwrap_or(context.at).since(deployed.time);
    let shown = format!("{} of {} in {}", for_people(spent), gate.duration, gate.environment);
    if spent >= gate.duration.ms() {
        return Ok(Answer::pass(shown).on(entry));
    }
    if ran.until.is_some() {
        let reason = format!("{shown}, then another artifact took its place");
        return Ok(Answer::waiting(reason).next(again).on(entry));
    }
    let until = deployed.time.plus_ms(gate.duration.ms());
    Ok(Answer::waiting(shown).next(format!("wait until {until}")).on(entry).until(until))
}

#[cfg(test)]
mod tests;
