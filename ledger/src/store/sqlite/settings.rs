//! What a database file says of itself, for whoever looks after it.

use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _};

use super::{failed, options};
use crate::store::StoreError;

/// The settings of a file, and whether its pages are in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub journal_mode: String,
    /// As our connections have it: 2 is FULL.
    pub synchronous: i64,
    /// `ok`, or what is wrong; none where the file has too many bytes to look at.
    pub quick_check: Option<String>,
    pub bytes: u64,
}

/// Reads the settings of a file and changes none; looks at its pages where it is small enough.
pub async fn settings(path: &Path, looked_at_bytes_max: u64) -> Result<Settings, StoreError> {
    super::file::check_file(path)?;
    let bytes = std::fs::metadata(path).map_or(0, |it| it.len());
    let mut connection =
        options(path).pragma("query_only", "ON").connect().await.map_err(failed)?;
    let text = |sql| sqlx::query_scalar::<_, String>(sql);
    let journal_mode = text("PRAGMA journal_mode").fetch_one(&mut connection).await;
    let synchronous = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut connection).await;
    let quick_check = match bytes <= looked_at_bytes_max {
        // A file that is broken badly enough fails the question itself.
        true => Some(match text("PRAGMA quick_check(1)").fetch_one(&mut connection).await {
            Ok(found) => found,
            Err(error) => error.to_string(),
        }),
        false => None,
    };
    connection.close().await.map_err(failed)?;
    let (journal_mode, synchronous) = (journal_mode.map_err(failed)?, synchronous.map_err(failed)?);
    Ok(Settings { journal_mode, synchronous, quick_check, bytes })
}

/// Writes the log, as it is at one moment, into a new file that needs no `-wal`; the ledger may go
/// on appending meanwhile.
pub async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    super::file::check_file(from)?;
    // So that its mode is certain before anything is in it.
    super::file::make_file(to)?;
    let mut connection = options(from).connect().await.map_err(failed)?;
    let copied = sqlx::query("VACUUM INTO ?1").bind(to.to_string_lossy().into_owned());
    let copied = copied.execute(&mut connection).await;
    connection.close().await.map_err(failed)?;
    copied.map_err(failed)?;
    let synced = std::fs::File::open(to).and_then(|file| file.sync_all());
    synced.map_err(|source| StoreError::File { path: to.to_owned(), source })
}
