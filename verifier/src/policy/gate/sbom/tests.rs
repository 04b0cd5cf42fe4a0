use schemas::predicate::sbom;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};
use serde_json::{Value, json};

use crate::fixture::{DAY, World};
use crate::policy::gate::cases::{app, check, compromise, other};

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
fn what_is_missing_old_or_doubtful_does_not_pass() {
    let gate = gate(r#""max_age":"1d""#);
    check(&gate, |_| vec![], Waiting, "no bill of materials is recorded");
    let about_another = |w: &mut World| {
        w.record("ci", &other(), sbom::TYPE, &bill(1, None)).unwrap();
        vec![]
    };
    check(&gate, about_another, Waiting, "no bill of materials");
    let old = |w: &mut World| {
        let entries = recorded(bill(1, None))(w);
        w.wait(DAY + 1);
        entries
    };
    check(&gate, old, Waiting, "1 d old, policy allows 1d");
    let tainted = |w: &mut World| {
        let entries = recorded(bill(1, None))(w);
        compromise(w, "ci", entries[0]);
        entries
    };
    check(&gate, tainted, Waiting, "compromised");
    let mut world = World::with_gates("[]", &format!("[{gate}]"));
    assert!(world.record("bot", &app(), sbom::TYPE, &bill(1, None)).is_err());
}
