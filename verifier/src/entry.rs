//! The entry: one line of history, a strict text with one spelling.

use std::fmt::Write as _;

use schemas::id::{EntryIndex, Hash, INTEGER_MAX, Origin, Time};
use schemas::statement::PREDICATE_TYPE_BYTES_MAX;
use schemas::thread::ThreadId;

use crate::merkle;

/// First line of every entry.
pub const HEADER: &str = "attestry/entry/v1";

/// Longest accepted entry, in bytes.
///
/// Mirrors frame each entry with a 16-bit length (c2sp.org/tlog-tiles), so a longer one could be
/// logged but never served. Larger evidence is logged by digest.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Most thread lines of one entry; a statement with more takes several entries.
pub const THREADS_MAX: usize = 240;

/// The worst case of a line: an artifact line with a sha512 digest and three 16-digit numbers.
const LINE_BYTES_MAX: usize = "thread artifact sha512:".len() + 128 + 2 * 17 + 65 + 1;
const HEAD_BYTES_MAX: usize = 600 + PREDICATE_TYPE_BYTES_MAX;
const _: () = assert!(HEAD_BYTES_MAX + THREADS_MAX * LINE_BYTES_MAX <= ENTRY_BYTES_MAX);

/// One log position, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub index: EntryIndex,
    pub time: Time,
    /// Leaf hash of the entry before; of the genesis text for entry 0.
    pub prev: Hash,
    pub predicate_type: String,
    /// SHA-256 of the DSSE pre-authentication encoding: what was signed.
    pub statement: Hash,
    /// SHA-256 and size of the bytes received.
    pub envelope: Hash,
    pub envelope_bytes: u64,
    /// 1-based; `part <= parts`.
    pub part: u16,
    pub parts: u16,
    /// Strictly ascending by the bytes of kind and id.
    pub threads: Vec<ThreadLine>,
}

/// An entry's place in one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadLine {
    pub thread: ThreadId,
    pub position: u64,
    /// The thread's entry before this one; none at position 0.
    pub before: Option<Link>,
}

/// Names an entry by its position and its leaf hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    pub index: EntryIndex,
    pub leaf: Hash,
}

/// What is wrong with the bytes of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("entry of {0} bytes, longer than {ENTRY_BYTES_MAX}")]
    TooLong(usize),
    #[error("line {line}: expected {expected}")]
    Line { line: usize, expected: &'static str },
    #[error("{0} thread lines, more than {THREADS_MAX}")]
    TooManyThreads(usize),
    #[error("thread lines are not strictly ascending at line {line}")]
    Order { line: usize },
}

/// Returns the `prev` of entry 0: SHA-256 of the genesis header and the origin, a line each.
pub fn genesis_prev(origin: &Origin) -> Hash {
    merkle::sha256(&[b"attestry/genesis/v1\n", origin.as_str().as_bytes(), b"\n"])
}

impl Entry {
    /// Writes the one spelling.
    pub fn format(&self) -> Vec<u8> {
        let mut out = String::with_capacity(512 + self.threads.len() * 160);
        let _ = write!(
            out,
            "{HEADER}\nindex {}\ntime {}\nprev {}\ntype {}\nstatement {}\nenvelope {} {} {}/{}\n",
            self.index,
            self.time,
            self.prev,
            self.predicate_type,
            self.statement,
            self.envelope,
            self.envelope_bytes,
            self.part,
            self.parts
        );
        for line in &self.threads {
            let _ = match &line.before {
                Some(link) => writeln!(
                    out,
                    "thread {} {} {} {}",
                    line.thread, line.position, link.index, link.leaf
                ),
                None => writeln!(out, "thread {} {} - -", line.thread, line.position),
            };
        }
        out.into_bytes()
    }

