//! Names of what waits: they sort in the order in which it came.

use std::fmt;

/// Crockford's base 32, as ULIDs are written.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const LENGTH: usize = 26;

/// A ULID: 48 bits of time, 80 of chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u128);

impl Name {
    /// A name behind the last one, whatever the clock says meanwhile.
    pub fn after(last: Option<Name>, now_ms: i64, chance: [u8; 16]) -> Name {
        let time = u128::from(now_ms.max(0).unsigned_abs() & 0xffff_ffff_ffff);
        let name = time << 80 | (u128::from_be_bytes(chance) >> 48);
        Name(last.map_or(name, |last| name.max(last.0.saturating_add(1))))
    }

    pub fn parse(text: &str) -> Option<Name> {
        let digit = |byte: u8| DIGITS.iter().position(|it| *it == byte).map(|it| it as u128);
        let digits: Option<Vec<u128>> = text.bytes().take(LENGTH + 1).map(digit).collect();
        let digits = digits.filter(|digits| digits.len() == LENGTH && digits[0] < 8)?;
        Some(Name(digits.into_iter().fold(0, |name, digit| name << 5 | digit)))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit =
            |place: usize| char::from(DIGITS[(self.0 >> (5 * (LENGTH - 1 - place)) & 31) as usize]);
        f.write_str(&(0..LENGTH).map(digit).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_in_the_order_of_coming_also_where_the_clock_goes_back() {
        let mut last = None;
        let mut names = Vec::new();
        for (ms, chance) in [(5, 9), (5, 1), (7, 0), (3, 255), (7, 0), (-1, 3), (i64::MAX, 2)] {
            let name = Name::after(last, ms, [chance; 16]);
            names.push(name);
            last = Some(name);
        }
        assert!(names.is_sorted());
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted());
        for (text, name) in texts.iter().zip(&names) {
            assert_eq!((text.len(), Name::parse(text)), (LENGTH, Some(*name)));
        }
        for wrong in ["", "01", &"8".repeat(26), &"U".repeat(26), &"0".repeat(27), "é"] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }
}
