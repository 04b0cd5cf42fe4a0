//! Bundles of other projects, and each way in which a document is none.

use super::*;
use crate::corpus;
use crate::dsse::parse_envelope;

const GOOD: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
"verificationMaterial":{"certificate":{"rawBytes":"AA=="},
"tlogEntries":[{"integratedTime":"1700000000","inclusionProof":{}},{"integratedTime":1700000001}],
"timestampVerificationData":{"rfc3161Timestamps":[]}},
"dsseEnvelope":{"payload":"YQ==","payloadType":"application/vnd.in-toto+json",
"signatures":[{"sig":"AA==","keyid":""}]}}"#;

#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    let document = GOOD.replacen(from, to, 1);
    assert!(from.is_empty() || document != GOOD, "{from}");
    let shown = match parse_envelope(document.as_bytes()) {
        Ok(envelope) => {
            let bundle = envelope.bundle.unwrap();
            let material = match bundle.material {
                Material::PublicKey => "key",
                Material::Certificate { bytes } => {
                    assert_eq!(bytes, document.as_bytes(), "kept as received");
                    "certificate"
                }
            };
            format!(
                "{:?} {material} {:?} {:?}",
                bundle.version, bundle.integrated_at, bundle.inclusion
            )
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, expected, "{document}");
}

#[test]
fn a_bundle_has_one_reading() {
    let good = "V03 certificate Some(1700000001) Nothing";
    check("", "", good);
    for (media_type, version) in [
        (".v0.3+json", "V03"),
        ("+json;version=0.1", "V01"),
        ("+json;version=0.2", "V02"),
        ("+json;version=0.3", "V03"),
    ] {
        let to = format!("bundle{media_type}\"");
        let expected = good.replace("V03", version);
        if media_type != ".v0.3+json" {
            check("bundle.v0.3+json\"", &to, &expected);
        }
    }
    let unknown =
        |text: &str| format!("a Sigstore bundle of media type {text:?}; 0.1 to 0.3 are read");
    for media_type in [
        "application/vnd.dev.sigstore.bundle+json;version=0.4",
        "application/vnd.dev.sigstore.bundle+json; version=0.3",
        "application/vnd.dev.sigstore.bundle",
        "",
    ] {
        check("application/vnd.dev.sigstore.bundle.v0.3+json", media_type, &unknown(media_type));
    }
    check("\"integratedTime\":1700000001", "\"logIndex\":\"1\"", &good.replace("001)", "000)"));
    check(
        "\"integratedTime\":1700000001",
        "\"inclusionProof\":{}",
        "V03 certificate Some(1700000000) Proven",
    );
    check(
        "{\"certificate\":{\"rawBytes\":\"AA==\"}",
        "{\"publicKey\":{\"hint\":\"x\"}",
        "V03 key Some(1700000001) Nothing",
    );
}

