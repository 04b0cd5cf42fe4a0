//! Writing: a batch row by row, and the erasure of envelopes.

use rusqlite::Connection;
use schemas::id::EntryIndex;

use super::read::statement_key;
use super::rows::Sql;
use crate::store::forms::{format_hashes, number};
use crate::store::{Batch, LogHead, Seal, StoreError};

const ENTRY: &str =
    "INSERT INTO entry (entry_index, entry) VALUES (?1, ?2) ON CONFLICT (entry_index) DO NOTHING";

const ENVELOPE: &str = "INSERT INTO envelope (entry_index, envelope) VALUES (?1, ?2) \
     ON CONFLICT (entry_index) DO NOTHING";

const THREAD: &str = "INSERT INTO thread (kind, id, position, entry_index, leaf, slice, opened) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?4) \
     ON CONFLICT (kind, id) DO UPDATE SET position = excluded.position, \
         entry_index = excluded.entry_index, leaf = excluded.leaf, slice = excluded.slice";

/// Refused where it is about a thread that is not there, since nobody would find it again.
const STATEMENT: &str = "INSERT INTO statement (opened, statement, project, entry_index, parts, signers) \
     VALUES (CASE ?1 WHEN '' THEN 0 \
         ELSE (SELECT opened FROM thread WHERE kind = 'artifact' AND id = ?1) END, \
         ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (opened, statement, project) DO UPDATE SET signers = excluded.signers";

const TILE: &str = "INSERT INTO tile (level, number, hashes) VALUES (?1, ?2, ?3) \
     ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes";

const CHECKPOINT: &str = "INSERT INTO checkpoint (size, note) VALUES (?1, ?2)";

const HEAD: &str =
    "UPDATE head SET size = ?1, leaf = ?2, time = ?3, peaks = ?4 WHERE id = 0 AND size = ?5";

/// Writes a batch that is known to follow the head.
pub fn write(connection: &Connection, batch: &Batch, expected: u64) -> Result<(), StoreError> {
    write_entries(connection, batch)?;
    write_threads(connection, batch)?;
    write_statements(connection, batch)?;
    let mut tile = Sql::new(connection, "tile", TILE)?;
    for it in &batch.tiles {
        tile.run((it.level, number(it.number), it.hashes.as_slice()))?;
    }
    let mut checkpoint = Sql::new(connection, "checkpoint", CHECKPOINT)?;
    for (size, note) in &batch.checkpoints {
        checkpoint.run((number(*size), note))?;
    }
    move_head(connection, &batch.head, expected)
}

fn write_entries(connection: &Connection, batch: &Batch) -> Result<(), StoreError> {
    let mut entry = Sql::new(connection, "entry", ENTRY)?;
    for it in &batch.entries {
        entry.insert((number(it.index), it.entry.as_slice()))?;
    }
    let mut envelope = Sql::new(connection, "envelope", ENVELOPE)?;
    for it in &batch.entries {
        if let Some(bytes) = &it.envelope {
            envelope.insert((number(it.index), bytes.as_slice()))?;
        }
    }
    Ok(())
}

fn write_threads(connection: &Connection, batch: &Batch) -> Result<(), StoreError> {
    let mut thread = Sql::new(connection, "thread", THREAD)?;
    for it in &batch.threads {
        thread.run((
            it.thread.kind(),
            it.thread.id(),
            number(it.head.position),
            number(it.head.index),
            it.head.leaf.0.as_slice(),
            it.slice.as_deref(),
        ))?;
    }
    Ok(())
}

fn write_statements(connection: &Connection, batch: &Batch) -> Result<(), StoreError> {
    let mut statement = Sql::new(connection, "statement", STATEMENT)?;
    for it in &batch.statements {
        let (about, digest, project) = statement_key(&it.key);
        let signers = format_hashes(&it.signers);
        statement.run((about, digest, project, number(it.index), it.parts, signers))?;
    }
    Ok(())
}

/// Moves the head from the size that was read under the lock, and from no other.
fn move_head(connection: &Connection, head: &LogHead, expected: u64) -> Result<(), StoreError> {
    let moved = Sql::new(connection, "head", HEAD)?.run((
        number(head.size),
        head.leaf.0.as_slice(),
        head.time.map(|time| time.0),
        format_hashes(&head.peaks),
        number(expected),
    ))?;
    match moved {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt { table: "head", what: "size" }),
    }
}

/// Says why nobody may append, or that everybody may.
pub fn seal(connection: &Connection, seal: Option<&Seal>) -> Result<(), StoreError> {
    let seal = seal.map(Seal::format);
    Sql::new(connection, "head", "UPDATE head SET seal = ?1 WHERE id = 0")?.run((seal,)).map(drop)
}

/// Deletes envelopes; `secure_delete` is on, so their bytes are overwritten and not just unlinked.
pub fn erase(connection: &Connection, indexes: &[EntryIndex]) -> Result<u64, StoreError> {
    let text = "DELETE FROM envelope WHERE entry_index = ?1";
    let mut erase = Sql::new(connection, "envelope", text)?;
    let mut erased = 0;
    for index in indexes {
        erased += erase.run((number(*index),))? as u64;
    }
    Ok(erased)
}
