//! What every session and transaction is told, and what a server must not have turned off.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::store::StoreError;

/// Oldest version of the server that this store is tested with, as it counts them.
pub const SERVER_VERSION_MIN: u32 = 150_000;

/// How long each may last before the server ends it.
///
/// The server does, since a process that was paused or cut off can not: whoever holds the head row
/// and says nothing for `idle` loses it, and what it says later finds no transaction.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Waiting for the head row. Longer than `idle`, so that who waits outlasts who sleeps.
    pub lock: Duration,
    /// One statement.
    pub statement: Duration,
    /// Silence of whoever holds the head row.
    pub idle: Duration,
    /// Silence of whoever only looks: vacuum keeps old rows for them.
    pub view: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let secs = Duration::from_secs;
        Limits { lock: secs(20), statement: secs(60), idle: secs(10), view: secs(300) }
    }
}

impl Limits {
    /// Begins a transaction that writes, in one message.
    ///
    /// `synchronous_commit` is said in the transaction itself, so that no default of the server,
    /// the database or the role weakens it.
    pub fn begin_append(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SET LOCAL synchronous_commit = on; \
             SET LOCAL lock_timeout = {}; \
             SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            self.lock.as_millis(),
            self.statement.as_millis(),
            self.idle.as_millis(),
        ))
    }

    /// Begins a view of the log that no later commit changes.
    pub fn begin_view(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            self.statement.as_millis(),
            self.view.as_millis(),
        ))
    }
}

/// Said last before a commit, which waits for the standbys that the server names, however long.
///
/// A commit that is cancelled while it waits for a standby is answered as if it had been waited
/// for. And it is the proof that the transaction is still there: if this fails, nothing was
/// committed, and that is certain.
pub const BEFORE_COMMIT: &str = "SET LOCAL statement_timeout = 0";

/// Set once in every session.
///
/// Names are looked up in one schema, the first of the path, whatever else is on it. Every statement
/// of ours is a walk along a key, whatever the statistics say, and is planned once.
const SESSION: &str = "SELECT set_config('search_path', quote_ident(current_schema()), false), \
     set_config('enable_seqscan', 'off', false), \
     set_config('enable_hashjoin', 'off', false), \
     set_config('enable_mergejoin', 'off', false), \
     set_config('plan_cache_mode', 'force_generic_plan', false), \
     set_config('jit', 'off', false), \
     set_config('client_min_messages', 'error', false)";

pub async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SESSION).execute(connection).await.map(drop)
}

/// Ends whatever the last caller has left open.
///
/// The driver ends what it knows of. A call that was abandoned while its transaction began it does not
/// know, and the next caller would find it open. `ROLLBACK` alone would be a warning in the server's log
/// each time that nothing is open, which is almost always.
pub async fn end(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await.map(|_| true)
}

/// Refuses a server that does not keep what it says it has committed.
pub fn check_settings(fsync: &str, synchronous_commit: &str) -> Result<(), StoreError> {
    for (name, found) in [("fsync", fsync), ("synchronous_commit", synchronous_commit)] {
        if found != "on" {
            return Err(StoreError::Setting { name, found: found.to_owned() });
        }
    }
    Ok(())
}

pub fn check_version(found: u32) -> Result<(), StoreError> {
    match found {
        SERVER_VERSION_MIN.. => Ok(()),
        _ => Err(StoreError::OldServer { found: found / 10_000 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_lose_commits_are_named() {
        check_settings("on", "on").unwrap();
        for (fsync, synchronous_commit, named) in
            [("off", "on", "fsync = off"), ("on", "local", "synchronous_commit = local")]
        {
            let error = check_settings(fsync, synchronous_commit).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn old_servers_are_refused() {
        for found in [150_000, 150_018, 160_000, 180_001] {
            check_version(found).unwrap();
        }
        for (found, told) in [(0, "version 0"), (96_000, "version 9"), (149_999, "version 14")] {
            let error = check_version(found).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
