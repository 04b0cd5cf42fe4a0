//! Real bundles with the verdicts that their projects give them, and every part of one altered.

use super::*;
use crate::corpus;
use crate::signature::PublicKey;
use serde_json::Value as Json;

const PUBLIC_GOOD: &str = "sigstore/trusted_root.public-good.json";
const STAGING: &str = "sigstore/trusted_root.staging.json";
const GITHUB: &str = "sigstore/trusted_root.github.json";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn root(name: &str) -> Option<SigstoreRoot> {
    let bytes = corpus::read(name)?;
    Some(SigstoreRoot::parse(str::from_utf8(&bytes).unwrap()).unwrap())
}

/// Who signed, without what all addresses of workflows begin with; or why it is no event.
fn told(bytes: &[u8], root: &SigstoreRoot) -> String {
    match Event::read(bytes) {
        Ok(event) => match signer(&event, std::slice::from_ref(root)) {
            Some(name) => {
                assert_eq!(name.issuer, ISSUER);
                name.subject.strip_prefix("https://github.com/").unwrap().to_owned()
            }
            None => "nobody".to_owned(),
        },
        Err(cause) => cause.code.name().to_owned(),
    }
}

#[test]
fn real_bundles_tell_who_signed_them() {
    let Some(public_good) = root(PUBLIC_GOOD) else {
        return;
    };
    let (github, staging) = (root(GITHUB).unwrap(), root(STAGING).unwrap());
    let release = "sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main";
    for (name, expected, root) in [
        // Version 0.1: the log has only promised.
        ("sigstore/bundle-provenance.json", release, &public_good),
        ("sigstore/npm-sigstore-js-2.0.0-provenance.sigstore.json", release, &public_good),
        // Version 0.3 over a log entry of kind intoto.
        ("sigstore/sigstore-js-2.1.0-bundle.json", release, &public_good),
        (
            "sigstore/conda-attestation.sigstore.json",
            "prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main",
            &public_good,
        ),
        (
            "sigstore/reusable-workflow-attestation.sigstore.json",
            "github/artifact-attestations-workflows/.github/workflows/attest.yml\
             @09b495c3f12c7881b3cc17209a327792065c1a1d",
            &public_good,
        ),
        (
            "pypi-attestations/pypi_attestation_models-0.0.4a2.tar.gz.sigstore",
            "trailofbits/pypi-attestation-models/.github/workflows/release.yml\
             @refs/tags/v0.0.4a2",
            &public_good,
        ),
        // An instance without a log: the time is that of its timestamp authority.
        (
            "sigstore/github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl",
            "actions/attest-demo/.github/workflows/build-python.yml@refs/heads/main",
            &github,
        ),
        (
            "dsse/slsa_provenance.sigstore.json",
            "chainloop-dev/platform-website/.github/workflows/deploy.yml@refs/heads/main",
            &github,
        ),
        // A certificate of a company's own, which no instance has issued.
        ("dsse/attestation-bundle.json", "nobody", &public_good),
        (
            "sigstore/github_provenance_demo-0.0.12-py3-none-any-bundle-missing-verification-material.jsonl",
            "envelope-malformed",
            &github,
        ),
    ] {
        let bytes = corpus::read(name).unwrap();
        assert_eq!(told(&bytes, root), expected, "{name}");
        for other in [&public_good, &github, &staging] {
            if other.digest() != root.digest() && expected != "envelope-malformed" {
                assert_eq!(told(&bytes, other), "nobody", "{name} by another root");
            }
        }
        if !["nobody", "envelope-malformed"].contains(&expected) {
            let event = Event::read(&bytes).unwrap();
            let all = [staging.clone(), github.clone(), public_good.clone()];
            assert!(signer(&event, &all).is_some(), "{name} by one of several roots");
            assert!(signer(&event, &[]).is_none());
        }
    }
}

