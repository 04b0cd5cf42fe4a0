use schemas::id::EntryIndex;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::*;
use crate::fixture::cast::APPROVER;
use crate::fixture::{World, artifact, commit, environment};
use crate::policy::{evaluate_together, why_not};
use schemas::predicate::promotion_request::RequestPath;

const WAY: RequestPath = RequestPath::Normal;

const CLEAN: &str = r#"[{"vulnerabilities":{"max":{"critical":0}}}]"#;

fn app() -> Digest {
    artifact("app")
}

fn worker() -> Digest {
    artifact("worker")
}

/// A world in which both are asked for together.
fn asked(gates: &str, history: impl FnOnce(&mut World)) -> (World, EntryIndex) {
    let mut world = World::with_gates("[]", gates);
    history(&mut world);
    let request = world.request_together(&[&app(), &worker()], "prod").unwrap();
    (world, request)
}

fn only(world: &World, request: EntryIndex) -> GateVerdict {
    let mut gates = world.evaluate("prod", &app(), Some(request)).gates;
    assert_eq!(gates.len(), 1, "{gates:?}");
    gates.remove(0)
}

/// Whichever of them is asked about, the answer is of both.
#[test]
fn one_of_two_fails_and_neither_enters() {
    let (mut world, request) = asked(CLEAN, |w| {
        w.scan(&app(), &[]).unwrap();
        w.scan(&worker(), &["critical"]).unwrap();
    });
    let by_app = world.evaluate("prod", &app(), Some(request));
    assert_eq!(by_app, world.evaluate("prod", &worker(), Some(request)));
    let said = only(&world, request);
    assert_eq!((said.verdict, said.entries.len()), (Fail, 2), "{said:?}");
    assert!(said.reason.starts_with(&format!("{}: 1 critical", worker().short())), "{said:?}");
    assert!(!said.reason.contains(&app().short()), "{said:?}");
    assert!(said.next.is_some_and(|next| next.starts_with(&worker().short())));
    for digest in [app(), worker()] {
        assert!(by_app.reads.contains(&schemas::thread::ThreadId::Artifact(digest)));
    }
    // By itself the clean one would enter.
    assert_eq!(world.evaluate("prod", &app(), None).gates[0].verdict, Pass);
    let decision = world.decide(request).unwrap();
    for digest in [app(), worker()] {
        let slice = world.sequence.state.artifact(&digest).unwrap().unwrap();
        let place = &slice.projects[&crate::fixture::project()].places[&"prod".parse().unwrap()];
        assert!(!place.is_granted());
        assert_eq!(place.decided.as_ref().map(|it| it.entry), Some(decision));
    }
    let slice = world.sequence.state.environment(&environment("prod")).unwrap().unwrap();
    assert_eq!(slice.granted, None);
}

#[test]
fn both_pass_and_both_enter() {
    let (mut world, request) = asked(CLEAN, |w| {
        w.scan(&app(), &[]).unwrap();
        w.scan(&worker(), &["medium"]).unwrap();
    });
    let said = only(&world, request);
    assert_eq!((said.verdict, said.next), (Pass, None));
    for digest in [app(), worker()] {
        assert!(said.reason.contains(&digest.short()), "{}", said.reason);
    }
    let entry = world.decide(request).unwrap();
    let slice = world.sequence.state.environment(&environment("prod")).unwrap().unwrap();
    let granted = slice.granted.clone().unwrap();
    assert_eq!((granted.entry, granted.with.clone()), (entry, vec![worker()]));
    assert!(granted.is_about(&app()) && granted.is_about(&worker()));
    for digest in [app(), worker()] {
        world.deploy(&digest, "prod").unwrap();
    }
    assert_eq!(world.verify().findings, [], "nothing was deployed without a grant");
}

#[test]
fn what_is_missing_of_one_is_waited_for() {
    let (mut world, request) = asked(CLEAN, |w| {
        w.scan(&app(), &[]).unwrap();
    });
    let said = only(&world, request);
    assert_eq!(said.verdict, Waiting, "{said:?}");
    assert!(world.decision(request).is_err());
    world.scan(&worker(), &[]).unwrap();
    assert_eq!(only(&world, request).verdict, Pass);
    world.decide(request).unwrap();
}

#[test]
fn what_is_the_same_of_each_is_said_once() {
    let gates = r#"[{"approvals":{"count":1,"roles":["release-approver"]}}]"#;
    let (mut world, request) = asked(gates, |_| {});
    assert_eq!(only(&world, request).reason, "0 of 1");
    let entry = world.approve("ben", APPROVER, request).unwrap();
    let said = only(&world, request);
    assert_eq!((said.verdict, said.entries), (Pass, vec![entry]));
    assert_eq!(said.reason, "1 of 1: ben (release-approver)");
}

