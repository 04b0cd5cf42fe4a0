//! Verifier keys: the name, id and public key under which a note is signed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemas::id::Origin;
use sha2::{Digest, Sha256};

use super::decode_base64;
use crate::signature::ed25519::Ed25519Key;

/// Why a verifier key is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VkeyError {
    #[error("not a key name (1 to 255 bytes without space, + and control characters): {found:?}")]
    Name { found: String },
    #[error("not a verifier key (name+id+base64): {found:?}")]
    Malformed { found: String },
    #[error("verifier key {name} states id {stated:08x}, its key gives {computed:08x}")]
    Id { name: KeyName, stated: u32, computed: u32 },
    #[error("verifier key {name} has the unknown algorithm {algorithm:#04x}")]
    Algorithm { name: KeyName, algorithm: u8 },
    #[error("verifier key {name} holds no strict Ed25519 public key")]
    PublicKey { name: KeyName },
}

/// The name of a key: no Unicode space, no `+`, no control character, 1 to 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<KeyName, VkeyError> {
        let fits = |char: char| char != '+' && !char.is_whitespace() && !char.is_control();
        if (1..=255).contains(&text.len()) && text.chars().all(fits) {
            return Ok(KeyName(text.to_owned()));
        }
        Err(VkeyError::Name { found: excerpt(text) })
    }
}

/// A log signs under its origin, whose grammar is narrower than that of key names.
impl From<&Origin> for KeyName {
    fn from(origin: &Origin) -> KeyName {
        KeyName(origin.as_str().to_owned())
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

/// What a signature line says of its key: name and id, written `name+033de0ae`.
///
/// A hint and not an identity: anybody can make a key with a given 32-bit id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyTag {
    pub name: KeyName,
    pub id: u32,
}

impl fmt::Display for KeyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}", self.name, self.id)
    }
}

/// What a key signs; the byte that stands before it in a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// Ed25519 over the note text: how a log signs.
    Ed25519 = 0x01,
    /// Ed25519 over a time and the note text: how a witness signs (c2sp.org/tlog-cosignature).
    CosignatureV1 = 0x04,
}

/// A verifier key: name, algorithm and public key, written `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vkey {
    tag: KeyTag,
    algorithm: KeyAlgorithm,
    key: Ed25519Key,
}

impl Vkey {
    /// Returns the verifier key of a public key under a name.
    pub fn of(name: KeyName, algorithm: KeyAlgorithm, key: &Ed25519Key) -> Vkey {
        Vkey::from_parts(name, algorithm, key.clone())
    }

    fn from_parts(name: KeyName, algorithm: KeyAlgorithm, key: Ed25519Key) -> Vkey {
        let id = key_id(&name, algorithm as u8, key.as_bytes());
        Vkey { tag: KeyTag { name, id }, algorithm, key }
    }

    pub fn name(&self) -> &KeyName {
        &self.tag.name
    }

    pub fn tag(&self) -> &KeyTag {
        &self.tag
    }

    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Returns the raw public key: the same under another name or algorithm is the same key.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Checks an Ed25519 signature by the strict rule, whatever the message is made of.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(message, signature).is_ok()
    }
}

/// Reads a verifier key in its one spelling: lower-case id that fits the key, padded base64.
impl FromStr for Vkey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Vkey, VkeyError> {
        let malformed = || VkeyError::Malformed { found: excerpt(text) };
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or_else(malformed);
        let (name, id, body) = (part()?.parse::<KeyName>()?, part()?, part()?);
        let stated = parse_key_id(id).ok_or_else(malformed)?;
        let body = decode_base64(body, KEY_BODY_BYTES).ok_or_else(malformed)?;
        let (&algorithm, key) = body.split_first().ok_or_else(malformed)?;
        let computed = key_id(&name, algorithm, key);
        if stated != computed {
            return Err(VkeyError::Id { name, stated, computed });
        }
        let algorithm = match algorithm {
            0x01 => KeyAlgorithm::Ed25519,
            0x04 => KeyAlgorithm::CosignatureV1,
            algorithm => return Err(VkeyError::Algorithm { name, algorithm }),
        };
        match parse_public_key(key) {
            Some(key) => Ok(Vkey::from_parts(name, algorithm, key)),
            None => Err(VkeyError::PublicKey { name }),
        }
    }
}

/// Longest accepted key in a verifier key: the algorithm byte and 32 bytes.
const KEY_BODY_BYTES: usize = 33;

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = [&[self.algorithm as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}", self.tag, BASE64.encode(body))
    }
}

