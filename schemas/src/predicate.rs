//! The bodies of statements: one file for each kind of event.
//!
//! Kinds that the field has defined are read leniently (unknown members are passed over), our own
//! strictly. Every own kind carries `ledger` (a statement made for a test ledger means nothing in
//! production), `project` where it has one, and `nonce` (two equal claims are two statements).

pub mod analysis;
pub mod approval;
pub mod build;
pub mod canary;
pub mod configuration;
pub mod decision;
pub mod deployment;
pub mod export;
pub mod freeze;
pub mod heads;
pub mod incident;
pub mod measurement;
pub mod migration;
pub mod note;
pub mod observation;
pub mod policy;
pub mod promotion_request;
pub mod rehearsal;
pub mod report;
pub mod review;
pub mod rollback;
pub mod sbom;
pub mod test;
pub mod trust;
pub mod vex;
pub mod vulnerabilities;
pub mod waiver;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Hash, TreeSize};

/// 128 random bits, as 32 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Nonce(#[schemars(regex(pattern = r"^[0-9a-f]{32}$"))] String);

impl Nonce {
    pub fn from_bytes(bytes: [u8; 16]) -> Nonce {
        Nonce(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl TryFrom<String> for Nonce {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Nonce, &'static str> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Nonce(text))
        } else {
            Err("not 32 lower-case hex digits")
        }
    }
}

impl FromStr for Nonce {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Nonce, &'static str> {
        text.to_owned().try_into()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The largest checkpoint that the signer's client had verified: what the signer saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub size: TreeSize,
    pub root: Hash,
}

/// An entry named by position and by what was signed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryRef {
    pub index: u64,
    pub statement: Hash,
}

/// An exact decimal as text, such as `83.4`; never a binary fraction.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DecimalText(#[schemars(regex(pattern = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"))] String);

impl DecimalText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DecimalText {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<DecimalText, &'static str> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let canonical_whole = whole == "0" || !whole.starts_with('0');
        if text.len() <= 40 && all_digits(whole) && all_digits(fraction) && canonical_whole {
            Ok(DecimalText(text.to_owned()))
        } else {
            Err("not a plain decimal number such as 83.4")
        }
    }
}

impl fmt::Display for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DecimalText {
    /// Reads a string or a whole number; a number with a fraction has no exact reading here.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = DecimalText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number as text, such as \"83.4\", or a whole number")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DecimalText, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<DecimalText, E> {
                Ok(DecimalText(number.to_string()))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<DecimalText, E> {
                Ok(DecimalText(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
