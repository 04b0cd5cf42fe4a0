use schemas::predicate::vulnerabilities as scan;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};

use super::*;
use crate::fixture::body;
use crate::fixture::{DAY, HOUR, World};
use crate::policy::gate::cases::{app, check, compromise, other, unreadable};

const GATE: &str = r#"{"vulnerabilities":{"max":{"critical":0,"high":1},"max_age":"24h"}}"#;
const SUITES: &str = r#"{"vulnerabilities":{"max":{"high":0},"suites":["image","source"]}}"#;

fn found(severities: &'static [&'static str]) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| vec![world.scan(&app(), severities).unwrap()]
}

fn suite(world: &mut World, name: &str, severities: &[&str]) -> u64 {
    let body = body::scan(name, severities, None);
    world.record("ci", &app(), scan::TYPE, &body).unwrap()
}

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
