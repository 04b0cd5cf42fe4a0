//! The folder of a witness: its key, and for each log the latest checkpoint that it cosigned.
//!
//! Whoever holds `witness.pem` can cosign a fork, and whoever deletes a checkpoint or puts an older
//! one in its place makes the witness do so: a witness with a restored folder is a new witness.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use verifier::merkle::sha256;
use verifier::note::{KeyName, NOTE_BYTES_MAX, Vkey, format_note};
use verifier::signature::SigningKey;
use verifier::witness::{Held, witness_vkey};

use crate::error::{LedgerError, file_error, malformed};
use crate::folder::{read_key, write_durably, write_key};
use crate::init::generate_key;

const KEY: &str = "witness.pem";
const VKEY: &str = "witness.vkey";
const LOCK: &str = "lock";

/// A folder that nobody else has open.
#[derive(Debug)]
pub struct WitnessFolder {
    root: PathBuf,
    vkey: Vkey,
    /// Held as long as this lives; the system gives it back however the process ends.
    _lock: File,
}

impl WitnessFolder {
    /// Makes a key, and the folder where there is none; an existing key is never replaced.
    pub fn init(root: &Path, name: &KeyName) -> Result<Vkey, LedgerError> {
        std::fs::create_dir_all(root).map_err(file_error(root))?;
        let key = generate_key()?;
        write_key(&root.join(KEY), &key)?;
        let vkey = witness_vkey(name.clone(), &key);
        write_durably(&root.join(VKEY), format!("{vkey}\n").as_bytes(), 0o644)?;
        Ok(vkey)
    }

    pub(super) fn open(root: &Path) -> Result<(WitnessFolder, SigningKey), LedgerError> {
        let key = read_key(&root.join(KEY), "the witness key")?;
        let path = root.join(VKEY);
        let text = std::fs::read_to_string(&path).map_err(file_error(&path))?;
        let vkey: Vkey = text.trim_end().parse().map_err(|cause| malformed(VKEY, cause))?;
        if witness_vkey(vkey.name().clone(), &key) != vkey {
            return Err(malformed(VKEY, format!("it is not of the key in {KEY}")));
        }
        let lock = lock(&root.join(LOCK))?;
        Ok((WitnessFolder { root: root.to_owned(), vkey, _lock: lock }, key))
    }

    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    fn path(&self, log: &Vkey) -> PathBuf {
        // The hash of its origin: a name from outside never becomes part of a path.
        let origin = sha256(&[log.name().as_str().as_bytes()]);
        self.root.join(format!("{origin}.checkpoint"))
    }

    /// Reads what was cosigned last. Anything but a missing file or a good one is an error.
    pub(super) fn read(&self, log: &Vkey) -> Result<Option<Held>, LedgerError> {
        use std::io::Read as _;
        let path = self.path(log);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(file_error(path)(cause)),
        };
        let mut bytes = Vec::new();
        let most = NOTE_BYTES_MAX as u64 + 1;
        file.take(most).read_to_end(&mut bytes).map_err(file_error(&path))?;
        let held = Held::parse(&bytes, log, &self.vkey);
        held.map(Some).map_err(|cause| malformed(path.display().to_string(), cause))
    }

    /// Keeps what is about to be given away; it survives a loss of power from here on.
    pub(super) fn write(&self, log: &Vkey, held: &Held) -> Result<(), LedgerError> {
        write_durably(&self.path(log), format_note(held.note()).as_bytes(), 0o644)
    }
}

/// Two processes on one folder could cosign two histories.
fn lock(path: &Path) -> Result<File, LedgerError> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(path);
    let file = file.map_err(file_error(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(cause)) => Err(file_error(path)(cause)),
        Err(TryLockError::WouldBlock) => {
            Err(malformed("the witness's folder", "another process has it open"))
        }
    }
}
