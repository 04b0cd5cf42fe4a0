//! Reading: each verb is one look-up by key, or one walk along a key.

use schemas::id::{Digest, EntryIndex, Time, TreeSize};
use schemas::thread::ThreadId;
use sqlx::postgres::{PgConnection, PgRow};

use super::failed;
use super::rows::{Columns, KEYS_MAX};
use super::session::check_settings;
use crate::store::forms::number;
use crate::store::{
    ALONE_MAX, Head, LogHead, Logged, Published, RANGE_ENTRIES_MAX, Seal, StatementKey, StoreError,
    StoredEntry, Thread, Tile,
};

const HEAD: &str = "SELECT size, leaf, time, peaks, seal FROM head WHERE id = 0";

pub async fn head(connection: &mut PgConnection) -> Result<(LogHead, Option<Seal>), StoreError> {
    parse_head(sqlx::query(HEAD).fetch_optional(connection).await.map_err(failed)?)
}

/// Waits for the head row, and asks under the lock whether a commit would be kept: somebody may
/// have changed the server's settings since it was asked last.
const LOCKED_HEAD: &str = "SELECT size, leaf, time, peaks, seal, \
         current_setting('fsync') AS fsync, \
         current_setting('synchronous_commit') AS synchronous_commit \
     FROM head WHERE id = 0 FOR UPDATE";

pub async fn lock_head(
    connection: &mut PgConnection,
) -> Result<(LogHead, Option<Seal>), StoreError> {
    let row = sqlx::query(LOCKED_HEAD).fetch_optional(connection).await.map_err(failed)?;
    if let Some(row) = &row {
        let columns = Columns { table: "head", row };
        check_settings(columns.get("fsync")?, columns.get("synchronous_commit")?)?;
    }
    parse_head(row)
}

fn parse_head(row: Option<PgRow>) -> Result<(LogHead, Option<Seal>), StoreError> {
    let row = row.ok_or(StoreError::Corrupt { table: "head", what: "row" })?;
    let columns = Columns { table: "head", row: &row };
    let head = LogHead {
        size: columns.number("size")?,
        leaf: columns.hash("leaf")?,
        time: columns.get::<Option<i64>>("time")?.map(Time),
        peaks: columns.hashes("peaks")?,
    };
    let seal = columns.get::<Option<&str>>("seal")?.map(Seal::parse);
    match seal {
        None => Ok((head, None)),
        Some(Some(seal)) => Ok((head, Some(seal))),
        Some(None) => Err(columns.corrupt("seal")),
    }
}

/// Adds up sizes first, which reads no bytes of the values, so that memory is bounded before
/// anything large is read.
const RANGE: &str = "WITH sized AS MATERIALIZED (
    SELECT e.entry_index, octet_length(e.entry) + coalesce(octet_length(v.envelope), 0) AS bytes
    FROM entry e LEFT JOIN envelope v USING (entry_index)
    WHERE e.entry_index >= $1 AND e.entry_index < $2 ORDER BY e.entry_index LIMIT $4
), summed AS (
    SELECT entry_index, sum(bytes::bigint) OVER (ORDER BY entry_index) AS total FROM sized
)
SELECT e.entry_index, e.entry, v.envelope
FROM entry e LEFT JOIN envelope v USING (entry_index)
WHERE e.entry_index >= $1 AND e.entry_index < $2
    AND e.entry_index <= coalesce((SELECT max(entry_index) FROM summed WHERE total <= $3), $1)
ORDER BY e.entry_index";

pub async fn range(
    connection: &mut PgConnection,
    from: EntryIndex,
    to: EntryIndex,
    bytes_max: u64,
) -> Result<Vec<StoredEntry>, StoreError> {
    let rows = sqlx::query(RANGE)
        .bind(number(from))
        .bind(number(to))
        .bind(number(bytes_max))
        .bind(number(RANGE_ENTRIES_MAX as u64))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    rows.iter().map(stored_entry).collect()
}

const ALONE: &str = "SELECT entry_index, entry FROM entry \
     WHERE entry_index >= $1 AND entry_index < $2 ORDER BY entry_index LIMIT $3";

pub async fn entries_alone(
    connection: &mut PgConnection,
    from: EntryIndex,
    to: EntryIndex,
) -> Result<Vec<(EntryIndex, Vec<u8>)>, StoreError> {
    let rows = sqlx::query(ALONE)
        .bind(number(from))
        .bind(number(to))
        .bind(number(ALONE_MAX as u64))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let entry = |row: &PgRow| {
        let columns = Columns { table: "entry", row };
        Ok((columns.number("entry_index")?, columns.get("entry")?))
    };
    rows.iter().map(entry).collect()
}

