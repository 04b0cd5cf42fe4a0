//! Pack files: a zip written one way only, so that the same pack has the same bytes.

use std::io::{Seek, Write};

use verifier::pack::bag::{FOLDER, Files};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Writes the archive: stored, sorted, dated 1980-01-01, one set of permissions.
pub fn write(files: &Files, out: impl Write + Seek) -> Result<(), ZipError> {
    let mut writer = ZipWriter::new(out);
    for (path, bytes) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644)
            .large_file(bytes.len() as u64 >= u64::from(u32::MAX));
        writer.start_file(format!("{FOLDER}/{path}"), options)?;
        writer.write_all(bytes)?;
    }
    writer.finish()?.flush()?;
    Ok(())
}
