use schemas::predicate::review::{self, Change, ReviewOutcome};
use schemas::report::Verdict;
use schemas::report::Verdict::{Pass, Waiting};

use crate::fixture::{World, commit};
use crate::policy::gate::cases::{app, ask, build_of, compromise, source, unreadable_about};

/// Records a review whose forge counted this.
fn reviewed(world: &mut World, of: &schemas::id::Digest, change: Option<Change>) -> u64 {
    let mut body = world.review_body(&["alex@acme.example"], ReviewOutcome::Approved);
    body.change = change;
    world.record("ci", of, review::TYPE, &body).unwrap()
}

/// A change of a known, small kind.
fn change() -> Change {
    let list = |words: &[&str]| Some(words.iter().map(|it| (*it).to_owned()).collect());
    Change {
        class: Some("standard".to_owned()),
        paths: list(&["docs/a.md", "src/lib.rs"]),
        labels: list(&["bug"]),
        added: Some(20),
        removed: Some(5),
        files: Some(2),
        owners: list(&["@acme/payments"]),
        customer_impact: Some("none".to_owned()),
    }
}

/// A gate that waits wherever it applies.
fn gate(when: &str) -> String {
    format!(r#"{{"when":{when},"evidence":{{"kind":"sbom"}}}}"#)
}

#[track_caller]
fn check(when: &str, history: impl FnOnce(&mut World), verdict: Verdict, reason: &str) {
    let mut world = World::with_gates("[]", &format!("[{}]", gate(when)));
    history(&mut world);
    let answer = ask(&world).remove(0);
    assert_eq!(answer.verdict, verdict, "{answer:?}");
    assert!(answer.reason.contains(reason), "{reason}: {answer:?}");
    let start = if verdict == Pass { "does not apply: " } else { "no bill of materials" };
    assert!(answer.reason.starts_with(start), "{answer:?}");
}

/// One commit with a known change.
#[track_caller]
fn known(when: &str, verdict: Verdict, reason: &str) {
    let history = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        reviewed(w, &source(), Some(change()));
    };
    check(when, history, verdict, reason);
}

#[test]
fn each_condition_looks_at_its_fact() {
    for (when, verdict, reason) in [
        (r#"{"class":["high","normal"]}"#, Pass, "no class is high or normal"),
        (r#"{"class":["standard"]}"#, Waiting, "it applies: class of "),
        (r#"{"class_not":["standard"]}"#, Pass, "every class is standard"),
        (r#"{"class_not":["low"]}"#, Waiting, "class of "),
        (r#"{"paths":["db/**"]}"#, Pass, "no path fits db/**"),
        (r#"{"paths":["db/**","src/*"]}"#, Waiting, "paths of "),
        (r#"{"paths_outside":["docs/**","src/**"]}"#, Pass, "every path fits docs/** or src/**"),
        (r#"{"paths_outside":["docs/**"]}"#, Waiting, "paths of "),
        (r#"{"labels":["risky"]}"#, Pass, "no label is risky"),
        (r#"{"labels":["bug"]}"#, Waiting, "labels of "),
        (r#"{"labels_not":["bug"]}"#, Pass, "labelled bug"),
        (r#"{"labels_not":["safe"]}"#, Waiting, "labels of "),
        (r#"{"owners":["@acme/db"]}"#, Pass, "no owner is @acme/db"),
        (r#"{"owners":["@acme/payments"]}"#, Waiting, "owners of "),
        (r#"{"lines_over":25}"#, Pass, "25 lines, not over 25"),
        (r#"{"lines_over":24}"#, Waiting, "25 lines, over 24"),
        (r#"{"files_over":2}"#, Pass, "2 files, not over 2"),
        (r#"{"files_over":1}"#, Waiting, "2 files, over 1"),
        (r#"{"customer_impact":["high"]}"#, Pass, "no customer impact is high"),
        (r#"{"customer_impact":["none"]}"#, Waiting, "customer impact of "),
        // Every condition must hold.
        (r#"{"class":["standard"],"lines_over":25}"#, Pass, "not over 25"),
        (r#"{"class":["standard"],"lines_over":24}"#, Waiting, ", 25 lines, over 24"),
    ] {
        known(when, verdict, reason);
    }
}

#[test]
fn what_nobody_recorded_counts_as_the_strictest() {
    let every = r#"{"class":["x"],"class_not":["standard"],"paths":["x"],"paths_outside":["**"],
        "labels":["x"],"labels_not":["bug"],"owners":["x"],"lines_over":999,"files_over":999,
        "customer_impact":["x"]}"#;
    let blank = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        reviewed(w, &source(), Some(Change::default()));
    };
    check(every, blank, Waiting, "class of ");
    let no_change = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        reviewed(w, &source(), None);
    };
    check(every, no_change, Waiting, "unknown");
    let built = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
    };
    check(every, built, Waiting, "unknown");
    check(every, |_| {}, Waiting, "no build is recorded, so the change is unknown");
    let from_nowhere = |w: &mut World| {
        build_of(w, &[]);
    };
    check(every, from_nowhere, Waiting, "does not name all its commits");
    let about_another = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        reviewed(w, &commit("other"), Some(change()));
    };
    check(r#"{"class":["high"]}"#, about_another, Waiting, "unknown");
}

#[test]
fn a_doubtful_review_tells_nothing() {
    let tainted = |w: &mut World| {
        let entry = w.build(&app(), &source()).unwrap();
        reviewed(w, &source(), Some(change()));
        compromise(w, "ci", entry + 1);
    };
    check(r#"{"class":["high"]}"#, tainted, Waiting, "unknown");
    let unread = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        reviewed(w, &source(), Some(change()));
        unreadable_about(w, &source(), schemas::predicate::build::TYPE);
    };
    // Only a newer review that cannot be read is in the way.
    check(r#"{"class":["high"]}"#, unread, Pass, "no class is high");
}

/// The strictest commit decides.
#[test]
fn one_commit_of_several_is_enough() {
    let two = |second: Option<Change>| {
        move |w: &mut World| {
            build_of(w, &[&source(), &commit("lib")]);
            reviewed(w, &source(), Some(change()));
            reviewed(w, &commit("lib"), second);
        }
    };
    let high = Change { class: Some("high".to_owned()), ..change() };
    check(r#"{"class":["high"]}"#, two(Some(high.clone())), Waiting, "class of ");
    check(r#"{"class_not":["standard"]}"#, two(Some(high)), Waiting, "class of ");
    check(r#"{"class":["high"]}"#, two(Some(change())), Pass, "no class is high");
    check(r#"{"class":["high"]}"#, two(None), Waiting, "unknown");
    check(r#"{"lines_over":49}"#, two(Some(change())), Waiting, "50 lines, over 49");
    check(r#"{"lines_over":24}"#, two(None), Waiting, "25 lines, over 24");
    let unlabelled = Change { labels: Some(Vec::new()), ..change() };
    check(r#"{"labels_not":["bug"]}"#, two(Some(unlabelled)), Waiting, "labels of ");
}
