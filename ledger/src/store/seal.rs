//! Why nobody may append to a log that is whole: it moves, or has moved, to another database.

use std::fmt;

/// What stands in the way of appending; said to whoever tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// It is being copied, to a database at this address.
    MovingTo(String),
    /// It goes on in the database at this address.
    MovedTo(String),
    /// This is the copy, not complete yet.
    MovingHere,
}

impl Seal {
    /// The stored form.
    pub fn format(&self) -> String {
        match self {
            Seal::MovingTo(address) => format!("moving-to {address}"),
            Seal::MovedTo(address) => format!("moved-to {address}"),
            Seal::MovingHere => "moving-here".to_owned(),
        }
    }

    pub fn parse(text: &str) -> Option<Seal> {
        match text.split_once(' ') {
            Some(("moving-to", address)) => Some(Seal::MovingTo(address.to_owned())),
            Some(("moved-to", address)) => Some(Seal::MovedTo(address.to_owned())),
            None if text == "moving-here" => Some(Seal::MovingHere),
            Some(_) | None => None,
        }
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seal::MovingTo(address) => write!(f, "the log is being moved to {address}"),
            Seal::MovedTo(address) => write!(f, "the log has moved to {address}"),
            Seal::MovingHere => write!(f, "the log is being moved here and is not complete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        for seal in [
            Seal::MovingTo("postgres://a@b/c d".to_owned()),
            Seal::MovedTo("ledger.db".to_owned()),
            Seal::MovingHere,
        ] {
            assert_eq!(Seal::parse(&seal.format()), Some(seal));
        }
        for wrong in ["", "moved", "moved-here x", "MOVING-HERE"] {
            assert_eq!(Seal::parse(wrong), None, "{wrong}");
        }
    }
}
