//! The high-water file: the largest checkpoint that this machine has seen of a ledger, kept
//! outside the ledger's folder, so that a folder restored from an old copy is noticed.

use std::path::{Path, PathBuf};

use schemas::id::Origin;
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::note::{Vkey, format_note};

use crate::error::{LedgerError, file_error};
use crate::folder::write_copy;

pub struct HighWater {
    path: PathBuf,
}

impl HighWater {
    /// The file of a ledger, named by its log key: two ledgers of one name have two files.
    pub fn of(folder: &Path, origin: &Origin, vkey: &Vkey) -> HighWater {
        let key = verifier::merkle::sha256(&[vkey.to_string().as_bytes()]).short();
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }
        };
        let name: String = origin.as_str().chars().take(100).map(safe).collect();
        HighWater { path: folder.join(format!("{name}.{key}.checkpoint")) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the checkpoint; a file that does not verify is an error and not an absence.
    pub fn read(&self, vkey: &Vkey) -> Result<Option<VerifiedCheckpoint>, LedgerError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) if bytes.is_empty() => return Ok(None),
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(file_error(&self.path)(cause)),
        };
        verify_checkpoint(&bytes, vkey).map(Some).map_err(|cause| {
            LedgerError::Forked(format!("{} does not verify: {cause}", self.path.display()))
        })
    }

    pub fn write(&self, checkpoint: &VerifiedCheckpoint) -> Result<(), LedgerError> {
        write_copy(&self.path, format_note(checkpoint.note()).as_bytes())
    }
}
