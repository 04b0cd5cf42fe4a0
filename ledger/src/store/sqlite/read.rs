//! Reading: each verb is one look-up by key, or one walk along a key.

use schemas::id::{Digest, EntryIndex, Time, TreeSize};
use schemas::thread::ThreadId;
use sqlx::Arguments;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};

use super::failed;
use super::rows::{Columns, RowsSql};
use crate::store::forms::number;
use crate::store::{
    ALONE_MAX, Head, LogHead, Logged, Published, RANGE_ENTRIES_MAX, Seal, StatementKey, StoreError,
    StoredEntry, Thread, Tile,
};

pub async fn head(
    connection: &mut SqliteConnection,
) -> Result<(LogHead, Option<Seal>), StoreError> {
    let row = sqlx::query("SELECT size, leaf, time, peaks, seal FROM head WHERE id = 0")
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
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

pub async fn range(
    connection: &mut SqliteConnection,
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
     WHERE entry_index >= ?1 AND entry_index < ?2 ORDER BY entry_index LIMIT ?3";

pub async fn entries_alone(
    connection: &mut SqliteConnection,
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
    let entry = |row: &SqliteRow| {
        let columns = Columns { table: "entry", row };
        Ok((columns.number("entry_index")?, columns.get("entry")?))
    };
    rows.iter().map(entry).collect()
}

const ENTRIES: RowsSql = RowsSql {
    before: "SELECT e.entry_index, e.entry, v.envelope \
        FROM entry e LEFT JOIN envelope v USING (entry_index) WHERE e.entry_index IN (",
    tuple: "?",
    after: ")",
};

pub async fn entries(
    connection: &mut SqliteConnection,
    indexes: &[EntryIndex],
) -> Result<Vec<StoredEntry>, StoreError> {
    let rows = ENTRIES.select(connection, indexes, |row, index| row.add(number(*index))).await?;
    rows.iter().map(stored_entry).collect()
}

fn stored_entry(row: &SqliteRow) -> Result<StoredEntry, StoreError> {
    let columns = Columns { table: "entry", row };
    Ok(StoredEntry {
        index: columns.number("entry_index")?,
        entry: columns.get("entry")?,
        envelope: columns.get("envelope")?,
    })
}

const THREADS: RowsSql = RowsSql {
    before: "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
        WHERE (kind, id) IN (VALUES ",
    tuple: "(?,?)",
    after: ")",
};

pub async fn threads(
    connection: &mut SqliteConnection,
    threads: &[ThreadId],
) -> Result<Vec<Thread>, StoreError> {
    let bind = |row: &mut SqliteArguments, thread: &ThreadId| {
        row.add(thread.kind())?;
        row.add(thread.id())
    };
    let rows = THREADS.select(connection, threads, bind).await?;
    rows.iter().map(thread).collect()
}

const PAGE: &str = "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
     WHERE (kind, id) > (?1, ?2) ORDER BY kind, id LIMIT ?3";

const PAGE_OF_KIND: &str = "SELECT kind, id, position, entry_index, leaf, slice FROM thread \
     WHERE (kind, id) > (?1, ?2) AND kind = ?4 ORDER BY kind, id LIMIT ?3";

pub async fn threads_page(
    connection: &mut SqliteConnection,
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

fn thread(row: &SqliteRow) -> Result<Thread, StoreError> {
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
    AND id >= 'gitCommit:' || ?1 AND id < 'gitCommit:' || ?1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha256:' || ?1 AND id < 'sha256:' || ?1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha384:' || ?1 AND id < 'sha384:' || ?1 || 'g'
UNION ALL SELECT id FROM thread WHERE kind = 'artifact'
    AND id >= 'sha512:' || ?1 AND id < 'sha512:' || ?1 || 'g'
ORDER BY id LIMIT ?2";

pub async fn find_artifacts(
    connection: &mut SqliteConnection,
    prefix: &str,
    limit: u32,
) -> Result<Vec<Digest>, StoreError> {
    let rows = sqlx::query(FIND_ARTIFACTS)
        .bind(prefix)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let digest = |row: &SqliteRow| {
        let columns = Columns { table: "thread", row };
        let id: &str = columns.get("id")?;
        id.parse().map_err(|_| columns.corrupt("id"))
    };
    rows.iter().map(digest).collect()
}

const STATEMENTS: RowsSql = RowsSql {
    before: "SELECT about, statement, project, entry_index, parts, signers FROM statement \
        WHERE (about, statement, project) IN (VALUES ",
    tuple: "(?,?,?)",
    after: ")",
};

pub async fn statements(
    connection: &mut SqliteConnection,
    keys: &[StatementKey],
) -> Result<Vec<Logged>, StoreError> {
    let bind = |row: &mut SqliteArguments, key: &StatementKey| {
        row.add(key.about)?;
        row.add(key.statement.0.as_slice())?;
        row.add(key.project.as_ref().map_or("", |project| project.as_str()))
    };
    let rows = STATEMENTS.select(connection, keys, bind).await?;
    rows.iter().map(logged).collect()
}

fn logged(row: &SqliteRow) -> Result<Logged, StoreError> {
    let columns = Columns { table: "statement", row };
    let project = match columns.get("project")? {
        "" => None,
        name => Some(name.parse().map_err(|_| columns.corrupt("project"))?),
    };
    let (about, statement) = (columns.get("about")?, columns.hash("statement")?);
    Ok(Logged {
        key: StatementKey { about, statement, project },
        index: columns.number("entry_index")?,
        parts: columns.number("parts")?,
        signers: columns.hashes("signers")?,
    })
}

const TILES: RowsSql = RowsSql {
    before: "SELECT level, number, hashes FROM tile WHERE (level, number) IN (VALUES ",
    tuple: "(?,?)",
    after: ")",
};

pub async fn tiles(
    connection: &mut SqliteConnection,
    keys: &[(u8, u64)],
) -> Result<Vec<Tile>, StoreError> {
    let bind = |row: &mut SqliteArguments, key: &(u8, u64)| {
        row.add(i64::from(key.0))?;
        row.add(number(key.1))
    };
    let rows = TILES.select(connection, keys, bind).await?;
    rows.iter().map(tile).collect()
}

fn tile(row: &SqliteRow) -> Result<Tile, StoreError> {
    let columns = Columns { table: "tile", row };
    Ok(Tile {
        level: columns.number("level")?,
        number: columns.number("number")?,
        hashes: columns.get("hashes")?,
    })
}

const CHECKPOINT: &str = "SELECT size, note FROM checkpoint ORDER BY sequence DESC LIMIT 1";

pub async fn checkpoint(
    connection: &mut SqliteConnection,
) -> Result<Option<(TreeSize, String)>, StoreError> {
    let row = sqlx::query(CHECKPOINT).fetch_optional(connection).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns { table: "checkpoint", row: &row };
    Ok(Some((columns.number("size")?, columns.get("note")?)))
}

const CHECKPOINT_AT: &str =
    "SELECT note FROM checkpoint WHERE size = ?1 ORDER BY sequence DESC LIMIT 1";

pub async fn checkpoint_at(
    connection: &mut SqliteConnection,
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
     WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

pub async fn checkpoints(
    connection: &mut SqliteConnection,
    after: u64,
) -> Result<Vec<Published>, StoreError> {
    let rows = sqlx::query(CHECKPOINTS)
        .bind(number(after))
        .bind(number(ALONE_MAX as u64))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let published = |row: &SqliteRow| {
        let columns = Columns { table: "checkpoint", row };
        Ok(Published {
            sequence: columns.number("sequence")?,
            size: columns.number("size")?,
            note: columns.get("note")?,
        })
    };
    rows.iter().map(published).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row};

    use super::*;
    use crate::store::sqlite::SqliteStore;

    /// A look-up that walks a table is fast in every test and slow in every audit.
    #[tokio::test]
    async fn every_lookup_uses_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(folder.path().join("log.db")).await.unwrap();
        let keys = |sql: RowsSql| sql.text(64).0;
        let queries = [
            RANGE.to_owned(),
            ALONE.to_owned(),
            FIND_ARTIFACTS.to_owned(),
            PAGE.to_owned(),
            PAGE_OF_KIND.to_owned(),
            CHECKPOINT.to_owned(),
            CHECKPOINT_AT.to_owned(),
            CHECKPOINTS.to_owned(),
            keys(ENTRIES),
            keys(THREADS),
            keys(STATEMENTS),
            keys(TILES),
        ];
        for query in queries {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let plan = sqlx::query(explain).fetch_all(&store.readers).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            let walks = |step: &&String| {
                let constant =
                    ["VALUES CLAUSE", "CONSTANT ROW", "summed", "sized", "(subquery", "checkpoint"];
                step.starts_with("SCAN") && !constant.iter().any(|it| step.contains(it))
                    || step.contains("USE TEMP B-TREE")
            };
            assert_eq!(plan.iter().find(walks), None, "{query}\n{plan:#?}");
        }
    }
}
