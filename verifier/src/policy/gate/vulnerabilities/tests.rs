use schemas::predicate::vulnerabilities as scan;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::*;
use crate::fixture::body;
use crate::fixture::{DAY, HOUR, World};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unreadable, unseen, waived,
};

const GATE: &str = r#"{"vulnerabilities":{"max":{"critical":0,"high":1},"max_age":"24h"}}"#;
const SUITES: &str = r#"{"vulnerabilities":{"max":{"high":0},"suites":["image","source"]}}"#;

fn found(severities: &'static [&'static str]) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| vec![world.scan(&app(), severities).unwrap()]
}

fn suite(world: &mut World, name: &str, severities: &[&str]) -> u64 {
    let body = body::scan(name, severities, None);
    world.record("ci", &app(), scan::TYPE, &body).unwrap()
}

pub const TABLE: Table = Table {
    gate: r#"{"vulnerabilities":{"max":{"critical":0,"high":1},"max_age":"24h"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(
        |w| vec![w.scan(&app(), &["high", "low"]).unwrap()],
        Pass,
        "0 critical, 1 high, 0 medium",
    ),
    fail: Row::case(
        |w| vec![w.scan(&app(), &["critical"]).unwrap()],
        Fail,
        "1 critical, policy allows 0: CVE-2026-0",
    ),
    waived: Row::case(
        |w| {
            let scan = w.scan(&app(), &["critical"]).unwrap();
            waived(w, "vulnerabilities", vec![scan])
        },
        Waived,
        "\"not reachable\"; 1 critical, policy allows 0: CVE-2026-0",
    ),
    waiting: Row::case(|_| vec![], Waiting, "no scan is recorded"),
    indeterminate: Row::case(
        |w| {
            w.scan(&app(), &[]).unwrap();
            vec![unreadable(w, scan::TYPE)]
        },
        Indeterminate,
        "cannot be read",
    ),
    another_artifact: Row::case(
        |w| unseen(w.scan(&other(), &[]).unwrap()),
        Waiting,
        "no scan is recorded",
    ),
    too_old: Row::case(
        |w| {
            let scan = w.scan(&app(), &[]).unwrap();
            w.wait(DAY);
            vec![scan]
        },
        Waiting,
        "scan is 1 d old, policy allows 24h",
    ),
    without_role: Row::case(
        |w| {
            let body = body::scan("", &[], Some(w.now));
            refused(w.record("bot", &app(), scan::TYPE, &body))
        },
        Waiting,
        "no scan is recorded",
    ),
};

#[test]
fn each_named_severity_has_its_limit() {
    check(GATE, found(&[]), Pass, "0 critical, 0 high, 0 medium");
    check(GATE, found(&["HIGH", "Medium", "low", "none"]), Pass, "0 critical, 1 high, 1 medium");
    check(GATE, found(&["high", "high"]), Fail, "2 high, policy allows 1: CVE-2026-0, CVE-2026-1");
    check(GATE, found(&["critical"]), Fail, "1 critical, policy allows 0");
    check(GATE, |_| vec![], Waiting, "no scan is recorded");
    let another = |w: &mut World| {
        w.scan(&other(), &[]).unwrap();
        vec![]
    };
    check(GATE, another, Waiting, "no scan is recorded");
}

#[test]
fn an_unknown_severity_cannot_be_told() {
    check(GATE, found(&["apocalyptic"]), Indeterminate, "\"apocalyptic\"");
    check(GATE, found(&["9.8"]), Indeterminate, "no severity");
    check(GATE, found(&[""]), Indeterminate, "no severity");
    check(GATE, found(&["critical", "odd"]), Fail, "1 critical");
}

#[test]
fn the_newest_scan_of_each_suite_decides() {
    let mended = |w: &mut World| {
        w.scan(&app(), &["critical"]).unwrap();
        vec![w.scan(&app(), &[]).unwrap()]
    };
    check(GATE, mended, Pass, "0 critical");
    let worse = |w: &mut World| {
        w.scan(&app(), &[]).unwrap();
        vec![w.scan(&app(), &["critical"]).unwrap()]
    };
    check(GATE, worse, Fail, "1 critical");
    check(GATE, |w| vec![suite(w, "a", &["critical"]), suite(w, "b", &[])], Fail, "1 critical");
    check(SUITES, |w| vec![suite(w, "image", &[])], Waiting, "no scan source");
    check(SUITES, |w| vec![suite(w, "image", &[]), suite(w, "source", &[])], Pass, "0 high");
}

#[test]
fn a_scan_ages_from_when_it_finished() {
    let aged = |ms: i64| {
        move |w: &mut World| {
            let entry = w.scan(&app(), &[]).unwrap();
            w.wait(ms);
            vec![entry]
        }
    };
    // The fixture's scans finish a second before their entry.
    check(GATE, aged(DAY - 1000), Pass, "0 critical");
    check(GATE, aged(DAY), Waiting, "policy allows 24h");
    let old_tool = |w: &mut World| {
        let body = body::scan("", &[], Some(w.now.plus_ms(-25 * HOUR)));
        vec![w.record("ci", &app(), scan::TYPE, &body).unwrap()]
    };
    check(GATE, old_tool, Waiting, "1 d 1 h old");
}

