//! Canonical JSON (RFC 8785): the bytes that digests of policies, trust and state are taken of.
//!
//! Signatures never need it: what was signed is kept and hashed as it was received.

use std::cmp::Ordering;

use serde::Serialize;

use crate::json::{Member, Value};

mod number;
mod serialize;

/// Largest integer that a double holds without neighbours falling together: 2^53 - 1.
pub const INTEGER_MAX: u64 = schemas::id::INTEGER_MAX;

/// Why a value has no canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    #[error("integer {text} is beyond 2^53 - 1, where readers disagree")]
    IntegerTooLarge { text: String },
    #[error("number {text} is beyond the range of a double")]
    NumberTooLarge { text: String },
    #[error("floating-point field {value}")]
    Float { value: String },
    #[error("byte-string field of {len} bytes")]
    Bytes { len: usize },
    #[error("map key is not a string")]
    KeyNotString,
    #[error("member {name:?} occurs twice")]
    DuplicateMember { name: String },
    #[error("{message}")]
    Custom { message: String },
}

/// Writes a value that was read, with the numbers of ECMAScript as RFC 8785 wants them.
///
/// Off-spec: whole numbers beyond 2^53 - 1 are refused. The RFC would round them, and two
/// documents that say different things would have one digest.
pub fn to_canonical(value: &Value<'_>) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    write_value(value, &mut out)?;
    Ok(out)
}

/// Writes one of our own structs; it has no floats, and no integer beyond 2^53 - 1.
pub fn canonical_of<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    value.serialize(serialize::Canonical { out: &mut out })?;
    Ok(out)
}

fn write_value(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(text) => number::write(text, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(values) => {
            out.push(b'[');
            for (nth, value) in values.iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                write_value(value, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(members, out)?,
    }
    Ok(())
}

fn write_object(members: &[Member<'_>], out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let mut sorted: Vec<&Member<'_>> = members.iter().collect();
    sorted.sort_unstable_by(|left, right| utf16_order(&left.0, &right.0));
    out.push(b'{');
    for (nth, (name, value)) in sorted.into_iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_value(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Compares names by their UTF-16 code units, as RFC 8785 sorts them.
///
/// UTF-8 sorts by code point, which differs in one case only: surrogates (U+10000 and up, first
/// byte 0xF0 and up) come before U+E000 to U+FFFF (first byte 0xEE or 0xEF). Raising those two
/// bytes above 0xF4 gives the order without decoding anything.
fn utf16_order(left: &str, right: &str) -> Ordering {
    let rank = |byte: u8| {
        if byte == 0xee || byte == 0xef { byte + 0x10 } else { byte }
    };
    let mut pairs = left.bytes().zip(right.bytes());
    match pairs.find(|(left, right)| left != right) {
        Some((left, right)) => rank(left).cmp(&rank(right)),
        None => left.len().cmp(&right.len()),
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    while let Some(at) = rest.iter().position(special) {
        out.extend(&rest[..at]);
        write_escaped(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend(rest);
    out.push(b'"');
}

fn write_escaped(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        b'"' | b'\\' => byte,
        _ => {
            out.extend(format!("\\u{byte:04x}").as_bytes());
            return;
        }
    };
    out.extend([b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;
    use crate::seeded::Seeded;
    use crate::{corpus, json};

    #[track_caller]
    fn check(input: &str, expected: &str) {
        let value = parse(input.as_bytes()).unwrap();
        let shown = match to_canonical(&value) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn objects_strings_and_words() {
        check(" { \"b\" : [ true , null ] , \"a\" : { } } ", r#"{"a":{},"b":[true,null]}"#);
        check(
            r#""\u000b\b\t\n\f\r\"\\\/\u007f\u20ac\u0000""#,
            "\"\\u000b\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}€\\u0000\"",
        );
        check(r#"{"aa":1,"a":2,"":3,"B":4}"#, r#"{"":3,"B":4,"a":2,"aa":1}"#);
        check(r#"{"\ufb33":1,"\ud83d\ude00":2,"\u20ac":3}"#, "{\"€\":3,\"😀\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn numbers_that_no_reader_keeps_are_refused() {
        check("9007199254740991", "9007199254740991");
        check("-9007199254740991", "-9007199254740991");
        for text in ["9007199254740992", "-9007199254740993", "100000000000000000000"] {
            let refused = format!("integer {text} is beyond 2^53 - 1, where readers disagree");
            check(text, &refused);
        }
        check("[1e999]", "number 1e999 is beyond the range of a double");
    }

    #[test]
    fn the_order_is_that_of_utf16() {
        let mut seeded = Seeded::new(0x5eed_0003);
        let pieces =
            ["a", "z", "\u{7f}", "é", "\u{d7ff}", "\u{e000}", "\u{ffff}", "😀", "\u{10ffff}"];
        for _ in 0..20_000 {
            let mut name =
                || (0..seeded.below(4)).map(|_| seeded.pick(&pieces)).collect::<String>();
            let (left, right) = (name(), name());
            let expected = left.encode_utf16().cmp(right.encode_utf16());
            assert_eq!(utf16_order(&left, &right), expected, "{left:?} {right:?}");
        }
    }

    #[test]
    fn published_vectors() {
        for name in ["arrays", "structures", "values"] {
            let Some(input) = corpus::read(&format!("jcs/{name}.input.json")) else {
                return;
            };
            let output = corpus::read(&format!("jcs/{name}.output.json")).unwrap();
            assert_eq!(to_canonical(&parse(&input).unwrap()).unwrap(), output, "{name}");
        }
    }

    #[test]
    fn seeded_documents_are_written_as_by_another_canonicalizer() {
        let mut seeded = Seeded::new(0x5eed_0004);
        let mut compared = 0;
        for _ in 0..20_000 {
            let mut text = String::new();
            seeded.json(4, &mut text);
            let Ok(value) = json::parse(text.as_bytes()) else {
                continue;
            };
            let ours = to_canonical(&value).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(ours, serde_json_canonicalizer::to_vec(&theirs).unwrap(), "{text}");
            assert_eq!(to_canonical(&parse(&ours).unwrap()).unwrap(), ours, "{text}");
            compared += 1;
        }
        assert!(compared > 10_000, "{compared}");
    }
}
