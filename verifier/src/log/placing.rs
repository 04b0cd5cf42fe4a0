//! Whether an entry stands where its statement belongs.

use schemas::report::{Class, Code, Finding};

use super::Open;
use crate::entry::{Entry, ThreadLine};
use crate::event::Event;
use crate::projection::State;
use crate::sequence::{joins, thread_lines};

/// What a code means for bytes that are logged: where no statement or subject can be read, nobody
/// can tell which threads it joins, and nothing can be folded past it.
pub(super) fn logged_code(code: Code) -> Code {
    match code.class() {
        Class::Integrity => code,
        _ => Code::EnvelopeMalformed,
    }
}

/// The envelope must be the one that the entry names, with the statement and type that it names.
pub fn check_envelope(entry: &Entry, event: &Event) -> Result<(), Finding> {
    let broken = |code, detail: String| Err(Finding::new(code, Some(entry.index), detail));
    if (entry.envelope, entry.envelope_bytes) != (event.envelope, event.envelope_bytes) {
        let (size, hash) = (event.envelope_bytes, event.envelope);
        return broken(Code::EnvelopeMismatch, format!("{size} bytes that hash to {hash}"));
    }
    if entry.statement != event.statement {
        return broken(Code::StatementMismatch, format!("it holds {}", event.statement));
    }
    if entry.predicate_type != event.predicate_type {
        return broken(Code::TypeMismatch, format!("it says {}", event.predicate_type));
    }
    Ok(())
}

/// A part must stand in its turn, name its statement, and join the derived threads at their heads.
pub(super) fn check_part(open: &Open, entry: &Entry, state: &State) -> Result<(), Finding> {
    let broken = |code, detail: String| Err(Finding::new(code, Some(entry.index), detail));
    let (turn, parts) = (open.entries.len() + 1, open.signed.parts.as_slice());
    if (usize::from(entry.part), usize::from(entry.parts)) != (turn, parts.len()) {
        let (part, of) = (entry.part, entry.parts);
        let detail = format!("part {part}/{of}, expected {turn}/{}", parts.len());
        return broken(Code::PartsBroken, detail);
    }
    check_envelope(entry, &open.signed.event)?;
    let threads = &parts[turn - 1];
    if joins(entry, state, threads) {
        return Ok(());
    }
    let Ok(expected) = thread_lines(state, threads) else {
        return Ok(());
    };
    compare_lines(entry, &expected)
}

/// Compares an entry's thread lines with those that its statement and the threads before it give.
pub fn compare_lines(entry: &Entry, expected: &[ThreadLine]) -> Result<(), Finding> {
    if entry.threads == expected {
        return Ok(());
    }
    let broken = |code, detail: String| Err(Finding::new(code, Some(entry.index), detail));
    let names =
        |lines: &[ThreadLine]| lines.iter().map(|line| line.thread.to_string()).collect::<Vec<_>>();
    if names(&entry.threads) != names(expected) {
        let detail =
            format!("has {:?}, the statement gives {:?}", names(&entry.threads), names(expected));
        return broken(Code::ThreadsNotDerived, detail);
    }
    for (found, expected) in entry.threads.iter().zip(expected) {
        let thread = &found.thread;
        if found.position > expected.position {
            let missing = expected.position;
            let detail =
                format!("{thread}: position {missing} is missing before {}", found.position);
            return broken(Code::ThreadGap, detail);
        }
        if found.position < expected.position {
            let detail = format!("{thread}: position {} stands already", found.position);
            return broken(Code::PositionTwice, detail);
        }
        if found.before != expected.before {
            let detail =
                format!("{thread}: names another entry before position {}", found.position);
            return broken(Code::ThreadBroken, detail);
        }
    }
    Ok(())
}
