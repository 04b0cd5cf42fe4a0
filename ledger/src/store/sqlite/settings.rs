//! What a database file says of itself, for whoever looks after it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connections::open;
use super::failed;
use crate::store::StoreError;

/// The settings of a file, and whether its pages are in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub journal_mode: String,
    /// `ok`, or what is wrong; none where the file has too many bytes to look at.
    pub quick_check: Option<String>,
    pub bytes: u64,
}

/// Reads the settings of a file and changes none; looks at its pages where it is small enough.
pub async fn settings(path: &Path, looked_at_bytes_max: u64) -> Result<Settings, StoreError> {
    super::file::check_file(path)?;
    let bytes = std::fs::metadata(path).map_or(0, |it| it.len());
    let path = path.to_owned();
    apart(move || {
        let connection = open(&path, OpenFlags::empty()).map_err(failed)?;
        connection.pragma_update(None, "query_only", "ON").map_err(failed)?;
        let text = |sql| connection.query_row(sql, (), |row| row.get::<_, String>(0));
        Ok(Settings {
            journal_mode: text("PRAGMA journal_mode").map_err(failed)?,
            // A file that is broken badly enough fails the question itself.
            quick_check: (bytes <= looked_at_bytes_max)
                .then(|| text("PRAGMA quick_check(1)").unwrap_or_else(|error| error.to_string())),
            bytes,
        })
    })
    .await
}

/// Writes the log, as it is at one moment, into a new file that needs no `-wal`; the ledger may go
/// on appending meanwhile.
pub async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    super::file::check_file(from)?;
    // So that its mode is certain before anything is in it.
    super::file::make_file(to)?;
    let (from, to) = (from.to_owned(), to.to_owned());
    apart(move || {
        let connection = open(&from, OpenFlags::empty()).map_err(failed)?;
        let copied = connection.execute("VACUUM INTO ?1", (to.to_string_lossy(),));
        copied.map_err(failed)?;
        Connection::close(connection).map_err(|(_, error)| failed(error))?;
        let synced = std::fs::File::open(&to).and_then(|file| file.sync_all());
        synced.map_err(|source| StoreError::File { path: to, source })
    })
    .await
}

/// Does what may take seconds on a thread that nobody else waits for.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|gone| StoreError::Database(Box::new(gone)))?
}
