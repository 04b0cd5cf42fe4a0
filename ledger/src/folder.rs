//! The folder of a ledger: database, keys, pin, and its objects unless they are in a bucket.
//!
//! Whoever holds `keys/log.pem` can fork the log, and `keys/service.pem` can sign decisions that
//! do not replay; clients that remember checkpoints, and verifiers, notice both. Whoever can write
//! `ledger.db` can delete history, which shows, and cannot invent it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use schemas::id::Digest;
use verifier::merkle;
use verifier::signature::SigningKey;

use crate::database::{self, Database};
use crate::error::{LedgerError, file_error, malformed};
use crate::objects::{ATTACHMENT_BYTES_MAX, Bucket};

#[derive(Debug, Clone)]
pub struct Folder {
    pub root: PathBuf,
}

impl Folder {
    pub fn new(root: &Path) -> Folder {
        Folder { root: root.to_owned() }
    }

    /// Where the log is: in the file that lies here, unless the file `database` names another place.
    pub fn database(&self) -> Result<Database, LedgerError> {
        let named = self.root.join("database");
        match fs::read_to_string(&named) {
            Ok(name) => Database::of_name(name.trim_end()),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Ok(Database::Sqlite(self.root.join(database::FILE)))
            }
            Err(cause) => Err(file_error(named)(cause)),
        }
    }

    /// Names the place where the log is from now on; never with a password.
    pub fn name_database(&self, database: &Database) -> Result<(), LedgerError> {
        let named = self.root.join("database");
        if matches!(database, Database::Sqlite(path) if *path == self.root.join(database::FILE)) {
            return match fs::remove_file(&named) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    Err(file_error(named)(cause))
                }
                Ok(()) | Err(_) => Ok(()),
            };
        }
        write_durably(&named, format!("{database}\n").as_bytes(), 0o644)
    }

    pub fn pin(&self) -> PathBuf {
        self.root.join("pin.txt")
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// The newest checkpoint that a quorum of witnesses has cosigned.
    pub fn cosigned(&self) -> PathBuf {
        self.root.join("cosigned")
    }

    /// Where checkpoints are kept that contradict this log, under its own key.
    pub fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    pub fn log_key(&self) -> PathBuf {
        self.root.join("keys").join("log.pem")
    }

    pub fn service_key(&self) -> PathBuf {
        self.root.join("keys").join("service.pem")
    }

    pub fn webhook_key(&self) -> PathBuf {
        self.root.join("keys").join("webhook.pem")
    }

    /// The bucket that holds attachments and published files, where they are not in this folder.
    pub fn bucket(&self) -> Result<Option<Bucket>, LedgerError> {
        let named = self.root.join("objects");
        match fs::read_to_string(&named) {
            Ok(name) => Bucket::parse(name.trim_end()).map(Some),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(file_error(named)(cause)),
        }
    }

    /// Names the bucket that holds attachments and published files from now on.
    pub fn name_bucket(&self, bucket: &Bucket) -> Result<(), LedgerError> {
        write_durably(&self.root.join("objects"), format!("{bucket}\n").as_bytes(), 0o644)
    }

    /// Refuses a folder in which there is something already.
    pub fn check_empty(&self) -> Result<(), LedgerError> {
        if let Ok(mut entries) = fs::read_dir(&self.root)
            && entries.next().is_some()
        {
            let what = format!("{} (a new ledger needs an empty folder)", self.root.display());
            return Err(malformed(what, "the folder is not empty"));
        }
        Ok(())
    }

    /// Makes the folders of a new ledger; an existing folder must be empty.
    pub fn create(&self) -> Result<(), LedgerError> {
        self.check_empty()?;
        for folder in [self.root.join("attachments").join("sha256"), self.root.join("keys")] {
            fs::create_dir_all(&folder).map_err(file_error(&folder))?;
        }
        restrict(&self.root.join("keys"), 0o700)
    }

    fn attachment_path(&self, digest: &Digest) -> PathBuf {
        // A digest is lower-case hex by construction, so it cannot climb out.
        self.root.join("attachments").join(digest.algorithm().name()).join(digest.hex())
    }

    /// Keeps bytes under their SHA-256 in this folder, as copies of a ledger are made; what is there
    /// already stays.
    pub fn attach(&self, bytes: &[u8]) -> Result<Digest, LedgerError> {
        if bytes.len() > ATTACHMENT_BYTES_MAX {
            let (size, max) = (bytes.len(), ATTACHMENT_BYTES_MAX);
            return Err(LedgerError::AttachmentTooLarge { size, max });
        }
        let digest = Digest::sha256(&merkle::sha256(&[bytes]));
        let path = self.attachment_path(&digest);
        if !path.exists() {
            write_durably(&path, bytes, 0o644)?;
        }
        Ok(digest)
    }

    /// Reads an attachment that lies in this folder, and checks that it is the one that was asked for.
    pub fn attachment(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        let path = self.attachment_path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(file_error(path)(cause)),
        };
        if Digest::sha256(&merkle::sha256(&[&bytes])) != *digest {
            return Err(malformed(
                path.display().to_string(),
                "its bytes are not those of its name",
            ));
        }
        Ok(Some(bytes))
    }
}

/// Reads a private key, which nobody else may be able to read.
pub fn read_key(path: &Path, key: &'static str) -> Result<SigningKey, LedgerError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(LedgerError::NoKey { key, path: path.to_owned() });
        }
        Err(cause) => return Err(file_error(path)(cause)),
    };
    SigningKey::from_pkcs8_pem(&text).map_err(|cause| malformed(path.display().to_string(), cause))
}

/// Writes a private key for its owner alone; an existing file is never replaced.
pub fn write_key(path: &Path, key: &SigningKey) -> Result<(), LedgerError> {
    let pem = key.to_pkcs8_pem().map_err(|cause| malformed("key", cause))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(file_error(path))?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(file_error(path))
}

/// Writes beside, syncs, and renames into place, so that a reader sees all or nothing.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<(), LedgerError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    replace(path, bytes, File::sync_all)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file_error(path))?;
    restrict(path, mode)
}

/// Writes a copy of what the database holds: renamed into place and not waited for.
///
/// A machine that loses power may keep the one before, or an empty file; both are read as "not
/// ahead of the database".
pub fn write_copy(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    replace(path, bytes, |_| Ok(()))
}

static REPLACED: AtomicU64 = AtomicU64::new(0);

fn replace(
    path: &Path,
    bytes: &[u8],
    sync: impl Fn(&File) -> std::io::Result<()>,
) -> Result<(), LedgerError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(folder).map_err(file_error(folder))?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Unlike those of others who replace it now, in this process or another.
    let nth = REPLACED.fetch_add(1, Ordering::Relaxed);
    let beside = folder.join(format!(".{name}.{}.{nth}.new", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        sync(&file)?;
        fs::rename(&beside, path)
    };
    write().map_err(file_error(path))
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> Result<(), LedgerError> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(file_error(path))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> Result<(), LedgerError> {
    Ok(())
}
