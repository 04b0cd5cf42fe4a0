//! What no append can do without: strict verification of the signatures, and insertion of the bytes
//! into two tables, as durable as a ledger's. Nothing else.

use std::path::Path;
use std::time::Instant;

use ed25519_dalek::{Signature, VerifyingKey};
use rusqlite::Connection as SqliteConnection;
use schemas::id::EntryIndex;
use schemas::statement::PAYLOAD_TYPE;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use verifier::dsse::{pae, parse_envelope};
use verifier::signature::PublicKey;
use verifier::signed::KeyRing;

pub enum Bare {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Bare {
    pub fn in_file(path: &Path) -> Bare {
        let connection = SqliteConnection::open(path).unwrap();
        connection
            .execute_batch(
                "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4096; \
                 CREATE TABLE entry (at INTEGER PRIMARY KEY, bytes BLOB NOT NULL); \
                 CREATE TABLE envelope (at INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
            )
            .unwrap();
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
                Bare::Sqlite(connection) => in_sqlite(connection, at, entries, envelopes),
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

/// A prepared statement for each table, run for each row.
fn in_sqlite(connection: &SqliteConnection, from: i64, entries: &[Vec<u8>], envelopes: &[Vec<u8>]) {
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (text, all) in [
        ("INSERT INTO entry VALUES (?1, ?2)", entries),
        ("INSERT INTO envelope VALUES (?1, ?2)", envelopes),
    ] {
        let mut insert = connection.prepare_cached(text).unwrap();
        for (at, bytes) in (from..).zip(all) {
            insert.execute((at, bytes.as_slice())).unwrap();
        }
    }
    connection.execute_batch("COMMIT").unwrap();
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
