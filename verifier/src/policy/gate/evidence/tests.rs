use schemas::predicate::report::ReportNote;
use schemas::predicate::{review, sbom, test};
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};
use serde_json::json;

use schemas::predicate::analysis::Levels;
use schemas::predicate::report::Binding;
use schemas::predicate::review::ReviewOutcome;
use schemas::predicate::test::TestResult;

use crate::fixture::body;
use crate::fixture::{DAY, World, commit};
use crate::policy::gate::cases::{
    Row, Table, app, build_of, check, compromise, other, refused, source, unreadable, unseen,
    waived,
};

const UNIT: &str =
    r#"{"evidence":{"kind":"test","suites":["unit"],"result":"passed","max_age":"7d"}}"#;
const BOTH: &str = r#"{"evidence":{"kind":"test","suites":["unit","e2e"],"result":"passed"}}"#;
const ANY: &str = r#"{"evidence":{"kind":"test","result":"passed"}}"#;

fn passed(world: &mut World, suite: &str) -> u64 {
    world.test(&app(), suite, TestResult::Passed).unwrap()
}

fn failed(world: &mut World, suite: &str) -> u64 {
    world.test(&app(), suite, TestResult::Failed).unwrap()
}

/// A test run whose report says something else than usual.
fn reported(world: &mut World, change: impl FnOnce(&mut ReportNote)) -> u64 {
    let mut body = body::test("unit", TestResult::Passed);
    change(body.report.as_mut().unwrap());
    world.record("ci", &app(), test::TYPE, &body).unwrap()
}

pub const TABLE: Table = Table {
    gate: r#"{"evidence":{"kind":"test","suites":["unit"],"result":"passed","max_age":"7d"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| vec![passed(w, "unit")], Pass, "unit: 12 passed, 0 failed"),
    fail: Row::case(|w| vec![failed(w, "unit")], Fail, "unit: 10 passed, 2 failed"),
    waived: Row::case(
        |w| {
            let run = failed(w, "unit");
            waived(w, "evidence", vec![run])
        },
        Waived,
        "\"not reachable\"; unit: 10 passed, 2 failed",
    ),
    waiting: Row::case(|_| vec![], Waiting, "no test unit is recorded"),
    indeterminate: Row::case(
        |w| {
            passed(w, "unit");
            vec![unreadable(w, test::TYPE)]
        },
        Indeterminate,
        "a newer test event cannot be read",
    ),
    another_artifact: Row::case(
        |w| unseen(w.test(&other(), "unit", TestResult::Passed).unwrap()),
        Waiting,
        "no test unit is recorded",
    ),
    too_old: Row::case(
        |w| {
            let run = passed(w, "unit");
            w.wait(7 * DAY + 1);
            vec![run]
        },
        Waiting,
        "test unit is 7 d old, policy allows 7d",
    ),
    // Whoever may not record tests at all is refused; this gate may ask for a role besides.
    without_role: Row::by(
        r#"{"evidence":{"kind":"test","result":"passed","signed_by":["release-approver"]}}"#,
        |w| {
            let body = body::test("unit", TestResult::Passed);
            refused(w.record("mia", &app(), test::TYPE, &body));
            vec![passed(w, "unit")]
        },
        Waiting,
        "signed by ci, policy asks for release-approver",
    ),
};

#[test]
fn the_newest_run_of_each_suite_decides() {
    check(UNIT, |w| vec![passed(w, "unit")], Pass, "unit: 12 passed, 0 failed");
    check(UNIT, |w| vec![failed(w, "unit")], Fail, "10 passed, 2 failed");
    let warned = |w: &mut World| vec![w.test(&app(), "unit", TestResult::Warned).unwrap()];
    check(UNIT, warned, Fail, "with warnings");
    let mended = |w: &mut World| {
        failed(w, "unit");
        vec![passed(w, "unit")]
    };
    check(UNIT, mended, Pass, "12 passed");
    let broken = |w: &mut World| {
        passed(w, "unit");
        vec![failed(w, "unit")]
    };
    check(UNIT, broken, Fail, "2 failed");
    let torn = |w: &mut World| {
        vec![reported(w, |report| {
            report.counts.insert("failed".into(), 1);
        })]
    };
    check(UNIT, torn, Fail, "1 failed, and yet it says passed");
}

