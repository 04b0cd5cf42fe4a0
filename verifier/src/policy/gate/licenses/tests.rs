use schemas::predicate::sbom;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};
use serde_json::{Value, json};

use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unseen, waived,
};

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

pub const TABLE: Table = Table {
    gate: r#"{"licenses":{"allow":["MIT","Apache-2.0"],"max_age":"1d"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| with(&["MIT", "Apache-2.0"])(w), Pass, "2 components, 2 licences"),
    fail: Row::case(
        |w| with(&["MIT", "GPL-3.0-only"])(w),
        Fail,
        "not admitted: \"GPL-3.0-only\" of c1",
    ),
    waived: Row::case(
        |w| {
            let entries = with(&["GPL-3.0-only"])(w);
            waived(w, "licenses", entries)
        },
        Waived,
        "\"not reachable\"; not admitted: \"GPL-3.0-only\" of c0",
    ),
    waiting: Row::case(|_| vec![], Waiting, "no bill of materials is recorded"),
    indeterminate: Row::case(
        |w| with(&["MIT", "-"])(w),
        Indeterminate,
        "no known licence: 1 components without licence",
    ),
    another_artifact: Row::case(
        |w| unseen(w.record("ci", &other(), sbom::TYPE, &bill(&["MIT"])).unwrap()),
        Waiting,
        "no bill of materials is recorded",
    ),
    too_old: Row::case(
        |w| {
            let entries = with(&["MIT"])(w);
            w.wait(DAY + 1);
            entries
        },
        Waiting,
        "bill of materials is 1 d old, policy allows 1d",
    ),
    without_role: Row::case(
        |w| refused(w.record("bot", &app(), sbom::TYPE, &bill(&["MIT"]))),
        Waiting,
        "no bill of materials is recorded",
    ),
};

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
fn a_compromised_signer_does_not_count() {
    let tainted = |w: &mut World| {
        let entries = with(&["MIT"])(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(ALLOW, tainted, Waiting, "compromised");
}
