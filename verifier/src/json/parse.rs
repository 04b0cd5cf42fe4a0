//! Bytes to [`Value`] in a single pass.

use std::borrow::Cow;

use super::{DEPTH_MAX, JsonError, Member, Value};

/// Reads one JSON document, strictly; only JSON white space may follow it.
///
/// Takes time linear in the input (n log n in the members of one object). The caller limits the
/// size: a value takes up to 32 bytes of memory for each byte of a hostile document.
pub fn parse(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    let text =
        str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::ByteOrderMark);
    }
    let mut parser = Parser {
        text,
        bytes,
        at: 0,
        depth: 0,
        // Enough for most statements: growing costs more than the room.
        values: Vec::with_capacity(16),
        members: Vec::with_capacity(16),
    };
    let value = parser.value()?;
    match parser.skip_space() {
        None => Ok(value),
        Some(_) => Err(parser.expected("the end")),
    }
}

/// The position, and the elements of every array and object that is still open.
///
/// Elements wait on two shared stacks and are moved out when their container closes: one
/// allocation of the exact size for each container, however large or small.
struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    values: Vec<Value<'a>>,
    members: Vec<Member<'a>>,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Value<'a>, JsonError> {
        match self.skip_space() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn array(&mut self) -> Result<Value<'a>, JsonError> {
        self.open()?;
        let first = self.values.len();
        if self.skip_space() != Some(b']') {
            loop {
                let value = self.value()?;
                self.values.push(value);
                match self.skip_space() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.expected("',' or ']'")),
                }
            }
        }
        self.close();
        Ok(Value::Array(self.values.drain(first..).collect()))
    }

    fn object(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        self.open()?;
        let first = self.members.len();
        if self.skip_space() != Some(b'}') {
            loop {
                let member = self.member()?;
                self.members.push(member);
                match self.skip_space() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.expected("',' or '}'")),
                }
            }
        }
        self.close();
        if let Some(name) = repeated_name(&self.members[first..]) {
            let name = name.chars().take(80).collect();
            return Err(JsonError::DuplicateMember { name, at: start });
        }
        Ok(Value::Object(self.members.drain(first..).collect()))
    }

    fn member(&mut self) -> Result<Member<'a>, JsonError> {
        if self.skip_space() != Some(b'"') {
            return Err(self.expected("a member name"));
        }
        let name = self.string()?;
        if self.skip_space() != Some(b':') {
            return Err(self.expected("':'"));
        }
        self.at += 1;
        Ok((name, self.value()?))
    }

    fn open(&mut self) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(JsonError::TooDeep { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = self.at + 1;
        self.at = plain_end(self.bytes, start);
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(Cow::Borrowed(&self.text[start..self.at - 1]))
            }
            _ => self.escaped_string(start).map(Cow::Owned),
        }
    }

    /// Reads on from the first byte that does not stand for itself.
    fn escaped_string(&mut self, start: usize) -> Result<String, JsonError> {
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(JsonError::ControlCharacter { at: self.at }),
                None => return Err(self.expected("'\"'")),
            }
            let run = self.at;
            self.at = plain_end(self.bytes, run);
            out.push_str(&self.text[run..self.at]);
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let escaped = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let lone = JsonError::LoneSurrogate { at: self.at - 1 };
        let unit = self.code_unit()?;
        let code = match unit {
            0xd800..=0xdbff if self.bytes[self.at..].starts_with(b"\\u") => {
                self.at += 1;
                let low = self.code_unit()?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return Err(lone);
                }
                0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
            }
            _ => unit,
        };
        char::from_u32(code).ok_or(lone)
    }

    /// Reads `uXXXX`, four hex digits of either case.
    fn code_unit(&mut self) -> Result<u32, JsonError> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| self.expected("a hex digit"))?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        self.skip_one_of(b"-");
        if !self.skip_one_of(b"0") {
            self.digits()?;
        }
        if self.skip_one_of(b".") {
            self.digits()?;
        }
        if self.skip_one_of(b"eE") {
            self.skip_one_of(b"+-");
            self.digits()?;
        }
        Ok(Value::Number(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_one_of(&mut self, bytes: &[u8]) -> bool {
        let found = self.peek().is_some_and(|byte| bytes.contains(&byte));
        self.at += usize::from(found);
        found
    }

    /// Steps over white space and returns the byte after it, which stays unread.
    fn skip_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Expected { expected, at: self.at }
    }
}

/// Finds a name that occurs twice; names are already unescaped.
fn repeated_name<'m>(members: &'m [Member<'_>]) -> Option<&'m str> {
    if members.len() <= FEW_MEMBERS {
        let repeats = |nth: usize| members[..nth].iter().any(|(name, _)| *name == members[nth].0);
        return (1..members.len()).find(|nth| repeats(*nth)).map(|nth| &*members[nth].0);
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// Up to here, comparing every pair is faster than sorting.
const FEW_MEMBERS: usize = 16;

/// The first index from `at` on whose byte is a quote, a backslash or a control character.
///
/// Looks at eight bytes at a time: strings are most of a statement, and this loop is most of the
/// time that its reading takes.
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let special = special_bytes(u64::from_le_bytes(*eight));
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    at + rest.iter().position(special).unwrap_or(rest.len())
}

/// Sets the top bit of each byte that is special; exact up to and including the lowest one set.
///
/// `(x - 0x01..) & !x` marks zero bytes, and `(x - 0x20..) & !x` those below 0x20. A borrow can
/// only mark bytes above a true one, which the caller never looks at.
fn special_bytes(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let quote = word ^ (EACH * b'"' as u64);
    let backslash = word ^ (EACH * b'\\' as u64);
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    let quote = quote.wrapping_sub(EACH) & !quote;
    let backslash = backslash.wrapping_sub(EACH) & !backslash;
    (control | quote | backslash) & (EACH * 0x80)
}

#[cfg(test)]
mod tests;
