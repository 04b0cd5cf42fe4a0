use schemas::predicate::sbom;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};
use serde_json::{Value, json};

use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, unseen, waived,
};

fn gate(fields: &str) -> String {
    format!(r#"{{"sbom":{{{fields}}}}}"#)
}

/// A CycloneDX document with so many components, about this artifact if any.
pub fn bill(components: usize, about: Option<&schemas::id::Digest>) -> Value {
    let component = json!({"name": "a", "licenses": [{"license": {"id": "MIT"}}]});
    let hashes = about.map(|it| json!([{"alg": "SHA-256", "content": it.hex()}]));
    json!({
        "metadata": {"component": {"hashes": hashes.unwrap_or(json!([]))}},
        "components": vec![component; components],
    })
}

fn recorded(body: Value) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| vec![world.record("ci", &app(), sbom::TYPE, &body).unwrap()]
}

pub const TABLE: Table = Table {
    gate: r#"{"sbom":{"names_artifact":true,"max_age":"1d"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(
        |w| recorded(bill(2, Some(&app())))(w),
        Pass,
        "2 components, names the artifact",
    ),
    fail: Row::case(
        |w| recorded(bill(2, Some(&other())))(w),
        Fail,
        "it names the digest of another artifact",
    ),
    waived: Row::case(
        |w| {
            let entries = recorded(bill(2, None))(w);
            waived(w, "sbom", entries)
        },
        Waived,
        "\"not reachable\"; it names no digest of an artifact",
    ),
    waiting: Row::case(|_| vec![], Waiting, "no bill of materials is recorded"),
    indeterminate: Row::case(
        |w| {
            let body = json!({"attester": {"id": "ci"},
                "references": [{"mediaType": "application/spdx+json"}]});
            vec![w.record("ci", &app(), sbom::TYPE_REFERENCE, &body).unwrap()]
        },
        Indeterminate,
        "the bill of materials is an attachment, which no gate reads",
    ),
    another_artifact: Row::case(
        |w| unseen(w.record("ci", &other(), sbom::TYPE, &bill(2, Some(&app()))).unwrap()),
        Waiting,
        "no bill of materials is recorded",
    ),
    too_old: Row::case(
        |w| {
            let entries = recorded(bill(2, Some(&app())))(w);
            w.wait(DAY + 1);
            entries
        },
        Waiting,
        "bill of materials is 1 d old, policy allows 1d",
    ),
    without_role: Row::case(
        |w| refused(w.record("bot", &app(), sbom::TYPE, &bill(2, Some(&app())))),
        Waiting,
        "no bill of materials is recorded",
    ),
};

#[test]
fn a_bill_of_materials_covers_the_artifact() {
    let names = gate(r#""names_artifact":true"#);
    check(&names, recorded(bill(2, Some(&app()))), Pass, "2 components, names the artifact");
    check(&names, recorded(bill(2, None)), Waiting, "names no digest of an artifact");
    check(&gate(""), recorded(bill(2, None)), Pass, "2 components, names no digest");
    // Whatever is asked, what is about another artifact is not about this one.
    check(&gate(""), recorded(bill(2, Some(&other()))), Fail, "digest of another artifact");
}

#[test]
fn formats_and_components_are_counted() {
    let min = gate(r#""min_components":2"#);
    check(&min, recorded(bill(2, None)), Pass, "2 components");
    check(&min, recorded(bill(1, None)), Fail, "1 components, policy asks for 2");
    let spdx = gate(r#""formats":["spdx"]"#);
    check(&spdx, recorded(bill(1, None)), Fail, "it is cyclonedx, policy asks for spdx");
    check(&gate(r#""formats":["spdx","cyclonedx"]"#), recorded(bill(1, None)), Pass, "1 component");
}

#[test]
fn an_attachment_is_not_read() {
    let reference = |w: &mut World| {
        let body = json!({"attester": {"id": "ci"},
            "references": [{"mediaType": "application/spdx+json"}]});
        vec![w.record("ci", &app(), sbom::TYPE_REFERENCE, &body).unwrap()]
    };
    check(&gate(""), reference, Pass, "reference/v0.1 recorded");
    check(&gate(r#""min_components":1"#), reference, Indeterminate, "which no gate reads");
}

#[test]
fn a_compromised_signer_does_not_count() {
    let gate = gate(r#""max_age":"1d""#);
    let tainted = |w: &mut World| {
        let entries = recorded(bill(1, None))(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(&gate, tainted, Waiting, "compromised");
}
