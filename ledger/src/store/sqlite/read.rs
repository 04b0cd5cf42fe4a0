//! Reading: each verb is one look-up by key, or one walk along a key.

use rusqlite::Connection;
use schemas::id::{Digest, EntryIndex, Time, TreeSize};
use schemas::thread::ThreadId;

use super::rows::{Columns, Sql};
use crate::store::forms::number;
use crate::store::{
    ALONE_MAX, Head, LogHead, Logged, Published, RANGE_ENTRIES_MAX, Seal, StatementKey, StoreError,
    StoredEntry, Thread, Tile,
};

const HEAD: &str = "SELECT size, leaf, time, peaks, seal FROM head WHERE id = 0";

pub fn head(connection: &Connection) -> Result<(LogHead, Option<Seal>), StoreError> {
    let found = Sql::new(connection, "head", HEAD)?.first((), |columns| {
        let head = LogHead {
            size: columns.number("size")?,
            leaf: columns.hash("leaf")?,
            time: columns.get::<Option<i64>>("time")?.map(Time),
            peaks: columns.hashes("peaks")?,
        };
        match columns.text_if_any("seal")?.map(Seal::parse) {
            None => Ok((head, None)),
            Some(Some(seal)) => Ok((head, Some(seal))),
            Some(None) => Err(columns.corrupt("seal")),
        }
    });
    found?.ok_or(StoreError::Corrupt { table: "head", what: "row" })
}

/// Adds up sizes first, which reads no bytes of the values, so that memory is bounded before
/// anything large is read.
const RANGE: &str = "WITH sized AS (
    SELECT e.entry_index, length(e.entry) + coalesce(length(v.envelope), 0) AS bytes
    FROM entry e LEFT JOIN envelope v USING (entry_index)
    WHERE e.entry_index >= ?1 AND e.entry_index < ?2 ORDER BY e.entry_index LIMIT ?4
), summed AS (
    SELECT entry_index, sum(bytes) OVER (ORDER BY entry_index) AS total FROM sized
)
SELECT e.entry_index, e.entry, v.envelope
FROM entry e LEFT JOIN envelope v USING (entry_index)
WHERE e.entry_index >= ?1 AND e.entry_index < ?2
    AND e.entry_index <= coalesce((SELECT max(entry_index) FROM summed WHERE total <= ?3), ?1)
ORDER BY e.entry_index";

pub fn range(
    connection: &Connection,
    from: EntryIndex,
    to: EntryIndex,
    bytes_max: u64,
) -> Result<Vec<StoredEntry>, StoreError> {
    let limits = (number(bytes_max), number(RANGE_ENTRIES_MAX as u64));
    let values = (number(from), number(to), limits.0, limits.1);
    Sql::new(connection, "entry", RANGE)?.all(values, stored_entry)
}

const ALONE: &str = "SELECT entry_index, entry FROM entry \
     WHERE entry_index >= ?1 AND entry_index < ?2 ORDER BY entry_index LIMIT ?3";

pub fn entries_alone(
    connection: &Connection,
    from: EntryIndex,
    to: EntryIndex,
) -> Result<Vec<(EntryIndex, Vec<u8>)>, StoreError> {
    let values = (number(from), number(to), number(ALONE_MAX as u64));
    Sql::new(connection, "entry", ALONE)?
        .all(values, |columns| Ok((columns.number("entry_index")?, columns.get("entry")?)))
}

const ENTRY: &str = "SELECT e.entry_index, e.entry, v.envelope \
     FROM entry e LEFT JOIN envelope v USING (entry_index) WHERE e.entry_index = ?1";

pub fn entries(
    connection: &Connection,
    indexes: &[EntryIndex],
) -> Result<Vec<StoredEntry>, StoreError> {
    let mut entry = Sql::new(connection, "entry", ENTRY)?;
    let found = indexes.iter().map(|index| entry.first((number(*index),), stored_entry));
    found.filter_map(Result::transpose).collect()
}

fn stored_entry(columns: &Columns<'_>) -> Result<StoredEntry, StoreError> {
    Ok(StoredEntry {
        index: columns.number("entry_index")?,
        entry: columns.get("entry")?,
        envelope: columns.get("envelope")?,
    })
}

const THREAD: &str = "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
     WHERE kind = ?1 AND id = ?2";

pub fn threads(connection: &Connection, threads: &[ThreadId]) -> Result<Vec<Thread>, StoreError> {
    let mut sql = Sql::new(connection, "thread", THREAD)?;
    let found = threads.iter().map(|it| sql.first((it.kind(), it.id()), thread));
    found.filter_map(Result::transpose).collect()
}

const PAGE: &str = "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
     WHERE (kind, id) > (?1, ?2) ORDER BY kind, id LIMIT ?3";

const PAGE_OF_KIND: &str = "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
     WHERE (kind, id) > (?1, ?2) AND kind = ?4 ORDER BY kind, id LIMIT ?3";

pub fn threads_page(
    connection: &Connection,
    kind: Option<&str>,
    after: Option<&ThreadId>,
    limit: u32,
) -> Result<Vec<Thread>, StoreError> {
    let after = after.map_or(("", String::new()), |thread| (thread.kind(), thread.id()));
    match kind {
        None => Sql::new(connection, "thread", PAGE)?.all((after.0, after.1, limit), thread),
        Some(kind) => {
            let values = (after.0, after.1, limit, kind);
            Sql::new(connection, "thread", PAGE_OF_KIND)?.all(values, thread)
        }
    }
}