fn key_id(name: &KeyName, algorithm: u8, key: &[u8]) -> u32 {
    let hash = Sha256::new_with_prefix(name.as_str())
        .chain_update([b'\n', algorithm])
        .chain_update(key)
        .finalize();
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

fn parse_key_id(text: &str) -> Option<u32> {
    let id = u32::from_str_radix(text, 16).ok()?;
    (format!("{id:08x}") == text).then_some(id)
}

/// Reads a public key that is canonically encoded and not of small order.
fn parse_public_key(bytes: &[u8]) -> Option<Ed25519Key> {
    Ed25519Key::new(bytes.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{cases, read_json, text};

    /// RFC 8032, section 7.1, test 1.
    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().map(|char| char.to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn spelled(name: &str, algorithm: u8, key: &[u8]) -> String {
        let id = key_id(&KeyName(name.to_owned()), algorithm, key);
        let body = [&[algorithm], key].concat();
        format!("{name}+{id:08x}+{}", BASE64.encode(body))
    }

    #[test]
    fn published_keys() {
        let spec = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        assert_eq!(spec.parse::<Vkey>().unwrap().to_string(), spec);
        let Some(file) = read_json("tlog/cosignature.json") else {
            return;
        };
        for case in cases(&file["vkey_parse"]) {
            let read = text(case, "vkey").parse::<Vkey>();
            assert_eq!(read.is_ok(), text(case, "expect") == "accept", "{case}");
            if let Ok(vkey) = read {
                assert_eq!(vkey.to_string(), text(case, "vkey"));
                assert_eq!(vkey.algorithm(), KeyAlgorithm::CosignatureV1);
            }
        }
    }

    #[test]
    fn keys_have_one_spelling() {
        let good = spelled("log.example/a", 1, &unhex(KEY));
        assert_eq!(good.parse::<Vkey>().unwrap().to_string(), good);
        let id = good.split('+').nth(1).unwrap();
        let bad = [
            String::new(),
            good.replace('+', " "),
            good.replace(id, &id.to_uppercase()),
            good.replace(id, "00000000"),
            good.replace(id, &format!("+{}", &id[1..])),
            good.replace(id, &id[1..]),
            good.replace(id, &format!("0{id}")),
            good.replacen("log", "log ", 1),
            good.replacen("log", "l\u{2003}og", 1),
            good.replacen("log", "lag", 1),
            good.replacen("log.example/a", "", 1),
            format!("{good}="),
            format!("{good}\n"),
            format!("{good}AAAA"),
            good[..good.len() - 4].to_owned(),
            spelled("log", 1, &unhex(KEY)[..31]),
            spelled("log", 1, &[]),
            spelled("log", 2, &unhex(KEY)),
            spelled("log", 6, &unhex(KEY)),
            spelled(&"a".repeat(256), 1, &unhex(KEY)),
        ];
        for text in bad {
            assert!(text.parse::<Vkey>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn weak_and_twisted_public_keys_are_refused() {
        let high = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
        let keys = [
            // The points of order 1, 2, 4 and 8.
            format!("01{}", "00".repeat(31)),
            format!("ec{high}7f"),
            "00".repeat(32),
            format!("{}80", "00".repeat(31)),
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".to_owned(),
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".to_owned(),
            // The same with the sign of x = 0 set, and y not below the field's prime.
            format!("01{}80", "00".repeat(30)),
            format!("ee{high}7f"),
            format!("ed{high}7f"),
            // y = 3 + p: on the curve and of large order, in a second spelling.
            format!("f0{high}7f"),
            // No point at all.
            format!("02{}", "00".repeat(31)),
        ];
        for key in keys {
            let read = spelled("log", 1, &unhex(&key)).parse::<Vkey>();
            assert_eq!(
                read,
                Err(VkeyError::PublicKey { name: KeyName("log".to_owned()) }),
                "{key}"
            );
        }
    }

    fn verifies(key: &str, message: &str, signature: &str) -> bool {
        let vkey = spelled("test", 1, &unhex(key)).parse::<Vkey>();
        vkey.is_ok_and(|vkey| vkey.verifies(&unhex(message), &unhex(signature)))
    }

    #[test]
    fn the_strict_row_of_the_signature_check() {
        let Some(file) = read_json("crypto/speccheck-cases.json") else {
            return;
        };
        let verdict = |case| {
            let part = |name| text(case, name);
            if verifies(part("pub_key"), part("message"), part("signature")) { 'V' } else { 'X' }
        };
        assert_eq!(cases(&file).map(verdict).collect::<String>(), "XXXVXXXXXXXX");
    }

    #[test]
    fn published_signatures() {
        let Some(file) = read_json("crypto/ed25519_test.json") else {
            return;
        };
        for group in cases(&file["testGroups"]) {
            for case in cases(&group["tests"]) {
                let key = text(&group["publicKey"], "pk");
                let verdict = verifies(key, text(case, "msg"), text(case, "sig"));
                assert_eq!(verdict, text(case, "result") == "valid", "{case}");
            }
        }
    }
}