/// An approval is of both: whoever wrote one of them approves neither.
#[test]
fn an_approval_counts_where_it_counts_for_each() {
    let gates = r#"[{"approvals":{"count":1,"roles":["release-approver"],"not":["author"]}}]"#;
    let (mut world, request) = asked(gates, |w| {
        for (name, author) in [("app", "mia@acme.example"), ("worker", "alex@acme.example")] {
            w.build(&artifact(name), &commit(name)).unwrap();
            w.review(&commit(name), author).unwrap();
        }
    });
    world.approve("alex", APPROVER, request).unwrap();
    let said = only(&world, request);
    assert_eq!(said.verdict, Waiting, "{said:?}");
    let why = why_not(&said.reason, &"alex".parse().unwrap(), APPROVER);
    assert_eq!(why, Some(format!("wrote {}", commit("worker").short()).as_str()));
    world.approve("ben", APPROVER, request).unwrap();
    assert_eq!(only(&world, request).verdict, Pass);
    // Where the author of one is unknown, nobody's approval can be told to count.
    let (mut world, request) = asked(gates, |w| {
        w.build(&app(), &commit("app")).unwrap();
        w.review(&commit("app"), "mia@acme.example").unwrap();
    });
    world.approve("ben", APPROVER, request).unwrap();
    assert_eq!(only(&world, request).verdict, Waiting);
}

#[test]
fn a_waiver_of_one_is_none_of_the_other() {
    let gates = r#"[{"vulnerabilities":{"max":{"critical":0}},
        "waiver":{"by":["security"],"max":"30d"}}]"#;
    let (mut world, request) = asked(gates, |w| {
        w.scan(&app(), &["critical"]).unwrap();
        w.scan(&worker(), &["critical"]).unwrap();
    });
    let waive = |world: &mut World, of: Digest| {
        let mut body = world.waiver_body("vulnerabilities", Some("prod"));
        body.artifact = Some(of);
        world.waive("sara", &body).unwrap();
    };
    waive(&mut world, app());
    assert_eq!(only(&world, request).verdict, Fail);
    waive(&mut world, worker());
    let said = only(&world, request);
    assert_eq!((said.verdict, said.next), (Waived, None));
}

#[test]
fn several_can_be_asked_about_before_anybody_requests_them() {
    let mut world = World::with_gates("[]", CLEAN);
    world.scan(&app(), &[]).unwrap();
    world.scan(&worker(), &["critical"]).unwrap();
    let place = environment("prod");
    let (app, with) = (app(), [worker(), artifact("app")]);
    let ask = Ask { environment: &place, artifact: &app, request: None };
    let found = evaluate_together(&world.sequence.state, &ask, &with, WAY, world.now).unwrap();
    assert_eq!(found.gates[0].verdict, Fail);
    assert!(found.gates[0].reason.starts_with(&worker().short()), "the asked one stands once");
    // A request says itself what it is about, whatever else is asked with it.
    let request = world.request(&app, "prod").unwrap();
    let ask = Ask { request: Some(request), ..ask };
    let found = evaluate_together(&world.sequence.state, &ask, &with, WAY, world.now).unwrap();
    assert_eq!(found.gates[0].verdict, Pass);
}

/// Who goes back goes back to what was granted each.
#[test]
fn the_way_back_of_several_is_that_of_each() {
    let (mut world, request) = asked("[]", |_| {});
    let place = environment("prod");
    let app = app();
    let ask = Ask { environment: &place, artifact: &app, request: None };
    let back = |world: &World| {
        let (state, now) = (&world.sequence.state, world.now);
        let found = evaluate_together(state, &ask, &[worker()], RequestPath::Rollback, now);
        found.unwrap().gates.into_iter().map(|it| (it.verdict, it.reason)).collect::<Vec<_>>()
    };
    let never = |of: &Digest| vec![(Fail, format!("{} was never granted in prod", of.short()))];
    assert_eq!(back(&world), never(&app));
    let mut alone = world.clone();
    let one = alone.request(&app, "prod").unwrap();
    alone.decide(one).unwrap();
    assert_eq!(back(&alone), never(&worker()));
    world.decide(request).unwrap();
    assert_eq!(back(&world), []);
}

fn evaluation(level: Option<u8>, gates: &[(&str, Verdict)]) -> Evaluation {
    let gate = |(id, verdict): &(&str, Verdict)| Answer::new(*verdict, *id).named(id, "kind");
    let gates = gates.iter().map(gate).collect();
    Evaluation { level, ..Evaluation::told(gates, None) }
}

#[test]
fn a_level_is_proven_where_it_is_of_each() {
    for (levels, proven) in [
        ([Some(3), Some(2)], Some(2)),
        ([Some(3), None], None),
        ([None, Some(1)], None),
        ([None, None], None),
    ] {
        let each = levels.map(|level| evaluation(level, &[])).to_vec();
        assert_eq!(joined(&[app(), worker()], each).level, proven);
    }
}

/// No rule gives such answers; if one ever does, nobody enters by it.
#[test]
fn a_gate_that_is_missing_for_one_cannot_be_told() {
    let short = evaluation(None, &[("a", Pass)]);
    for other in [
        evaluation(None, &[("a", Pass), ("b", Pass)]),
        evaluation(None, &[("b", Pass)]),
        evaluation(None, &[]),
    ] {
        let found = joined(&[app(), worker()], vec![short.clone(), other]);
        assert!(found.gates.iter().any(|it| it.verdict == Indeterminate), "{found:?}");
        assert_eq!(found.outcome(), None);
    }
}

#[test]
fn names_tell_artifacts_apart() {
    let like = |last: &str| format!("sha256:{}{last}", "a".repeat(63)).parse::<Digest>().unwrap();
    assert_eq!(names(&[app(), worker()]), [app().short(), worker().short()]);
    let alike = [like("1"), like("2")];
    assert_eq!(names(&alike), alike.clone().map(|it| it.to_string()));
}

mod running;
