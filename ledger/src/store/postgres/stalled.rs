//! Whoever was paused while an answer was on its way, with the lock in their hands.
//!
//! The server's own limits do not reach them: it is neither idle nor does it run a statement, it
//! waits for a full socket. So whoever has waited in vain for the lock ends that session. What it
//! held is undone, and if its process wakes up, it finds no connection.

use sqlx::PgPool;

use super::session::Limits;
use super::{failed, unavailable};
use crate::store::StoreError;

/// Sessions of this account, on this log, that hold the lock and have not taken their answer.
const END: &str = "SELECT count(pg_terminate_backend(a.pid)) \
     FROM pg_stat_activity a \
     JOIN pg_locks l ON l.pid = a.pid AND l.relation = 'head'::regclass \
         AND l.mode = 'RowShareLock' AND l.granted \
     WHERE a.datname = current_database() AND a.usename = current_user \
         AND a.pid <> pg_backend_pid() \
         AND a.wait_event = 'ClientWrite' \
         AND a.query_start < clock_timestamp() - $1 * interval '1 millisecond'";

/// Ends them; says how many there were.
pub async fn end(pool: &PgPool, limits: &Limits) -> Result<i64, StoreError> {
    let mut connection = pool.acquire().await.map_err(|error| unavailable(pool, error))?;
    sqlx::query_scalar(END)
        .bind(limits.idle.as_secs_f64() * 1e3)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)
}
