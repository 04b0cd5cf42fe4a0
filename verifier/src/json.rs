//! The one strict reading of JSON: a document has one meaning, or is refused at a byte offset.
//!
//! Two readers that disagree about the same signed bytes are how a "passed" for one becomes a
//! "failed" for the other. So whatever JSON leaves open (repeated members, lone surrogates, the
//! size of numbers) is closed here, and everything that decides reads through this module.

use std::borrow::Cow;

mod parse;
mod read;

pub use parse::parse;
pub(crate) use parse::plain_end;
pub use read::{ReadError, read};

/// Deepest accepted nesting of arrays and objects.
///
/// It bounds the recursion of every later walk over a [`Value`], so that none needs its own limit.
pub const DEPTH_MAX: usize = 64;

/// One member of an object: its unescaped name and its value.
pub type Member<'a> = (Cow<'a, str>, Value<'a>);

/// A JSON value that borrows from the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// The number as it was written; the reader of a member decides what it must fit.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    /// The members in the order of the source; no name occurs twice.
    Object(Vec<Member<'a>>),
}

impl<'a> Value<'a> {
    /// The member of an object; `None` where there is no such member, or no object.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.as_object()?.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// Follows member names from object to object.
    pub fn find(&self, path: &[&str]) -> Option<&Value<'a>> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number's text.
    pub fn as_number(&self) -> Option<&'a str> {
        match self {
            Value::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The number, where it is written as a whole number that fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.parse().ok()
    }

    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&[Member<'a>]> {
        match self {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// What kind of value it is, in words for a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

/// Why bytes are not one JSON document with one meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 { at: usize },
    #[error("starts with a byte order mark")]
    ByteOrderMark,
    #[error("expected {expected} at byte {at}")]
    Expected { expected: &'static str, at: usize },
    #[error("unescaped control character at byte {at}")]
    ControlCharacter { at: usize },
    #[error("half of a surrogate pair at byte {at}")]
    LoneSurrogate { at: usize },
    #[error("more than {DEPTH_MAX} levels deep at byte {at}")]
    TooDeep { at: usize },
    #[error("member {name:?} occurs twice in the object at byte {at}")]
    DuplicateMember { name: String, at: usize },
}

impl JsonError {
    /// The byte offset at which the reading stopped.
    pub fn at(&self) -> usize {
        match self {
            JsonError::ByteOrderMark => 0,
            JsonError::NotUtf8 { at }
            | JsonError::Expected { at, .. }
            | JsonError::ControlCharacter { at }
            | JsonError::LoneSurrogate { at }
            | JsonError::TooDeep { at }
            | JsonError::DuplicateMember { at, .. } => *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_path() {
        let value = parse(br#"{"a":{"b":[1,"x",true]},"n":18446744073709551615,"f":1.0}"#).unwrap();
        let list = value.find(&["a", "b"]).and_then(Value::as_array).unwrap();
        assert_eq!(list[0].as_u64(), Some(1));
        assert_eq!(list[1].as_str(), Some("x"));
        assert_eq!(list[2].as_bool(), Some(true));
        assert_eq!(value.get("n").and_then(Value::as_u64), Some(u64::MAX));
        assert_eq!(value.get("f").and_then(Value::as_u64), None);
        assert_eq!(value.get("f").and_then(Value::as_number), Some("1.0"));
        assert_eq!(value.find(&["a", "b", "c"]), None);
        assert_eq!(value.find(&[]), Some(&value));
    }

    #[test]
    fn a_value_stays_small() {
        assert_eq!(size_of::<Value<'_>>(), 32, "every element of a hostile array costs this");
    }
}
