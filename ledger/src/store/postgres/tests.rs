//! The suite, and what only a server can do to us, on a real one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use schemas::id::{Digest, Hash};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use self::server::{Server, name_of, own_server, server};
use super::*;
use crate::store::{
    Append, Batch, LogHead, Logged, Read, Rows, StatementKey, StoredEntry, conformance,
};

#[allow(dead_code, reason = "shared with tests that use more of it")]
#[path = "../../../../tests/harness/postgres.rs"]
mod server;

fn parse(address: &str) -> Address {
    Address::parse(address).unwrap()
}

/// A new log in a database of its own.
async fn store(server: &Server) -> (PgStore, String) {
    let address = server.database();
    (PgStore::create(&parse(&address)).await.unwrap(), name_of(&address).to_owned())
}

/// The same log for somebody with less patience.
async fn impatient(store: &PgStore, limits: Limits) -> PgStore {
    PgStore::open_with(store.address(), limits).await.unwrap()
}

/// One entry at `index` with an envelope.
fn batch(index: u64) -> Batch {
    let head = LogHead { size: index + 1, leaf: Hash([7; 32]), ..LogHead::default() };
    let envelope = Some(b"secret ".repeat(100));
    let entries = vec![StoredEntry { index, entry: vec![1; 100], envelope }];
    Batch { entries, head, ..Batch::default() }
}

async fn put(store: &PgStore, batch: &Batch) -> Result<(), StoreError> {
    let mut append = store.lock().await?;
    append.write(batch).await?;
    append.commit().await
}

async fn size(store: &PgStore) -> u64 {
    store.snapshot().await.unwrap().head().size
}

/// Every log in a schema of its own: the search path of an address leads to it.
#[tokio::test]
async fn conforms() {
    let Some(server) = server() else { return };
    let (address, made) = (server.database(), AtomicU32::new(0));
    conformance::run(async || {
        let schema = format!("Log {}", made.fetch_add(1, Ordering::Relaxed));
        server.sql(name_of(&address), &format!("CREATE SCHEMA \"{schema}\""));
        let path = format!("{address}&options=-csearch_path%3D%22Log%5C%20{}%22", &schema[4..]);
        PgStore::create(&parse(&path)).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_log_is_made_once_and_recognised() {
    let Some(server) = server() else { return };
    let address = server.database();
    let refused = PgStore::open(&parse(&address)).await;
    assert!(matches!(refused, Err(StoreError::NoLog { .. })), "{refused:?}");
    let store = PgStore::create(&parse(&address)).await.unwrap();
    put(&store, &batch(0)).await.unwrap();
    let refused = PgStore::create(&parse(&address)).await;
    assert!(matches!(refused, Err(StoreError::Occupied { .. })), "{refused:?}");
    assert_eq!(size(&PgStore::open(&parse(&address)).await.unwrap()).await, 1);

    server.sql(name_of(&address), "UPDATE attestry SET version = 9");
    let refused = PgStore::open(&parse(&address)).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 9, known: 4, .. })));

    // Somebody else's table by one of our names, and no schema at all: nothing of ours is left.
    let foreign = server.database();
    server.sql(name_of(&foreign), "CREATE TABLE tile (theirs INT)");
    let refused = PgStore::create(&parse(&foreign)).await;
    assert!(matches!(refused, Err(StoreError::Occupied { .. })), "{refused:?}");
    let left = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.sql(name_of(&foreign), left), "1");
    server.sql(name_of(&foreign), "DROP SCHEMA public CASCADE");
    let refused = PgStore::create(&parse(&foreign)).await;
    assert!(matches!(refused, Err(StoreError::NoSchema { .. })), "{refused:?}");
}

/// A statement that an older version has logged is found, and is not logged once more.
#[tokio::test]
async fn statements_of_the_third_schema_are_found() {
    let Some(server) = server() else { return };
    let (store, name) = store(server).await;
    let key = |about, seed| StatementKey { about, statement: Hash([seed; 32]), project: None };
    let logged = |key, index| Logged { key, index, parts: 1, signers: Vec::new() };
    let ledger = [logged(key(None, 1), 0), logged(key(None, 2), 0)];
    let artifact = logged(key(Some(Digest::sha256(&Hash([7; 32]))), 3), 0);
    let statements = vec![ledger[0].clone(), ledger[1].clone(), artifact.clone()];
    put(&store, &Batch { statements, ..batch(0) }).await.unwrap();
    let older = "UPDATE statement SET about = 77 WHERE about = 0; \
         UPDATE statement SET entry_index = 5 WHERE get_byte(statement, 0) > 1; \
         DELETE FROM attestry WHERE version = 4";
    server.sql(&name, older);

    let store = PgStore::open(store.address()).await.unwrap();
    let keys = [ledger[0].key.clone(), ledger[1].key.clone(), artifact.key.clone()];
    let found = store.lock().await.unwrap().statements(&keys).await.unwrap();
    let mut found: Vec<StatementKey> = found.into_iter().map(|it| it.key).collect();
    found.sort_by_key(|it| it.statement.0);
    assert_eq!(found, keys);
}

