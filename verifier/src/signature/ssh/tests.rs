//! Signatures by stock ssh-keygen, those of devices, and every part of one altered.

use super::*;
use crate::fixture::authenticator::{Authenticator, VERIFIED};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PAE: &[u8] = include_bytes!("../../../../tests/vectors/ssh/pae");

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/vectors/ssh/", $name))
    };
}

fn key(line: &str) -> SshKey {
    let blob = STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap();
    SshKey::parse(&blob).unwrap()
}

fn unarmour(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

#[test]
fn what_ssh_keygen_signs_holds_for_this_namespace_and_hash_alone() {
    for (line, good, other_namespace, other_hash) in [
        (
            vector!("ed25519.pub"),
            vector!("ed25519.sig"),
            vector!("ed25519.other-namespace.sig"),
            vector!("ed25519.sha256.sig"),
        ),
        (
            vector!("ecdsa.pub"),
            vector!("ecdsa.sig"),
            vector!("ecdsa.other-namespace.sig"),
            vector!("ecdsa.sha256.sig"),
        ),
    ] {
        let (key, good) = (key(line), unarmour(good));
        assert_eq!(key.signing_mode(), SigningMode::Ssh);
        assert_eq!(key.verify(PAE, &good), Ok(()));
        assert_eq!(key.verify(&PAE[1..], &good), Err(SignatureError::Mismatch));
        for bad in [other_namespace, other_hash] {
            assert_eq!(key.verify(PAE, &unarmour(bad)), Err(SignatureError::Malformed));
        }
    }
    let (ed25519, ecdsa) = (key(vector!("ed25519.pub")), key(vector!("ecdsa.pub")));
    let other = unarmour(vector!("ecdsa.sig"));
    assert_eq!(ed25519.verify(PAE, &other), Err(SignatureError::Malformed));
    assert!(ecdsa.verify(PAE, &other).is_ok());
}

const PAGE: &str = "https://ledger.acme.example";

fn passkey(name: &str) -> (Authenticator, SshKey) {
    let device = Authenticator::p256(name, Some("acme.example"));
    let key = device.public().into_passkey(&[PAGE.to_owned()]).unwrap();
    (device, key)
}

/// Every kind of key with a signature of its own.
fn signed() -> Vec<(SshKey, Vec<u8>, SigningMode)> {
    let plain = [Authenticator::ed25519("alex", None), Authenticator::p256("alex", None)];
    let held =
        [Authenticator::ed25519("alex", Some("ssh:")), Authenticator::p256("alex", Some("ssh:"))];
    let plain = plain.map(|it| (it.public(), it.sign(PAE), SigningMode::Ssh));
    let held = held.map(|it| (it.public(), it.sign(PAE), SigningMode::SecurityKey));
    let (device, key) = passkey("alex");
    let passkey = (key, device.sign_in_browser(PAE, PAGE), SigningMode::Passkey);
    plain.into_iter().chain(held).chain([passkey]).collect()
}

#[test]
fn each_kind_of_key_signs_in_its_own_way_and_no_other() {
    let all = signed();
    for (nth, (key, _, mode)) in all.iter().enumerate() {
        assert_eq!(key.signing_mode(), *mode);
        assert_eq!(SshKey::parse(key.blob()).unwrap().raw(), key.raw());
        for (other, (_, signature, _)) in all.iter().enumerate() {
            assert_eq!(key.verify(PAE, signature).is_ok(), nth == other, "{nth} {other}");
        }
    }
}

/// Whatever byte is altered, left out or added: nothing holds any more.
#[test]
fn every_byte_of_a_signature_counts() {
    for (key, signature, mode) in signed() {
        for at in 0..signature.len() {
            let mut altered = signature.clone();
            for bit in [1, 0x80] {
                altered[at] ^= bit;
                assert!(key.verify(PAE, &altered).is_err(), "{mode:?} byte {at}");
                altered[at] ^= bit;
            }
            assert!(key.verify(PAE, &signature[..at]).is_err(), "{mode:?} cut at {at}");
        }
        assert!(key.verify(PAE, &[&signature[..], &[0]].concat()).is_err(), "{mode:?}");
    }
}

#[test]
fn a_security_key_must_be_touched_and_a_passkeys_holder_verified() {
    let mut device = Authenticator::ed25519("alex", Some("ssh:"));
    let mut verdict = |flags: u8| {
        device.flags = flags;
        device.public().verify(PAE, &device.sign(PAE))
    };
    assert_eq!(verdict(0x01), Ok(()), "touched");
    assert_eq!(verdict(0x00), Err(SignatureError::NobodyPresent));
    assert_eq!(verdict(0x04), Err(SignatureError::NobodyPresent), "verified without a touch");
    let (mut device, key) = passkey("alex");
    let mut verdict = |flags: u8| {
        device.flags = flags;
        key.verify(PAE, &device.sign_in_browser(PAE, PAGE))
    };
    assert_eq!(verdict(VERIFIED), Ok(()));
    for flags in [0x00, 0x01, 0x04] {
        assert_eq!(verdict(flags), Err(SignatureError::NobodyPresent), "{flags}");
    }
    for flags in [VERIFIED | 0x40, VERIFIED | 0x80] {
        assert_eq!(verdict(flags), Err(SignatureError::Malformed), "{flags}");
    }
}

#[test]
fn a_security_key_signs_for_its_application() {
    let (one, other) =
        (Authenticator::p256("alex", Some("ssh:")), Authenticator::p256("alex", Some("ssh:x")));
    assert_eq!(one.public().raw(), other.public().raw());
    assert!(one.public().verify(PAE, &other.sign(PAE)).is_err());
    // With the blob of one and the signature for the other, the hash of the application differs.
    let (blob, foreign) = (one.blob(), other.blob());
    let signature = other.sign(PAE);
    let at = signature.windows(foreign.len()).position(|part| part == foreign).unwrap();
    let mut moved = signature[..at - 4].to_vec();
    put_string(&mut moved, &blob);
    moved.extend(&signature[at + foreign.len()..]);
    assert_eq!(one.public().verify(PAE, &moved), Err(SignatureError::Mismatch));
}

#[test]
fn a_passkey_answers_its_own_pages_only() {
    let (mut device, key) = passkey("alex");
    let verdict = |device: &Authenticator, client_data: &str, origin: &str, extensions: &[u8]| {
        key.verify(PAE, &device.assert(client_data, origin, extensions))
    };
    let challenge = URL_SAFE_NO_PAD.encode(signed_data(PAE));
    let data = |rest: &str| {
        format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{PAGE}"{rest}"#)
    };
    let mismatch = Err(SignatureError::Mismatch);
    assert_eq!(verdict(&device, &data("}"), PAGE, b""), Ok(()));
    assert_eq!(verdict(&device, &data(r#","crossOrigin":false}"#), PAGE, b""), Ok(()));
    assert_eq!(verdict(&device, &data(r#","other":"ignored"}"#), PAGE, b""), Ok(()));
    assert_eq!(verdict(&device, &data(r#","crossOrigin":true}"#), PAGE, b""), mismatch);
    assert_eq!(verdict(&device, &data(r#","topOrigin":"https://x"}"#), PAGE, b""), mismatch);
    assert_eq!(verdict(&device, &data(r#","origin":"https://x"}"#), PAGE, b""), mismatch, "twice");
    assert_eq!(verdict(&device, &data(""), PAGE, b""), mismatch, "no JSON");
    assert_eq!(verdict(&device, &data("}").replace(".get", ".create"), PAGE, b""), mismatch);
    assert_eq!(verdict(&device, &data("}").replace("\":\"", "\": \""), PAGE, b""), mismatch);
    let other = "https://ledger.acme.example.evil.example";
    let asked = data("}").replace(PAGE, other);
    assert_eq!(verdict(&device, &asked, other, b""), Err(SignatureError::OtherOrigin));
    assert_eq!(verdict(&device, &asked, PAGE, b""), mismatch, "two pages in one");
    assert_eq!(verdict(&device, &data("}"), other, b""), Err(SignatureError::OtherOrigin));
    device.flags = VERIFIED | 0x80;
    assert_eq!(verdict(&device, &data("}"), PAGE, b"\xa1"), Ok(()), "extensions are signed");
    assert_eq!(verdict(&device, &data("}"), PAGE, b""), Err(SignatureError::Malformed));
}

#[test]
fn origins_are_those_of_the_relying_party() {
    let device = Authenticator::p256("alex", Some("acme.example"));
    let check = |origins: &[&str], expected: bool| {
        let origins: Vec<String> = origins.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(device.public().into_passkey(&origins).is_ok(), expected, "{origins:?}");
    };
    check(&["https://acme.example"], true);
    check(&["https://acme.example:8443", "https://a.b.acme.example"], true);
    check(&[], false);
    check(&["https://acme.example"; 9], false);
    for bad in [
        "http://acme.example",
        "https://acme.example/",
        "https://acme.example:",
        "https://acme.example:1:2",
        "https://acme.example:123456",
        "https://xacme.example",
        "https://acme.example.evil.example",
        "https://ACME.example",
        "https://\"acme.example",
        "https://acme.example\n",
        "acme.example",
        "",
    ] {
        check(&[bad], false);
    }
    let local = Authenticator::p256("alex", Some("localhost")).public();
    assert!(local.clone().into_passkey(&["http://localhost:8080".to_owned()]).is_ok());
    assert!(local.into_passkey(&["https://acme.example".to_owned()]).is_err());
    for (none, why) in [
        (Authenticator::p256("alex", None), "no security key"),
        (Authenticator::ed25519("alex", Some("acme.example")), "browsers' form is of P-256"),
    ] {
        assert!(none.public().into_passkey(&["https://acme.example".to_owned()]).is_err(), "{why}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let check = |blob: &[u8], expected: KeyError| {
        assert_eq!(SshKey::parse(blob).map(|_| ()), Err(expected), "{blob:?}");
    };
    let good = Authenticator::ed25519("alex", Some("ssh:")).blob();
    for length in 0..good.len() {
        check(&good[..length], KeyError::NotSsh);
    }
    check(&[&good[..], &[0]].concat(), KeyError::NotSsh);
    check(&vec![0; KEY_BYTES_MAX + 1], KeyError::NotSsh);
    let of = |kind: &[u8], parts: &[&[u8]]| {
        let mut blob = Vec::new();
        put_string(&mut blob, kind);
        parts.iter().for_each(|part| put_string(&mut blob, part));
        blob
    };
    check(&of(b"ssh-rsa", &[&[1, 0, 1], &[1; 256]]), KeyError::NotSsh);
    check(&of(b"ssh-dss", &[]), KeyError::NotSsh);
    check(&of(ED25519, &[&[1; 31]]), KeyError::NotSsh);
    check(&of(ED25519, &[&super::super::ed25519::SMALL_ORDER[0]]), KeyError::SmallOrder);
    check(&of(P256, &[b"nistp384", &[4; 65]]), KeyError::NotSsh);
    check(&of(P256, &[CURVE, &[4; 65]]), KeyError::NotPoint);
    check(&of(SK_ED25519, &[&good[34..66], b""]), KeyError::NotSsh);
}