#[test]
fn every_named_suite_is_needed() {
    check(BOTH, |w| vec![passed(w, "unit"), passed(w, "e2e")], Pass, "unit: ");
    check(BOTH, |w| vec![passed(w, "unit")], Waiting, "no test e2e is recorded");
    check(BOTH, |w| vec![passed(w, "unit"), failed(w, "e2e")], Fail, "e2e: ");
    // What is not asked for does not count, for better or worse.
    let stray = |w: &mut World| {
        failed(w, "lint");
        vec![passed(w, "unit")]
    };
    check(UNIT, stray, Pass, "unit");
    check(
        UNIT,
        |w| {
            passed(w, "");
            vec![]
        },
        Waiting,
        "no test unit",
    );
}

#[test]
fn where_no_suite_is_named_each_recorded_one_counts() {
    check(ANY, |_| vec![], Waiting, "no test is recorded");
    check(ANY, |w| vec![passed(w, "")], Pass, "12 passed");
    check(ANY, |w| vec![passed(w, "a"), failed(w, "b")], Fail, "b: ");
}

#[test]
fn evidence_about_another_artifact_is_none() {
    let another = |w: &mut World| {
        w.test(&other(), "unit", TestResult::Passed).unwrap();
        vec![]
    };
    check(UNIT, another, Waiting, "no test unit");
}

#[test]
fn evidence_ages_from_the_earlier_of_tool_and_entry() {
    let aged = |ms: i64| {
        move |w: &mut World| {
            let entry = passed(w, "unit");
            w.wait(ms);
            vec![entry]
        }
    };
    check(UNIT, aged(7 * DAY), Pass, "12 passed");
    check(UNIT, aged(7 * DAY + 1), Waiting, "7 d old, policy allows 7d");
    let tool = |ms: i64| {
        move |w: &mut World| {
            let finished = w.now.plus_ms(ms);
            vec![reported(w, |report| report.finished_at = Some(finished))]
        }
    };
    check(UNIT, tool(-6 * DAY), Pass, "12 passed");
    check(UNIT, tool(-7 * DAY), Waiting, "policy allows 7d");
    // A tool's clock that runs ahead makes nothing younger than its entry.
    let ahead = |w: &mut World| {
        let finished = w.now.plus_ms(30 * DAY);
        let entry = reported(w, |report| report.finished_at = Some(finished));
        w.wait(8 * DAY);
        vec![entry]
    };
    check(UNIT, ahead, Waiting, "8 d old");
}

#[test]
fn an_unbound_report_says_so() {
    let unbound = |w: &mut World| vec![reported(w, |it| it.binding = Binding::Unbound)];
    check(UNIT, unbound, Pass, "report names no artifact");
}

#[test]
fn an_unreadable_newer_run_cannot_be_told() {
    let newer = |w: &mut World| {
        passed(w, "unit");
        vec![unreadable(w, test::TYPE)]
    };
    check(UNIT, newer, Indeterminate, "cannot be read");
    check(ANY, |w| vec![unreadable(w, test::TYPE)], Indeterminate, "cannot be read");
    let older = |w: &mut World| {
        unreadable(w, test::TYPE);
        vec![passed(w, "unit")]
    };
    check(UNIT, older, Pass, "unit");
    // It may have been a run of the suite that was not recorded again since.
    let between = |w: &mut World| {
        passed(w, "unit");
        let entry = unreadable(w, test::TYPE);
        passed(w, "e2e");
        vec![entry]
    };
    check(BOTH, between, Indeterminate, "cannot be read");
    check(UNIT, between, Indeterminate, "cannot be read");
}