#[tokio::test]
async fn a_server_that_is_away_is_told_apart() {
    let Some(server) = server() else { return };
    let missing = server.address("missing");
    for address in [missing.as_str(), "postgres:///d?host=/nowhere"] {
        let refused = PgStore::open(&parse(address)).await;
        assert!(matches!(refused, Err(StoreError::Unreachable { .. })), "{refused:?}");
    }
}

/// A look-up that walks a table is fast in every test and slow in every audit.
#[tokio::test]
async fn every_lookup_uses_its_key() {
    let Some(server) = server() else { return };
    let (store, _) = store(server).await;
    let mut connection = store.shared.acquire().await.unwrap();
    for (number, query) in read::LOOKUPS.into_iter().enumerate() {
        let parameters = (1..=9).take_while(|it| query.contains(&format!("${it}"))).count();
        let nulls = vec!["NULL"; parameters].join(", ");
        let prepare = format!("PREPARE lookup{number} AS {query}");
        connection.execute(AssertSqlSafe(prepare)).await.unwrap();
        let given = if parameters == 0 { String::new() } else { format!("({nulls})") };
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE lookup{number}{given}"));
        let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        let sorted = query.contains("summed") || query.contains("UNION");
        let walks =
            |step: &&String| step.contains("Seq Scan on") || (step.contains("Sort") && !sorted);
        assert_eq!(plan.iter().find(walks), None, "{query}\n{plan:#?}");
    }
}