/// The conformance suite's cases about statements, by the root and the identity of each.
#[test]
fn conformance_cases_about_statements() {
    let Some(manifest) = corpus::read_json("sigstore-conformance/manifest.json") else {
        return;
    };
    let (mut accepted, mut refused) = (0, 0);
    for case in corpus::cases(&manifest["cases"]) {
        let bytes = corpus::read(&format!("sigstore-conformance/{}", corpus::text(case, "bundle")));
        let Ok(event) = Event::read(&bytes.unwrap()) else {
            continue;
        };
        let root = corpus::text(case, "trusted_root");
        let root =
            root.strip_prefix("../").map_or(format!("sigstore-conformance/{root}"), str::to_owned);
        let expected = SigstoreName {
            issuer: corpus::text(case, "certificate_oidc_issuer").to_owned(),
            subject: corpus::text(case, "certificate_identity").to_owned(),
        };
        let accepts = signer(&event, &[self::root(&root).unwrap()]) == Some(expected);
        let name = corpus::text(case, "case");
        assert_eq!(accepts, corpus::text(case, "expect") == "accept", "{name}");
        *(if accepts { &mut accepted } else { &mut refused }) += 1;
    }
    assert_eq!((accepted, refused), (3, 5));
}

/// What npm serves about a package: one bundle by npm's key, one by the workflow's certificate.
#[test]
fn npm_attestations() {
    let Some(root) = root(PUBLIC_GOOD) else {
        return;
    };
    let keys = corpus::read_json("npm-attestations/npm-keys.json").unwrap();
    let keys: Vec<PublicKey> = corpus::cases(&keys["keys"])
        .map(|key| corpus::base64(corpus::text(&key["publicKey"], "rawBytes")))
        .map(|der| PublicKey::from_spki_der(&der).unwrap())
        .collect();
    for (name, by_key, by_certificate) in [
        ("provenance-npm-test-cli-v1-prega.tgz.json", true, true),
        ("provenance-npm-test-cli-v1-prega-invalidsigprov.tgz.json", true, false),
        ("provenance-npm-test-cli-v1-prega-invalidsigpub.tgz.json", false, true),
        ("supreme-googles-cli-v02-tag.tgz.json", true, true),
        ("supreme-googles-cli-v02-tag-invalidsigprov.tgz.json", true, false),
        ("supreme-googles-cli-v02-tag-invalidsigpub.tgz.json", false, true),
        ("npm-attestations.intoto.sigstore", true, true),
    ] {
        let answer = corpus::read_json(&format!("npm-attestations/{name}")).unwrap();
        let list = if answer.is_array() { &answer } else { &answer["attestations"] };
        let mut seen = 0;
        for attestation in corpus::cases(list) {
            let bundle = serde_json::to_vec(&attestation["bundle"]).unwrap();
            let event = Event::read(&bundle).unwrap();
            let message = crate::dsse::pae(crate::dsse::PAYLOAD_TYPE, &event.signed.payload);
            let sig = &event.signed.signatures[0].sig;
            let known = keys.iter().any(|key| key.verify(&message, sig).is_ok());
            let certified = signer(&event, std::slice::from_ref(&root)).is_some();
            let has_key = attestation["bundle"]["verificationMaterial"]["publicKey"].is_object();
            let expected = if has_key { (by_key, false) } else { (false, by_certificate) };
            assert_eq!((known, certified), expected, "{name}");
            seen += 1;
        }
        assert_eq!(seen, 2, "{name}");
    }
}

/// Calls `found` with the path of every text and number.
fn leaves(value: &Json, path: &str, found: &mut impl FnMut(&str)) {
    match value {
        Json::Object(members) => {
            members.iter().for_each(|(name, it)| leaves(it, &format!("{path}/{name}"), found));
        }
        Json::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(nth, it)| leaves(it, &format!("{path}/{nth}"), found));
        }
        Json::String(_) | Json::Number(_) => found(path),
        Json::Null | Json::Bool(_) => {}
    }
}

/// Another text of the same form: one letter or digit, in the middle, is another one.
///
/// Of a checkpoint it is in the part that the log signs, of a timestamp in its signature: signatures
/// of witnesses and the certificates of a timestamp's authority are carried along unread.
fn altered(path: &str, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let middle = match text.find("\n\n") {
        Some(end) => end / 2,
        None if path.ends_with("/signedTimestamp") => bytes.len() - 12,
        None => bytes.len() / 2,
    };
    let at = (middle..bytes.len()).chain(0..middle).find(|at| bytes[*at].is_ascii_alphanumeric());
    match at {
        Some(at) => {
            bytes[at] = match bytes[at] {
                b'9' | b'z' | b'Z' => bytes[at] - 1,
                other => other + 1,
            };
        }
        None => bytes.push(b'x'),
    }
    String::from_utf8(bytes).unwrap()
}

