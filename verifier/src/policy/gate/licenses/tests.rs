use schemas::predicate::sbom;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};
use serde_json::{Value, json};

use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{app, check, compromise, other};

const ALLOW: &str = r#"{"licenses":{"allow":["MIT","Apache-2.0"],"max_age":"1d"}}"#;
const DENY: &str = r#"{"licenses":{"deny":["GPL-3.0-only"]}}"#;

/// A bill of materials with a component for each expression; `-`: without licence.
fn bill(licences: &[&str]) -> Value {
    let component = |(nth, text): (usize, &&str)| match *text {
        "-" => json!({"name": format!("c{nth}")}),
        text => json!({"name": format!("c{nth}"), "licenses": [{"expression": text}]}),
    };
    json!({"components": licences.iter().enumerate().map(component).collect::<Vec<_>>()})
}

fn with<'a>(licences: &'a [&'a str]) -> impl Fn(&mut World) -> Vec<u64> + 'a {
    move |world| vec![world.record("ci", &app(), sbom::TYPE, &bill(licences)).unwrap()]
}

#[test]
fn every_component_is_admitted() {
    check(ALLOW, with(&["MIT", "MIT", "Apache-2.0"]), Pass, "3 components, 2 licences");
    check(ALLOW, with(&["GPL-3.0-only OR MIT"]), Pass, "1 components");
    check(ALLOW, with(&["MIT", "GPL-3.0-only"]), Fail, "not admitted: \"GPL-3.0-only\" of c1");
    check(ALLOW, with(&["BSL", "BSL", "BSL"]), Fail, "\"BSL\" of c0 and 2 more");
    check(ALLOW, with(&["A", "B", "C", "D"]), Fail, "\"C\" of c2 and 1 more");
    check(DENY, with(&["MIT", "LicenseRef-own"]), Pass, "2 licences");
    check(DENY, with(&["MIT AND GPL-3.0-only"]), Fail, "not admitted");
}

#[test]
fn a_licence_that_nobody_states_cannot_be_told() {
    check(ALLOW, with(&["MIT", "-"]), Indeterminate, "1 components without licence");
    check(ALLOW, with(&["The MIT Licence"]), Indeterminate, "\"The MIT Licence\" of c0");
    check(ALLOW, with(&["GPL-3.0-only", "-"]), Fail, "not admitted");
    let unknown = |word: &str| format!(r#"{{"licenses":{{"allow":["MIT"],"unknown":"{word}"}}}}"#);
    check(&unknown("allow"), with(&["MIT", "-"]), Pass, "not known: 1 components without");
    check(&unknown("deny"), with(&["MIT", "-"]), Fail, "no known licence: 1 components");
    check(&unknown("allow"), with(&["-", "GPL-3.0-only"]), Fail, "not admitted");
    check(&unknown("allow"), with(&[]), Indeterminate, "lists no component");
    let many: Vec<String> = (0..257).map(|nth| format!("MIT OR X{nth}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check(&unknown("allow"), with(&many), Indeterminate, "more licences than can be kept");
}

#[test]
fn a_bill_of_something_else_says_nothing() {
    let about = |digest: schemas::id::Digest| {
        let mut body = bill(&["MIT"]);
        let hash = json!([{"alg": "SHA-256", "content": digest.hex()}]);
        body["metadata"] = json!({"component": {"hashes": hash}});
        move |w: &mut World| vec![w.record("ci", &app(), sbom::TYPE, &body).unwrap()]
    };
    check(ALLOW, about(app()), Pass, "1 components");
    check(ALLOW, about(other()), Fail, "digest of another artifact");
    let reference = |w: &mut World| {
        let body = json!({"attester": {"id": "ci"},
            "references": [{"mediaType": "application/spdx+json"}]});
        vec![w.record("ci", &app(), sbom::TYPE_REFERENCE, &body).unwrap()]
    };
    check(ALLOW, reference, Indeterminate, "which no gate reads");
}

#[test]
fn what_is_missing_old_or_doubtful_does_not_pass() {
    check(ALLOW, |_| vec![], Waiting, "no bill of materials is recorded");
    let about_another = |w: &mut World| {
        w.record("ci", &other(), sbom::TYPE, &bill(&["MIT"])).unwrap();
        vec![]
    };
    check(ALLOW, about_another, Waiting, "no bill of materials");
    let old = |w: &mut World| {
        let entries = with(&["MIT"])(w);
        w.wait(DAY + 1);
        entries
    };
    check(ALLOW, old, Waiting, "policy allows 1d");
    let tainted = |w: &mut World| {
        let entries = with(&["MIT"])(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(ALLOW, tainted, Waiting, "compromised");
    let mut world = World::with_gates("[]", &format!("[{ALLOW}]"));
    assert!(world.record("bot", &app(), sbom::TYPE, &bill(&["MIT"])).is_err());
}