#[test]
fn a_second_signer_may_stand_in_for_a_compromised_one() {
    let run = |w: &mut World, also: &[&str]| {
        let subject = vec![schemas::statement::Subject::of(&app(), None)];
        let body = body::test("unit", TestResult::Passed);
        let statement = schemas::statement::Statement::new(subject, test::TYPE, body);
        let entry = w.log(&statement, &["ci"], Some("payments")).unwrap();
        let again = (!also.is_empty()).then(|| w.log(&statement, also, Some("payments")).unwrap());
        (entry, again.unwrap_or(entry))
    };
    let alone = |w: &mut World| {
        let (entry, _) = run(w, &[]);
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(UNIT, alone, Waiting, "compromised");
    let both = |w: &mut World| {
        let (entry, _) = run(w, &["bot"]);
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(UNIT, both, Pass, "12 passed");
    // A repeat counts from its own entry, not from the one that it repeats.
    let both_bad = |w: &mut World| {
        let (entry, again) = run(w, &["bot"]);
        compromise(w, "ci", entry);
        compromise(w, "bot", again);
        vec![entry]
    };
    check(UNIT, both_bad, Waiting, "compromised");
}

#[test]
fn analyses_stay_within_their_levels() {
    const GATE: &str = r#"{"evidence":{"kind":"analysis","levels":{"error":0,"warning":2}}}"#;
    let levels = |error, warning| Levels { error, warning, note: 99, none: 99 };
    let one = |error, warning| {
        move |w: &mut World| vec![w.analysis(&app(), "", levels(error, warning)).unwrap()]
    };
    check(GATE, one(0, 2), Pass, "0 error, 2 warning");
    check(GATE, one(0, 3), Fail, "3 warning, policy allows 2");
    check(GATE, one(1, 3), Fail, "1 error, policy allows 0, 3 warning");
    check(GATE, |_| vec![], Waiting, "no analysis is recorded");
}

#[test]
fn measurements_compare_as_exact_decimals() {
    let min = |text: &str| {
        format!(
            r#"{{"evidence":{{"kind":"measurement","metric":"coverage.line","min":"{text}"}}}}"#
        )
    };
    let value = |value: &'static str| {
        move |w: &mut World| vec![w.measurement(&app(), "coverage.line", value).unwrap()]
    };
    check(&min("80"), value("80.0"), Pass, "coverage.line is 80.0 %");
    check(&min("80"), value("79.99999999999999999"), Fail, "at least 80");
    check(&min("-1.5"), value("-1.50"), Pass, "-1.50");
    let max = r#"{"evidence":{"kind":"measurement","metric":"p99","max":"0.3"}}"#;
    let p99 = |value: &'static str| {
        move |w: &mut World| vec![w.measurement(&app(), "p99", value).unwrap()]
    };
    check(max, p99("0.30"), Pass, "p99");
    check(max, p99("0.3000000000000000001"), Fail, "at most 0.3");
    check(
        &min("80"),
        |w| {
            w.measurement(&app(), "p99", "99").unwrap();
            vec![]
        },
        Waiting,
        "no coverage.line",
    );
    let newest = |w: &mut World| {
        w.measurement(&app(), "coverage.line", "90").unwrap();
        vec![w.measurement(&app(), "coverage.line", "70").unwrap()]
    };
    check(&min("80"), newest, Fail, "is 70");
}

#[test]
fn a_bill_of_materials_is_the_document_or_a_reference() {
    const GATE: &str = r#"{"evidence":{"kind":"sbom"}}"#;
    let document = |kind: &'static str| {
        move |w: &mut World| vec![w.record("ci", &app(), kind, &json!({})).unwrap()]
    };
    check(GATE, document(sbom::TYPE), Pass, sbom::TYPE);
    check(GATE, document("https://spdx.dev/Document/v2.3"), Pass, "spdx");
    let reference = |media: &'static str| {
        let body = json!({"attester": {"id": "ci"}, "references": [{"mediaType": media}]});
        move |w: &mut World| w.record("ci", &app(), sbom::TYPE_REFERENCE, &body).unwrap()
    };
    check(GATE, |w| vec![reference("application/spdx+json")(w)], Pass, "reference");
    check(
        GATE,
        |w| {
            reference("text/plain")(w);
            vec![]
        },
        Waiting,
        "no bill of materials",
    );
    check(GATE, |_| vec![], Waiting, "no bill of materials");
}