/// What nothing in the design of bundles authenticates: a hint at the key, and certificates above
/// the first, for which the trusted root has its own.
fn decides_nothing(path: &str) -> bool {
    let above = "/verificationMaterial/x509CertificateChain/certificates/";
    let above = path.strip_prefix(above).is_some_and(|rest| !rest.starts_with("0/"));
    above || path == "/dsseEnvelope/signatures/0/keyid"
}

/// Every text and number of a bundle altered, one after the other: nobody has signed that.
#[test]
fn every_part_of_a_bundle_is_authenticated() {
    let Some(public_good) = root(PUBLIC_GOOD) else {
        return;
    };
    let mut accepted = Vec::new();
    for (name, root) in [
        ("sigstore/conda-attestation.sigstore.json", &public_good),
        ("sigstore/bundle-provenance.json", &public_good),
        ("sigstore/sigstore-js-2.1.0-bundle.json", &public_good),
        (
            "sigstore/github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl",
            &self::root(GITHUB).unwrap(),
        ),
    ] {
        let bundle = corpus::read_json(name).unwrap();
        assert_ne!(told(&serde_json::to_vec(&bundle).unwrap(), root), "nobody", "{name}");
        let mut paths = Vec::new();
        leaves(&bundle, "", &mut |path| paths.push(path.to_owned()));
        assert!(paths.len() > 5, "{name}");
        for path in paths.into_iter().filter(|path| !decides_nothing(path)) {
            let mut other = bundle.clone();
            let leaf = other.pointer_mut(&path).unwrap();
            *leaf = match &*leaf {
                Json::String(text) => Json::String(altered(&path, text)),
                other => Json::from(other.as_u64().unwrap() + 1),
            };
            let told = told(&serde_json::to_vec(&other).unwrap(), root);
            if !["nobody", "envelope-malformed", "subject-invalid"].contains(&told.as_str()) {
                accepted.push(format!("{name}{path}"));
            }
        }
    }
    assert_eq!(accepted, Vec::<String>::new());
}

#[test]
fn what_is_no_trusted_root_is_refused() {
    let check = |text: &str, expected: &str| {
        let error = SigstoreRoot::parse(text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("", "not strict JSON");
    check("{}", "cannot be used");
    check(&" ".repeat(SIGSTORE_ROOT_BYTES_MAX + 1), "at most 131072");
    let Some(bytes) = corpus::read(PUBLIC_GOOD) else {
        return;
    };
    let text = String::from_utf8(bytes).unwrap();
    let root = SigstoreRoot::parse(&text).unwrap();
    assert_eq!(root.starts().unwrap().to_string(), "2025-09-23T00:00:00.001Z");
    check(&text.replacen("\"mediaType\"", "\"tlogs\":[],\"mediaType\"", 1), "not strict JSON");
    check(&text.replacen("2025-09-23T00:00:00Z", "soon", 1), "is no time");
    check(&text.replace("\"certificateAuthorities\"", "\"authorities\""), "");
    let empty = corpus::read("sigstore/certificate_authority.empty.json").unwrap();
    assert!(SigstoreRoot::parse(str::from_utf8(&empty).unwrap()).is_err());
}

#[test]
fn a_sigstore_identity_has_an_id_of_its_own() {
    let name = |issuer: &str, subject: &str| {
        key_id(&SigstoreName { issuer: issuer.to_owned(), subject: subject.to_owned() })
    };
    // printf 'attestry/sigstore/v1\na\nb\n' | sha256sum
    let expected = "0deb8168b7db15825698bdd014c942bde171071b2d52008873bea5665e82e1cc";
    assert_eq!(name("a", "b").to_string(), expected);
    assert_ne!(name("a", "b"), name("b", "a"));
    assert_ne!(name("ab", "c"), name("a", "bc"));
}
