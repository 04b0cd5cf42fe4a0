//! Writing: a batch as a dozen statements, and the erasure of envelopes.

use schemas::id::EntryIndex;
use sqlx::Arguments;
use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::rows::RowsSql;
use crate::store::forms::{format_hashes, number};
use crate::store::{Batch, LogHead, Seal, StoreError};

/// Writes a batch that is known to follow the head.
pub async fn write(
    connection: &mut SqliteConnection,
    batch: &Batch,
    expected: u64,
) -> Result<(), StoreError> {
    write_entries(connection, batch).await?;
    write_threads(connection, batch).await?;
    write_statements(connection, batch).await?;
    write_tiles(connection, batch).await?;
    write_checkpoints(connection, batch).await?;
    move_head(connection, &batch.head, expected).await
}

async fn write_entries(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    const ENTRIES: RowsSql = RowsSql {
        before: "INSERT INTO entry (entry_index, entry) VALUES ",
        tuple: "(?,?)",
        after: " ON CONFLICT (entry_index) DO NOTHING",
    };
    const ENVELOPES: RowsSql = RowsSql {
        before: "INSERT INTO envelope (entry_index, envelope) VALUES ",
        tuple: "(?,?)",
        after: " ON CONFLICT (entry_index) DO NOTHING",
    };
    ENTRIES
        .insert(connection, "entry", &batch.entries, |row, entry| {
            row.add(number(entry.index))?;
            row.add(entry.entry.as_slice())
        })
        .await?;
    let envelopes: Vec<(EntryIndex, &[u8])> = batch
        .entries
        .iter()
        .filter_map(|entry| Some((entry.index, entry.envelope.as_deref()?)))
        .collect();
    ENVELOPES
        .insert(connection, "envelope", &envelopes, |row, (index, envelope)| {
            row.add(number(*index))?;
            row.add(*envelope)
        })
        .await
}

async fn write_threads(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    const THREADS: RowsSql = RowsSql {
        before: "INSERT INTO thread (kind, id, position, entry_index, leaf, slice) VALUES ",
        tuple: "(?,?,?,?,?,?)",
        after: " ON CONFLICT (kind, id) DO UPDATE SET position = excluded.position, \
            entry_index = excluded.entry_index, leaf = excluded.leaf, slice = excluded.slice",
    };
    THREADS
        .execute(connection, &batch.threads, |row, thread| {
            row.add(thread.thread.kind())?;
            row.add(thread.thread.id())?;
            row.add(number(thread.head.position))?;
            row.add(number(thread.head.index))?;
            row.add(thread.head.leaf.0.as_slice())?;
            row.add(thread.slice.as_deref())
        })
        .await?;
    Ok(())
}

async fn write_statements(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<(), StoreError> {
    const STATEMENTS: RowsSql = RowsSql {
        before: "INSERT INTO statement (about, statement, project, entry_index, parts, signers) \
            VALUES ",
        tuple: "(?,?,?,?,?,?)",
        after: " ON CONFLICT (about, statement, project) DO UPDATE SET signers = excluded.signers",
    };
    STATEMENTS
        .execute(connection, &batch.statements, |row, logged| {
            row.add(logged.key.about)?;
            row.add(logged.key.statement.0.as_slice())?;
            row.add(logged.key.project.as_ref().map_or("", |project| project.as_str()))?;
            row.add(number(logged.index))?;
            row.add(i64::from(logged.parts))?;
            row.add(format_hashes(&logged.signers))
        })
        .await?;
    Ok(())
}

async fn write_tiles(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    const TILES: RowsSql = RowsSql {
        before: "INSERT INTO tile (level, number, hashes) VALUES ",
        tuple: "(?,?,?)",
        after: " ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
    };
    TILES
        .execute(connection, &batch.tiles, |row, tile| {
            row.add(i64::from(tile.level))?;
            row.add(number(tile.number))?;
            row.add(tile.hashes.as_slice())
        })
        .await?;
    Ok(())
}

async fn write_checkpoints(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<(), StoreError> {
    const CHECKPOINTS: RowsSql = RowsSql {
        before: "INSERT INTO checkpoint (sequence, size, note) VALUES ",
        tuple: "(?,?,?)",
        after: " ON CONFLICT (sequence) DO NOTHING",
    };
    if batch.checkpoints.is_empty() {
        return Ok(());
    }
    let newest = sqlx::query_scalar::<_, Option<i64>>("SELECT max(sequence) FROM checkpoint");
    let newest = newest.fetch_one(&mut *connection).await.map_err(failed)?.unwrap_or(0);
    let rows: Vec<_> = (newest + 1..).zip(&batch.checkpoints).collect();
    CHECKPOINTS
        .insert(connection, "checkpoint", &rows, |row, (sequence, (size, note))| {
            row.add(*sequence)?;
            row.add(number(*size))?;
            row.add(note.as_str())
        })
        .await
}

/// Moves the head from the size that was read under the lock, and from no other.
async fn move_head(
    connection: &mut SqliteConnection,
    head: &LogHead,
    expected: u64,
) -> Result<(), StoreError> {
    let moved = sqlx::query(
        "UPDATE head SET size = ?1, leaf = ?2, time = ?3, peaks = ?4 WHERE id = 0 AND size = ?5",
    )
    .bind(number(head.size))
    .bind(head.leaf.0.as_slice())
    .bind(head.time.map(|time| time.0))
    .bind(format_hashes(&head.peaks))
    .bind(number(expected))
    .execute(connection)
    .await
    .map_err(failed)?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt { table: "head", what: "size" }),
    }
}

/// Says why nobody may append, or that everybody may.
pub async fn seal(
    connection: &mut SqliteConnection,
    seal: Option<&Seal>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE head SET seal = ?1 WHERE id = 0")
        .bind(seal.map(Seal::format))
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed)
}

/// Deletes envelopes; `secure_delete` is on, so their bytes are overwritten and not just unlinked.
pub async fn erase(
    connection: &mut SqliteConnection,
    indexes: &[EntryIndex],
) -> Result<u64, StoreError> {
    const ERASE: RowsSql =
        RowsSql { before: "DELETE FROM envelope WHERE entry_index IN (", tuple: "?", after: ")" };
    ERASE.execute(connection, indexes, |row, index| row.add(number(*index))).await
}

/// Moves the `-wal` into the file and empties it, so that no older copy of a page remains there.
pub async fn empty_wal(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    match busy {
        0 => Ok(()),
        _ => Err(StoreError::Busy),
    }
}
