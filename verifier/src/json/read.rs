//! [`Value`] to our own types, with the path of whatever does not fit.

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserialize, Deserializer, Expected, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use schemas::id::INTEGER_MAX;

use super::{Member, Value};
use crate::decimal::NUMBER;

mod access;

use access::{Variant, visit_array, visit_object};

/// Reads a value as one of our types.
///
/// Whole numbers must be written as such and fit their type; a struct is an object and never an
/// array; a fraction goes to a [`Decimal`](crate::decimal::Decimal), or to a field that is
/// declared as a float.
pub fn read<'de, T: Deserialize<'de>>(value: &'de Value<'_>) -> Result<T, ReadError> {
    T::deserialize(value)
}

/// Where a value is not what its reader needs: `predicate.gates[2].max: expected …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{message}", if path.is_empty() { "" } else { ": " })]
pub struct ReadError {
    /// Member names and positions from the root; empty for the root itself.
    pub path: String,
    /// What serde or the type's own rule said, cut to a length that a log can bear.
    pub message: String,
}

const MESSAGE_CHARS_MAX: usize = 300;
const NAME_CHARS_MAX: usize = 80;

impl ReadError {
    /// Adds the name of the member that the error came from.
    fn in_member(mut self, name: &str) -> ReadError {
        let name: String = name.chars().take(NAME_CHARS_MAX).flat_map(char::escape_debug).collect();
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    fn in_element(mut self, nth: usize) -> ReadError {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{nth}]{dot}{}", self.path);
        self
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        let message = message.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
        ReadError { path: String::new(), message }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        ReadError::custom(format_args!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        ReadError::custom(format_args!("expected {expected}, found {found}"))
    }
}

impl<'de> Deserializer<'de> for &'de Value<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(text) => visit_number(text, visitor),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(values) => visit_array(values, visitor),
            Value::Object(members) => visit_object(members, visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = self.as_number().and_then(|text| text.parse().ok());
        match number.filter(|number: &f64| number.is_finite()) {
            Some(number) => visitor.visit_f64(number),
            None => Err(unexpected(self, &visitor)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self {
            Value::Number(text) if name == NUMBER => visitor.visit_borrowed_str(text),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self {
            Value::Object(members) => visit_object(members, visitor),
            _ => Err(unexpected(self, &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(members) => match &members[..] {
                [(name, content)] => visitor.visit_enum(Variant { name, content: Some(content) }),
                _ => Err(de::Error::invalid_length(members.len(), &"an object with one member")),
            },
            _ => Err(unexpected(self, &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

fn unexpected(found: &Value<'_>, expected: &dyn Expected) -> ReadError {
    let found = match found {
        Value::Number(text) => Unexpected::Other(text),
        Value::String(text) => Unexpected::Str(text),
        other => Unexpected::Other(other.kind()),
    };
    de::Error::invalid_type(found, expected)
}

/// Gives a whole number as an integer and any other as its text in two newtypes.
///
/// An integer beyond 2^53 - 1 is no integer here: readers disagree about it.
///
/// serde keeps newtypes where it buffers (flattened, untagged, internally tagged), so a `Decimal`
/// still gets the exact text there. Two, so that no `struct Name(String)` takes a number.
fn visit_number<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, ReadError> {
    match text.parse::<i64>() {
        Ok(number) if number.unsigned_abs() > INTEGER_MAX => {}
        Ok(number) => {
            return match u64::try_from(number) {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => visitor.visit_i64(number),
            };
        }
        Err(_) => {}
    }
    let expected = format!("{}", &visitor as &dyn Expected);
    visitor.visit_newtype_struct(NumberText { text, wraps: 1 }).map_err(|error| {
        let found = Unexpected::Other(text);
        if error.path.is_empty() { de::Error::invalid_type(found, &&*expected) } else { error }
    })
}

struct NumberText<'de> {
    text: &'de str,
    wraps: usize,
}

impl<'de> Deserializer<'de> for NumberText<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.wraps.checked_sub(1) {
            Some(wraps) => visitor.visit_newtype_struct(NumberText { wraps, ..self }),
            None => BorrowedStrDeserializer::new(self.text).deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests;
