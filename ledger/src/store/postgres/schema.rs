//! The tables: made once, recognised before they are used, brought up to the newest version.

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};

use super::address::Address;
use super::session::{self, Limits, check_version};
use super::{commit_failed, failed, sql_state};
use crate::store::StoreError;

/// Every change of the schema, oldest first; each ends by setting `attestry.version` to its place.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/postgres/0001_log.sql"),
    include_str!("../../../../migrations/postgres/0002_tokens.sql"),
    include_str!("../../../../migrations/postgres/0003_outbox.sql"),
    include_str!("../../../../migrations/postgres/0004_about.sql"),
];

/// Makes an empty log in the first schema of the search path. Refuses one that has a log already.
pub async fn create(address: &Address, limits: &Limits) -> Result<(), StoreError> {
    let mut connection = connect(address, limits).await?;
    if version(&mut connection, address).await?.is_some() {
        return Err(StoreError::Occupied { address: address.to_string() });
    }
    migrate(&mut connection, address, limits, 0).await?;
    connection.close().await.map_err(failed)
}

/// Recognises a log and brings its tables up to date.
pub async fn prepare(address: &Address, limits: &Limits) -> Result<(), StoreError> {
    let mut connection = connect(address, limits).await?;
    let found = version(&mut connection, address).await?;
    let found = found.ok_or_else(|| StoreError::NoLog { address: address.to_string() })?;
    let known = MIGRATIONS.len();
    match usize::try_from(found) {
        Ok(version @ 1..) if version <= known => {
            migrate(&mut connection, address, limits, version).await?;
        }
        Ok(_) | Err(_) => {
            let (found, known) = (found.unsigned_abs(), known as u32);
            return Err(StoreError::NewerSchema { address: address.to_string(), found, known });
        }
    }
    connection.close().await.map_err(failed)
}

pub(super) async fn connect(
    address: &Address,
    limits: &Limits,
) -> Result<PgConnection, StoreError> {
    let options = address.options();
    let unreachable =
        |source| StoreError::Unreachable { address: address.to_string(), source: Some(source) };
    let connected = tokio::time::timeout(limits.lock, options.connect()).await;
    let mut connection = match connected {
        Ok(connected) => connected.map_err(unreachable)?,
        Err(_) => {
            return Err(StoreError::Unreachable { address: address.to_string(), source: None });
        }
    };
    check_version(connection.server_version_num().unwrap_or(0))?;
    session::prepare(&mut connection).await.map_err(failed)?;
    Ok(connection)
}

/// Our version of the schema, where it is ours.
async fn version(
    connection: &mut PgConnection,
    address: &Address,
) -> Result<Option<i32>, StoreError> {
    let named: (Option<String>, bool) =
        sqlx::query_as("SELECT current_schema()::text, to_regclass('attestry') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    match named {
        (None, _) => Err(StoreError::NoSchema { address: address.to_string() }),
        (Some(_), false) => Ok(None),
        (Some(_), true) => {
            let version = sqlx::query_scalar("SELECT max(version) FROM attestry");
            version.fetch_one(connection).await.map_err(failed)
        }
    }
}

/// Applies what is newer than `version`, each migration whole or not at all.
async fn migrate(
    connection: &mut PgConnection,
    address: &Address,
    limits: &Limits,
    version: usize,
) -> Result<(), StoreError> {
    const DUPLICATES: [&str; 4] = ["42P07", "42710", "42723", "23505"];
    for migration in &MIGRATIONS[version..] {
        let begun = connection.begin_with(limits.begin_append()).await;
        let mut transaction = begun.map_err(failed)?;
        let made = sqlx::raw_sql(*migration).execute(&mut *transaction).await;
        made.map_err(|error| match sql_state(&error) {
            Some(state) if DUPLICATES.contains(&state.as_str()) => {
                StoreError::Occupied { address: address.to_string() }
            }
            Some(_) | None => failed(error),
        })?;
        transaction.commit().await.map_err(commit_failed)?;
    }
    Ok(())
}
