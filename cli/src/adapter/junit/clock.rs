//! When a test run finished, as far as its report says so.

use schemas::id::Time;

use crate::adapter::xml::Element;

/// The ends of the suites.
///
/// `timestamp` is when a suite started and `time` how long it took. Most writers give the local
/// time without its zone: that is no point in time, and none is guessed from it.
#[derive(Default)]
pub struct Clock {
    root: Option<Time>,
    latest: Option<Time>,
    /// Whether some suite states a time that cannot be placed.
    vague: bool,
}

impl Clock {
    /// Looks at an opening suite.
    pub fn see(&mut self, suite: &Element<'_>, is_root: bool) {
        let Some(stamp) = suite.attribute("timestamp").filter(|stamp| !stamp.is_empty()) else {
            return;
        };
        let length_ms = suite.attribute("time").and_then(|time| parse_seconds(&time));
        match (Time::parse_rfc3339(&stamp), length_ms) {
            (Some(start), Some(length_ms)) => {
                let end = Some(start.plus_ms(length_ms));
                self.latest = end.max(self.latest);
                self.root = if is_root { end } else { self.root };
            }
            (None, _) | (_, None) => self.vague = true,
        }
    }

    /// The end of the whole run.
    pub fn finished_at(&self) -> Option<Time> {
        let latest = if self.vague { None } else { self.latest };
        self.root.or(latest)
    }
}

/// Reads seconds with an optional fraction as milliseconds; `1,234.5` and `-1` are no durations.
fn parse_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 9 {
        return None;
    }
    let thousandths: String = fraction.chars().chain("00".chars()).take(3).collect();
    Some(whole.parse::<i64>().ok()? * 1_000 + thousandths.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::read;
    use schemas::kind::EventKind;

    fn check(root: &str, suite: &str, expected: Option<&str>) {
        let text = format!(
            "<testsuites {root}><testsuite {suite}><testcase/></testsuite>\
             <testsuite timestamp='2026-01-01T00:00:00Z' time='1'/></testsuites>"
        );
        let reading = read(text.as_bytes(), EventKind::Test).unwrap();
        let found = reading.finished_at.map(|time| time.to_string());
        assert_eq!(found.as_deref(), expected, "{root} {suite}");
    }

    #[test]
    fn ends() {
        let latest = Some("2026-01-01T00:00:01.000Z");
        check("", "", latest);
        check("", "timestamp='2025-01-01T00:00:00Z' time='1'", latest);
        check(
            "",
            "timestamp='2026-01-01T01:00:00+01:00' time='90.1234'",
            Some("2026-01-01T00:01:30.123Z"),
        );
        check("timestamp='2025-01-01T00:00:00Z' time='5'", "", Some("2025-01-01T00:00:05.000Z"));
        check("", "timestamp='2026-01-01T01:00:00' time='1'", None);
        check("", "timestamp='2026-01-01T01:00:00Z'", None);
        check("", "timestamp='2026-01-01T01:00:00Z' time='1,234.5'", None);
        check("", "timestamp=''", latest);
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("1.5", Some(1_500)),
            ("0", Some(0)),
            ("0.0004", Some(0)),
            ("1.", None),
            (".5", None),
            ("1.4e-05", None),
            ("-1", None),
            ("99999999999", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(parse_seconds(text), expected, "{text}");
        }
    }
}
