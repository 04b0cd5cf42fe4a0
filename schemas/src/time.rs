//! Times: UTC, to the millisecond, one spelling.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::{IdError, malformed, string_serde};

/// A UTC time in milliseconds since 1970, written `2026-11-20T17:00:00.123Z` (24 bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

impl Time {
    /// Reads the one 24-byte spelling; no second 60, years 0000 to 9999.
    pub fn parse(text: &[u8]) -> Option<Time> {
        const SHAPE: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
        if text.len() != SHAPE.len() {
            return None;
        }
        for (byte, shape) in text.iter().zip(SHAPE) {
            let fits = if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
            if !fits {
                return None;
            }
        }
        let number = |from: usize, to: usize| {
            text[from..to].iter().fold(0i32, |sum, byte| sum * 10 + i32::from(byte - b'0'))
        };
        let part = |from: usize| i8::try_from(number(from, from + 2)).ok();
        let date =
            jiff::civil::Date::new(i16::try_from(number(0, 4)).ok()?, part(5)?, part(8)?).ok()?;
        let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = i64::from((date - EPOCH).get_days());
        let seconds = i64::from(hour * 3600 + minute * 60 + second);
        Some(Time((days * 86_400 + seconds) * 1000 + i64::from(number(20, 23))))
    }

    /// Reads any RFC 3339 time, as other tools write them, down to the millisecond.
    pub fn parse_rfc3339(text: &str) -> Option<Time> {
        if text.len() > 64 {
            return None;
        }
        text.parse::<jiff::Timestamp>().ok().map(|stamp| Time(stamp.as_millisecond()))
    }

    pub fn plus_ms(self, ms: i64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    pub fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

const EPOCH: jiff::civil::Date = jiff::civil::date(1970, 1, 1);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        let civil = stamp.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            civil.millisecond()
        )
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Time {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Time, IdError> {
        Time::parse(text.as_bytes())
            .ok_or_else(|| malformed("a UTC time like 2026-11-20T17:00:00.123Z", text))
    }
}
string_serde!(Time);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_spelling() {
        for good in [
            "1970-01-01T00:00:00.000Z",
            "2026-11-20T17:00:00.123Z",
            "2024-02-29T23:59:59.999Z",
            "9999-12-30T22:00:00.000Z",
        ] {
            assert_eq!(good.parse::<Time>().unwrap().to_string(), good);
        }
        for bad in [
            "2026-11-20T17:00:00Z",
            "2026-11-20T17:00:60.000Z",
            "2026-11-20T24:00:00.000Z",
            "2025-02-29T00:00:00.000Z",
            "2026-11-20t17:00:00.123Z",
            "2026-11-20T17:00:00.123+",
            "+026-11-20T17:00:00.123Z",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }
}
