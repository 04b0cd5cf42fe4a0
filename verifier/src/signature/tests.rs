//! The published edge cases, each with its verdict, and our own.

use super::ed25519::SMALL_ORDER;
use super::*;
use crate::corpus;
use ed25519_dalek::{Signature, VerifyingKey};

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

/// Checks a signature under a key that is used seldom and under one that is used often.
fn verify(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let often = key.clone();
    let PublicKey::Ed25519(inner) = &often else {
        panic!("a case of Ed25519");
    };
    inner.make_table();
    let answer = key.clone().verify(message, signature);
    assert_eq!(often.verify(message, signature), answer);
    answer
}

fn verdict(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let raw = key.try_into().unwrap();
    PublicKey::from_raw(raw).is_ok_and(|key| verify(&key, message, signature).is_ok())
}

/// Our strictness refuses nothing that Wycheproof calls valid.
#[test]
fn wycheproof() {
    let Some(file) = corpus::read_json("crypto/ed25519_test.json") else {
        return;
    };
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let pem = group["publicKeyPem"].as_str().unwrap();
        let key = PublicKey::from_spki_pem(pem).unwrap();
        assert_eq!(key.to_spki_pem(), pem);
        assert_eq!(key.to_spki_der(), unhex(group["publicKeyDer"].as_str().unwrap()));
        for test in group["tests"].as_array().unwrap() {
            let (message, signature) = (&test["msg"], &test["sig"]);
            let message = unhex(message.as_str().unwrap());
            let signature = unhex(signature.as_str().unwrap());
            let holds = verify(&key, &message, &signature).is_ok();
            assert_eq!(holds, test["result"] == "valid", "tcId {}", test["tcId"]);
            let raw = key.to_spki_der()[12..].try_into().unwrap();
            let strict = strictly_by_dalek(&raw, &message, &signature);
            assert_eq!(holds, strict, "tcId {}", test["tcId"]);
            *(if holds { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert_eq!((valid, invalid), (88, 63));
}

/// Our row of speccheck's table is that of `Dalek strict`, libra-crypto and LibSodium.
#[test]
fn speccheck() {
    let Some(file) = corpus::read_json("crypto/speccheck-cases.json") else {
        return;
    };
    let row: String = file
        .as_array()
        .unwrap()
        .iter()
        .map(|case| {
            let part = |name: &str| unhex(case[name].as_str().unwrap());
            let holds = verdict(&part("pub_key"), &part("message"), &part("signature"));
            if holds { 'V' } else { 'X' }
        })
        .collect();
    assert_eq!(row, "XXXVXXXXXXXX");
}

/// The verdict is that of dalek's `verify_strict`, on every corpus case and every altered bit.
#[test]
fn agrees_with_verify_strict() {
    let signer = key(7);
    let public = signer.public().to_spki_der();
    let raw: [u8; 32] = public[12..].try_into().unwrap();
    let signature = signer.sign(b"message");
    for bit in 0..512 {
        let mut altered = signature;
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(!verdict(&raw, b"message", &altered), "bit {bit}");
    }
    for r in SMALL_ORDER {
        let mut altered = signature;
        altered[..32].copy_from_slice(&r);
        let refused = verify(signer.public(), b"message", &altered);
        assert_eq!(refused, Err(SignatureError::SmallOrder));
    }
    let Some(file) = corpus::read_json("crypto/speccheck-cases.json") else {
        return;
    };
    for case in file.as_array().unwrap() {
        let part = |name: &str| unhex(case[name].as_str().unwrap());
        let raw: [u8; 32] = part("pub_key").try_into().unwrap();
        let strict = strictly_by_dalek(&raw, &part("message"), &part("signature"));
        assert_eq!(verdict(&raw, &part("message"), &part("signature")), strict);
    }
}

fn strictly_by_dalek(raw: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    let key = VerifyingKey::from_bytes(raw);
    key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// A key that is used often changes its way to the verdict, and never the verdict.
#[test]
fn a_key_that_is_used_often_keeps_its_verdicts() {
    let signer = key(9);
    let often = signer.public().clone();
    for nth in 0..1_100_u32 {
        let message = nth.to_le_bytes();
        let signature = signer.sign(&message);
        assert_eq!(often.verify(&message, &signature), Ok(()));
        assert_eq!(often.verify(b"other", &signature), Err(SignatureError::Mismatch));
    }
}

#[test]
fn small_order_and_non_canonical_keys_are_refused() {
    for raw in SMALL_ORDER {
        assert_eq!(PublicKey::from_raw(raw).unwrap_err(), KeyError::SmallOrder);
        assert!(VerifyingKey::from_bytes(&raw).unwrap().is_weak(), "the list names only such");
    }
    // Every y from p to 2^255 - 1, with both signs: 19 values that a lenient reader reduces.
    let mut refused = 0;
    for low in 0xed..=0xff_u8 {
        for high in [0x7f, 0xff] {
            let mut raw = [0xff; 32];
            (raw[0], raw[31]) = (low, high);
            assert!(PublicKey::from_raw(raw).is_err(), "{low:x} {high:x}");
            let lenient = VerifyingKey::from_bytes(&raw);
            refused += usize::from(lenient.is_ok_and(|key| !key.is_weak()));
        }
    }
    assert!(refused > 0, "some of them are points of large order that dalek alone would take");
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert_eq!(PublicKey::from_raw(no_point).unwrap_err(), KeyError::NotCanonical);
}

#[test]
fn scalars_and_lengths_are_strict() {
    let signer = key(1);
    let signature = signer.sign(b"m");
    assert_eq!(verify(signer.public(), b"m", &signature), Ok(()));
    assert_eq!(verify(signer.public(), b"n", &signature), Err(SignatureError::Mismatch));
    assert_eq!(verify(key(2).public(), b"m", &signature), Err(SignatureError::Mismatch));
    for len in [0, 63] {
        let cut = verify(signer.public(), b"m", &signature[..len]);
        assert_eq!(cut, Err(SignatureError::Length { len }));
    }
    let long = [&signature[..], &[0]].concat();
    assert_eq!(verify(signer.public(), b"m", &long), Err(SignatureError::Length { len: 65 }));
    // S + L is the same scalar; a lenient verifier takes it.
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut raised = signature;
    let mut carry = 0;
    for (byte, add) in raised[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let refused = verify(signer.public(), b"m", &raised);
    assert_eq!(refused, Err(SignatureError::ScalarOutOfRange));
}

/// A key holder who adds a point of small order to R gets past the equation with the cofactor.
///
/// Such a signature needs the sum of two points, which our dependencies do not offer; these bytes
/// were made once with curve25519-dalek: seed 32 times 0x2a, the nonce 12345, R = [r]B + T with T
/// of order 8, k = SHA-512(R, A, M), S = r + k a.
#[test]
fn an_r_with_a_torsion_part_is_refused() {
    let signer = key(0x2a);
    let signature = unhex(TORSION_SIGNATURE);
    let refused = verify(signer.public(), b"torsion", &signature);
    assert_eq!(refused, Err(SignatureError::Mismatch));
}

const TORSION_SIGNATURE: &str = "40a4cf5c611d737a2f1c6fcca84d9cabfed80987f186a5a6c57e629bff1af27fae305d733967f54405666212e376c4a15a445e9e0c5333a44092c11b72734502";

/// Keys and PEM written by `openssl genpkey -algorithm ed25519` (3.0.19).
const OPENSSL_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIM7i4CjnuUeE15z4P5GWSE1n7+tckZGtSLjp2bztUsgA
-----END PRIVATE KEY-----
";
const OPENSSL_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJiF3eF2+emhgy+zYn3BW27YMaIHH1UmQ6pNeXlwPfgg=
-----END PUBLIC KEY-----
";

#[test]
fn openssl_keys_are_read_and_written_alike() {
    let signer = SigningKey::from_pkcs8_pem(OPENSSL_PRIVATE).unwrap();
    assert_eq!(*signer.to_pkcs8_pem().unwrap(), OPENSSL_PRIVATE);
    assert_eq!(signer.public().to_spki_pem(), OPENSSL_PUBLIC);
    assert_eq!(signer.public(), &PublicKey::from_spki_pem(OPENSSL_PUBLIC).unwrap());
    let shown = format!("{signer:?}");
    assert_eq!(shown, format!("SigningKey({})", signer.public().key_id()));
    for bad in ["", OPENSSL_PUBLIC, &OPENSSL_PRIVATE.replace("MC4C", "MC5C")] {
        assert_eq!(SigningKey::from_pkcs8_pem(bad).unwrap_err(), KeyError::NotPkcs8);
    }
}

#[test]
fn a_public_key_has_one_spelling() {
    assert!(PublicKey::from_spki_pem(OPENSSL_PUBLIC.trim_end()).is_ok());
    for bad in [
        "".to_owned(),
        format!("{OPENSSL_PUBLIC}\n"),
        format!(" {OPENSSL_PUBLIC}"),
        OPENSSL_PUBLIC.replace('\n', "\r\n"),
        OPENSSL_PUBLIC.replace("Pfgg=", "Pfgh="),
        OPENSSL_PUBLIC.replace("Pfgg=", "Pfgg"),
        OPENSSL_PUBLIC.replace("Pfgg=", "\nPfgg="),
        OPENSSL_PUBLIC.replace("PUBLIC", "ANY"),
        OPENSSL_PUBLIC.replacen("-----\n", "-----\n\n", 1),
        OPENSSL_PUBLIC.replacen("-----\n", "-----\nA: b\n", 1),
        OPENSSL_PRIVATE.to_owned(),
    ] {
        assert_eq!(PublicKey::from_spki_pem(&bad).unwrap_err(), KeyError::NotPem, "{bad}");
    }
    let der = PublicKey::from_spki_pem(OPENSSL_PUBLIC).unwrap().to_spki_der();
    for nth in 0..12 {
        let mut altered = der.clone();
        altered[nth] ^= 1;
        assert_eq!(PublicKey::from_spki_der(&altered).unwrap_err(), KeyError::NotSpki { len: 44 });
    }
    assert!(PublicKey::from_spki_der(&der[..43]).is_err());
    assert!(PublicKey::from_spki_der(&[&der[..], &[0]].concat()).is_err());
}

/// The keyid that witness wrote into cdx-att.json is its own; ours is over DER.
#[test]
fn the_key_id_is_the_hash_of_the_der_key() {
    // openssl pkey -pubin -outform DER | sha256sum
    let expected = "bd1b0df2f0910b6d67dc77ec41b98c5000247879797533a269b1ab2c37b7fb00";
    let key = PublicKey::from_spki_pem(OPENSSL_PUBLIC).unwrap();
    assert_eq!(key.key_id().to_string(), expected);
}

/// P-256 as Wycheproof has it: strict DER, the range of r and s, keys whose points are special.
#[test]
fn wycheproof_p256() {
    let Some(file) = corpus::read_json("crypto/ecdsa_secp256r1_sha256_test.json") else {
        return;
    };
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let der = unhex(group["publicKeyDer"].as_str().unwrap());
        let key = PublicKey::from_spki_der(&der).unwrap();
        assert_eq!(key.to_spki_der(), der);
        assert_eq!(PublicKey::from_spki_pem(&key.to_spki_pem()).unwrap(), key);
        for test in group["tests"].as_array().unwrap() {
            let part = |name: &str| unhex(test[name].as_str().unwrap());
            let holds = key.verify(&part("msg"), &part("sig")).is_ok();
            assert_eq!(holds, test["result"] == "valid", "tcId {}", test["tcId"]);
            *(if holds { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert_eq!((valid, invalid), (174, 310));
}

/// Made by `openssl ecparam -name prime256v1 -genkey`, `openssl pkey -pubout` and
/// `printf abc | openssl dgst -sha256 -sign`.
const P256_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/+lPzU7ShbOvXHdXzF6URRPzRmTy\n\
    TlD03/LK8oxKGy18eT0qm1TRWsbbuSMy6YSvEqhlY5QwNVPhwigJymfdMg==\n\
    -----END PUBLIC KEY-----\n";
const P256_SIGNATURE: &str = "3046022100c4c27d7b8e99685a3d7bc2289f51baf66891f247cc4f64e5dfda1c09361963c1022100aa25d0062601ff47dc2e0df861ee18970a1bd652f9f28375464053a104ff5119";

fn p256() -> P256Key {
    match PublicKey::from_spki_pem(P256_PUBLIC).unwrap() {
        PublicKey::P256(key) => key,
        PublicKey::Ed25519(_) | PublicKey::Ssh(_) => panic!("a key of P-256"),
    }
}

/// r and s of a DER signature, as numbers of 32 bytes.
fn parts(der: &[u8]) -> ([u8; 32], [u8; 32]) {
    let signature = ::p256::ecdsa::Signature::from_der(der).unwrap();
    let bytes: [u8; 64] = signature.to_bytes().into();
    (bytes[..32].try_into().unwrap(), bytes[32..].try_into().unwrap())
}

/// The order of the base point of P-256, big-endian.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

#[test]
fn a_p256_key_says_how_its_signatures_are_written() {
    let (der, key) = (unhex(P256_SIGNATURE), p256());
    assert_eq!(key.verify(b"abc", &der), Ok(()));
    assert_eq!(key.verify(b"abd", &der), Err(SignatureError::Mismatch));
    let (r, s) = parts(&der);
    let raw = [r, s].concat();
    assert_eq!(key.verify(b"abc", &raw), Err(SignatureError::Malformed));
    let key = key.with_form(SignatureForm::Raw);
    assert_eq!(key.verify(b"abc", &raw), Ok(()));
    assert_eq!(key.verify(b"abc", &der), Err(SignatureError::Malformed));
    let (by_der, by_raw) = (PublicKey::P256(p256()), PublicKey::P256(key.clone()));
    assert_eq!(by_der.key_id(), by_raw.key_id(), "one raw key has one id");
    for length in [0, 63, 65] {
        let wrong = raw.iter().chain(&[0]).copied().take(length).collect::<Vec<_>>();
        assert_eq!(key.verify(b"abc", &wrong), Err(SignatureError::Malformed), "{length}");
    }
}

/// Every s has a second one, n - s, that fits as well; both are accepted, whichever is high.
#[test]
fn a_high_s_is_accepted_and_what_is_out_of_range_is_not() {
    let key = p256().with_form(SignatureForm::Raw);
    let (r, s) = parts(&unhex(P256_SIGNATURE));
    let n: [u8; 32] = unhex(N).try_into().unwrap();
    let other = subtract(&n, &s);
    assert_ne!(s, other);
    assert_eq!(key.verify(b"abc", &[r, s].concat()), Ok(()));
    assert_eq!(key.verify(b"abc", &[r, other].concat()), Ok(()));
    for bad in [[0; 32], n, [0xff; 32]] {
        for wrong in [[bad, s], [r, bad]] {
            let verdict = key.verify(b"abc", &wrong.concat());
            assert_eq!(verdict, Err(SignatureError::Malformed));
        }
    }
}

/// a - b of big-endian numbers, a the larger.
fn subtract(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = 0;
    for nth in (0..32).rev() {
        let digit = i16::from(a[nth]) - i16::from(b[nth]) - borrow;
        borrow = i16::from(digit < 0);
        out[nth] = (digit + 256 * borrow) as u8;
    }
    out
}

#[test]
fn a_p256_key_has_one_encoding() {
    let der = PublicKey::P256(p256()).to_spki_der();
    let point = &der[ecdsa::SPKI_PREFIX.len()..];
    let check = |point: &[u8], expected: Result<(), KeyError>| {
        assert_eq!(P256Key::new(point, SignatureForm::Der).map(|_| ()), expected);
    };
    check(point, Ok(()));
    let refused = Err(KeyError::NotPoint);
    let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    check(&compressed, refused);
    let hybrid = [&[6 + (point[64] & 1)], &point[1..]].concat();
    check(&hybrid, refused);
    check(&[], refused);
    check(&[0], refused);
    check(&[4; 65], refused);
    check(&[point, &[0]].concat(), refused);
    check(&point[1..], refused);
    let mut off = point.to_vec();
    off[64] ^= 1;
    check(&off, refused);
    for length in [der.len() - 1, der.len() + 1] {
        let wrong: Vec<u8> = der.iter().chain(&[0]).copied().take(length).collect();
        assert!(PublicKey::from_spki_der(&wrong).is_err(), "{length}");
    }
    // An algorithm without its curve, or with another one, is no prefix of ours.
    let mut other = der.clone();
    other[22] ^= 1;
    assert_eq!(PublicKey::from_spki_der(&other), Err(KeyError::NotSpki { len: 91 }));
}
