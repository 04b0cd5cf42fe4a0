//! Exact decimal numbers: what a gate compares.
//!
//! No binary fractions anywhere: a threshold of 83.4 admits 83.40 and refuses 83.39999999999999999
//! on every machine.

mod arithmetic;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

pub use arithmetic::change_in_percent;

/// Longest accepted number, in characters.
pub const DECIMAL_CHARS_MAX: usize = 64;

/// The newtype name by which a [`Decimal`] asks our JSON reader for the text of a number.
pub const NUMBER: &str = "$attestry::number";

/// A decimal number, compared by value and shown as it was written.
#[derive(Clone)]
pub struct Decimal {
    text: Box<str>,
    negative: bool,
    /// The digits without leading and trailing zeros; empty for zero.
    digits: Box<[u8]>,
    /// The value is 0.DIGITS times ten to this power. A number, never expanded: 1e999 costs
    /// no more than 1.
    exponent: i32,
}

/// Why a text is not a decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("number of {chars} characters, at most {DECIMAL_CHARS_MAX} are accepted")]
    TooLong { chars: usize },
    #[error("not a decimal number: {found:?}")]
    Malformed { found: String },
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?`.
    fn from_str(text: &str) -> Result<Decimal, DecimalError> {
        if text.len() > DECIMAL_CHARS_MAX {
            return Err(DecimalError::TooLong { chars: text.chars().count() });
        }
        split(text)
            .and_then(|parts| normal(text, parts))
            .ok_or_else(|| DecimalError::Malformed { found: text.to_owned() })
    }
}

struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: &'a str,
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (text, "0"),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    Some(Parts { negative, whole, fraction, exponent })
}

fn normal(text: &str, parts: Parts<'_>) -> Option<Decimal> {
    let Parts { negative, whole, fraction, exponent } = parts;
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leads_with_zero || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !(1..=3).contains(&unsigned.len()) || !all_digits(unsigned) {
        return None;
    }
    let digits = [whole, fraction].concat();
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let power: i32 = exponent.parse().ok()?;
    let point = i32::try_from(whole.len()).ok()? - i32::try_from(leading).ok()?;
    let digits: Box<[u8]> = digits.trim_matches('0').as_bytes().into();
    let zero = digits.is_empty();
    Some(Decimal {
        text: text.into(),
        negative: negative && !zero,
        digits,
        exponent: if zero { 0 } else { point + power },
    })
}

impl Decimal {
    /// The number as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn magnitude(&self, other: &Decimal) -> Ordering {
        let nonzero = |decimal: &Decimal| !decimal.digits.is_empty();
        (nonzero(self), self.exponent, &self.digits).cmp(&(
            nonzero(other),
            other.exponent,
            &other.digits,
        ))
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Decimal {
        let text = value.to_string();
        let exponent = if value == 0 { 0 } else { text.len() as i32 };
        let digits = text.trim_matches('0').as_bytes().into();
        Decimal { text: text.into(), negative: false, digits, exponent }
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Decimal {
        let mut decimal = Decimal::from(value.unsigned_abs());
        if value < 0 {
            decimal.negative = true;
            decimal.text = format!("-{}", decimal.text).into();
        }
        decimal
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.negative, self.exponent, &self.digits).hash(state);
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Written as a string: canonical JSON would put a number through a double.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Read from the text of a number, or from a string that holds one; never from a double.
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        deserializer.deserialize_newtype_struct(NUMBER, DecimalVisitor)
    }
}

struct DecimalVisitor;

impl<'de> Visitor<'de> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
        Ok(value.into())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Decimal, D::Error> {
        inner.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::Seeded;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn one_grammar() {
        for good in ["0", "-0", "10", "0.0", "83.40", "1e2", "1E-007", "-1.5e+999", "0e999"] {
            assert_eq!(decimal(good).to_string(), good);
        }
        for bad in [
            "", "-", "+1", "01", "-01", ".5", "1.", "1.e1", "1e", "1e+", "1e1000", "1e1.5",
            "1e--1", "1 ", " 1", "1_0", "0x1", "NaN", "inf", "1e1e1", "1.2.3", "--1", "١", "1e+-1",
            "1,5",
        ] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad}");
        }
        assert!("1".repeat(64).parse::<Decimal>().is_ok());
        assert_eq!("1".repeat(65).parse::<Decimal>(), Err(DecimalError::TooLong { chars: 65 }));
    }

    #[test]
    fn equal_by_value() {
        for (left, right) in [
            ("83.40", "83.4"),
            ("1e2", "100"),
            ("0", "-0.000"),
            ("0e999", "0"),
            ("0.001", "1e-3"),
            ("100e-2", "1"),
            ("-12.30", "-123e-1"),
            ("0.00100e5", "100"),
        ] {
            assert_eq!(decimal(left), decimal(right));
        }
    }

    #[test]
    fn ordered_by_value() {
        let ascending = [
            "-1e999",
            "-100",
            "-99.9",
            "-1",
            "-0.5",
            "-1e-999",
            "0",
            "1e-999",
            "0.09",
            "0.1",
            "0.10000000000000000000000000001",
            "0.5",
            "1",
            "9",
            "10",
            "83.39999999999999999",
            "83.4",
            "100",
            "101",
            "9007199254740992",
            "9007199254740993",
            "1e999",
        ];
        for (left, right) in ascending.iter().zip(&ascending[1..]) {
            assert!(decimal(left) < decimal(right), "{left} < {right}");
            assert!(decimal(right) > decimal(left), "{left} < {right}");
        }
    }

    #[test]
    fn seeded_hundredths_compare_like_integers() {
        let mut seeded = Seeded::new(0x5eed_0002);
        for _ in 0..10_000 {
            let (left, right) =
                (seeded.below(2000) as i64 - 1000, seeded.below(2000) as i64 - 1000);
            let spelled = |cents: i64, way: usize| match way {
                0 => format!("{cents}e-2"),
                1 => format!("{}{}.{:02}", sign(cents), cents.abs() / 100, cents.abs() % 100),
                _ => format!("{}0.{:06}e2", sign(cents), cents.abs() * 100),
            };
            let (a, b) = (spelled(left, seeded.below(3)), spelled(right, seeded.below(3)));
            assert_eq!(decimal(&a).cmp(&decimal(&b)), left.cmp(&right), "{a} {b}");
            assert_eq!(Decimal::from(left).cmp(&Decimal::from(right)), left.cmp(&right));
        }
    }

    fn sign(value: i64) -> &'static str {
        if value < 0 { "-" } else { "" }
    }

    #[test]
    fn integers_convert_exactly() {
        for value in [0, 1, -1, 10, 100, i64::MIN, i64::MAX] {
            assert_eq!(Decimal::from(value), decimal(&value.to_string()));
            assert_eq!(Decimal::from(value).to_string(), value.to_string());
        }
        assert_eq!(Decimal::from(u64::MAX), decimal("18446744073709551615"));
    }
}
