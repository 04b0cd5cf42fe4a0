//! Envelopes of other projects with their verdicts, and the one spelling of our own.

use super::*;
use crate::corpus;
use crate::seeded::Seeded;
use crate::signature::{PublicKey, SigningKey};

fn envelope(payload_type: &str, payload: &str, signatures: &str) -> String {
    format!(r#"{{"payloadType":"{payload_type}","payload":"{payload}","signatures":{signatures}}}"#)
}

#[track_caller]
fn check(document: &str, expected: &str) {
    let shown = match parse_envelope(document.as_bytes()) {
        Ok(envelope) => format!("{:?}", String::from_utf8_lossy(&envelope.payload)),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, expected, "{document}");
}

#[test]
fn the_vector_of_the_specification() {
    let Some(vector) = corpus::read_json("dsse/protocol-vector.json") else {
        return;
    };
    let text = |name: &str| vector[name].as_str().unwrap();
    let encoded = pae(text("payloadType"), text("payload").as_bytes());
    assert_eq!(encoded, text("pae").as_bytes());
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    assert_eq!(pae("é", "é".as_bytes()), "DSSEv1 2 é 2 é".as_bytes(), "lengths are in bytes");
    let refused = parse_envelope(vector["envelope"].to_string().as_bytes());
    assert!(matches!(refused, Err(EnvelopeError::PayloadType { .. })));
}

#[test]
fn the_statement_digest_is_the_hash_of_what_was_signed() {
    for payload in [&b""[..], b"{}", &[0xff; 1000]] {
        let expected: [u8; 32] = Sha256::digest(pae(PAYLOAD_TYPE, payload)).into();
        assert_eq!(statement_digest(payload), Hash(expected));
    }
    // printf 'DSSEv1 28 application/vnd.in-toto+json 2 {}' | sha256sum
    let expected = "4842cb1ba6fed6e460d8a0d56f6b64ccf1f1e11f7714a7f282080d5780251b63";
    assert_eq!(statement_digest(b"{}").to_string(), expected);
}

#[test]
fn envelopes_of_other_projects() {
    for (name, expected) in [
        ("attestation-dsse.json", "1 signature"),
        ("cosign-attestation.json", "1 signature"),
        ("intoto_dsse.json", "1 signature"),
        ("cdx-att.json", "1 signature"),
        // Refused upstream for its signature, not for its form.
        ("invalid_payload.attestation.json", "1 signature"),
        ("attestation-invalid-payload.json", "payload is not base64 of one alphabet"),
        ("attestation-bundle.json", "1 signature"),
        ("slsa_provenance.sigstore.json", "1 signature"),
    ] {
        let Some(bytes) = corpus::read(&format!("dsse/{name}")) else {
            return;
        };
        let shown = match parse_envelope(&bytes) {
            Ok(envelope) => format!("{} signature", envelope.signatures.len()),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{name}");
        assert!(!is_own_spelling(&bytes), "{name}");
    }
}

#[test]
fn a_foreign_ed25519_envelope_verifies() {
    let Some(pem) = corpus::read("dsse/testpub.pem") else {
        return;
    };
    let key = PublicKey::from_spki_pem(str::from_utf8(&pem).unwrap()).unwrap();
    let verdict = |name: &str| {
        let envelope = parse_envelope(&corpus::read(name).unwrap()).unwrap();
        let message = pae(PAYLOAD_TYPE, &envelope.payload);
        key.verify(&message, &envelope.signatures[0].sig).is_ok()
    };
    assert!(verdict("dsse/cdx-att.json"));
    assert!(!verdict("dsse/invalid_payload.attestation.json"));
}

/// Each envelope verifies with the key published beside it, and with no other.
#[test]
fn foreign_ecdsa_envelopes_verify() {
    let key = |name: &str| {
        let pem = corpus::read(&format!("dsse/{name}"))?;
        Some(PublicKey::from_spki_pem(str::from_utf8(&pem).unwrap()).unwrap())
    };
    let (Some(cosign), Some(rekor)) = (key("cosign.pub"), key("intoto_dsse.pem")) else {
        return;
    };
    for (name, key, other) in
        [("cosign-attestation.json", &cosign, &rekor), ("intoto_dsse.json", &rekor, &cosign)]
    {
        let bytes = corpus::read(&format!("dsse/{name}")).unwrap();
        let envelope = parse_envelope(&bytes).unwrap();
        let message = pae(PAYLOAD_TYPE, &envelope.payload);
        let sig = &envelope.signatures[0].sig;
        assert_eq!(key.verify(&message, sig), Ok(()), "{name}");
        assert!(other.verify(&message, sig).is_err(), "{name}");
        assert!(key.verify(&message[1..], sig).is_err(), "{name}");
    }
}

#[test]
fn base64_is_of_one_alphabet() {
    let ok = r#"[{"sig":"AAAA"}]"#;
    for (payload, expected) in [
        ("Pz8/", "\"???\""),
        ("Pz8_", "\"???\""),
        ("Pj4+", "\">>>\""),
        ("Pj4-", "\">>>\""),
        ("YQ==", "\"a\""),
        ("YQ", "\"a\""),
        ("YWI=", "\"ab\""),
        ("YWI", "\"ab\""),
        ("", "\"\""),
        ("Pj4+Pz8_", "payload is not base64 of one alphabet"),
        ("Pj4-Pz8/", "payload is not base64 of one alphabet"),
        ("YR==", "payload is not base64 of one alphabet"),
        ("YR", "payload is not base64 of one alphabet"),
        ("Y", "payload is not base64 of one alphabet"),
        ("YQ=", "payload is not base64 of one alphabet"),
        ("YQ===", "payload is not base64 of one alphabet"),
        ("YQ==YQ==", "payload is not base64 of one alphabet"),
        ("YWJj ", "payload is not base64 of one alphabet"),
        ("YWJj\\n", "payload is not base64 of one alphabet"),
        ("YWJjé", "payload is not base64 of one alphabet"),
    ] {
        check(&envelope(PAYLOAD_TYPE, payload, ok), expected);
    }
    let bad = envelope(PAYLOAD_TYPE, "", r#"[{"sig":"A"}]"#);
    check(&bad, "sig is not base64 of one alphabet");
}

#[test]
fn members_are_what_dsse_says() {
    let ok = r#"[{"keyid":"x","sig":"AA==","cert":"…","timestamps":[1]}]"#;
    check(&envelope(PAYLOAD_TYPE, "YQ", ok).replace("YQ", "YQ\",\"more\":\"1"), "\"a\"");
    check(&envelope(PAYLOAD_TYPE, "YQ", r#"[{"keyid":null,"sig":"AA=="}]"#), "\"a\"");
    let wrong = |signatures: &str, expected: &str| {
        check(&envelope(PAYLOAD_TYPE, "YQ", signatures), expected);
    };
    wrong("[]", "0 signatures, needs 1 to 32");
    wrong(&format!("[{}0]", "0,".repeat(32)), "33 signatures, needs 1 to 32");
    wrong("{}", "signatures is missing or not an array");
    wrong("[0]", "sig is missing or not a string");
    wrong(r#"[{"keyid":"x"}]"#, "sig is missing or not a string");
    wrong(r#"[{"sig":""},{"keyid":1,"sig":""}]"#, "keyid is missing or not a string");
    wrong(r#"[{"sig":"","sig":""}]"#, "envelope is not strict JSON");
    check("[]", "payloadType is missing or not a string");
    check("{", "envelope is not strict JSON");
    let other = envelope("application/vnd.in-toto+json ", "YQ", ok);
    check(&other, &format!("payload type is \"{PAYLOAD_TYPE} \", needs {PAYLOAD_TYPE:?}"));
    let both = envelope(PAYLOAD_TYPE, "YQ", ok).replacen('{', r#"{"mediaType":"","#, 1);
    check(&both, "a Sigstore bundle has no payloadType");
    let large = vec![b' '; ENVELOPE_BYTES_MAX + 1];
    let refused = EnvelopeError::TooLarge { size_bytes: large.len() };
    assert_eq!(parse_envelope(&large), Err(refused.clone()));
    assert_eq!(parse_own_envelope(&large), Err(refused));
}

fn own(payload: &[u8], signers: usize) -> Vec<u8> {
    let message = pae(PAYLOAD_TYPE, payload);
    let keys: Vec<_> =
        (0..signers).map(|nth| SigningKey::from_seed(&[nth as u8; 32]).unwrap()).collect();
    let signatures: Vec<_> =
        keys.iter().map(|key| (key.public().key_id(), key.sign(&message))).collect();
    format_envelope(payload, &signatures)
}

#[test]
fn our_own_spelling_is_read_like_any_other() {
    for signers in [1, 2, SIGNATURES_MAX] {
        for len in [0, 1, 2, 3, 1000] {
            let bytes = own(&vec![b'x'; len], signers);
            let quick = parse_own_envelope(&bytes).unwrap();
            assert_eq!(quick, read_generally(&bytes));
            assert_eq!(quick.signatures.len(), signers);
            assert_eq!(written_again(&quick), bytes);
        }
    }
    for signers in [0, SIGNATURES_MAX + 1] {
        let refused = EnvelopeError::SignatureCount { count: signers };
        assert!(!is_own_spelling(&own(b"x", signers)));
        assert_eq!(parse_envelope(&own(b"x", signers)), Err(refused));
    }
}

/// What the general reader says, but for the spelling, which it does not look at.
fn read_generally(bytes: &[u8]) -> Envelope {
    Envelope { spelling: Spelling::Own, ..parse_any_envelope(bytes).unwrap() }
}

fn written_again(envelope: &Envelope) -> Vec<u8> {
    let signature = |signature: &EnvelopeSignature| {
        let keyid = signature.keyid.as_deref().unwrap().parse::<KeyId>().unwrap();
        (keyid, signature.sig.clone())
    };
    let signatures: Vec<_> = envelope.signatures.iter().map(signature).collect();
    format_envelope(&envelope.payload, &signatures)
}

/// Whatever single byte is altered, removed or inserted: what the quick reader still accepts, the
/// general one reads alike, and it is written again byte for byte.
#[test]
fn no_altered_envelope_has_a_second_spelling() {
    let bytes = own(br#"{"_type":"x"}"#, 2);
    let mut seeded = Seeded::new(0x5eed_0006);
    let mut accepted = 0;
    for at in 0..bytes.len() {
        let mut removed = bytes.clone();
        removed.remove(at);
        let mut inserted = bytes.clone();
        inserted.insert(at, *b" =A0\"\\"[..].get(seeded.below(6)).unwrap());
        let mut documents = vec![removed, inserted];
        documents.extend((0..=255).map(|byte| {
            let mut altered = bytes.clone();
            altered[at] = byte;
            altered
        }));
        for document in documents {
            let Ok(quick) = parse_own_envelope(&document) else {
                continue;
            };
            assert_eq!(quick, read_generally(&document));
            assert_eq!(written_again(&quick), document);
            accepted += 1;
        }
    }
    assert!(accepted > 1000, "altered digits stay well formed: {accepted}");
}

#[test]
fn other_spellings_are_not_our_own() {
    let good = String::from_utf8(own(b"a", 1)).unwrap();
    assert!(is_own_spelling(good.as_bytes()));
    let hex = &good[good.find("keyid\":\"").unwrap() + 8..][..64];
    for (from, to) in [
        ("YQ==", "YQ"),
        ("YQ==", "YR=="),
        (":", ": "),
        ("{\"payload\"", "{\"payloa\\u0064\""),
        ("}]}", "}]}\n"),
        ("}]}", "}],\"x\":1}"),
        ("\"sig\"", "\"cert\":\"\",\"sig\""),
        (hex, &hex.to_uppercase()),
        (hex, &hex[1..]),
        (hex, ""),
    ] {
        let other = good.replacen(from, to, 1);
        assert_ne!(other, good);
        assert!(!is_own_spelling(other.as_bytes()), "{other}");
    }
}