fn thread(columns: &Columns<'_>) -> Result<Thread, StoreError> {
    let thread = ThreadId::parse(columns.text("kind")?, columns.text("id")?);
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
    AND id >= 'gitCommit:' || ?1 AND id < 'gitCommit:' || ?1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha256:' || ?1 AND id < 'sha256:' || ?1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha384:' || ?1 AND id < 'sha384:' || ?1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha512:' || ?1 AND id < 'sha512:' || ?1 || 'g'
ORDER BY id LIMIT ?2";

pub fn find_artifacts(
    connection: &Connection,
    prefix: &str,
    limit: u32,
) -> Result<Vec<Digest>, StoreError> {
    Sql::new(connection, "thread", FIND_ARTIFACTS)?.all((prefix, limit), |columns| {
        columns.text("id")?.parse().map_err(|_| columns.corrupt("id"))
    })
}

/// Finds none where the thread is not there: then nothing about it is logged.
const STATEMENT: &str = "SELECT entry_index, parts, signers FROM statement \
     WHERE opened = CASE ?1 WHEN '' THEN 0 \
         ELSE (SELECT opened FROM thread WHERE kind = 'artifact' AND id = ?1) END \
     AND statement = ?2 AND project = ?3";

pub fn statements(
    connection: &Connection,
    keys: &[StatementKey],
) -> Result<Vec<Logged>, StoreError> {
    let mut sql = Sql::new(connection, "statement", STATEMENT)?;
    let mut found = Vec::new();
    for key in keys {
        let logged = sql.first(statement_key(key), |columns| {
            let (index, parts) = (columns.number("entry_index")?, columns.number("parts")?);
            Ok((index, parts, columns.hashes("signers")?))
        })?;
        let logged = logged.map(|(index, parts, signers)| {
            let key = key.clone();
            Logged { key, index, parts, signers }
        });
        found.extend(logged);
    }
    Ok(found)
}

/// What a statement is found by: the thread it is about or `''`, its digest, its project or `''`.
pub fn statement_key(key: &StatementKey) -> (&str, &[u8], &str) {
    let about = key.about.as_ref().map_or("", |digest| digest.as_str());
    let project = key.project.as_ref().map_or("", |project| project.as_str());
    (about, key.statement.0.as_slice(), project)
}

const TILE: &str = "SELECT level, number, hashes FROM tile WHERE level = ?1 AND number = ?2";

pub fn tiles(connection: &Connection, keys: &[(u8, u64)]) -> Result<Vec<Tile>, StoreError> {
    let mut tile = Sql::new(connection, "tile", TILE)?;
    let found = keys.iter().map(|(level, nth)| {
        tile.first((level, number(*nth)), |columns| {
            Ok(Tile {
                level: columns.number("level")?,
                number: columns.number("number")?,
                hashes: columns.get("hashes")?,
            })
        })
    });
    found.filter_map(Result::transpose).collect()
}

const CHECKPOINT: &str = "SELECT size, note FROM checkpoint ORDER BY sequence DESC LIMIT 1";

pub fn checkpoint(connection: &Connection) -> Result<Option<(TreeSize, String)>, StoreError> {
    Sql::new(connection, "checkpoint", CHECKPOINT)?
        .first((), |columns| Ok((columns.number("size")?, columns.get("note")?)))
}

const CHECKPOINT_AT: &str =
    "SELECT note FROM checkpoint WHERE size = ?1 ORDER BY sequence DESC LIMIT 1";

pub fn checkpoint_at(
    connection: &Connection,
    size: TreeSize,
) -> Result<Option<String>, StoreError> {
    Sql::new(connection, "checkpoint", CHECKPOINT_AT)?
        .first((number(size),), |columns| columns.get("note"))
}

const CHECKPOINTS: &str = "SELECT sequence, size, note FROM checkpoint \
     WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

pub fn checkpoints(connection: &Connection, after: u64) -> Result<Vec<Published>, StoreError> {
    let values = (number(after), number(ALONE_MAX as u64));
    Sql::new(connection, "checkpoint", CHECKPOINTS)?.all(values, |columns| {
        Ok(Published {
            sequence: columns.number("sequence")?,
            size: columns.number("size")?,
            note: columns.get("note")?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    /// A look-up that walks a table is fast in every test and slow in every audit.
    #[tokio::test]
    async fn every_lookup_uses_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(folder.path().join("log.db")).await.unwrap();
        let connection = store.readers.lend().await.unwrap();
        for query in [
            RANGE,
            ALONE,
            ENTRY,
            THREAD,
            PAGE,
            PAGE_OF_KIND,
            FIND_ARTIFACTS,
            STATEMENT,
            TILE,
            CHECKPOINT,
            CHECKPOINT_AT,
            CHECKPOINTS,
        ] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let nothing = vec![None::<i64>; explain.parameter_count()];
            let detail = |row: &rusqlite::Row<'_>| row.get("detail");
            let plan = explain.query_map(rusqlite::params_from_iter(nothing), detail).unwrap();
            let plan: Vec<String> = plan.collect::<Result<_, _>>().unwrap();
            let walks = |step: &&String| {
                let constant = ["CONSTANT ROW", "summed", "sized", "(subquery", "checkpoint"];
                step.starts_with("SCAN") && !constant.iter().any(|it| step.contains(it))
                    || step.contains("USE TEMP B-TREE")
            };
            assert!(!plan.is_empty());
            assert_eq!(plan.iter().find(walks), None, "{query}\n{plan:#?}");
        }
    }
}
