//! The database file: made once, recognised before it is used, brought up to the newest schema.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::connections::open;
use super::failed;
use crate::store::StoreError;

/// 'ATST', as the first migration sets it.
const APPLICATION_ID: u32 = 0x4154_5354;

/// Every change of the schema, oldest first; each ends by setting `user_version` to its place.
///
/// Plain text and SQLite's own version number: an operator reads the version with one `PRAGMA`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/sqlite/0001_log.sql"),
    include_str!("../../../../migrations/sqlite/0002_seal.sql"),
    include_str!("../../../../migrations/sqlite/0003_tokens.sql"),
    include_str!("../../../../migrations/sqlite/0004_outbox.sql"),
    include_str!("../../../../migrations/sqlite/0005_opened.sql"),
];

const PAGE_SIZE: u32 = 8192;

/// Makes an empty log, and leaves no file behind where that fails.
pub fn create(path: &Path) -> Result<(), StoreError> {
    make_file(path)?;
    let made = match make_log(path) {
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
pub(super) fn make_file(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::Exists { path: path.to_owned() })
        }
        Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
    }
}

fn make_log(path: &Path) -> Result<(), StoreError> {
    let connection = open(path, OpenFlags::empty()).map_err(failed)?;
    connection.pragma_update(None, "page_size", PAGE_SIZE).map_err(failed)?;
    log_ahead(&connection)?;
    migrate(&connection, 0)?;
    Connection::close(connection).map_err(|(_, error)| failed(error))
}

/// Has changes written to the `-wal` first. Stored in the file, so it is already so unless somebody
/// changed it.
fn log_ahead(connection: &Connection) -> Result<(), StoreError> {
    let set = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0));
    let found: String = set.map_err(failed)?;
    if found == "wal" { Ok(()) } else { Err(StoreError::Journal { found }) }
}

/// Makes the file's name as durable as its contents.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let synced = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    synced.map_err(|source| StoreError::File { path: path.to_owned(), source })
}

/// Recognises a log and brings its schema up to date. Writes nothing to any other file.
pub fn prepare(path: &Path) -> Result<(), StoreError> {
    check_file(path)?;
    let connection = match open(path, OpenFlags::empty()) {
        Err(error) if is_no_database(&error) => return Err(foreign(path, 0)),
        opened => opened.map_err(failed)?,
    };
    let stamp = match read_stamp(&connection) {
        Err(error) if is_no_database(&error) => return Err(foreign(path, 0)),
        stamp => stamp.map_err(failed)?,
    };
    migrate(&connection, recognise(path, stamp)?)?;
    log_ahead(&connection)?;
    Connection::close(connection).map_err(|(_, error)| failed(error))
}

