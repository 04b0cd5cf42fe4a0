//! The database file: made once, recognised before it is used, brought up to the newest schema.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use super::{failed, options};
use crate::store::StoreError;

/// 'ATST', as the first migration sets it.
const APPLICATION_ID: u32 = 0x4154_5354;

/// Every change of the schema, oldest first; each ends by setting `user_version` to its place.
///
/// Plain text and SQLite's own version number, rather than the driver's migrator with its table:
/// an operator reads the version with one `PRAGMA`, and building needs no macro and no `build.rs`.
const MIGRATIONS: &[&str] = &[include_str!("../../../../migrations/sqlite/0001_log.sql")];

const PAGE_SIZE: u32 = 8192;

/// Makes an empty log, and leaves no file behind where that fails.
pub async fn create(path: &Path) -> Result<(), StoreError> {
    make_file(path)?;
    let made = match make_log(path).await {
        Ok(()) => sync_folder(path),
        failed => failed,
    };
    if made.is_err() {
        // The first error is the one worth telling.
        let _ = fs::remove_file(path);
    }
    made
}

/// Makes an empty file, so that its mode and that it is new are certain before SQLite opens it.
///
/// `create_new` is `O_EXCL`, which refuses a symbolic link too: nobody who can write in the folder
/// makes us log into a file of their choice. SQLite gives `-wal` and `-shm` the same mode.
fn make_file(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::Exists {
                path: path.to_owned(),
            })
        }
        Err(source) => Err(StoreError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

async fn make_log(path: &Path) -> Result<(), StoreError> {
    let options = options(path)
        .page_size(PAGE_SIZE)
        .journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.map_err(failed)?;
    migrate(&mut connection, 0).await?;
    connection.close().await.map_err(failed)
}

/// Makes the file's name as durable as its contents.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let synced = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    synced.map_err(|source| StoreError::File {
        path: path.to_owned(),
        source,
    })
}

/// Recognises a log and brings its schema up to date. Writes nothing to any other file.
pub async fn prepare(path: &Path) -> Result<(), StoreError> {
    check_file(path)?;
    let mut connection = options(path).connect().await.map_err(failed)?;
    let version = recognise(&mut connection, path).await?;
    migrate(&mut connection, version).await?;
    // Stored in the file, so it is already so unless somebody changed it.
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode = WAL")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    if journal != "wal" {
        return Err(StoreError::Journal { found: journal });
    }
    connection.close().await.map_err(failed)
}

fn check_file(path: &Path) -> Result<(), StoreError> {
    let path = path.to_owned();
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(StoreError::Irregular { path }),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(StoreError::Missing { path })
        }
        Err(source) => Err(StoreError::File { path, source }),
    }
}

/// Reads the schema version of a database that is ours.
async fn recognise(connection: &mut SqliteConnection, path: &Path) -> Result<usize, StoreError> {
    let pragmas = "SELECT application_id, user_version \
         FROM pragma_application_id, pragma_user_version";
    let (application, version): (u32, u32) =
        match sqlx::query_as(pragmas).fetch_one(connection).await {
            Ok(found) => found,
            Err(error) if is_no_database(&error) => (0, 0),
            Err(error) => return Err(failed(error)),
        };
    let path = path.to_owned();
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign {
            path,
            found: application,
        });
    }
    let known = MIGRATIONS.len();
    if version as usize > known {
        return Err(StoreError::Newer {
            path,
            found: version,
            known: known as u32,
        });
    }
    Ok(version as usize)
}

fn is_no_database(error: &sqlx::Error) -> bool {
    const NOTADB: u32 = 26;
    super::sqlite_code(error) == Some(NOTADB)
}

/// Applies what is newer than `version`, each migration whole or not at all.
async fn migrate(connection: &mut SqliteConnection, version: usize) -> Result<(), StoreError> {
    for migration in &MIGRATIONS[version..] {
        let mut transaction = connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed)?;
        sqlx::raw_sql(*migration)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(super::commit_failed)?;
    }
    Ok(())
}