#[tokio::test]
async fn commits_are_synchronous_whatever_the_default() {
    let Some(server) = server() else { return };
    let (store, database) = store(server).await;
    server.sql(&database, &format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    server.sql(&database, "ALTER ROLE postgres SET statement_timeout = 0");
    let mut transaction =
        transaction::begin(&store.writer, store.limits.begin_append()).await.unwrap();
    let found: String =
        sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(found, "on");
}

/// Power is lost, the server comes back without syncing its disk, then as it should be.
#[tokio::test]
async fn a_restarted_server_is_found_again_and_one_that_loses_commits_is_refused() {
    let Some(server) = own_server() else { return };
    let (store, _) = store(&server).await;
    put(&store, &batch(0)).await.unwrap();
    server.restart_with("fsync=off");
    let refused = store.lock().await;
    assert!(matches!(refused, Err(StoreError::Setting { name: "fsync", .. })), "{refused:?}");
    drop(refused);
    assert_eq!(size(&store).await, 1);
    server.restart_with("fsync=on");
    put(&store, &batch(1)).await.unwrap();
    assert_eq!(size(&store).await, 2);
}

const KILL: &str = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_killed_connection_leaves_nothing_half_written() {
    let Some(server) = server() else { return };
    let (store, database) = store(server).await;
    put(&store, &batch(0)).await.unwrap();
    // Before a write, and before the commit of one.
    let mut writing = store.lock().await.unwrap();
    server.sql(&database, KILL);
    let failed = writing.write(&batch(1)).await;
    assert!(matches!(failed, Err(StoreError::Disconnected(_))), "{failed:?}");
    assert!(matches!(writing.commit().await, Err(StoreError::Broken)));
    let mut committing = store.lock().await.unwrap();
    committing.write(&batch(1)).await.unwrap();
    server.sql(&database, KILL);
    let failed = committing.commit().await;
    assert!(matches!(failed, Err(StoreError::Disconnected(_))), "{failed:?}");
    assert_eq!(size(&store).await, 1);
    put(&store, &batch(1)).await.unwrap();
    assert_eq!(size(&store).await, 2);
}

/// A connection that breaks after the commit was sent: only the log itself can tell.
#[tokio::test]
async fn a_commit_without_an_answer_is_unknown() {
    let Some(server) = server() else { return };
    let (store, database) = store(server).await;
    // Holds every commit back until it is killed in the middle of it.
    server.sql(
        &database,
        "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER stall AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION stall()",
    );
    let mut committing = store.lock().await.unwrap();
    committing.write(&batch(0)).await.unwrap();
    let kill = async {
        let stalled = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event = 'PgSleep'";
        while server.sql(&database, stalled) != "1" {
            tokio::task::yield_now().await;
        }
        server.sql(&database, KILL);
    };
    let (unknown, ()) = tokio::join!(committing.commit(), kill);
    assert!(matches!(unknown, Err(StoreError::CommitUnknown(_))), "{unknown:?}");
    assert_eq!(size(&store).await, 0);
}

/// Two stores on one database are what two processes are. The one that sleeps with the lock loses
/// it to the one that waits, and can commit nothing when it wakes.
#[tokio::test]
async fn who_sleeps_with_the_lock_commits_nothing() {
    let Some(server) = server() else { return };
    let (store, _) = store(server).await;
    let sleepy = Limits { idle: Duration::from_millis(100), ..Limits::default() };
    let sleepy = impatient(&store, sleepy).await;
    let mut asleep = sleepy.lock().await.unwrap();
    asleep.write(&batch(0)).await.unwrap();
    put(&store, &batch(0)).await.unwrap();
    let failed = asleep.commit().await;
    let expected = matches!(failed, Err(StoreError::Expired(_) | StoreError::Disconnected(_)));
    assert!(expected, "{failed:?}");
    assert_eq!(size(&store).await, 1);
    put(&sleepy, &batch(1)).await.unwrap();
    assert_eq!(size(&store).await, 2);
}

/// Paused while an answer is on its way: not idle, and not running. The one who waits ends it.
#[tokio::test]
async fn who_sleeps_over_an_answer_loses_the_lock_too() {
    let Some(server) = server() else { return };
    let (store, database) = store(server).await;
    let mut asleep = transaction::begin(&store.writer, store.limits.begin_append()).await.unwrap();
    read::lock_head(&mut asleep).await.unwrap();
    let mut answer = Box::pin(sqlx::raw_sql("SELECT repeat('x', 100000000)").execute(&mut *asleep));
    let waits = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event = 'ClientWrite'";
    while server.sql(&database, waits) != "1" {
        let _ = poll_once(&mut answer).await;
    }
    let (lock, idle) = (Duration::from_millis(200), Duration::from_millis(100));
    let waiting = impatient(&store, Limits { lock, idle, ..Limits::default() }).await;
    put(&waiting, &batch(0)).await.unwrap();
    answer.await.unwrap_err();
    assert_eq!(size(&store).await, 1);
}

#[tokio::test]
async fn who_waits_too_long_gives_up() {
    let Some(server) = server() else { return };
    let (store, _) = store(server).await;
    let hasty = Limits { lock: Duration::from_millis(200), ..Limits::default() };
    let hasty = impatient(&store, hasty).await;
    let held = store.lock().await.unwrap();
    assert!(matches!(hasty.lock().await, Err(StoreError::Busy)));
    drop(held);
    put(&store, &batch(0)).await.unwrap();
    let slow = Limits { statement: Duration::from_millis(50), ..Limits::default() };
    let slow = impatient(&store, slow).await;
    let mut append = slow.lock().await.unwrap();
    append.write(&batch(1)).await.unwrap();
    append.commit().await.unwrap();
}

/// Several processes at once, each giving out the index that it finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_append_at_once_stay_dense() {
    const EACH: u64 = 15;
    let Some(server) = server() else { return };
    let (first, _) = store(server).await;
    let second = PgStore::open(first.address()).await.unwrap();
    let writers: Vec<_> = [&first, &second, &first, &second]
        .map(|store| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let mut append = store.lock().await.unwrap();
                    let next = append.head().size;
                    append.write(&batch(next)).await.unwrap();
                    append.commit().await.unwrap();
                    let note = format!("{next}");
                    let published = store.snapshot().await.unwrap().checkpoint().await.unwrap();
                    let expected = published.map(|(size, _)| size);
                    // Somebody may be faster, or ahead.
                    let _ = store.swap_checkpoint(expected, next + 1, &note).await;
                }
            })
        })
        .into_iter()
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut view = first.snapshot().await.unwrap();
    assert_eq!(view.head().size, 4 * EACH);
    let found = view.read_range(0, 4 * EACH, u64::MAX).await.unwrap();
    let indexes: Vec<u64> = found.iter().map(|it| it.index).collect();
    assert_eq!(indexes, (0..4 * EACH).collect::<Vec<u64>>());
    let published = view.checkpoints(0).await.unwrap();
    assert!(published.windows(2).all(|it| it[0].size <= it[1].size), "{published:?}");
    assert!(published.iter().zip(1..).all(|(it, nth)| it.sequence == nth), "{published:?}");
}

