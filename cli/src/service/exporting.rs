//! Packs: gathered here, or by the server that keeps the ledger.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ledger::{Cosigned, ExportAsk};
use schemas::id::{EntryIndex, Hash, TreeSize};
use verifier::checkpoint::verify_checkpoint;
use verifier::pack::CHECKPOINT;
use verifier::pack::bag::{Files, TAG_MANIFEST};

use super::{End, Service};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::pack_file::{self, Limits, PackFileError};

/// A pack that was written, and the entry that logs it.
pub struct Made {
    pub id: Hash,
    pub files: usize,
    pub size: TreeSize,
    pub entry: EntryIndex,
    pub cosigned: Cosigned,
}

impl Service {
    /// Writes a pack to a new file; its custody is logged before this returns.
    pub fn export(&self, ask: &ExportAsk, path: &Path) -> Result<Made, Failure> {
        let failed = |cause: std::io::Error| Failure::file(path, &cause);
        let file = File::create(path).map_err(failed)?;
        match &self.end {
            End::Here(ledger) => {
                let exported = self.wait(ledger.export(ask))?;
                let written = ledger::pack_file::write(&exported.files, BufWriter::new(file));
                written.map_err(Failure::unexpected)?;
                let logged = self.wait(ledger.log_export(ask, &exported))?;
                let (id, files, size) = (exported.id, exported.files.len(), exported.size);
                let (entry, cosigned) = (logged.index, exported.cosigned);
                Ok(Made { id, files, size, entry, cosigned })
            }
            End::Server(remote) => {
                let (bytes, entry, cosigned) = self.wait(remote.export(ask))?;
                let mut file = file;
                file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
                let read = pack_file::read(path, &Limits::PACK);
                let files = read.map_err(|cause| match cause {
                    PackFileError::Failure(failure) => failure,
                    PackFileError::Malformed(finding) => broken(&finding.detail),
                })?;
                self.made(&files, entry, cosigned)
            }
        }
    }

    /// What a server has sent must be a pack of the log that this machine knows.
    fn made(&self, files: &Files, entry: EntryIndex, cosigned: Cosigned) -> Result<Made, Failure> {
        let file = |name: &str| files.get(name).ok_or_else(|| broken(&format!("no {name}")));
        let checkpoint = verify_checkpoint(file(CHECKPOINT)?, self.pin().log());
        let checkpoint = checkpoint.map_err(|cause| broken(&cause.to_string()))?;
        let id = verifier::merkle::sha256(&[file(TAG_MANIFEST)?]);
        Ok(Made { id, files: files.len(), size: checkpoint.size(), entry, cosigned })
    }
}

fn broken(what: &str) -> Failure {
    Failure::new(Exit::Integrity, "pack-malformed", format!("the server's pack: {what}"))
}
