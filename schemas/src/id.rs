//! Names and numbers that identify things: hashes, digests, projects, positions, times.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is wrong with a name, number or hash that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("not {expected}: {found:?}")]
    Malformed { expected: &'static str, found: String },
}

pub(crate) fn malformed(expected: &'static str, found: &str) -> IdError {
    IdError::Malformed { expected, found: found.chars().take(80).collect() }
}

/// Largest integer that every JSON reader keeps exactly: 2^53 - 1.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A SHA-256 hash inside the log: 32 bytes, shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }

    /// Writes the 64 lower-case hex digits.
    pub fn to_hex(&self) -> [u8; 64] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut out = [0; 64];
        for (pair, byte) in out.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        out
    }

    /// Reads exactly 64 lower-case hex digits.
    pub fn from_hex(text: &[u8]) -> Option<Hash> {
        let mut out = [0; 32];
        if text.len() != 64 {
            return None;
        }
        let mut all = 0;
        for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
            let (high, low) = (hex_digit(pair[0]), hex_digit(pair[1]));
            all |= high | low;
            *byte = (high << 4) | (low & 15);
        }
        (all < 16).then_some(Hash(out))
    }
}

/// The value of each byte as a lower-case hex digit; 0xff for those that are none.
const HEX_DIGITS: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

fn hex_digit(byte: u8) -> u8 {
    HEX_DIGITS[usize::from(byte)]
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().fold(0, |all, byte| all | hex_digit(byte)) < 16
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Hash, IdError> {
        Hash::from_hex(text.as_bytes()).ok_or_else(|| malformed("64 lower-case hex digits", text))
    }
}

/// Gives a text newtype its strict `FromStr`, `Display` and serde forms.
macro_rules! text_id {
    ($name:ident, $check:expr, $expected:literal) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<$name, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok($name(text.into())) } else { Err(malformed($expected, text)) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        string_serde!($name);
    };
}

/// Serialises a type as the text of its `Display`, and reads it by its `FromStr`.
macro_rules! string_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": stringify!($name) })
            }
        }
    };
}

pub(crate) use string_serde;

string_serde!(Hash);

/// The name of a log: 1 to 255 printable ASCII bytes without space and `+`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Arc<str>);
text_id!(
    Origin,
    |text| (1..=255).contains(&text.len())
        && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'+'),
    "a log origin (1 to 255 printable ASCII bytes without space and +)"
);

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let start = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&bytes.len())
        && start(&bytes[0])
        && bytes.iter().all(|byte| start(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

/// The name of a project: `[a-z0-9][a-z0-9._-]{0,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Project(Arc<str>);
text_id!(Project, is_name, "a project name ([a-z0-9][a-z0-9._-]{0,62})");

/// The name of an environment inside its project: `[a-z0-9][a-z0-9._-]{0,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName(Arc<str>);
text_id!(EnvironmentName, is_name, "an environment name ([a-z0-9][a-z0-9._-]{0,62})");

/// The name of an identity: `[a-z0-9][a-z0-9._-]{0,62}`; a pseudonym if you like.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityName(Arc<str>);
text_id!(IdentityName, is_name, "an identity name ([a-z0-9][a-z0-9._-]{0,62})");

/// One environment of one project, written `project/name`; ordered by that text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Environment {
    pub project: Project,
    pub name: EnvironmentName,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.name)
    }
}

impl Ord for Environment {
    fn cmp(&self, other: &Environment) -> std::cmp::Ordering {
        let text = |it: &'_ Environment| {
            let (project, name) = (it.project.as_str().bytes(), it.name.as_str().bytes());
            project.chain([b'/']).chain(name).collect::<Vec<u8>>()
        };
        text(self).cmp(&text(other))
    }
}

impl PartialOrd for Environment {
    fn partial_cmp(&self, other: &Environment) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Environment {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Environment, IdError> {
        let (project, name) =
            text.split_once('/').ok_or_else(|| malformed("an environment (project/name)", text))?;
        Ok(Environment { project: project.parse()?, name: name.parse()? })
    }
}
string_serde!(Environment);

/// A digest algorithm that opens an artifact thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DigestAlgorithm {
    GitCommit,
    Sha256,
    Sha384,
    Sha512,
}

