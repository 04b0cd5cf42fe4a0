use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::report::Verdict::{Pass, Waiting, Waived};
use schemas::thread::ThreadId;

use crate::fixture::{DAY, HOUR, World, artifact, environment};
use crate::policy::gate::cases::{
    Row, Table, app, ask, assert_answer, check, compromise, other, refused, unseen, waived,
};

const GATE: &str = r#"{"soak":{"in":"staging","for":"24h"}}"#;

fn deployed(ms: i64) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        let entry = world.deploy(&app(), "staging").unwrap();
        world.wait(ms);
        vec![entry]
    }
}

pub const TABLE: Table = Table {
    gate: r#"{"soak":{"in":"staging","for":"24h"},"waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| deployed(DAY)(w), Pass, "1 d of 24h in staging"),
    fail: Row::No(
        "time that has not passed may still pass, and an incident may be resolved: both are waited for",
    ),
    waived: Row::case(
        |w| {
            let entries = deployed(HOUR)(w);
            waived(w, "soak", entries)
        },
        Waived,
        "\"not reachable\"; 1 h of 24h in staging",
    ),
    waiting: Row::case(|w| deployed(HOUR)(w), Waiting, "1 h of 24h in staging"),
    indeterminate: Row::No(
        "deployments and incidents are read strictly before they are logged, so none is unreadable",
    ),
    another_artifact: Row::case(
        |w| {
            let deployed = w.deploy(&other(), "staging").unwrap();
            w.wait(2 * DAY);
            unseen(deployed)
        },
        Waiting,
        "not deployed in staging",
    ),
    too_old: Row::No(
        "the longer ago it was deployed, the longer it has run there; one that was replaced since has \
         run only until then",
    ),
    without_role: Row::case(
        |w| {
            let body = w.deployment_body("staging", DeploymentResult::Succeeded);
            let entries = refused(w.record("bot", &app(), deployment::TYPE, &body));
            w.wait(2 * DAY);
            entries
        },
        Waiting,
        "not deployed in staging",
    ),
};

#[test]
fn time_counts_from_the_newest_succeeded_deployment() {
    check(GATE, deployed(DAY), Pass, "1 d of 24h in staging");
    check(GATE, deployed(DAY - 1), Waiting, "23 h of 24h in staging");
    check(GATE, |_| vec![], Waiting, "not deployed in staging");
    let again = |w: &mut World| {
        deployed(DAY)(w);
        deployed(0)(w)
    };
    check(GATE, again, Waiting, "0 s of 24h");
    for result in [DeploymentResult::Started, DeploymentResult::Failed] {
        let unfinished = |w: &mut World| {
            let body = w.deployment_body("staging", result);
            w.record("ci", &app(), deployment::TYPE, &body).unwrap();
            w.wait(2 * DAY);
            vec![]
        };
        check(GATE, unfinished, Waiting, "not deployed in staging");
    }
}

#[test]
fn another_artifact_or_environment_does_not_count() {
    let another = |w: &mut World| {
        w.deploy(&other(), "staging").unwrap();
        w.deploy(&app(), "prod").unwrap();
        w.wait(2 * DAY);
        vec![]
    };
    check(GATE, another, Waiting, "not deployed in staging");
}

/// An artifact that was replaced has run only until then, however long ago that was.
#[test]
fn time_ends_where_another_artifact_took_its_place() {
    let replaced = |after: i64, by: &'static [&'static str]| {
        move |w: &mut World| {
            let entries = deployed(after)(w);
            for name in by {
                w.deploy(&artifact(name), "staging").unwrap();
                w.wait(2 * DAY);
            }
            entries
        }
    };
    check(GATE, replaced(HOUR, &["other"]), Waiting, "1 h of 24h in staging, then another");
    check(GATE, replaced(HOUR, &["other", "other"]), Waiting, "1 h of 24h in staging, then");
    check(GATE, replaced(DAY, &["other", "other"]), Pass, "1 d of 24h in staging");
    check(GATE, replaced(DAY, &["other", "third"]), Waiting, "nobody can tell when");
    let back = |w: &mut World| {
        replaced(DAY, &["other", "third"])(w);
        deployed(DAY)(w)
    };
    check(GATE, back, Pass, "1 d of 24h");
    let mut world = World::with_gates("[]", &format!("[{GATE}]"));
    deployed(DAY)(&mut world);
    let reads = world.evaluate("prod", &app(), None).reads;
    assert!(reads.contains(&ThreadId::Environment(environment("staging"))));
}

#[test]
fn a_deployment_by_a_compromised_key_does_not_count() {
    let tainted = |w: &mut World| {
        let entries = deployed(2 * DAY)(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(GATE, tainted, Waiting, "compromised");
}

#[test]
fn waiting_says_until_when() {
    let mut world = World::with_gates("[]", &format!("[{GATE}]"));
    let entries = deployed(0)(&mut world);
    let until = world.now.plus_ms(DAY);
    let answer = ask(&world).remove(0);
    assert_eq!(answer.until, Some(until));
    assert_answer(&answer, Waiting, "of 24h", &entries);
    world.wait(DAY);
    assert_eq!(ask(&world)[0].verdict, Pass);
}

#[test]
fn an_attributed_incident_begins_the_time_anew() {
    use schemas::predicate::incident::IncidentStatus::{Opened, Resolved};
    let open = |w: &mut World| {
        let mut entries = deployed(DAY)(w);
        entries.push(w.blame(&app(), "staging", "INC-1", Opened).unwrap());
        entries
    };
    check(GATE, open, Waiting, "incident INC-1 is attributed to it");
    let over = |ms: i64| {
        move |w: &mut World| {
            let mut entries = open(w);
            entries[1] = w.blame(&app(), "staging", "INC-1", Resolved).unwrap();
            w.wait(ms);
            entries
        }
    };
    check(GATE, over(DAY - 1), Waiting, "23 h of 24h in staging since an incident");
    check(GATE, over(DAY), Pass, "1 d of 24h in staging since an incident");
    // What is another's, elsewhere, nobody's or before is not its own.
    let unrelated = |w: &mut World| {
        w.blame(&app(), "staging", "INC-0", Opened).unwrap();
        w.blame(&app(), "staging", "INC-0", Resolved).unwrap();
        let entries = deployed(DAY)(w);
        w.blame(&other(), "staging", "INC-1", Opened).unwrap();
        w.blame(&app(), "prod", "INC-2", Opened).unwrap();
        w.incident("staging", "INC-3", Opened).unwrap();
        entries
    };
    check(GATE, unrelated, Pass, "1 d of 24h in staging");
}
