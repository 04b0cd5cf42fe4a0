use super::*;
use crate::adapter;

fn frame<'a>(origin: &'a Origin, project: &'a Project) -> Frame<'a> {
    let hex = "ab".repeat(32);
    let digest = Digest::new(DigestAlgorithm::Sha256, &hex).unwrap();
    let nonce = Nonce::from_bytes([7; 16]);
    Frame { origin, project, subject: Subject::of(&digest, None), nonce }
}

fn composed(kind: EventKind, bytes: &[u8]) -> (String, usize) {
    let (origin, project) = ("log.example".parse().unwrap(), "payments".parse().unwrap());
    let report = Report {
        kind,
        bytes: bytes.to_vec(),
        reading: adapter::read(bytes, kind).unwrap(),
        binding: Binding::Unbound,
        suite: Some("unit".to_owned()),
        environment: None,
        attached: None,
    };
    let draft = super::report(frame(&origin, &project), report).unwrap();
    let envelope = sign::sign_payload(&draft.payload, &[]);
    let _ = verifier::event::Event::read(&envelope);
    (String::from_utf8(draft.payload).unwrap(), draft.attachments.len())
}

#[test]
fn a_bill_of_materials_is_the_predicate_unchanged() {
    let document = r#"{"bomFormat": "CycloneDX", "specVersion":"1.6","version":1, "x": 1.50}"#;
    let (payload, attachments) = composed(EventKind::Sbom, document.as_bytes());
    assert!(payload.contains(document), "{payload}");
    assert_eq!(attachments, 0);
}

#[test]
fn own_fields_are_framed_and_not_rewritten() {
    let text = r#"{ "authors": ["alice"], "outcome" : "approved" }"#;
    let (payload, attachments) = composed(EventKind::Review, text.as_bytes());
    assert!(payload.contains(r#""authors": ["alice"], "outcome" : "approved""#), "{payload}");
    assert!(payload.contains(r#""ledger":"log.example","project":"payments""#), "{payload}");
    assert_eq!(attachments, 0);
}

#[test]
fn reports_travel_along() {
    let junit = b"<testsuite><testcase name='a'/></testsuite>";
    let (payload, attachments) = composed(EventKind::Test, junit);
    assert!(payload.contains(r#""suite":"unit""#), "{payload}");
    assert_eq!(attachments, 1);
}

#[test]
fn a_source_names_its_whole_commit() {
    let commit = "4be1f0a".repeat(6);
    let good = format!("git+https://github.com/acme/payments@{}", &commit[..40]);
    assert_eq!(parse_source(&good).unwrap().commit.hex(), &commit[..40]);
    for bad in ["", "git+https://x", "git+https://x@main", "git+https://x@4be1f0a", "@"] {
        assert!(parse_source(bad).is_err(), "{bad}");
    }
}
