//! Bytes that were changed after the fact: every field, every envelope, every order.

use schemas::thread::ThreadId;

use super::{Code, EventKind, Record, World, artifact, found, story, verify};
use crate::entry::{Entry, Link, ThreadLine};
use schemas::id::Hash;

/// Verifies changed records: the first finding has this code at this entry and ends it.
#[track_caller]
fn broken(world: &World, records: Vec<Record>, code: Code, at: usize, what: &str) {
    let report = verify(world, records);
    let finding = report.findings.first().unwrap_or_else(|| panic!("{what} at {at}: unnoticed"));
    assert_eq!((finding.code, finding.index), (code, Some(at as u64)), "{what}: {finding:?}");
    assert_eq!(finding.class, super::Class::Integrity);
    assert!(report.halted && report.findings.len() == 1, "{what}: {:?}", report.findings);
}

fn flipped(hash: &mut Hash) {
    hash.0[31] ^= 1;
}

type Change = (&'static str, Code, fn(&mut Entry) -> bool);

/// Changes of one field that are seen at the entry itself; each says whether it applies.
const CHANGES: &[Change] = &[
    ("index", Code::IndexMismatch, |it| {
        it.index += 1;
        true
    }),
    ("prev", Code::ChainBroken, |it| {
        flipped(&mut it.prev);
        true
    }),
    ("earlier time", Code::TimeBackwards, |it| {
        it.time = it.time.plus_ms(-86_400_000 * 2);
        it.index > 0
    }),
    ("type", Code::TypeMismatch, |it| {
        it.predicate_type.push('x');
        true
    }),
    ("statement", Code::StatementMismatch, |it| {
        flipped(&mut it.statement);
        true
    }),
    ("envelope", Code::EnvelopeMismatch, |it| {
        flipped(&mut it.envelope);
        true
    }),
    ("envelope size", Code::EnvelopeMismatch, |it| {
        it.envelope_bytes -= 1;
        true
    }),
    ("parts", Code::PartsBroken, |it| {
        it.parts += 1;
        true
    }),
    ("part", Code::PartsBroken, |it| {
        let first = it.part == 1;
        (it.part, it.parts) = if first { (2, 2) } else { (1, it.parts) };
        true
    }),
    ("an added thread", Code::ThreadsNotDerived, |it| {
        let thread = ThreadId::Project("zzz".parse().unwrap());
        it.threads.push(ThreadLine { thread, position: 0, before: None });
        true
    }),
];

type LineChange = (&'static str, Code, fn(&mut ThreadLine) -> bool);

/// Changes of one thread line.
const LINE_CHANGES: &[LineChange] = &[
    ("later position", Code::ThreadGap, |it| {
        it.position += 1;
        let leaf = Hash([7; 32]);
        it.before.get_or_insert(Link { index: 0, leaf });
        true
    }),
    ("earlier position", Code::PositionTwice, |it| {
        it.position = it.position.saturating_sub(1);
        it.position > 0
    }),
    ("first position", Code::PositionTwice, |it| {
        let later = it.position > 0;
        (it.position, it.before) = (0, None);
        later
    }),
    ("leaf before", Code::ThreadBroken, |it| match &mut it.before {
        Some(link) => {
            flipped(&mut link.leaf);
            true
        }
        None => false,
    }),
    ("index before", Code::ThreadBroken, |it| match &mut it.before {
        Some(link) => {
            link.index += 1;
            true
        }
        None => false,
    }),
];

#[test]
fn every_field_of_every_entry_counts() {
    let world = story();
    for at in 0..world.records.len() {
        for (what, code, change) in CHANGES {
            let mut entry = Entry::parse(&world.records[at].entry).unwrap();
            if change(&mut entry) {
                broken(&world, with(&world, at, &entry), *code, at, what);
            }
        }
    }
}

#[test]
fn every_thread_line_of_every_entry_counts() {
    let world = story();
    for at in 0..world.records.len() {
        let entry = Entry::parse(&world.records[at].entry).unwrap();
        for line in 0..entry.threads.len() {
            let mut without = entry.clone();
            without.threads.remove(line);
            let records = with(&world, at, &without);
            let project = matches!(entry.threads[line].thread, ThreadId::Project(_));
            if project && !EventKind::of_type(&entry.predicate_type).is_own() {
                // Where a foreign statement is filed stands in the entry alone: seen by the hash.
                let report = verify(&world, records);
                let expected = [(Code::UnknownProject, at), (Code::ChainBroken, at + 1)];
                let expected = expected.map(|(code, at)| (code, code.class(), Some(at as u64)));
                assert_eq!(found(&report), expected);
                continue;
            }
            broken(&world, records, Code::ThreadsNotDerived, at, "a thread left out");
            for (what, code, change) in LINE_CHANGES {
                let mut changed = entry.clone();
                if change(&mut changed.threads[line]) {
                    broken(&world, with(&world, at, &changed), *code, at, what);
                }
            }
        }
    }
}

/// The records with one entry in another one's place.
fn with(world: &World, at: usize, entry: &Entry) -> Vec<Record> {
    let mut records = world.records.clone();
    records[at].entry = entry.format();
    records
}

/// A time moved within its bounds is seen by the next entry, or by whoever knows the root.
#[test]
fn a_later_time_changes_the_hash() {
    let world = story();
    let last = world.records.len() - 1;
    for at in 0..=last {
        let mut entry = Entry::parse(&world.records[at].entry).unwrap();
        entry.time = entry.time.plus_ms(1);
        let records = with(&world, at, &entry);
        if at < last {
            broken(&world, records, Code::ChainBroken, at + 1, "later time");
        } else {
            let report = verify(&world, records);
            assert!(report.findings.is_empty() && report.root != world.root());
        }
    }
}

#[test]
fn every_byte_of_an_entry_is_read() {
    let world = story();
    let at = world.records.len() / 2;
    for byte in 0..world.records[at].entry.len() {
        let mut records = world.records.clone();
        records[at].entry[byte] ^= 1;
        let report = verify(&world, records);
        let last = report.findings.last().map(|finding| finding.class);
        assert!(report.halted && last == Some(super::Class::Integrity), "byte {byte}");
    }
}

#[test]
fn every_envelope_is_the_one_that_was_logged() {
    let world = story();
    for at in 0..world.records.len() {
        let change = |change: &dyn Fn(&mut Vec<u8>), what: &str| {
            let mut records = world.records.clone();
            change(records[at].envelope.as_mut().unwrap());
            broken(&world, records, Code::EnvelopeMismatch, at, what);
        };
        change(&|it| it.push(b'\n'), "a space at the end");
        change(&|it| respell(it, "\",\"", "\", \""), "another spelling");
        change(&|it| respell(it, "\"keyid\":\"", "\"keyid\":\"x"), "another keyid");
        let envelope = world.records[at].envelope.clone().unwrap();
        let signatures = str::from_utf8(&envelope).unwrap().matches("\"sig\":\"").count();
        for nth in 0..signatures {
            change(&|it| flip_signature(it, nth), "a flipped signature");
        }
        let mut records = world.records.clone();
        records[at].envelope = None;
        broken(&world, records, Code::EnvelopeMissing, at, "no envelope");
        let mut records = world.records.clone();
        records[at].envelope = Some(b"{}".to_vec());
        broken(&world, records, Code::EnvelopeMalformed, at, "no envelope's bytes");
        let mut records = world.records.clone();
        let next = (at + 1) % records.len();
        records[at].envelope = records[next].envelope.clone();
        broken(&world, records, Code::EnvelopeMismatch, at, "another envelope");
    }
}

fn respell(envelope: &mut Vec<u8>, from: &str, to: &str) {
    let text = str::from_utf8(envelope).unwrap().replacen(from, to, 1);
    *envelope = text.into_bytes();
}

/// Changes the first character of the nth signature.
pub fn flip_signature(envelope: &mut [u8], nth: usize) {
    let text = str::from_utf8(envelope).unwrap();
    let (at, mark) = text.match_indices("\"sig\":\"").nth(nth).unwrap();
    let at = at + mark.len();
    envelope[at] = if envelope[at] == b'A' { b'B' } else { b'A' };
}

#[test]
fn entries_stand_where_they_stood() {
    let world = story();
    let records = &world.records;
    let last = records.len() - 1;
    for at in 0..=last {
        let mut removed = records.clone();
        removed.remove(at);
        if at < last {
            broken(&world, removed, Code::IndexMismatch, at, "removed");
            let mut swapped = records.clone();
            swapped.swap(at, at + 1);
            broken(&world, swapped, Code::IndexMismatch, at, "swapped");
        } else {
            let report = verify(&world, removed);
            assert!(report.findings.is_empty());
            assert!(report.size < world.size() && report.root != world.root());
        }
        let mut repeated = records.clone();
        repeated.insert(at, records[at].clone());
        broken(&world, repeated, Code::IndexMismatch, at + 1, "repeated");
    }
}

#[test]
fn the_parts_of_a_statement_stand_together() {
    use schemas::predicate::test::{TYPE, TestResult};
    use schemas::statement::{Statement, Subject};
    let mut world = story();
    let name = |number: u32| Subject::of(&artifact(&number.to_string()), None);
    let subjects: Vec<Subject> = (0..300).map(name).collect();
    let first = world.records.len();
    let body = crate::fixture::body::test("unit", TestResult::Passed);
    world.log(&Statement::new(subjects, TYPE, body), &["ci"], Some("payments")).unwrap();
    let whole = world.records.clone();
    assert!(verify(&world, whole.clone()).findings.is_empty());
    let report = verify(&world, whole[..=first].to_vec());
    assert_eq!(report.findings[0].code, Code::PartsBroken);
    for (what, code, change) in CHANGES {
        let mut entry = Entry::parse(&whole[first + 1].entry).unwrap();
        change(&mut entry);
        broken(&world, with(&world, first + 1, &entry), *code, first + 1, what);
    }
}