const ENTRIES: &str = "SELECT e.entry_index, e.entry, v.envelope \
     FROM entry e LEFT JOIN envelope v USING (entry_index) WHERE e.entry_index = ANY($1)";

pub async fn entries(
    connection: &mut PgConnection,
    indexes: &[EntryIndex],
) -> Result<Vec<StoredEntry>, StoreError> {
    let mut found = Vec::new();
    for keys in indexes.chunks(KEYS_MAX) {
        let keys: Vec<i64> = keys.iter().copied().map(number).collect();
        let rows = sqlx::query(ENTRIES).bind(keys).fetch_all(&mut *connection).await;
        for row in rows.map_err(failed)? {
            found.push(stored_entry(&row)?);
        }
    }
    Ok(found)
}

fn stored_entry(row: &PgRow) -> Result<StoredEntry, StoreError> {
    let columns = Columns { table: "entry", row };
    Ok(StoredEntry {
        index: columns.number("entry_index")?,
        entry: columns.get("entry")?,
        envelope: columns.get("envelope")?,
    })
}

const THREADS: &str = "SELECT t.kind, t.id, t.position, t.entry_index, t.leaf, t.slice \
     FROM unnest($1::text[], $2::text[]) AS key (kind, id) \
     JOIN thread t ON t.kind = key.kind AND t.id = key.id";

pub async fn threads(
    connection: &mut PgConnection,
    threads: &[ThreadId],
) -> Result<Vec<Thread>, StoreError> {
    let mut found = Vec::new();
    for keys in threads.chunks(KEYS_MAX) {
        let kinds: Vec<&str> = keys.iter().map(|key| key.kind()).collect();
        let ids: Vec<String> = keys.iter().map(|key| key.id()).collect();
        let query = sqlx::query(THREADS).bind(kinds).bind(ids);
        for row in query.fetch_all(&mut *connection).await.map_err(failed)? {
            found.push(thread(&row)?);
        }
    }
    Ok(found)
}

const PAGE: &str = "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
     WHERE (kind, id) > ($1, $2) ORDER BY kind, id LIMIT $3";

const PAGE_OF_KIND: &str = "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
     WHERE (kind, id) > ($1, $2) AND kind = $4 ORDER BY kind, id LIMIT $3";

pub async fn threads_page(
    connection: &mut PgConnection,
    kind: Option<&str>,
    after: Option<&ThreadId>,
    limit: u32,
) -> Result<Vec<Thread>, StoreError> {
    let query = match kind {
        None => sqlx::query(PAGE),
        Some(_) => sqlx::query(PAGE_OF_KIND),
    };
    let query = query
        .bind(after.map_or("", |thread| thread.kind()))
        .bind(after.map_or_else(String::new, |thread| thread.id()))
        .bind(i64::from(limit));
    let query = match kind {
        None => query,
        Some(kind) => query.bind(kind),
    };
    let rows = query.fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(thread).collect()
}

fn thread(row: &PgRow) -> Result<Thread, StoreError> {
    let columns = Columns { table: "thread", row };
    let thread = ThreadId::parse(columns.get("kind")?, columns.get("id")?);
    Ok(Thread {
        thread: thread.ok_or_else(|| columns.corrupt("id"))?,
        head: Head {
            position: columns.number("position")?,
            index: columns.number("entry_index")?,
            leaf: columns.hash("leaf")?,
        },
        slice: columns.get("slice")?,
    })
}

/// One range of the thread index for each algorithm; `g` is what follows the last hex digit.
const FIND_ARTIFACTS: &str = "SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'gitCommit:' || $1 AND id < 'gitCommit:' || $1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha256:' || $1 AND id < 'sha256:' || $1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha384:' || $1 AND id < 'sha384:' || $1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha512:' || $1 AND id < 'sha512:' || $1 || 'g'
ORDER BY id LIMIT $2";

pub async fn find_artifacts(
    connection: &mut PgConnection,
    prefix: &str,
    limit: u32,
) -> Result<Vec<Digest>, StoreError> {
    let rows = sqlx::query(FIND_ARTIFACTS)
        .bind(prefix)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let digest = |row: &PgRow| {
        let columns = Columns { table: "thread", row };
        let id: &str = columns.get("id")?;
        id.parse().map_err(|_| columns.corrupt("id"))
    };
    rows.iter().map(digest).collect()
}

/// `place` counts from 1.
const STATEMENTS: &str = "SELECT key.place, s.entry_index, s.parts, s.signers \
     FROM unnest($1::bigint[], $2::bytea[], $3::text[]) WITH ORDINALITY \
         AS key (about, statement, project, place) \
     JOIN statement s ON s.about = key.about AND s.statement = key.statement \
         AND s.project = key.project";

