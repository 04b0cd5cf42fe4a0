//! Indexes and sizes in queries: integers below 2^53, as entries write them.

use schemas::id::INTEGER_MAX;
use serde::de::{Deserialize, Deserializer, Error};

/// Reads one that may be left out. What no log can have is refused, and not taken for something
/// that is not there.
pub fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Option::<u64>::deserialize(from)?.map(within).transpose().map_err(D::Error::custom)
}

/// Reads one that must be there.
pub fn given<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    within(u64::deserialize(from)?).map_err(D::Error::custom)
}

fn within(number: u64) -> Result<u64, String> {
    match number {
        0..=INTEGER_MAX => Ok(number),
        _ => Err(format!("{number} is above {INTEGER_MAX}, the largest index of a log")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Both {
        #[serde(deserialize_with = "given")]
        first: u64,
        #[serde(default, deserialize_with = "optional")]
        second: Option<u64>,
    }

    fn read(query: &str) -> Option<(u64, Option<u64>)> {
        let uri = format!("/?{query}").parse().unwrap();
        let axum::extract::Query(Both { first, second }) =
            axum::extract::Query::try_from_uri(&uri).ok()?;
        Some((first, second))
    }

    #[test]
    fn numbers_end_where_those_of_entries_do() {
        assert_eq!(read("first=0"), Some((0, None)));
        let largest = INTEGER_MAX;
        assert_eq!(read(&format!("first=7&second={largest}")), Some((7, Some(largest))));
        for wrong in ["9007199254740992", "18446744073709551615", "-1", "1.5", "x", ""] {
            assert_eq!(read(&format!("first={wrong}")), None, "{wrong}");
            assert_eq!(read(&format!("first=1&second={wrong}")), None, "{wrong}");
        }
    }
}