#[test]
fn an_unreadable_newer_scan_cannot_be_told() {
    let newer = |w: &mut World| {
        w.scan(&app(), &[]).unwrap();
        vec![unreadable(w, scan::TYPE)]
    };
    check(GATE, newer, Indeterminate, "cannot be read");
    let between = |w: &mut World| {
        suite(w, "image", &[]);
        let entry = unreadable(w, scan::TYPE);
        suite(w, "source", &[]);
        vec![entry]
    };
    check(SUITES, between, Indeterminate, "cannot be read");
    // A scan without its list of results is no scan without results.
    let no_list = |w: &mut World| {
        let body = serde_json::json!({"scanner": {"uri": "x"}, "metadata": {}});
        vec![w.record("ci", &app(), scan::TYPE, &body).unwrap()]
    };
    check(GATE, no_list, Indeterminate, "cannot be read");
}

#[test]
fn a_scan_by_a_compromised_key_does_not_count() {
    let tainted = |w: &mut World| {
        let entry = w.scan(&app(), &[]).unwrap();
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(GATE, tainted, Waiting, "compromised");
}

#[test]
fn an_unbound_report_says_so() {
    let unbound = |w: &mut World| {
        let mut body = body::scan("", &[], None);
        body.report.as_mut().unwrap().binding = Binding::Unbound;
        vec![w.record("ci", &app(), scan::TYPE, &body).unwrap()]
    };
    check(GATE, unbound, Pass, "report names no artifact");
}

/// A scan in which each package has one vulnerability, mended in a version or not.
fn packages(world: &mut World, found: &[(&str, &str, Option<&str>)]) -> u64 {
    let mut body = body::scan("", &vec!["high"; found.len()], Some(world.now));
    for (vulnerability, (id, package, fixed)) in body.scanner.result.iter_mut().zip(found) {
        vulnerability.id = (*id).to_owned();
        vulnerability.annotations = vec![scan::Annotation {
            package: Some((*package).to_owned()),
            version: Some("1.0".to_owned()),
            fixed_in: fixed.map(str::to_owned),
        }];
    }
    world.own_report(&mut body.report);
    world.record("ci", &app(), scan::TYPE, &body).unwrap()
}

#[test]
fn only_what_can_be_mended_may_count() {
    const FIXABLE: &str = r#"{"vulnerabilities":{"max":{"high":0},"fixable_only":true}}"#;
    let none = |w: &mut World| vec![packages(w, &[("CVE-1", "zlib", None)])];
    check(FIXABLE, none, Pass, "0 high");
    let one = |w: &mut World| {
        vec![packages(w, &[("CVE-1", "zlib", None), ("CVE-2", "openssl", Some("1.1"))])]
    };
    check(FIXABLE, one, Fail, "1 high, policy allows 0: openssl 1.0 CVE-2");
}

#[test]
fn an_allowance_ends_when_its_day_begins() {
    const ALLOWED: &str = r#"{"vulnerabilities":{"max":{"high":0},
        "allow":[{"id":"CVE-1","until":"2026-11-22","why":"no network there"}]}}"#;
    let at = |ms: i64| {
        move |w: &mut World| {
            let entry = packages(w, &[("CVE-1", "zlib", None)]);
            w.wait(ms);
            vec![entry]
        }
    };
    check(ALLOWED, at(0), Pass, "0 high, 0 medium; 1 allowed");
    // The fixture begins at nine in the morning of the 20th.
    check(ALLOWED, at(38 * HOUR), Pass, "1 allowed");
    check(ALLOWED, at(39 * HOUR), Fail, "zlib 1.0 CVE-1; CVE-1 was allowed until 2026-11-22");
    let another = |w: &mut World| vec![packages(w, &[("CVE-2", "zlib", None)])];
    check(ALLOWED, another, Fail, "1 high, policy allows 0: zlib 1.0 CVE-2");
}

/// VEX documents, as JSON of their statements.
fn vex(world: &mut World, statements: &str) -> u64 {
    let text = format!(r#"{{"author":"{:?}","statements":[{statements}]}}"#, world.nonce());
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    world.record("ci", &app(), schemas::predicate::vex::TYPE, &body).unwrap()
}

const HONOURED: &str = r#"{"vulnerabilities":{"max":{"high":0},"vex":"honour"},
    "waiver":{"by":["security"],"max":"30d"}}"#;

fn said(statements: &'static str) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        let scanned = packages(world, &[("CVE-1", "zlib", None)]);
        vec![scanned, vex(world, statements)]
    }
}

