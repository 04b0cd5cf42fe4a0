//! What a database server says of itself, for whoever looks after it.

use schemas::id::Time;
use sqlx::Connection as _;

use super::address::Address;
use super::session::Limits;
use super::{failed, schema};
use crate::store::StoreError;

/// The settings of a server that decide whether a commit survives, and its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As it counts them: 150018.
    pub version: i32,
    pub fsync: String,
    pub synchronous_commit: String,
    pub full_page_writes: String,
    /// It follows another server and cannot be written to.
    pub standby: bool,
    /// Without those that are kept for superusers.
    pub connections_max: i64,
    pub connections_used: i64,
    pub now: Time,
}

const SERVER: &str = "SELECT current_setting('server_version_num')::int, \
     current_setting('fsync'), current_setting('synchronous_commit'), \
     current_setting('full_page_writes'), pg_is_in_recovery(), \
     current_setting('max_connections')::bigint \
         - current_setting('superuser_reserved_connections')::bigint, \
     (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
     (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

type Row = (i32, String, String, String, bool, i64, i64, i64);

pub async fn server(address: &Address) -> Result<Server, StoreError> {
    let mut connection = schema::connect(address, &Limits::default()).await?;
    let row: Row = sqlx::query_as(SERVER).fetch_one(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let (version, fsync, synchronous_commit, full_page_writes, standby, max, used, now) = row;
    Ok(Server {
        version,
        fsync,
        synchronous_commit,
        full_page_writes,
        standby,
        connections_max: max,
        connections_used: used,
        now: Time(now),
    })
}