    /// Reads exactly the spelling that `format` writes.
    pub fn parse(bytes: &[u8]) -> Result<Entry, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong(bytes.len()));
        }
        let text = str::from_utf8(bytes).map_err(|cause| {
            let before = &bytes[..cause.valid_up_to()];
            EntryError::Line {
                line: before.split(|byte| *byte == b'\n').count(),
                expected: "UTF-8",
            }
        })?;
        let mut lines = Lines { rest: text, line: 0 };
        lines.take("attestry/entry/v1").and_then(|rest| lines.check(rest.is_empty(), HEADER))?;
        let index = lines.field("index ", "index and a number", integer)?;
        let time =
            lines.field("time ", "time and a UTC time", |text| Time::parse(text.as_bytes()))?;
        let prev = lines.field("prev ", "prev and a hash", hash)?;
        let predicate_type = lines.field("type ", "type and a predicate type", predicate_type)?;
        let statement = lines.field("statement ", "statement and a hash", hash)?;
        let (envelope, envelope_bytes, part, parts) =
            lines.field("envelope ", "envelope, hash, size, part/parts", envelope_fields)?;
        let threads = lines.threads()?;
        Ok(Entry {
            index,
            time,
            prev,
            predicate_type,
            statement,
            envelope,
            envelope_bytes,
            part,
            parts,
            threads,
        })
    }

    pub fn thread(&self, thread: &ThreadId) -> Option<&ThreadLine> {
        self.threads.iter().find(|line| line.thread == *thread)
    }
}

