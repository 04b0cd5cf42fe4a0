//! Lengths of time as policies write them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time: a whole number and one of `s`, `m`, `h`, `d`.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "DurationText")]
pub struct Duration {
    ms: i64,
    text: String,
}

/// A length of time: a whole number and one of `s`, `m`, `h`, `d`.
#[derive(JsonSchema)]
#[schemars(rename = "Duration")]
#[allow(dead_code, reason = "only its schema is used")]
struct DurationText(#[schemars(regex(pattern = r"^[1-9][0-9]{0,5}[smhd]$"))] String);

impl Duration {
    pub fn ms(&self) -> i64 {
        self.ms
    }
}

impl FromStr for Duration {
    type Err = String;
    fn from_str(text: &str) -> Result<Duration, String> {
        let wrong = || format!("{text:?} is no duration; write 30s, 15m, 24h or 7d");
        let (number, unit) = text.split_at_checked(text.len().wrapping_sub(1)).ok_or_else(wrong)?;
        let unit_ms = match unit {
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let plain = number.len() <= 6
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.starts_with('0');
        let count: i64 = plain.then(|| number.parse().ok()).flatten().ok_or_else(wrong)?;
        Ok(Duration { ms: count * unit_ms, text: text.to_owned() })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, ms) in [("30s", 30_000), ("24h", 86_400_000), ("7d", 604_800_000)] {
            assert_eq!(text.parse::<Duration>().unwrap().ms(), ms);
        }
        for bad in ["", "s", "1", "01h", "-1h", "1.5h", "1w", "9999999d", "1 h", "é"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }
}
