//! Versions in order, and ranges of them: `>=1.4.0, <1.5.0`.
//!
//! Written here because decisions are evaluated again for ever: what a range holds must not change
//! with a library. Only whole versions of three numbers are in a range; a version with anything
//! behind them (`1.4.0-rc1`, `1.4.0+build7`) is in none.

use std::cmp::Ordering;
use std::str::FromStr;

/// Most conditions of a range.
const CONDITIONS_MAX: usize = 8;

/// Three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u64; 3]);

/// Conditions that all must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(Vec<(Operator, Version)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Operator {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Operator::Less => ordering.is_lt(),
            Operator::AtMost => ordering.is_le(),
            Operator::Equal => ordering.is_eq(),
            Operator::AtLeast => ordering.is_ge(),
            Operator::More => ordering.is_gt(),
        }
    }
}

/// Not a version, or not a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a range of versions such as `>=1.4.0, <1.5.0`")]
pub struct NoRange;

impl Range {
    pub fn holds(&self, version: &Version) -> bool {
        self.0.iter().all(|(operator, limit)| operator.holds(version.cmp(limit)))
    }

    /// True where the text is a version in the range.
    pub fn holds_text(&self, version: &str) -> bool {
        version.parse().is_ok_and(|version| self.holds(&version))
    }
}

impl FromStr for Version {
    type Err = NoRange;
    fn from_str(text: &str) -> Result<Version, NoRange> {
        let mut parts = text.split('.').map(number);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                Ok(Version([major, minor, patch]))
            }
            _ => Err(NoRange),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if plain && canonical { text.parse().ok() } else { None }
}

impl FromStr for Range {
    type Err = NoRange;
    fn from_str(text: &str) -> Result<Range, NoRange> {
        if text.len() > 256 {
            return Err(NoRange);
        }
        let conditions: Vec<_> = text.split(", ").map(condition).collect::<Result<_, _>>()?;
        if conditions.len() > CONDITIONS_MAX {
            return Err(NoRange);
        }
        Ok(Range(conditions))
    }
}

fn condition(text: &str) -> Result<(Operator, Version), NoRange> {
    let operators = [
        (">=", Operator::AtLeast),
        ("<=", Operator::AtMost),
        (">", Operator::More),
        ("<", Operator::Less),
        ("=", Operator::Equal),
    ];
    let found =
        operators.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)));
    let (operator, version) = found.ok_or(NoRange)?;
    Ok((operator, version.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_whole_versions() {
        for (range, version, expected) in [
            (">=1.4.0, <1.5.0", "1.4.0", true),
            (">=1.4.0, <1.5.0", "1.4.99", true),
            (">=1.4.0, <1.5.0", "1.5.0", false),
            (">=1.4.0, <1.5.0", "1.3.9", false),
            (">=1.4.0, <1.5.0", "1.10.0", false),
            (">1.9.0", "1.10.0", true),
            ("<=2.0.0", "2.0.0", true),
            ("=1.4.2", "1.4.2", true),
            ("=1.4.2", "1.4.3", false),
            // Whatever is behind the numbers, nobody can tell where it stands.
            (">=1.0.0", "1.4.0-rc1", false),
            (">=1.0.0", "1.4.0+build7", false),
            (">=1.0.0", "v1.4.0", false),
            (">=1.0.0", "1.4", false),
            (">=1.0.0", "01.4.0", false),
            (">=1.0.0", "", false),
        ] {
            let range: Range = range.parse().unwrap();
            assert_eq!(range.holds_text(version), expected, "{range:?} {version}");
        }
        let nine = [">=1.0.0"; 9].join(", ");
        for bad in
            ["", "1.4.0", "^1.4.0", ">= 1.4.0", ">=1.4", ">=1.4.0,<1.5.0", ">=1.4.0, ", &nine]
        {
            assert_eq!(bad.parse::<Range>(), Err(NoRange), "{bad}");
        }
    }
}