#[test]
fn what_shows_that_a_log_has_the_signature() {
    let entries =
        r#"[{"integratedTime":"1700000000","inclusionProof":{}},{"integratedTime":1700000001}]"#;
    let promised = r#"{"integratedTime":"1","inclusionPromise":{}}"#;
    let none = "V03 certificate None Nothing";
    let one = "V03 certificate Some(1) Nothing";
    check(entries, "[]", none);
    check(&format!("\"tlogEntries\":{entries},"), "", none);
    check(entries, &format!("[{promised}]"), "V03 certificate Some(1) Promised");
    check(entries, &format!("[{promised},{promised}]"), one);
    check(entries, r#"[{"inclusionPromise":{}}]"#, none);
    check(entries, r#"[{"integratedTime":"1","inclusionPromise":null}]"#, one);
    let timestamps = r#""timestampVerificationData":{"rfc3161Timestamps":[]}"#;
    let beside = format!("\"tlogEntries\":{entries},\n{timestamps}");
    let stamped = format!("\"tlogEntries\":[{promised}],{}", timestamps.replace("[]", "[{}]"));
    check(&beside, &stamped, one);
}

#[test]
fn what_is_no_bundle_is_refused_with_its_reason() {
    check(
        "\"dsseEnvelope\"",
        "\"payload\":\"YQ==\",\"dsseEnvelope\"",
        "a Sigstore bundle has no payload",
    );
    check("\"dsseEnvelope\"", "\"dsse_envelope\"", "a Sigstore bundle has no dsse_envelope");
    check("\"mediaType\"", "\"mediaTypes\"", "a Sigstore bundle has no mediaTypes");
    check("{\"mediaType\"", "{\"mediaType\":\"\",\"mediaType\"", "envelope is not strict JSON");
    check("\"AA==\"},", "\"AA==\"},\"certificate\":1,", "envelope is not strict JSON");
    check("\"sig\"", "\"sig\":\"\",\"sig\"", "envelope is not strict JSON");
    check(
        "[{\"sig\"",
        "[{\"sig\":\"\"},{\"sig\"",
        "a Sigstore bundle whose envelope has 2 signatures, needs 1",
    );
    check("[{\"sig\":\"AA==\",\"keyid\":\"\"}]", "[]", "0 signatures, needs 1 to 32");
    check(
        "in-toto+json\",",
        "in-toto\",",
        "payload type is \"application/vnd.in-toto\", needs \"application/vnd.in-toto+json\"",
    );
    check(
        "\"certificate\":{\"rawBytes\":\"AA==\"},",
        "",
        "verificationMaterial is missing or not an object with one of publicKey, certificate, x509CertificateChain",
    );
    check(
        "\"AA==\"},",
        "\"AA==\"},\"publicKey\":{},",
        "verificationMaterial is missing or not an object with one of publicKey, certificate, x509CertificateChain",
    );
    check("1700000001", "-1", "integratedTime is missing or not seconds of Unix time");
    check("\"1700000000\"", "\"soon\"", "integratedTime is missing or not seconds of Unix time");
    check(
        "\"tlogEntries\":[",
        "\"tlogEntries\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,",
        "tlogEntries is missing or not a list of at most 16",
    );
    check(
        "\"rfc3161Timestamps\":[]",
        "\"rfc3161Timestamps\":{}",
        "rfc3161Timestamps is missing or not a list of at most 16",
    );
    let signs_a_file = "a Sigstore bundle that signs a file (it has messageSignature), not a statement \
                        about one; what is recorded is a DSSE envelope with an in-toto statement";
    check("\"dsseEnvelope\"", "\"messageSignature\"", signs_a_file);
    check("\"dsseEnvelope\"", "\"messageSignature\":{},\"dsseEnvelope\"", signs_a_file);
}

#[test]
fn bundles_of_other_projects() {
    for (name, expected) in [
        ("sigstore/bundle-provenance.json", "V01 Promised"),
        ("sigstore/bundle-publish.json", "V01 Promised"),
        ("sigstore/conda-attestation.sigstore.json", "V03 Proven"),
        ("sigstore/npm-sigstore-js-2.0.0-provenance.sigstore.json", "V01 Proven"),
        ("sigstore/reusable-workflow-attestation.sigstore.json", "V03 Proven"),
        ("sigstore/sigstore-js-2.1.0-bundle.json", "V03 Proven"),
        ("sigstore/github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl", "V03 Nothing"),
        (
            "sigstore/github_provenance_demo-0.0.12-py3-none-any-bundle-missing-verification-material.jsonl",
            "verificationMaterial is missing or not an object",
        ),
        ("dsse/attestation-bundle.json", "V03 Nothing"),
        ("pypi-attestations/pypi_attestation_models-0.0.4a2.tar.gz.sigstore", "V03 Proven"),
        // What PyPI serves is neither an envelope nor a bundle.
        (
            "pypi-attestations/pypi_attestation_models-0.0.4a2.tar.gz.attestation",
            "payloadType is missing or not a string",
        ),
    ] {
        let Some(bytes) = corpus::read(name) else {
            return;
        };
        let shown = match parse_envelope(&bytes) {
            Ok(envelope) => {
                let bundle = envelope.bundle.unwrap();
                format!("{:?} {:?}", bundle.version, bundle.inclusion)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{name}");
    }
}

/// Of the conformance cases only those with an envelope are anything that is recorded.
#[test]
fn conformance_bundles_of_files_are_refused_with_their_reason() {
    let Some(manifest) = corpus::read_json("sigstore-conformance/manifest.json") else {
        return;
    };
    let (mut files, mut statements, mut other) = (0, 0, 0);
    for case in corpus::cases(&manifest["cases"]) {
        let name = corpus::text(case, "bundle");
        let bytes = corpus::read(&format!("sigstore-conformance/{name}")).unwrap();
        match parse_envelope(&bytes) {
            Ok(_) => statements += 1,
            Err(EnvelopeError::MessageSignature) => files += 1,
            Err(EnvelopeError::Json(_) | EnvelopeError::BundleVersion { .. }) => other += 1,
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert_eq!((files, statements, other), (32, 8, 2));
}
