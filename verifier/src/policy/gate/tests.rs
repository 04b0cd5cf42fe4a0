use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::cases::{app, assert_answer};
use super::*;
use crate::fixture::{World, artifact, environment};
use crate::policy::{Ask, evaluate};

/// A policy whose `prod` takes what is granted in `staging` or `lab`.
const FROM: &str = r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
    {"name":"lab","gates":[{"evidence":{"kind":"sbom"}}]},
    {"name":"staging","gates":[]},
    {"name":"prod","from":["lab","staging"],"gates":[]}]}"#;

fn from(history: impl FnOnce(&mut World) -> Vec<EntryIndex>, verdict: Verdict, reason: &str) {
    let mut world = World::new();
    world.policy("paul", FROM).unwrap();
    let entries = history(&mut world);
    let answers = world.evaluate("prod", &app(), None).gates;
    assert_eq!((answers[0].id.as_str(), answers.len()), ("from", 1));
    assert_eq!(answers[0].gate, "source-environment");
    assert_answer(&answers[0], verdict, reason, &entries);
}

fn granted(world: &mut World, name: &str, to: &str) -> EntryIndex {
    let request = world.request(&artifact(name), to).unwrap();
    world.decide(request).unwrap()
}

#[test]
fn an_artifact_comes_from_where_it_was_granted() {
    from(|w| vec![granted(w, "app", "staging")], Pass, "granted in staging");
    from(|_| vec![], Waiting, "not granted in lab or staging");
    let another = |w: &mut World| {
        granted(w, "other", "staging");
        vec![]
    };
    from(another, Waiting, "not granted");
    let deployed_only = |w: &mut World| {
        w.deploy(&app(), "staging").unwrap();
        vec![]
    };
    from(deployed_only, Waiting, "not granted");
    let replaced = |w: &mut World| {
        let entry = granted(w, "app", "staging");
        granted(w, "other", "staging");
        vec![entry]
    };
    from(replaced, Pass, "granted in staging");
    let denied_since = |w: &mut World| {
        granted(w, "app", "staging");
        let request = w.request(&app(), "staging").unwrap();
        let rejecting = r#"[{"provenance":{"builders":["x"],"source":"git+https://h/p"}}]"#;
        let policy = FROM.replacen(
            r#""staging","gates":[]"#,
            &format!(r#""staging","gates":{rejecting}"#),
            1,
        );
        w.policy("paul", &policy).unwrap();
        w.build(&app(), &super::cases::source()).unwrap();
        w.decide(request).unwrap();
        vec![]
    };
    from(denied_since, Waiting, "not granted");
}

#[test]
fn without_a_rule_nobody_can_tell() {
    let tell = |world: &World, to: &str, reason: &str| {
        let answer = world.evaluate(to, &app(), None).gates.remove(0);
        assert_answer(&answer, Indeterminate, reason, &[]);
    };
    let mut world = World::new();
    tell(&world, "prod", "payments has no policy");
    world.policy("paul", FROM).unwrap();
    tell(&world, "moon", "no environment moon");
    let ask = Ask { environment: &environment("prod"), artifact: &app(), request: None };
    let empty = crate::projection::State::empty();
    let evaluation = evaluate(&empty, &ask, Time(0)).unwrap();
    assert_eq!(evaluation.gates[0].verdict, Indeterminate);
    assert_eq!(evaluation.outcome(), None);
}

#[test]
fn the_worst_part_speaks_for_a_gate() {
    let part = |verdict, reason: &str| Answer::new(verdict, reason).next(reason).on([1]);
    for (verdicts, worst, reason) in [
        (&[Pass, Pass][..], Pass, "0; 1"),
        (&[Pass, Waived], Waived, "1"),
        (&[Waiting, Pass, Waiting], Waiting, "0; 2"),
        (&[Waiting, Indeterminate], Indeterminate, "1"),
        (&[Indeterminate, Fail, Waiting], Fail, "1"),
        (&[], Indeterminate, "nothing to evaluate"),
    ] {
        let parts = verdicts.iter().enumerate();
        let joined = join(parts.map(|(nth, it)| part(*it, &nth.to_string())).collect());
        assert_eq!((joined.verdict, joined.reason.as_str()), (worst, reason));
    }
}

#[test]
fn spans_are_short() {
    for (ms, text) in [
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (86_400_000, "1 d"),
        (90_000_000, "1 d 1 h"),
        (7 * 86_400_000 + 3_600_000, "7 d"),
    ] {
        assert_eq!(for_people(ms), text);
    }
}
