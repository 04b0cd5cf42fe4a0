//! `window`: is now a time at which an artifact may enter?

use jiff::civil::Date;
use schemas::policy::Window;

use super::Answer;
use crate::policy::Context;
use crate::policy::weekly::{Weekly, next_opening, shown, wall_clock, zone};
use crate::projection::Missing;

pub fn evaluate(gate: &Window, context: &Context) -> Result<Answer, Missing> {
    let (Ok(weekly), Some(zone)) = (Weekly::parse(&gate.allow), zone(&gate.zone)) else {
        return Ok(Answer::indeterminate("the policy's window cannot be read")
            .next("write its times and zone anew: attestry policy check"));
    };
    let Some((day, minute)) = wall_clock(&zone, context.at) else {
        return Ok(Answer::indeterminate("no calendar reaches this time").next("ask later"));
    };
    let calendars = &context.policy.document.calendars;
    let on = |names: &[String], day: Date| {
        let day = day.to_string();
        names.iter().any(|name| calendars.get(name).is_some_and(|days| days.contains(&day)))
    };
    let open_day =
        |day: Date| !on(&gate.not_on, day) && (gate.only_on.is_empty() || on(&gate.only_on, day));
    let now = format!("{} in {}", shown(day, minute), gate.zone);
    if open_day(day) && weekly.holds(day, minute) {
        return Ok(Answer::pass(now));
    }
    let reason = match open_day(day) {
        true => format!("{now}, outside {}", gate.allow),
        false if gate.only_on.is_empty() => {
            format!("{now}, {day} is in {}", gate.not_on.join(", "))
        }
        false => format!("{now}, {day} is no day for it"),
    };
    Ok(match next_opening(&weekly, &zone, context.at, open_day) {
        Some(opens) => Answer::waiting(reason).next(format!("wait until {opens}")).until(opens),
        None => Answer::waiting(format!("{reason}, nor within a year"))
            .next("write later days into the policy's calendars"),
    })
}

#[cfg(test)]
pub(super) mod tests;