#[test]
fn statements_excuse_what_they_say_does_not_matter() {
    let unaffected = r#"{"vulnerability":{"name":"CVE-1"},"status":"not_affected",
        "justification":"vulnerable_code_not_present"}"#;
    check(HONOURED, said(unaffected), Pass, "0 high, 0 medium; 1 by VEX");
    let alias = r#"{"vulnerability":{"name":"GHSA-1","aliases":["CVE-1"]},"status":"fixed"}"#;
    check(HONOURED, said(alias), Pass, "1 by VEX");
    let older = r#"{"vulnerability":"CVE-1","status":"fixed"}"#;
    check(HONOURED, said(older), Pass, "1 by VEX");
    let ignored =
        |w: &mut World| said(r#"{"vulnerability":"CVE-1","status":"fixed"}"#)(w)[..1].to_vec();
    check(r#"{"vulnerabilities":{"max":{"high":0}}}"#, ignored, Fail, "1 high");
    for (statement, why) in [
        (r#"{"vulnerability":"CVE-1","status":"not_affected"}"#, "no justification"),
        (r#"{"vulnerability":"CVE-1","status":"affected"}"#, "affected"),
        (r#"{"vulnerability":"CVE-1","status":"under_investigation"}"#, "nobody knows yet"),
        (r#"{"vulnerability":"CVE-2","status":"fixed"}"#, "another one"),
        (
            r#"{"vulnerability":"CVE-1","status":"fixed"},{"vulnerability":"CVE-1","status":"affected"}"#,
            "both",
        ),
        (
            r#"{"vulnerability":"CVE-1","status":"fixed","products":[{"@id":"pkg:oci/x","subcomponents":[{"@id":"pkg:deb/debian/openssl"}]}]}"#,
            "another package",
        ),
    ] {
        let unmoved = |w: &mut World| said(statement)(w)[..1].to_vec();
        check(HONOURED, unmoved, Fail, "zlib 1.0 CVE-1");
        println!("{why}");
    }
    let part = r#"{"vulnerability":"CVE-1","status":"fixed",
        "products":[{"@id":"pkg:oci/x","subcomponents":[{"@id":"pkg:deb/debian/zlib@1.0"}]}]}"#;
    check(HONOURED, said(part), Pass, "1 by VEX");
}

#[test]
fn statements_of_others_and_about_others_excuse_nothing() {
    let fixed = r#"{"vulnerability":"CVE-1","status":"fixed"}"#;
    let about_other = |w: &mut World| {
        let scanned = packages(w, &[("CVE-1", "zlib", None)]);
        w.vex(&other(), &[("CVE-1", schemas::predicate::vex::VexStatus::Fixed)]).unwrap();
        vec![scanned]
    };
    check(HONOURED, about_other, Fail, "CVE-1");
    let tainted = |w: &mut World| {
        let statement = vex(w, fixed);
        w.amend(|it| it.identities[0].keys = vec![crate::fixture::cast::key_text("ci-2")]).unwrap();
        compromise(w, "ci", statement);
        let mut body = body::scan("", &["high"], Some(w.now));
        body.scanner.result[0].id = "CVE-1".to_owned();
        vec![w.record("ci-2", &app(), scan::TYPE, &body).unwrap()]
    };
    check(HONOURED, tainted, Fail, "CVE-1");
    let stranger = |w: &mut World| {
        let scanned = packages(w, &[("CVE-1", "zlib", None)]);
        let text = format!(r#"{{"statements":[{fixed}]}}"#);
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(w.record("bot", &app(), schemas::predicate::vex::TYPE, &body).is_err());
        vec![scanned]
    };
    check(HONOURED, stranger, Fail, "CVE-1");
    let waived = |w: &mut World| {
        let scanned = packages(w, &[("CVE-1", "zlib", None)]);
        let body = w.waiver_body("vulnerabilities", Some("prod"));
        vec![scanned, w.waive("sara", &body).unwrap()]
    };
    check(HONOURED, waived, schemas::report::Verdict::Waived, "CVE-1");
}

#[test]
fn a_scanner_is_listed_and_knows_enough() {
    const LISTED: &str =
        r#"{"vulnerabilities":{"max":{"high":0},"scanners":["pkg:github/aquasecurity/trivy"]}}"#;
    const RENEWED: &str = r#"{"vulnerabilities":{"max":{"high":0},"max_database_age":"24h"}}"#;
    check(LISTED, found(&[]), Pass, "0 high");
    let by_another = |w: &mut World| {
        let mut body = body::scan("", &[], None);
        body.scanner.uri = "pkg:x/y".to_owned();
        vec![w.record("ci", &app(), scan::TYPE, &body).unwrap()]
    };
    check(LISTED, by_another, Waiting, "by pkg:x/y, which the policy does not list");
    let renewed = |ago: i64| {
        move |w: &mut World| {
            let mut body = body::scan("", &[], Some(w.now));
            let last_update = Some(w.now.plus_ms(-ago).to_string());
            body.scanner.db = Some(scan::ScannerDatabase { last_update, ..Default::default() });
            vec![w.record("ci", &app(), scan::TYPE, &body).unwrap()]
        }
    };
    check(RENEWED, renewed(DAY), Pass, "0 high");
    check(RENEWED, renewed(DAY + 1), Waiting, "the database of scan was 1 d old");
    check(RENEWED, found(&[]), Indeterminate, "does not say how old its database was");
}
