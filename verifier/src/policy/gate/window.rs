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
mod tests {
    use schemas::report::Verdict::{self, Pass, Waiting};

    use crate::fixture::World;
    use crate::policy::gate::cases::{app, ask};

    const CALENDARS: &str = r#""calendars":{"holidays":["2026-12-24","2026-12-25"],
        "release-days":["2026-12-25","2026-12-29"]},"environments""#;

    /// Asks at a UTC time; nothing but time matters to this gate.
    fn check(rest: &str, at: &str, verdict: Verdict, reason: &str, until: Option<&str>) {
        let gate = format!(
            r#"{{"window":{{"allow":"Mon-Fri 09:00-16:00","zone":"Europe/Berlin"{rest}}}}}"#
        );
        let json = crate::fixture::body::policy_json("[]", &format!("[{gate}]"));
        let json = json.replacen(r#""environments""#, CALENDARS, 1);
        let mut world = World::new();
        world.policy("paul", &json).unwrap();
        world.build(&app(), &crate::policy::gate::cases::source()).unwrap();
        world.now = at.parse().unwrap();
        let answer = ask(&world).remove(0);
        assert_eq!(answer.verdict, verdict, "{answer:?}");
        assert!(answer.reason.contains(reason), "{answer:?}");
        assert_eq!(answer.until.map(|it| it.to_string()).as_deref(), until, "{answer:?}");
        assert_eq!(answer.next.is_none(), verdict.admits(), "{answer:?}");
    }

    #[test]
    fn the_window_is_open_or_opens() {
        check("", "2026-11-26T08:00:00.000Z", Pass, "Thu 09:00 in Europe/Berlin", None);
        let next = Some("2026-11-27T08:00:00.000Z");
        check("", "2026-11-26T15:00:00.000Z", Waiting, "Thu 16:00 in Europe/Berlin, outside", next);
    }

    #[test]
    fn calendars_close_and_open_days() {
        let not = r#","not_on":["holidays"]"#;
        let next = Some("2026-12-28T08:00:00.000Z");
        check(not, "2026-12-24T10:00:00.000Z", Waiting, "2026-12-24 is in holidays", next);
        check(not, "2026-12-23T10:00:00.000Z", Pass, "Wed 11:00", None);
        let only = r#","only_on":["release-days"],"not_on":["holidays"]"#;
        let next = Some("2026-12-29T08:00:00.000Z");
        check(only, "2026-12-23T10:00:00.000Z", Waiting, "is no day for it", next);
        check(only, "2026-12-25T10:00:00.000Z", Waiting, "is no day for it", next);
        check(only, "2026-12-29T10:00:00.000Z", Pass, "Tue 11:00", None);
        check(only, "2026-12-29T17:00:00.000Z", Waiting, "nor within a year", None);
    }
}
