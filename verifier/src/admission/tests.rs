//! What is refused, one case for each reason; and what is not.

mod bundle;
mod control;
mod exceptions;
mod happenings;
mod notes;
mod promotion;
mod together;

use schemas::id::Digest;
use schemas::predicate::review::Change;
use schemas::predicate::{analysis, measurement, review, test};
use schemas::statement::{SUBJECTS_MAX, Statement, Subject};
use serde_json::{Value, json};

use super::*;
use crate::fixture::body::FULL_POLICY;
use crate::fixture::{PROJECT, World, artifact, body, commit, envelope, project};
use schemas::predicate::review::ReviewOutcome;
use schemas::predicate::test::TestResult;

type Logged = Result<EntryIndex, Refusal>;

fn world() -> World {
    let mut world = World::new();
    world.policy("paul", FULL_POLICY).unwrap();
    world
}

fn app() -> Digest {
    artifact("app")
}

/// Tries something that must be refused with this code, and looks that nothing has moved.
#[track_caller]
fn refused_in(world: &mut World, code: Code, attempt: impl FnOnce(&mut World) -> Logged) {
    let result = attempt(&mut *world);
    match result {
        Err(Refusal::Rule(finding)) => assert_eq!(finding.code, code, "{finding:?}"),
        other => panic!("{}: {other:?}", code.name()),
    }
    let report = world.verify();
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.root), (world.size(), world.root()));
    let mut replayed = report.state;
    assert_eq!(
        replayed.heads_root(),
        world.sequence.state.heads_root(),
        "a refusal moved the state"
    );
}

#[track_caller]
fn refused(code: Code, attempt: impl FnOnce(&mut World) -> Logged) {
    refused_in(&mut world(), code, attempt);
}

/// Records any predicate about the artifact, filed under the project.
fn record(world: &mut World, by: &str, kind: &str, predicate: &Value) -> Logged {
    world.record(by, &app(), kind, predicate)
}

#[test]
fn signatures_are_of_known_keys() {
    use Code::{PredicateInvalid, SignatureExtra, SignatureInvalid};
    let unit = |w: &mut World, by: &[&str]| {
        let body = body::test("unit", TestResult::Passed);
        let subject = vec![Subject::of(&app(), None)];
        w.log(&Statement::new(subject, test::TYPE, body), by, Some(PROJECT))
    };
    refused(SignatureInvalid, |w| unit(w, &["nobody"]));
    refused(SignatureInvalid, |w| unit(w, &["log"]));
    refused(SignatureInvalid, |w| unit(w, &["root-1"]));
    // Another's signature beside a good one is that other's matter, unless the kind is ours.
    assert!(unit(&mut world(), &["nobody", "ci"]).is_ok());
    let measured = |w: &mut World, by: &[&str]| {
        let body = w.measurement_body(&[("p99", "1")]);
        let subject = vec![Subject::of(&app(), None)];
        w.log(&Statement::new(subject, measurement::TYPE, body), by, None)
    };
    refused(SignatureInvalid, |w| measured(w, &["nobody"]));
    refused(SignatureExtra, |w| measured(w, &["ci", "nobody"]));
    refused(SignatureExtra, |w| measured(w, &["ci", "ci"]));
    refused(PredicateInvalid, |w| measured(w, &["ci", "bot"]));
    assert!(measured(&mut world(), &["ci"]).is_ok());
}

#[test]
fn our_own_kinds_have_one_spelling() {
    let respelt = |change: fn(&str) -> String| {
        move |w: &mut World| {
            let body = w.measurement_body(&[("p99", "1")]);
            let subject = vec![Subject::of(&app(), None)];
            let statement = Statement::new(subject, measurement::TYPE, body);
            let bytes = envelope(&statement, &["ci"]);
            let bytes = change(str::from_utf8(&bytes).unwrap());
            w.append(bytes.as_bytes(), None, w.now)
        }
    };
    refused(Code::PredicateInvalid, respelt(|text| text.replace("\",\"", "\", \"")));
    refused(Code::PredicateInvalid, respelt(|text| format!("{text}\n")));
    assert!(respelt(str::to_owned)(&mut world()).is_ok());
}