#[tokio::test]
async fn erasure_is_busy_while_an_old_view_holds_the_bytes() {
    let Some(server) = server() else { return };
    let (store, _) = store(server).await;
    let hasty = Limits { lock: Duration::from_millis(300), ..Limits::default() };
    let hasty = impatient(&store, hasty).await;
    put(&store, &batch(0)).await.unwrap();
    let mut old = store.snapshot().await.unwrap();
    assert!(matches!(hasty.erase_envelopes(&[0]).await, Err(StoreError::Busy)));
    assert!(old.entries(&[0]).await.unwrap()[0].envelope.is_some());
    let now = store.snapshot().await.unwrap().entries(&[0]).await.unwrap();
    assert_eq!(now[0].envelope, None);
    drop(old);
    assert_eq!(store.erase_envelopes(&[0]).await.unwrap(), 0);
}

/// What the schema itself refuses, and what a changed row is answered with.
#[tokio::test]
async fn final_rows_stay_and_changed_rows_are_told() {
    let Some(server) = server() else { return };
    let (store, _) = store(server).await;
    put(&store, &batch(0)).await.unwrap();
    assert!(store.swap_checkpoint(None, 1, "one").await.unwrap());
    for change in [
        "UPDATE entry SET entry = ''",
        "DELETE FROM entry",
        "TRUNCATE entry",
        "UPDATE envelope SET envelope = ''",
        "TRUNCATE envelope",
        "UPDATE checkpoint SET size = 0",
        "DELETE FROM checkpoint",
    ] {
        let error = sqlx::query(change).execute(&store.shared).await.unwrap_err();
        assert!(error.to_string().contains("it is final"), "{change}: {error}");
    }
    let odd = "INSERT INTO thread VALUES \
         ('artifact', 'sha256:00', 0, 0, decode(repeat('00', 32), 'hex'), NULL)";
    sqlx::query(odd).execute(&store.shared).await.unwrap();
    let page = store.snapshot().await.unwrap().threads_page(None, None, 9).await;
    assert!(matches!(page, Err(StoreError::Corrupt { table: "thread", what: "id" })));
    sqlx::query("UPDATE head SET size = -1").execute(&store.shared).await.unwrap_err();
    let view = store.snapshot().await.unwrap();
    drop(view);
}

/// A call that is dropped before its end has entered and never finishes.
#[tokio::test]
async fn an_abandoned_call_breaks_the_transaction() {
    let Some(server) = server() else { return };
    let (store, _) = store(server).await;
    let mut append = store.lock().await.unwrap();
    append.write(&batch(0)).await.unwrap();
    // Polled once, it has sent its question, and nobody waits for the answer. On a busy machine the
    // answer may be there already: then the call was finished, and another one is abandoned.
    let mut abandoned = false;
    for _ in 0..1000 {
        abandoned = abandoned || poll_once(append.checkpoint()).await.is_pending();
    }
    assert!(abandoned);
    assert!(matches!(append.checkpoint().await, Err(StoreError::Broken)));
    assert!(matches!(append.commit().await, Err(StoreError::Broken)));
    assert_eq!(size(&store).await, 0);
    put(&store, &batch(0)).await.unwrap();
}

/// Whatever a caller leaves open on a connection, the next one does not find it there.
#[tokio::test]
async fn a_connection_is_given_on_without_a_transaction() {
    let Some(server) = server() else { return };
    let (store, _) = store(server).await;
    put(&store, &batch(0)).await.unwrap();
    for _ in 0..SHARED {
        let mut connection = store.shared.acquire().await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT 1").execute(&mut *connection).await.unwrap();
    }
    let mut views = Vec::new();
    for _ in 0..SHARED {
        views.push(store.snapshot().await.unwrap());
    }
    assert!(views.iter().all(|view| view.head().size == 1));
}

/// Of what we do all the time a server that is set up as usual notes nothing.
#[tokio::test]
async fn the_server_has_nothing_to_warn_of() {
    let Some(server) = own_server() else { return };
    let (store, _) = store(&server).await;
    put(&store, &batch(0)).await.unwrap();
    drop(store.lock().await.unwrap());
    assert!(store.swap_checkpoint(None, 1, "one").await.unwrap());
    assert!(!store.swap_checkpoint(None, 1, "one").await.unwrap());
    assert_eq!(size(&store).await, 1);
    // Given back once what its last caller left is ended.
    for _ in 0..2 * SHARED {
        store.shared.acquire().await.unwrap();
    }
    let log = server.log();
    let said = |line: &&str| ["WARNING", "ERROR", "FATAL"].iter().any(|it| line.contains(it));
    assert!(log.contains("ready to accept connections"), "{log}");
    assert_eq!(log.lines().filter(said).collect::<Vec<_>>(), [""; 0]);
}

async fn poll_once<F: Future>(future: F) -> std::task::Poll<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
}
