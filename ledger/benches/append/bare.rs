//! What no append can do without: strict verification of the signatures, and insertion of the bytes
//! into two tables, as durable as a ledger's. Nothing else.

use std::path::Path;
use std::time::Instant;

use ed25519_dalek::{Signature, VerifyingKey};
use schemas::id::EntryIndex;
use schemas::statement::PAYLOAD_TYPE;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection};
use verifier::dsse::{pae, parse_envelope};
use verifier::signature::PublicKey;
use verifier::signed::KeyRing;

/// Rows in one statement of SQLite.
const ROWS: usize = 128;

pub enum Bare {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Bare {
    pub async fn in_file(path: &Path) -> Bare {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(8192)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-65536")
            .pragma("wal_autocheckpoint", "4096");
        let mut connection = options.connect().await.unwrap();
        for table in ["entry", "envelope"] {
            let create =
                format!("CREATE TABLE {table} (at INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
            sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        }
        Bare::Sqlite(connection)
    }

    pub async fn on_server(address: &str) -> Bare {
        let options: PgConnectOptions = address.parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        for table in ["entry", "envelope"] {
            let create = format!(
                "CREATE TABLE {table} (at BIGINT PRIMARY KEY, bytes BYTEA NOT NULL) \
                     WITH (toast_tuple_target = 8160); \
                 ALTER TABLE {table} ALTER COLUMN bytes SET STORAGE EXTERNAL"
            );
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        }
        Bare::Postgres(connection)
    }

    /// Seconds in which the bytes are inserted, a transaction for a batch.
    pub async fn insert(
        &mut self,
        from: EntryIndex,
        entries: &[Vec<u8>],
        envelopes: &[Vec<u8>],
        batch: usize,
    ) -> f64 {
        let start = Instant::now();
        let batches = entries.chunks(batch).zip(envelopes.chunks(batch));
        for (nth, (entries, envelopes)) in batches.enumerate() {
            let at = from as i64 + (nth * batch) as i64;
            match self {
                Bare::Sqlite(connection) => in_sqlite(connection, at, entries, envelopes).await,
                Bare::Postgres(connection) => {
                    in_postgres(connection, at, entries, envelopes).await;
                }
            }
        }
        start.elapsed().as_secs_f64()
    }
}

/// Seconds in which one core checks the signatures, and does nothing else.
pub fn verify(envelopes: &[Vec<u8>], ring: &KeyRing) -> f64 {
    let signed: Vec<_> = envelopes
        .iter()
        .map(|bytes| {
            let mut envelope = parse_envelope(bytes).unwrap();
            let signature = envelope.signatures.remove(0);
            let named = signature.keyid.unwrap().parse().unwrap();
            let PublicKey::Ed25519(key) = &**ring.get(&named).unwrap() else {
                panic!("the load is signed with Ed25519");
            };
            let key = VerifyingKey::from_bytes(key.as_bytes()).unwrap();
            let signature = Signature::from_slice(&signature.sig).unwrap();
            (pae(PAYLOAD_TYPE, &envelope.payload), signature, key)
        })
        .collect();
    let start = Instant::now();
    let holds = || signed.iter().all(|(message, sig, key)| key.verify_strict(message, sig).is_ok());
    assert!(holds());
    start.elapsed().as_secs_f64()
}

/// 128 rows in a statement.
async fn in_sqlite(
    connection: &mut SqliteConnection,
    from: i64,
    entries: &[Vec<u8>],
    envelopes: &[Vec<u8>],
) {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for (table, all) in [("entry", entries), ("envelope", envelopes)] {
        for (part, rows) in all.chunks(ROWS).enumerate() {
            let tuples = vec!["(?,?)"; rows.len()].join(",");
            let text = format!("INSERT INTO {table} VALUES {tuples}");
            let mut arguments = SqliteArguments::default();
            for (at, bytes) in (from + (part * ROWS) as i64..).zip(rows) {
                arguments.add(at).unwrap();
                arguments.add(bytes.as_slice()).unwrap();
            }
            let insert = sqlx::query_with(AssertSqlSafe(text), arguments);
            insert.execute(&mut *transaction).await.unwrap();
        }
    }
    transaction.commit().await.unwrap();
}

/// The whole batch in one statement for each table.
async fn in_postgres(
    connection: &mut PgConnection,
    from: i64,
    entries: &[Vec<u8>],
    envelopes: &[Vec<u8>],
) {
    let mut transaction = connection.begin().await.unwrap();
    for (text, rows) in [
        ("INSERT INTO entry SELECT * FROM unnest($1::bigint[], $2::bytea[])", entries),
        ("INSERT INTO envelope SELECT * FROM unnest($1::bigint[], $2::bytea[])", envelopes),
    ] {
        let at: Vec<i64> = (from..).take(rows.len()).collect();
        let bytes: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        sqlx::query(text).bind(at).bind(bytes).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}