#[test]
fn a_statement_is_for_this_ledger_and_a_known_project() {
    let measured = |w: &mut World, ledger: &str, project: &str, filed: Option<&str>| {
        let mut body = w.measurement_body(&[("p99", "1")]);
        body.ledger = ledger.parse().unwrap();
        body.project = project.parse().unwrap();
        let subject = vec![Subject::of(&app(), None)];
        w.log(&Statement::new(subject, measurement::TYPE, body), &["ci"], filed)
    };
    let here = crate::fixture::ORIGIN;
    refused(Code::OtherLedger, |w| measured(w, "test.acme.example", PROJECT, None));
    refused(Code::ProjectMismatch, |w| measured(w, here, PROJECT, Some("shop")));
    refused(Code::UnknownProject, |w| measured(w, here, "moon", None));
    refused(Code::RoleMissing, |w| measured(w, here, "shop", None));
    assert!(measured(&mut world(), here, PROJECT, Some(PROJECT)).is_ok());
    let unit = |w: &mut World, filed| {
        let body = body::test("unit", TestResult::Passed);
        let subject = vec![Subject::of(&app(), None)];
        w.log(&Statement::new(subject, test::TYPE, body), &["ci"], filed)
    };
    refused(Code::UnknownProject, |w| unit(w, None));
    refused(Code::UnknownProject, |w| unit(w, Some("moon")));
    refused(Code::RoleMissing, |w| unit(w, Some("shop")));
}

#[test]
fn evidence_needs_an_emitter_of_its_kind() {
    for who in ["mia", "anna", "paul", "nora", "service", "adam", "stranger"] {
        refused(Code::RoleMissing, |w| {
            let body = body::test("unit", TestResult::Passed);
            w.record(who, &app(), test::TYPE, &body)
        });
    }
    refused(Code::RoleMissing, |w| {
        w.record("bot", &app(), schemas::predicate::build::TYPE, &body::build("x", &[]))
    });
    refused(Code::RoleMissing, |w| {
        let body = w.review_body(&["alex"], ReviewOutcome::Approved);
        w.record("bot", &commit("app"), review::TYPE, &body)
    });
    let other = json!({"anything": [1, 2]});
    assert!(record(&mut world(), "bot", "https://example.com/v1", &other).is_ok());
    refused(Code::RoleMissing, |w| record(w, "anna", "https://example.com/v1", &other));
}

#[test]
fn a_statement_is_logged_once_for_each_project_and_signer() {
    let mut world = world();
    let body = body::test("unit", TestResult::Passed);
    let subject = vec![Subject::of(&app(), None)];
    let statement = Statement::new(subject, test::TYPE, body);
    let log = |w: &mut World, by: &[&str]| w.log(&statement, by, Some(PROJECT));
    let first = log(&mut world, &["ci"]).unwrap();
    refused_in(&mut world, Code::StatementRepeated, |w| log(w, &["ci"]));
    refused_in(&mut world, Code::RoleMissing, |w| log(w, &["anna"]));
    world.wait(60_000);
    let slice = |w: &World| w.sequence.state.artifact(&app()).unwrap().unwrap().clone();
    let before = slice(&world);
    let second = log(&mut world, &["ci", "bot"]).unwrap();
    let mut after = slice(&world);
    let known = after.projects.get_mut(&project()).unwrap();
    let unit = known.tests.get_mut("unit").unwrap();
    assert_eq!((unit.entry, unit.signers.len()), (first, 2));
    let added = unit.signers.pop().unwrap();
    assert_eq!((added.identity.as_str(), added.repeat), ("bot", Some(second)));
    assert_eq!(after, before, "a repeat changes nothing but the signers");
    refused_in(&mut world, Code::StatementRepeated, |w| log(w, &["bot"]));
    refused_in(&mut world, Code::StatementRepeated, |w| log(w, &["ci", "bot"]));
    // What stands in its place by now is another statement, and its signers stay.
    world.test(&app(), "unit", TestResult::Failed).unwrap();
    assert_eq!(slice(&world).projects[&project()].tests["unit"].signers.len(), 1);
    // An own kind is never repeated.
    let own = world.measurement_body(&[("p99", "1")]);
    let own = Statement::new(vec![Subject::of(&app(), None)], measurement::TYPE, own);
    world.log(&own, &["ci"], None).unwrap();
    refused_in(&mut world, Code::StatementRepeated, |w| w.log(&own, &["ci"], None));
}

