use schemas::report::Verdict::{self, Indeterminate, Pass, Waiting, Waived};

use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{Row, Table, app, ask, waived};

const CALENDARS: &str = r#""calendars":{"holidays":["2026-12-24","2026-12-25"],
    "release-days":["2026-12-25","2026-12-29"]},"environments""#;

/// Asks at a UTC time; nothing but time matters to this gate.
fn check(rest: &str, at: &str, verdict: Verdict, reason: &str, until: Option<&str>) {
    let gate =
        format!(r#"{{"window":{{"allow":"Mon-Fri 09:00-16:00","zone":"Europe/Berlin"{rest}}}}}"#);
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

/// The fixture begins on a Friday at ten o'clock in Berlin.
pub const TABLE: Table = Table {
    gate: r#"{"window":{"allow":"Mon-Fri 09:00-16:00","zone":"Europe/Berlin"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|_| vec![], Pass, "Fri 10:00 in Europe/Berlin"),
    fail: Row::No("a window that is shut opens again: it is waited for"),
    waived: Row::case(
        |w| {
            w.wait(DAY);
            waived(w, "window", vec![])
        },
        Waived,
        "\"not reachable\"; Sat 10:00 in Europe/Berlin, outside Mon-Fri 09:00-16:00",
    ),
    waiting: Row::case(
        |w| {
            w.wait(DAY);
            vec![]
        },
        Waiting,
        "Sat 10:00 in Europe/Berlin, outside Mon-Fri 09:00-16:00",
    ),
    // A policy with a window that cannot be read is refused. Of time there is more than of calendars.
    indeterminate: Row::case(
        |w| {
            w.now = "9999-12-31T12:00:00.000Z".parse().unwrap();
            vec![]
        },
        Indeterminate,
        "no calendar reaches this time",
    ),
    another_artifact: Row::No("what time it is, it is for every artifact"),
    too_old: Row::No(
        "now is never old: the time is that of the decision, between its neighbours in the log",
    ),
    without_role: Row::No("nobody signs what time it is: the gate reads nothing that was recorded"),
};

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
