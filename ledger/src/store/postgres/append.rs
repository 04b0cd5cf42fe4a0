//! Writing: a batch as half a dozen statements, and the erasure of envelopes.

use std::collections::HashMap;
use std::hash::Hash as Key;

use schemas::id::{EntryIndex, TreeSize};
use sqlx::postgres::PgConnection;

use super::failed;
use super::read::about;
use super::rows::statements_of;
use crate::store::forms::{format_hashes, number};
use crate::store::{Batch, LogHead, Logged, Seal, StoreError, StoredEntry, Thread, Tile};

/// Writes a batch that is known to follow the head.
pub async fn write(
    connection: &mut PgConnection,
    batch: &Batch,
    expected: u64,
) -> Result<(), StoreError> {
    write_entries(connection, &batch.entries).await?;
    write_envelopes(connection, &batch.entries).await?;
    write_threads(connection, &batch.threads).await?;
    write_statements(connection, &batch.statements).await?;
    write_tiles(connection, &batch.tiles).await?;
    write_checkpoints(connection, &batch.checkpoints).await?;
    move_head(connection, &batch.head, expected).await
}

async fn write_entries(
    connection: &mut PgConnection,
    entries: &[StoredEntry],
) -> Result<(), StoreError> {
    for rows in statements_of(entries, |row| row.entry.len()) {
        let indexes: Vec<i64> = rows.iter().map(|row| number(row.index)).collect();
        let entries: Vec<&[u8]> = rows.iter().map(|row| row.entry.as_slice()).collect();
        sqlx::query(
            "INSERT INTO entry (entry_index, entry) \
             SELECT * FROM unnest($1::bigint[], $2::bytea[])",
        )
        .bind(indexes)
        .bind(entries)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

async fn write_envelopes(
    connection: &mut PgConnection,
    entries: &[StoredEntry],
) -> Result<(), StoreError> {
    let envelopes: Vec<(EntryIndex, &[u8])> =
        entries.iter().filter_map(|row| Some((row.index, row.envelope.as_deref()?))).collect();
    for rows in statements_of(&envelopes, |row| row.1.len()) {
        let indexes: Vec<i64> = rows.iter().map(|row| number(row.0)).collect();
        let envelopes: Vec<&[u8]> = rows.iter().map(|row| row.1).collect();
        sqlx::query(
            "INSERT INTO envelope (entry_index, envelope) \
             SELECT * FROM unnest($1::bigint[], $2::bytea[])",
        )
        .bind(indexes)
        .bind(envelopes)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

async fn write_threads(
    connection: &mut PgConnection,
    threads: &[Thread],
) -> Result<(), StoreError> {
    let threads = last_of_each(threads, |row| &row.thread);
    for rows in statements_of(&threads, |row| row.slice.as_ref().map_or(0, Vec::len)) {
        let kinds: Vec<&str> = rows.iter().map(|row| row.thread.kind()).collect();
        let ids: Vec<String> = rows.iter().map(|row| row.thread.id()).collect();
        let positions: Vec<i64> = rows.iter().map(|row| number(row.head.position)).collect();
        let indexes: Vec<i64> = rows.iter().map(|row| number(row.head.index)).collect();
        let leaves: Vec<&[u8]> = rows.iter().map(|row| row.head.leaf.0.as_slice()).collect();
        let slices: Vec<Option<&[u8]>> = rows.iter().map(|row| row.slice.as_deref()).collect();
        sqlx::query(
            "INSERT INTO thread (kind, id, position, entry_index, leaf, slice) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], \
                 $5::bytea[], $6::bytea[]) \
             ON CONFLICT (kind, id) DO UPDATE SET position = excluded.position, \
                 entry_index = excluded.entry_index, leaf = excluded.leaf, slice = excluded.slice",
        )
        .bind(kinds)
        .bind(ids)
        .bind(positions)
        .bind(indexes)
        .bind(leaves)
        .bind(slices)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

async fn write_statements(
    connection: &mut PgConnection,
    statements: &[Logged],
) -> Result<(), StoreError> {
    // Where it is logged first stays, as it would if they were written one after the other.
    let mut first = HashMap::with_capacity(statements.len());
    for row in statements {
        first.entry(&row.key).or_insert((row.index, row.parts));
    }
    let statements: Vec<(&Logged, (EntryIndex, u16))> = last_of_each(statements, |row| &row.key)
        .into_iter()
        .map(|row| (row, first.get(&row.key).copied().unwrap_or((row.index, row.parts))))
        .collect();
    for rows in statements_of(&statements, |(row, _)| 32 * row.signers.len()) {
        let keys = || rows.iter().map(|(row, _)| &row.key);
        let about: Vec<i64> = keys().map(about).collect();
        let hashes: Vec<&[u8]> = keys().map(|key| key.statement.0.as_slice()).collect();
        let projects: Vec<&str> =
            keys().map(|key| key.project.as_ref().map_or("", |it| it.as_str())).collect();
        let indexes: Vec<i64> = rows.iter().map(|(_, (index, _))| number(*index)).collect();
        let parts: Vec<i32> = rows.iter().map(|(_, (_, parts))| i32::from(*parts)).collect();
        let signers: Vec<Vec<u8>> =
            rows.iter().map(|(row, _)| format_hashes(&row.signers)).collect();
        sqlx::query(
            "INSERT INTO statement (about, statement, project, entry_index, parts, signers) \
             SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bigint[], \
                 $5::integer[], $6::bytea[]) \
             ON CONFLICT (about, statement, project) DO UPDATE SET signers = excluded.signers",
        )
        .bind(about)
        .bind(hashes)
        .bind(projects)
        .bind(indexes)
        .bind(parts)
        .bind(signers)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

async fn write_tiles(connection: &mut PgConnection, tiles: &[Tile]) -> Result<(), StoreError> {
    let tiles = last_of_each(tiles, |row| (row.level, row.number));
    for rows in statements_of(&tiles, |row| row.hashes.len()) {
        let levels: Vec<i32> = rows.iter().map(|row| i32::from(row.level)).collect();
        let numbers: Vec<i64> = rows.iter().map(|row| number(row.number)).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|row| row.hashes.as_slice()).collect();
        sqlx::query(
            "INSERT INTO tile (level, number, hashes) \
             SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bytea[]) \
             ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
        )
        .bind(levels)
        .bind(numbers)
        .bind(hashes)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

async fn write_checkpoints(
    connection: &mut PgConnection,
    checkpoints: &[(TreeSize, String)],
) -> Result<(), StoreError> {
    for rows in statements_of(checkpoints, |row| row.1.len()) {
        let sizes: Vec<i64> = rows.iter().map(|row| number(row.0)).collect();
        let notes: Vec<&str> = rows.iter().map(|row| row.1.as_str()).collect();
        sqlx::query(
            "INSERT INTO checkpoint (sequence, size, note) \
             SELECT (SELECT coalesce(max(sequence), 0) FROM checkpoint) + nth, size, note \
             FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS row (size, note, nth)",
        )
        .bind(sizes)
        .bind(notes)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

/// The last row of each key, since one statement may change a row only once.
fn last_of_each<'a, T, K: Key + Eq>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut places: HashMap<K, usize> = HashMap::with_capacity(rows.len());
    let mut last: Vec<&T> = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(key(row)).or_insert(last.len());
        match last.get_mut(place) {
            Some(earlier) => *earlier = row,
            None => last.push(row),
        }
    }
    last
}

/// Moves the head from the size that was read under the lock, and from no other.
async fn move_head(
    connection: &mut PgConnection,
    head: &LogHead,
    expected: u64,
) -> Result<(), StoreError> {
    let moved = sqlx::query(
        "UPDATE head SET size = $1, leaf = $2, time = $3, peaks = $4 WHERE id = 0 AND size = $5",
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
pub async fn seal(connection: &mut PgConnection, seal: Option<&Seal>) -> Result<(), StoreError> {
    sqlx::query("UPDATE head SET seal = $1 WHERE id = 0")
        .bind(seal.map(Seal::format))
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed)
}

/// Deletes envelopes; says how many there were, and which transaction that was.
pub async fn erase(
    connection: &mut PgConnection,
    indexes: &[EntryIndex],
) -> Result<(u64, String), StoreError> {
    let indexes: Vec<i64> = indexes.iter().copied().map(number).collect();
    let erased = sqlx::query("DELETE FROM envelope WHERE entry_index = ANY($1)")
        .bind(indexes)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let transaction = sqlx::query_scalar("SELECT pg_current_xact_id()::text")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    Ok((erased.rows_affected(), transaction))
}

/// Whether somebody still looks at the log as it was before a transaction.
pub async fn is_seen(connection: &mut PgConnection, transaction: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() \
             AND age(backend_xmin) >= age(($1::text::xid8)::xid))",
    )
    .bind(transaction)
    .fetch_one(connection)
    .await
    .map_err(failed)
}

/// Takes deleted rows out of their pages.
pub async fn vacuum(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::raw_sql("VACUUM envelope").execute(connection).await.map(drop).map_err(failed)
}