/// Walks the lines of an entry, counting them for errors.
struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Takes the next line if it begins with `prefix`, and gives what follows the prefix.
    fn take(&mut self, prefix: &'static str) -> Result<&'a str, EntryError> {
        self.line += 1;
        let (line, rest) = match memchr::memchr(b'\n', self.rest.as_bytes()) {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => return Err(self.expected(prefix)),
        };
        self.rest = rest;
        line.strip_prefix(prefix).ok_or_else(|| self.expected(prefix))
    }

    fn expected(&self, expected: &'static str) -> EntryError {
        let line = self.line;
        EntryError::Line { line, expected }
    }

    fn check(&self, holds: bool, expected: &'static str) -> Result<(), EntryError> {
        if holds { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn field<T>(
        &mut self,
        prefix: &'static str,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, EntryError> {
        let text = self.take(prefix)?;
        read(text).ok_or_else(|| self.expected(expected))
    }

    fn threads(&mut self) -> Result<Vec<ThreadLine>, EntryError> {
        let mut threads: Vec<ThreadLine> = Vec::new();
        while !self.rest.is_empty() {
            if threads.len() == THREADS_MAX {
                return Err(EntryError::TooManyThreads(threads.len() + 1));
            }
            let next = self.field("thread ", "thread, kind, id, position, index, hash", thread)?;
            if threads.last().is_some_and(|last| last.thread >= next.thread) {
                return Err(EntryError::Order { line: self.line });
            }
            threads.push(next);
        }
        Ok(threads)
    }
}

/// Reads a non-negative integer below 2^53 without leading zeros.
pub fn integer(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let plain = (1..=16).contains(&bytes.len()) && (bytes[0] != b'0' || bytes.len() == 1);
    if !plain || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = bytes.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    (number <= INTEGER_MAX).then_some(number)
}

fn hash(text: &str) -> Option<Hash> {
    Hash::from_hex(text.as_bytes())
}

/// True for 1 to 255 bytes of 0x21 to 0x7E.
pub fn is_predicate_type(text: &str) -> bool {
    (1..=PREDICATE_TYPE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

fn predicate_type(text: &str) -> Option<String> {
    is_predicate_type(text).then(|| text.to_owned())
}

fn envelope_fields(text: &str) -> Option<(Hash, u64, u16, u16)> {
    let mut words = text.split(' ');
    let digest = hash(words.next()?)?;
    let size = integer(words.next()?)?;
    let (part, parts) = words.next()?.split_once('/')?;
    let small = |text| integer(text).and_then(|number| u16::try_from(number).ok());
    let (part, parts) = (small(part)?, small(parts)?);
    let sound = words.next().is_none() && part >= 1 && part <= parts;
    sound.then_some((digest, size, part, parts))
}

fn thread(text: &str) -> Option<ThreadLine> {
    let mut words = text.split(' ');
    let thread = ThreadId::parse(words.next()?, words.next()?)?;
    let position = integer(words.next()?)?;
    let (index, leaf) = (words.next()?, words.next()?);
    let before = match (index, leaf) {
        ("-", "-") => None,
        _ => Some(Link { index: integer(index)?, leaf: hash(leaf)? }),
    };
    let sound = words.next().is_none() && (position == 0) == before.is_none();
    sound.then_some(ThreadLine { thread, position, before })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Entry {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let link = Link { index: 7, leaf: Hash([3; 32]) };
        let line = |kind, id: &str, position, before| ThreadLine {
            thread: ThreadId::parse(kind, id).unwrap(),
            position,
            before,
        };
        Entry {
            index: 9,
            time: "2026-11-20T17:00:00.123Z".parse().unwrap(),
            prev: Hash([1; 32]),
            predicate_type: "urn:x".into(),
            statement: Hash([2; 32]),
            envelope: Hash([4; 32]),
            envelope_bytes: 2183,
            part: 1,
            parts: 1,
            threads: vec![
                line("artifact", &digest, 0, None),
                line("environment", "payments/prod", 3, Some(link)),
                line("project", "payments", 8, Some(link)),
            ],
        }
    }

    #[test]
    fn one_spelling_and_back() {
        let bytes = example().format();
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!(entry, example());
        assert_eq!(entry.format(), bytes);
    }

    /// Each accepted change of any byte must still re-encode to itself: one spelling.
    #[test]
    fn every_accepted_mutation_re_encodes_to_itself() {
        let bytes = example().format();
        for at in 0..bytes.len() {
            for value in [b' ', b'\n', b'0', b'1', b'a', b'A', b'-', b'/', 0, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(entry) = Entry::parse(&changed) {
                    assert_eq!(entry.format(), changed, "byte {at} set to {value}");
                }
            }
            let mut shorter = bytes.clone();
            shorter.remove(at);
            if let Ok(entry) = Entry::parse(&shorter) {
                assert_eq!(entry.format(), shorter, "byte {at} removed");
            }
        }
    }

    #[test]
    fn bad_spellings_are_refused() {
        let good = String::from_utf8(example().format()).unwrap();
        for (from, to) in [
            ("index 9", "index 09"),
            ("index 9", "index 9007199254740992"),
            ("index 9", "index +9"),
            ("entry/v1\n", "entry/v1\r\n"),
            ("1/1", "0/1"),
            ("1/1", "2/1"),
            ("1/1\n", "1/1 \n"),
            ("type urn:x", "type "),
            ("type urn:x", "type urn: x"),
            (" 0 - -", " 1 - -"),
            (" 3 7 ", " 0 7 "),
            ("thread artifact", "thread  artifact"),
            ("thread environment", "thread control"),
            ("payments/prod", "payments"),
            (".123Z", "Z"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good, "{from}");
            assert!(Entry::parse(bad.as_bytes()).is_err(), "{from} -> {to}");
        }
        assert!(Entry::parse(&good.as_bytes()[..good.len() - 1]).is_err());
        assert!(Entry::parse(b"").is_err());
    }

    #[test]
    fn the_longest_entry_fits() {
        let mut entry = example();
        entry.index = INTEGER_MAX;
        entry.envelope_bytes = INTEGER_MAX;
        entry.predicate_type = "x".repeat(255);
        entry.threads = (0..THREADS_MAX)
            .map(|number| ThreadLine {
                thread: ThreadId::Artifact(format!("sha512:{number:0128x}").parse().unwrap()),
                position: INTEGER_MAX,
                before: Some(Link { index: INTEGER_MAX, leaf: Hash([9; 32]) }),
            })
            .collect();
        let bytes = entry.format();
        assert!(bytes.len() <= ENTRY_BYTES_MAX, "{}", bytes.len());
        assert_eq!(Entry::parse(&bytes).unwrap(), entry);
        entry.threads.push(entry.threads[0].clone());
        assert!(Entry::parse(&entry.format()).is_err());
    }
}