impl DigestAlgorithm {
    /// The name that in-toto digest sets use.
    pub fn name(self) -> &'static str {
        match self {
            DigestAlgorithm::GitCommit => "gitCommit",
            DigestAlgorithm::Sha256 => "sha256",
            DigestAlgorithm::Sha384 => "sha384",
            DigestAlgorithm::Sha512 => "sha512",
        }
    }

    /// Finds the algorithm of a digest set's member, if it is one that opens a thread.
    pub fn from_name(name: &str) -> Option<DigestAlgorithm> {
        match name {
            "gitCommit" => Some(DigestAlgorithm::GitCommit),
            "sha256" => Some(DigestAlgorithm::Sha256),
            "sha384" => Some(DigestAlgorithm::Sha384),
            "sha512" => Some(DigestAlgorithm::Sha512),
            _ => None,
        }
    }

    fn check(self, hex: &str) -> Result<(), IdError> {
        if self.fits(hex.len()) && is_lower_hex(hex) {
            return Ok(());
        }
        Err(malformed("a digest of that algorithm in lower-case hex", hex))
    }

    fn fits(self, hex_digits: usize) -> bool {
        match self {
            DigestAlgorithm::GitCommit => hex_digits == 40 || hex_digits == 64,
            DigestAlgorithm::Sha256 => hex_digits == 64,
            DigestAlgorithm::Sha384 => hex_digits == 96,
            DigestAlgorithm::Sha512 => hex_digits == 128,
        }
    }
}

/// The digest of an artifact or commit: algorithm and lower-case hex, written `sha256:ab12…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    text: Arc<str>,
}

impl Digest {
    /// Makes a digest, refusing a wrong length and anything but lower-case hex.
    pub fn new(algorithm: DigestAlgorithm, hex: &str) -> Result<Digest, IdError> {
        algorithm.check(hex)?;
        let text = [algorithm.name(), ":", hex].concat().into();
        Ok(Digest { text })
    }

    pub fn sha256(hash: &Hash) -> Digest {
        let text = format!("sha256:{hash}").into();
        Digest { text }
    }

    /// True where this is the SHA-256 that [`Digest::sha256`] makes of the hash.
    pub fn is_sha256(&self, hash: &Hash) -> bool {
        let hex = self.text.strip_prefix("sha256:");
        hex.is_some_and(|hex| hex.as_bytes() == hash.to_hex())
    }

    pub fn algorithm(&self) -> DigestAlgorithm {
        match self.text.as_bytes()[0] {
            b'g' => DigestAlgorithm::GitCommit,
            _ if self.text.starts_with("sha256") => DigestAlgorithm::Sha256,
            _ if self.text.starts_with("sha384") => DigestAlgorithm::Sha384,
            _ => DigestAlgorithm::Sha512,
        }
    }

    pub fn hex(&self) -> &str {
        &self.text[self.algorithm().name().len() + 1..]
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The algorithm and the first eight digits, for people; a commit without its algorithm.
    pub fn short(&self) -> String {
        match self.algorithm() {
            DigestAlgorithm::GitCommit => self.hex()[..7].to_owned(),
            algorithm => format!("{}:{}", algorithm.name(), &self.hex()[..8]),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Digest, IdError> {
        let expected = "a digest (sha256:, sha384:, sha512: or gitCommit: and lower-case hex)";
        let (name, hex) = text.split_once(':').ok_or_else(|| malformed(expected, text))?;
        let algorithm =
            DigestAlgorithm::from_name(name).ok_or_else(|| malformed(expected, text))?;
        algorithm.check(hex)?;
        Ok(Digest { text: text.into() })
    }
}
string_serde!(Digest);

/// Hex SHA-256 of a public key's DER SubjectPublicKeyInfo.
pub type KeyId = Hash;

/// 0-based position in the log.
pub type EntryIndex = u64;

/// Count of leaves; `index < size`.
pub type TreeSize = u64;

pub use crate::time::Time;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_lower_case_and_of_the_right_length() {
        let hex = "ab".repeat(32);
        assert!(format!("sha256:{hex}").parse::<Digest>().is_ok());
        assert!(format!("gitCommit:{}", &hex[..40]).parse::<Digest>().is_ok());
        for bad in [
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{}", &hex[..62]),
            format!("sha1:{}", &hex[..40]),
            format!("gitCommit:{}", &hex[..39]),
            hex.clone(),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_narrow() {
        for good in ["a", "payments", "0.1_x-y"] {
            assert!(good.parse::<Project>().is_ok());
        }
        for bad in ["", "-a", ".a", "A", "a/b", "a b", &"a".repeat(64)] {
            assert!(bad.parse::<Project>().is_err(), "{bad}");
        }
        assert!("a/b".parse::<Environment>().is_ok());
        assert!("a/b/c".parse::<Environment>().is_err());
        assert!("ledger.acme.example+x".parse::<Origin>().is_err());
    }
}
