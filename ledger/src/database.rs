//! Where a ledger's log is kept: one file in its folder, or a PostgreSQL database.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{LedgerError, file_error};
use crate::store::postgres::Address;
use crate::store::{AnyStore, PgStore, SqliteStore, StoreError};

/// The name of the file in a ledger's folder, where no other place is named.
pub const FILE: &str = "ledger.db";

/// Where a log is kept.
#[derive(Debug, Clone)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres(Address),
}

impl Database {
    /// Reads an address of PostgreSQL; anything else is a folder with a file in it.
    pub fn parse(
        text: &str,
        folder: impl FnOnce(&str) -> PathBuf,
    ) -> Result<Database, LedgerError> {
        match Address::is_one(text) {
            true => Ok(Database::Postgres(Address::parse(text)?)),
            false => Ok(Database::Sqlite(folder(text).join(FILE))),
        }
    }

    /// Reads what [`Database::name`] has written.
    pub fn of_name(name: &str) -> Result<Database, LedgerError> {
        match Address::is_one(name) {
            true => Ok(Database::Postgres(Address::parse(name)?)),
            false => Ok(Database::Sqlite(PathBuf::from(name))),
        }
    }

    /// As it is kept and shown: without a password.
    pub fn name(&self) -> String {
        match self {
            Database::Sqlite(path) => path.display().to_string(),
            Database::Postgres(address) => address.to_string(),
        }
    }

    pub async fn open(&self) -> Result<AnyStore, LedgerError> {
        Ok(match self {
            Database::Sqlite(path) => AnyStore::Sqlite(SqliteStore::open(path).await?),
            Database::Postgres(address) => AnyStore::Postgres(PgStore::open(address).await?),
        })
    }

    /// Makes an empty log; refuses to touch one that is there.
    pub async fn create(&self) -> Result<AnyStore, LedgerError> {
        Ok(match self {
            Database::Sqlite(path) => AnyStore::Sqlite(SqliteStore::create(path).await?),
            Database::Postgres(address) => AnyStore::Postgres(PgStore::create(address).await?),
        })
    }

    /// Opens the log that is there, or makes an empty one.
    pub async fn open_or_create(&self) -> Result<AnyStore, LedgerError> {
        match self {
            Database::Sqlite(path) if path.exists() => self.open().await,
            Database::Sqlite(path) => {
                let folder = path.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(folder).map_err(file_error(folder))?;
                self.create().await
            }
            Database::Postgres(_) => match self.open().await {
                Err(LedgerError::Store(StoreError::NoLog { .. })) => self.create().await,
                opened => opened,
            },
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
