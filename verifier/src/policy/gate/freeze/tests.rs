use schemas::predicate::freeze::{Freeze, FreezeOutcome};
use schemas::predicate::promotion_request::{self, RequestPath};
use schemas::report::Verdict::{Pass, Waiting, Waived};
use schemas::trust::{ALL_PROJECTS, role};

use crate::fixture::cast::grant;
use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{
    Row, Table, app, ask, assert_answer, check, refused, unseen, waived,
};

const GATE: &str = r#"{"freeze":{},"waiver":{"by":["security"],"max":"30d"}}"#;

fn frozen(
    environments: &'static [&'static str],
    change: fn(&mut Freeze),
) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        let mut body = world.freeze_body(environments);
        change(&mut body);
        vec![world.freeze("mia", &body).unwrap()]
    }
}

fn nothing(history: impl Fn(&mut World) -> Vec<u64>) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        history(world);
        vec![]
    }
}

/// What is logged for this gate speaks against the artifact: where it does not count, nothing is frozen.
pub const TABLE: Table = Table {
    gate: r#"{"freeze":{},"waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|_| vec![], Pass, "no freeze is active"),
    fail: Row::No("a freeze ends, and then the artifact may enter: it is waited for"),
    waived: Row::case(
        |w| {
            let entries = frozen(&["prod"], |_| {})(w);
            waived(w, "freeze", entries)
        },
        Waived,
        "\"not reachable\"; frozen until 2026-11-21T09:00:02.000Z by mia: end of the year",
    ),
    waiting: Row::case(
        |w| frozen(&["prod"], |_| {})(w),
        Waiting,
        "frozen until 2026-11-21T09:00:02.000Z by mia: end of the year",
    ),
    indeterminate: Row::No(
        "freezes are read strictly before they are logged, and a broken one is refused, so none is unreadable",
    ),
    another_artifact: Row::No(
        "a freeze is of environments, for whatever artifact; one of another environment is no freeze here",
    ),
    too_old: Row::case(
        |w| {
            let entries = frozen(&["prod"], |_| {})(w);
            w.wait(DAY);
            unseen(entries[0])
        },
        Pass,
        "no freeze is active",
    ),
    without_role: Row::case(
        |w| {
            let body = w.freeze_body(&["prod"]);
            refused(w.freeze("anna", &body))
        },
        Pass,
        "no freeze is active",
    ),
};

#[test]
fn a_freeze_of_the_environment_or_more_waits_for_its_end() {
    check(GATE, |_| vec![], Pass, "no freeze is active");
    for environments in [&["prod"][..], &["prod", "staging"], &[]] {
        let reason = "by mia: end of the year";
        check(GATE, frozen(environments, |_| {}), Waiting, reason);
    }
    check(GATE, nothing(frozen(&["staging"], |_| {})), Pass, "no freeze is active");
    let everything = |w: &mut World| {
        w.amend(|it| it.grants.push(grant("nora", role::ADMIN, &[], ALL_PROJECTS))).unwrap();
        let mut body = w.freeze_body(&[]);
        body.project = None;
        vec![w.freeze("nora", &body).unwrap()]
    };
    check(GATE, everything, Waiting, "by nora");
}

/// Of another project's, whatever its environment is called, nothing is read.
#[test]
fn another_projects_freeze_is_its_own() {
    let theirs = |w: &mut World| {
        w.amend(|it| it.grants.push(grant("mia", role::RELEASE_MANAGER, &[], "shop"))).unwrap();
        let mut body = w.freeze_body(&["prod", "staging"]);
        body.project = Some("shop".parse().unwrap());
        w.freeze("mia", &body).unwrap();
        vec![]
    };
    check(GATE, theirs, Pass, "no freeze is active");
}

#[test]
fn a_freeze_has_a_beginning_and_a_hard_end() {
    let mut world = World::with_gates("[]", &format!("[{GATE}]"));
    let body = world.freeze_body(&["prod"]);
    let entry = world.freeze("mia", &body).unwrap();
    let answer = ask(&world).remove(0);
    assert_eq!(answer.until, Some(body.until));
    assert_answer(&answer, Waiting, &format!("frozen until {}", body.until), &[entry]);
    world.wait(body.until.since(world.now) - 1);
    assert_eq!(ask(&world)[0].verdict, Waiting);
    world.wait(1);
    assert_answer(&ask(&world)[0], Pass, "no freeze is active", &[]);
    let later = nothing(frozen(&["prod"], |it| {
        it.from = it.from.plus_ms(DAY);
        it.until = it.until.plus_ms(DAY);
    }));
    check(GATE, later, Pass, "no freeze is active");
}

#[test]
fn of_several_the_last_to_end_is_named() {
    let two = |w: &mut World| {
        let mut entries = frozen(&["prod"], |_| {})(w);
        entries.extend(frozen(&[], |it| it.until = it.until.plus_ms(DAY))(w));
        entries
    };
    check(GATE, two, Waiting, "frozen until 2026-11-22");
    let lifted = |w: &mut World| {
        let entry = frozen(&["prod"], |_| {})(w)[0];
        let mut body = w.freeze_body(&["prod"]);
        (body.outcome, body.lifts) = (FreezeOutcome::Lifted, Some(w.statement_at(entry)));
        w.freeze("paul", &body).unwrap();
        vec![]
    };
    check(GATE, lifted, Pass, "no freeze is active");
}

#[test]
fn a_freeze_may_leave_emergencies_open() {
    for (path, excepted, verdict) in [
        (RequestPath::Normal, true, Waiting),
        (RequestPath::Emergency, false, Waiting),
        (RequestPath::Emergency, true, Pass),
    ] {
        let emergency = format!(
            r#"{{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
            {{"name":"prod","gates":[{GATE}],
              "emergency":{{"gates":[{GATE},{{"approvals":{{"count":1,"roles":["security"],
                "not":["requester"]}}}}],"review":{{"within":"24h","roles":["security"]}}}}}}]}}"#
        );
        let mut world = World::new();
        world.policy("paul", &emergency).unwrap();
        let mut body = world.freeze_body(&["prod"]);
        body.except_emergency = excepted;
        let entry = world.freeze("mia", &body).unwrap();
        let mut body = world.request_body("prod");
        body.path = path;
        world.record("mia", &app(), promotion_request::TYPE, &body).unwrap();
        let reason = if verdict == Pass { "leaves the emergency path open" } else { "frozen" };
        assert_answer(&ask(&world)[0], verdict, reason, &[entry]);
    }
}