#[test]
fn every_source_commit_is_reviewed() {
    const GATE: &str = r#"{"evidence":{"kind":"review"}}"#;
    let reviewed = |outcome| {
        move |w: &mut World| {
            let build = build_of(w, &[&source()]);
            let body = w.review_body(&["alexcodes"], outcome);
            vec![build, w.record("ci", &source(), review::TYPE, &body).unwrap()]
        }
    };
    check(GATE, reviewed(ReviewOutcome::Approved), Pass, "approved by ben@");
    check(GATE, reviewed(ReviewOutcome::ChangesRequested), Fail, "asks for changes");
    check(GATE, reviewed(ReviewOutcome::Commented), Waiting, "only comments");
    check(GATE, |_| vec![], Waiting, "no build is recorded");
    check(GATE, |w| vec![build_of(w, &[&source()])], Waiting, "no review of");
    check(GATE, |w| vec![build_of(w, &[])], Indeterminate, "does not name all its commits");
    let one_of_two = |w: &mut World| {
        let build = build_of(w, &[&source(), &commit("lib")]);
        vec![build, w.review(&source(), "alexcodes").unwrap()]
    };
    check(GATE, one_of_two, Waiting, "no review of");
}

/// An author who approves under another alias is still the author.
#[test]
fn nobody_reviews_their_own_change() {
    const GATE: &str = r#"{"evidence":{"kind":"review"}}"#;
    let of = |authors: &'static [&'static str], reviewers: &'static [&'static str]| {
        move |w: &mut World| {
            let build = build_of(w, &[&source()]);
            let mut body = w.review_body(authors, ReviewOutcome::Approved);
            body.reviewers = reviewers.iter().map(|name| (*name).to_owned()).collect();
            vec![build, w.record("ci", &source(), review::TYPE, &body).unwrap()]
        }
    };
    check(GATE, of(&["alexcodes"], &["alex@acme.example", "ben"]), Pass, "approved by ben");
    check(GATE, of(&["alexcodes"], &["who", "ben"]), Pass, "approved by ben");
    check(GATE, of(&["alexcodes"], &["alex@acme.example"]), Waiting, "nobody but its author");
    check(GATE, of(&["alexcodes"], &[]), Waiting, "nobody but its author");
    check(GATE, of(&["alexcodes", "ben"], &["ben@acme.example"]), Waiting, "nobody but its");
    check(GATE, of(&["alexcodes"], &["alex", "who"]), Indeterminate, "reviewer who is no known");
    check(GATE, of(&["who"], &["ben"]), Indeterminate, "author who is no known");
}

/// Commits that cannot be told are not commits that were reviewed.
#[test]
fn a_doubtful_build_names_no_commits() {
    const GATE: &str = r#"{"evidence":{"kind":"review"}}"#;
    let too_many = |w: &mut World| {
        let commit = source();
        w.review(&commit, "alexcodes").unwrap();
        vec![build_of(w, &vec![&commit; 257])]
    };
    check(GATE, too_many, Indeterminate, "does not name all its commits");
    let unreadable_newer = |w: &mut World| {
        build_of(w, &[&source()]);
        w.review(&source(), "alexcodes").unwrap();
        vec![unreadable(w, schemas::predicate::build::TYPE)]
    };
    check(GATE, unreadable_newer, Indeterminate, "cannot be read");
    let compromised = |w: &mut World| {
        w.review(&source(), "alexcodes").unwrap();
        let entry = build_of(w, &[&source()]);
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(GATE, compromised, Waiting, "compromised");
}
