//! The pins of the servers that this machine has met.

use std::path::{Path, PathBuf};

use schemas::id::Hash;
use verifier::pin::{Pin, format_pin, parse_pin};

use crate::error::{LedgerError, file_error, malformed};
use crate::folder::write_copy;

/// The pin that a server had when this machine first met it.
pub struct Known {
    path: PathBuf,
}

impl Known {
    pub fn of(state: &Path, address: &str) -> Known {
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }
        };
        let host = address.split_once("://").map_or(address, |(_, rest)| rest);
        let name: String = host.chars().take(100).map(safe).collect();
        let hash = verifier::merkle::sha256(&[address.as_bytes()]).short();
        Known { path: state.join("servers").join(format!("{name}.{hash}.pin")) }
    }

    /// True where this machine has not met the server before.
    pub fn check(&self, pin: &Pin) -> Result<bool, LedgerError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => {
                let known = parse_pin(&bytes)
                    .map_err(|cause| malformed(self.path.display().to_string(), cause))?;
                self.compare(&known, pin).map(|()| false)
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder).map_err(file_error(folder))?;
                }
                write_copy(&self.path, format_pin(pin).as_bytes())?;
                Ok(true)
            }
            Err(cause) => Err(file_error(&self.path)(cause)),
        }
    }

    pub fn compare(&self, known: &Pin, pin: &Pin) -> Result<(), LedgerError> {
        let genesis: [Option<&Hash>; 2] = [known.genesis(), pin.genesis()];
        let same_genesis = genesis[0].is_none() || genesis[0] == genesis[1];
        if known.log() == pin.log() && same_genesis {
            return Ok(());
        }
        Err(LedgerError::Forked(format!(
            "the server has another log key or another entry 0 than {} says",
            self.path.display()
        )))
    }
}