#[test]
fn evidence_of_our_own_kinds_is_well_formed() {
    let measured = |metrics: Vec<(&'static str, &'static str)>| {
        move |w: &mut World| {
            let body = w.measurement_body(&metrics);
            w.record("ci", &app(), measurement::TYPE, &body)
        }
    };
    refused(Code::PredicateInvalid, measured(vec![]));
    refused(Code::PredicateInvalid, measured(vec![("a", "1"), ("b", "2"), ("a", "3")]));
    refused(Code::PredicateInvalid, measured(vec![("", "1")]));
    refused(Code::PredicateInvalid, measured(vec![("a", "1"); 257]));
    refused(Code::PredicateInvalid, |w| {
        let body = w.measurement_body(&[(&"a".repeat(201), "1")]);
        w.record("ci", &app(), measurement::TYPE, &body)
    });
    refused(Code::PredicateInvalid, |w| record(w, "ci", analysis::TYPE, &json!({})));
    let reviewed = |subject: Digest, authors: usize| {
        move |w: &mut World| {
            let body = w.review_body(&vec!["alex"; authors], ReviewOutcome::Approved);
            w.record("ci", &subject, review::TYPE, &body)
        }
    };
    refused(Code::PredicateInvalid, reviewed(app(), 1));
    refused(Code::PredicateInvalid, reviewed(commit("app"), 0));
    refused(Code::PredicateInvalid, reviewed(commit("app"), 256));
    assert!(reviewed(commit("app"), 255)(&mut world()).is_ok());
    let changed = |change: Change| {
        move |w: &mut World| {
            let mut body = w.review_body(&["alex"], ReviewOutcome::Approved);
            body.committers = Some(vec!["anna@acme.example".to_owned()]);
            body.change = Some(change);
            w.record("ci", &commit("app"), review::TYPE, &body)
        }
    };
    let text = |length: usize| "x".repeat(length);
    let paths = |paths: Vec<String>| Change { paths: Some(paths), ..Change::default() };
    let class = |class: String| Change { class: Some(class), ..Change::default() };
    refused(Code::PredicateInvalid, changed(paths(vec![text(9); 257])));
    refused(Code::PredicateInvalid, changed(paths(vec![text(513)])));
    refused(Code::PredicateInvalid, changed(paths(vec![text(0)])));
    refused(Code::PredicateInvalid, changed(class(text(64))));
    refused(Code::PredicateInvalid, changed(class(text(0))));
    assert!(changed(paths(vec![text(512); 256]))(&mut world()).is_ok());
    refused(Code::SubjectInvalid, |w| {
        let body = w.measurement_body(&[("a", "1")]);
        let subject = Subject::default();
        w.log(&Statement::new(vec![subject], measurement::TYPE, body), &["ci"], None)
    });
}

/// A slice that is full goes on with what it has: a newer run of a known suite must not be shut out.
#[test]
fn a_full_slice_refuses_only_what_is_new_to_it() {
    let mut world = world();
    for suite in 0..SUITES_MAX {
        world.test(&app(), &suite.to_string(), TestResult::Passed).unwrap();
    }
    refused_in(&mut world, Code::SubjectInvalid, |w| w.test(&app(), "new", TestResult::Passed));
    let newer = world.test(&app(), "7", TestResult::Failed).unwrap();
    world.scan(&app(), &[]).unwrap();
    world.build(&app(), &commit("app")).unwrap();
    let names = |of: std::ops::Range<usize>| of.map(|it| it.to_string()).collect::<Vec<_>>();
    let measured = |w: &mut World, of: std::ops::Range<usize>| {
        let names = names(of);
        let metrics: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), "1")).collect();
        let body = w.measurement_body(&metrics);
        w.record("ci", &app(), measurement::TYPE, &body)
    };
    for from in [0, 256, 512] {
        measured(&mut world, from..from + 256).unwrap();
    }
    measured(&mut world, 768..1023).unwrap();
    refused_in(&mut world, Code::SubjectInvalid, |w| measured(w, 1022..1025));
    measured(&mut world, 1000..1024).unwrap();
    measured(&mut world, 0..10).unwrap();
    refused_in(&mut world, Code::SubjectInvalid, |w| measured(w, 1024..1025));
    let slice = world.sequence.state.artifact(&app()).unwrap().unwrap();
    let known = &slice.projects[&project()];
    assert_eq!((known.tests.len(), known.metrics.len()), (SUITES_MAX, METRICS_MAX));
    assert_eq!(known.tests["7"].entry, newer);
}