pub(super) fn check_file(path: &Path) -> Result<(), StoreError> {
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

/// Reads the two numbers in a database's header: application id and schema version.
fn read_stamp(connection: &Connection) -> rusqlite::Result<(u32, u32)> {
    const STAMP: &str = "SELECT application_id, user_version \
         FROM pragma_application_id, pragma_user_version";
    connection.query_row(STAMP, (), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Says which of our schema versions a database has, if it is ours.
fn recognise(path: &Path, (application, version): (u32, u32)) -> Result<usize, StoreError> {
    if application != APPLICATION_ID {
        return Err(foreign(path, application));
    }
    let known = MIGRATIONS.len();
    if version as usize > known {
        let path = path.to_owned();
        return Err(StoreError::Newer { path, found: version, known: known as u32 });
    }
    Ok(version as usize)
}

fn foreign(path: &Path, found: u32) -> StoreError {
    StoreError::Foreign { path: path.to_owned(), found }
}

fn is_no_database(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
}

/// Applies what is newer than `version`, each migration whole or not at all.
fn migrate(connection: &Connection, version: usize) -> Result<(), StoreError> {
    for migration in &MIGRATIONS[version..] {
        connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        connection.execute_batch(migration).map_err(failed)?;
        connection.execute_batch("COMMIT").map_err(super::commit_failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use schemas::id::{Digest, Hash};

    use super::*;
    use crate::store::{
        Append, Batch, LogHead, Logged, Read, Rows, SqliteStore, StatementKey, Store,
    };

    #[tokio::test]
    async fn a_new_file_is_private_and_durable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let store = SqliteStore::create(&path).await.unwrap();
        drop(store.lock().await.unwrap());
        assert!(store.swap_checkpoint(None, 0, "empty").await.unwrap());
        let mut files = 0;
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
            files += 1;
        }
        assert_eq!(files, 3, "the database, -wal and -shm");
        let connection = open(&path, OpenFlags::empty()).unwrap();
        for (pragma, expected) in [
            ("SELECT page_size FROM pragma_page_size", "8192"),
            ("SELECT journal_mode FROM pragma_journal_mode", "wal"),
            ("SELECT synchronous FROM pragma_synchronous", "2"),
            ("SELECT user_version FROM pragma_user_version", "5"),
        ] {
            let text = format!("SELECT CAST(({pragma}) AS TEXT)");
            let found: String = connection.query_row(&text, (), |row| row.get(0)).unwrap();
            assert_eq!(found, expected, "{pragma}");
        }
    }

    #[tokio::test]
    async fn creating_touches_nothing_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        symlink(&target, &link).unwrap();
        let refused = SqliteStore::create(&link).await;
        assert!(matches!(refused, Err(StoreError::Exists { .. })), "dangling link: {refused:?}");
        assert!(!target.exists());
        fs::write(&target, "mine").unwrap();
        for path in [&target, &link, &folder.path().to_owned()] {
            let refused = SqliteStore::create(path).await;
            assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
        }
        assert_eq!(fs::read(&target).unwrap(), b"mine");
        let refused = SqliteStore::create(folder.path().join("no/folder")).await;
        assert!(matches!(refused, Err(StoreError::File { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn opening_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let refused = SqliteStore::open(&path).await;
        assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
        assert!(!path.exists());
        let refused = SqliteStore::open(folder.path()).await;
        assert!(matches!(refused, Err(StoreError::Irregular { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_foreign_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("other.db");
        let connection = open(&database, OpenFlags::SQLITE_OPEN_CREATE).unwrap();
        connection.execute_batch("PRAGMA application_id = 7; CREATE TABLE head (id)").unwrap();
        connection.close().unwrap();
        let (text, empty) = (folder.path().join("text"), folder.path().join("empty"));
        fs::write(&text, "no database, but longer than a header. ".repeat(40)).unwrap();
        fs::write(&empty, "").unwrap();
        for (path, application) in [(&database, 7), (&text, 0), (&empty, 0)] {
            let before = fs::read(path).unwrap();
            match SqliteStore::open(path).await {
                Err(StoreError::Foreign { found, .. }) => assert_eq!(found, application),
                other => panic!("{other:?}"),
            }
            assert_eq!(fs::read(path).unwrap(), before);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    /// A statement that an older version has logged is found, and is not logged once more.
    #[tokio::test]
    async fn statements_of_the_fourth_schema_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let connection = open(&path, OpenFlags::SQLITE_OPEN_CREATE).unwrap();
        MIGRATIONS[..4].iter().for_each(|it| connection.execute_batch(it).unwrap());
        let about = Digest::sha256(&Hash([7; 32]));
        let rows = format!(
            "INSERT INTO thread VALUES ('artifact', '{about}', 0, 0, zeroblob(32), x'7b7d');
             INSERT INTO statement VALUES (0x0707070707070707, zeroblob(32), 'shop', 0, 1, x'');
             UPDATE head SET size = 2, peaks = zeroblob(32)"
        );
        connection.execute_batch(&rows).unwrap();
        // As the program of that version does.
        let older = "INSERT INTO statement (about, statement, project, entry_index, parts, signers) \
             VALUES (?1, zeroblob(32), '', 1, 1, x'')";
        connection.execute(older, (77,)).unwrap();

        let store = SqliteStore::open(&path).await.unwrap();
        let key = |about, project: Option<&str>| StatementKey {
            about,
            statement: Hash::default(),
            project: project.map(|it| it.parse().unwrap()),
        };
        let logged = |key, index, signers| Logged { key, index, parts: 1, signers };
        let artifact = logged(key(Some(about), Some("shop")), 0, Vec::new());
        let ledger = logged(key(None, None), 1, Vec::new());
        let keys = [artifact.key.clone(), ledger.key.clone()];
        let mut append = store.lock().await.unwrap();
        let found = append.statements(&keys).await.unwrap();
        assert_eq!(found, [artifact.clone(), ledger.clone()]);
        let repeat = Logged { index: 1, signers: vec![Hash([1; 32])], ..artifact.clone() };
        let head = LogHead { size: 2, ..LogHead::default() };
        let batch = Batch { statements: vec![repeat], head, ..Batch::default() };
        append.write(&batch).await.unwrap();
        let signed = Logged { signers: vec![Hash([1; 32])], ..artifact };
        assert_eq!(append.statements(&keys).await.unwrap(), [signed, ledger]);
        drop(append);
        // Whoever has the file open since then can log nothing more.
        let refused = connection.execute(older, (79,)).unwrap_err();
        assert!(refused.to_string().contains("no column named about"), "{refused}");
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_an_open_log_reopens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        SqliteStore::create(&path).await.unwrap();
        let again = SqliteStore::open(&path).await.unwrap();
        assert_eq!(again.snapshot().await.unwrap().head().size, 0);
        let connection = open(&path, OpenFlags::empty()).unwrap();
        connection.execute_batch("PRAGMA user_version = 9").unwrap();
        let refused = SqliteStore::open(&path).await;
        assert!(matches!(refused, Err(StoreError::Newer { found: 9, known: 5, .. })));
    }
}