pub async fn statements(
    connection: &mut PgConnection,
    keys: &[StatementKey],
) -> Result<Vec<Logged>, StoreError> {
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS_MAX) {
        let about: Vec<i64> = keys.iter().map(about).collect();
        let hashes: Vec<&[u8]> = keys.iter().map(|key| key.statement.0.as_slice()).collect();
        let projects: Vec<&str> =
            keys.iter().map(|key| key.project.as_ref().map_or("", |it| it.as_str())).collect();
        let query = sqlx::query(STATEMENTS).bind(about).bind(hashes).bind(projects);
        for row in query.fetch_all(&mut *connection).await.map_err(failed)? {
            found.push(logged(&row, keys)?);
        }
    }
    Ok(found)
}

/// The start of the digest that a statement is about first, or 0.
pub fn about(key: &StatementKey) -> i64 {
    let start = key.about.as_ref().and_then(|digest| digest.hex().get(..16));
    start.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0).cast_signed()
}

fn logged(row: &PgRow, keys: &[StatementKey]) -> Result<Logged, StoreError> {
    let columns = Columns { table: "statement", row };
    let place: usize = columns.number("place")?;
    let key = place.checked_sub(1).and_then(|place| keys.get(place));
    Ok(Logged {
        key: key.ok_or_else(|| columns.corrupt("place"))?.clone(),
        index: columns.number("entry_index")?,
        parts: columns.small_number("parts")?,
        signers: columns.hashes("signers")?,
    })
}

const TILES: &str = "SELECT t.level, t.number, t.hashes \
     FROM unnest($1::integer[], $2::bigint[]) AS key (level, number) \
     JOIN tile t ON t.level = key.level AND t.number = key.number";

pub async fn tiles(
    connection: &mut PgConnection,
    keys: &[(u8, u64)],
) -> Result<Vec<Tile>, StoreError> {
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS_MAX) {
        let levels: Vec<i32> = keys.iter().map(|key| i32::from(key.0)).collect();
        let numbers: Vec<i64> = keys.iter().map(|key| number(key.1)).collect();
        let query = sqlx::query(TILES).bind(levels).bind(numbers);
        for row in query.fetch_all(&mut *connection).await.map_err(failed)? {
            found.push(tile(&row)?);
        }
    }
    Ok(found)
}

fn tile(row: &PgRow) -> Result<Tile, StoreError> {
    let columns = Columns { table: "tile", row };
    Ok(Tile {
        level: columns.small_number("level")?,
        number: columns.number("number")?,
        hashes: columns.get("hashes")?,
    })
}

const CHECKPOINT: &str = "SELECT size, note FROM checkpoint ORDER BY sequence DESC LIMIT 1";

pub async fn checkpoint(
    connection: &mut PgConnection,
) -> Result<Option<(TreeSize, String)>, StoreError> {
    let row = sqlx::query(CHECKPOINT).fetch_optional(connection).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns { table: "checkpoint", row: &row };
    Ok(Some((columns.number("size")?, columns.get("note")?)))
}

const CHECKPOINT_AT: &str =
    "SELECT note FROM checkpoint WHERE size = $1 ORDER BY sequence DESC LIMIT 1";

pub async fn checkpoint_at(
    connection: &mut PgConnection,
    size: TreeSize,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(CHECKPOINT_AT)
        .bind(number(size))
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.map(|row| Columns { table: "checkpoint", row: &row }.get("note")).transpose()
}

const CHECKPOINTS: &str = "SELECT sequence, size, note FROM checkpoint \
     WHERE sequence > $1 ORDER BY sequence LIMIT $2";

pub async fn checkpoints(
    connection: &mut PgConnection,
    after: u64,
) -> Result<Vec<Published>, StoreError> {
    let rows = sqlx::query(CHECKPOINTS)
        .bind(number(after))
        .bind(number(ALONE_MAX as u64))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let published = |row: &PgRow| {
        let columns = Columns { table: "checkpoint", row };
        Ok(Published {
            sequence: columns.number("sequence")?,
            size: columns.number("size")?,
            note: columns.get("note")?,
        })
    };
    rows.iter().map(published).collect()
}

/// Every text above, for the test on their plans.
#[cfg(test)]
pub const LOOKUPS: [&str; 13] = [
    HEAD,
    LOCKED_HEAD,
    RANGE,
    ALONE,
    ENTRIES,
    THREADS,
    PAGE,
    PAGE_OF_KIND,
    FIND_ARTIFACTS,
    STATEMENTS,
    TILES,
    CHECKPOINT_AT,
    CHECKPOINTS,
];