#[test]
fn subjects_are_bounded_and_well_formed() {
    let of = |count: usize| {
        move |w: &mut World| {
            let subjects = subjects(count);
            let body = body::test("unit", TestResult::Passed);
            w.log(&Statement::new(subjects, test::TYPE, body), &["ci"], Some(PROJECT))
        }
    };
    refused(Code::SubjectInvalid, of(0));
    refused(Code::SubjectInvalid, of(SUBJECTS_MAX + 1));
    assert!(of(SUBJECTS_MAX)(&mut world()).is_ok());
    for (algorithm, hex) in [("sha256", "ab"), ("sha256", &"AB".repeat(32)), ("gitCommit", "")] {
        refused(Code::SubjectInvalid, |w| {
            let digest = [(algorithm.to_owned(), hex.to_owned())].into();
            let subject = Subject { digest, ..Subject::default() };
            let body = body::test("unit", TestResult::Passed);
            w.log(&Statement::new(vec![subject], test::TYPE, body), &["ci"], Some(PROJECT))
        });
    }
}

fn subjects(count: usize) -> Vec<Subject> {
    (0..count).map(|number| Subject::of(&artifact(&number.to_string()), None)).collect()
}

#[test]
fn a_long_statement_takes_several_entries_and_is_folded_once() {
    let mut world = world();
    let body = body::test("unit", TestResult::Passed);
    let statement = Statement::new(subjects(600), test::TYPE, body);
    let first = world.size();
    let last = world.log(&statement, &["ci"], Some(PROJECT)).unwrap();
    assert_eq!(last, first + 2);
    let entries: Vec<crate::entry::Entry> = world.records[first as usize..]
        .iter()
        .map(|record| crate::entry::Entry::parse(&record.entry).unwrap())
        .collect();
    let shapes: Vec<_> =
        entries.iter().map(|entry| (entry.part, entry.parts, entry.threads.len())).collect();
    assert_eq!(shapes, [(1, 3, 240), (2, 3, 240), (3, 3, 121)]);
    let projects = |entry: &crate::entry::Entry| {
        let project = schemas::thread::ThreadId::Project(project());
        entry.thread(&project).is_some()
    };
    assert_eq!(entries.iter().map(projects).collect::<Vec<_>>(), [true, false, false]);
    for number in 0..600 {
        let slice = world.sequence.state.artifact(&artifact(&number.to_string()));
        let slice = slice.unwrap().unwrap();
        assert_eq!(slice.projects[&project()].tests["unit"].entry, last);
    }
    world.heads().unwrap();
    let report = world.verify();
    assert_eq!(report.findings, []);
    let tests = report.counts.kinds[&EventKind::Test];
    assert_eq!((tests, report.size), (1, world.size()));
}

/// What a slice keeps of a text is bounded, and two suites never become one.
#[test]
fn texts_in_a_slice_are_bounded() {
    let mut world = world();
    let long = "x".repeat(300);
    let suites = [format!("{long}a"), format!("{long}b")];
    let results = [TestResult::Failed, TestResult::Passed];
    for (suite, result) in suites.iter().zip(results) {
        world.test(&app(), suite, result).unwrap();
    }
    let body = body::build(body::BUILDER, &[]);
    let mut subject = Subject::of(&app(), Some(&long));
    let version = Some(long.clone());
    subject.annotations = Some(schemas::statement::Annotations { version });
    let kind = schemas::predicate::build::TYPE;
    world.log(&Statement::new(vec![subject], kind, body), &["ci"], Some(PROJECT)).unwrap();
    let slice = world.sequence.state.artifact(&app()).unwrap().unwrap();
    let known = &slice.projects[&project()];
    assert_eq!(known.tests.len(), 2);
    assert!(known.tests.keys().all(|suite| suite.chars().count() == 200));
    assert_eq!(known.name.as_deref(), Some(&long[..200]));
    assert_eq!(known.version.as_deref(), Some(&long[..200]));
    refused(Code::PredicateInvalid, |w| {
        let mut body = w.measurement_body(&[("a", "1")]);
        body.metrics[0].unit = Some("x".repeat(201));
        w.record("ci", &app(), measurement::TYPE, &body)
    });
    refused(Code::PredicateInvalid, |w| {
        let body = w.review_body(&["x".repeat(321).as_str()], ReviewOutcome::Approved);
        w.record("ci", &commit("app"), review::TYPE, &body)
    });
}
