//! The folder: room on its disk, who may read and write what, keys, attachments.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use schemas::id::Digest;
use verifier::checkpoint::log_vkey;
use verifier::pin::Pin;

use super::Check;
use crate::folder::{Folder, read_key};

/// Less room than this stops a busy ledger within the hour; less than the second, now.
const ROOM_LOW: u64 = 2 << 30;
const ROOM_NONE: u64 = 100 << 20;

/// Attachments that are read again, as a sample: the first that the folder lists.
const SAMPLE: usize = 16;

/// The largest attachment of the sample, in bytes.
const SAMPLE_BYTES_MAX: u64 = 16 << 20;

pub fn examine(folder: &Folder, pin: &Pin) -> Vec<Check> {
    vec![disk(&folder.root), log_key(folder, pin), permissions(folder)]
}

fn disk(root: &Path) -> Check {
    match rustix::fs::statvfs(root) {
        Ok(it) => room(it.f_bavail.saturating_mul(it.f_frsize)),
        Err(cause) => {
            Check::failed("disk", format!("{}: {cause}", root.display()), "mount it again")
        }
    }
}

fn room(bytes: u64) -> Check {
    const NEXT: &str = "make room: a full disk stops the ledger, and loses nothing";
    let found = format!("{} MiB free", bytes >> 20);
    match bytes {
        ROOM_LOW.. => Check::ok("disk", found),
        ROOM_NONE.. => Check::warning("disk", found, NEXT),
        _ => Check::failed("disk", found, NEXT),
    }
}

/// A key that others may read, if it is one.
fn exposed(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{} has mode {mode:03o}", path.display()))
}

fn log_key(folder: &Folder, pin: &Pin) -> Check {
    const NAME: &str = "log-key";
    let path = folder.log_key();
    let key = match read_key(&path, "the log key") {
        Ok(key) => key,
        Err(cause) => {
            return Check::failed(
                NAME,
                cause.to_string(),
                "restore keys/log.pem: nothing is logged without it",
            );
        }
    };
    let Ok(origin) = pin.log().name().as_str().parse() else {
        return Check::failed(NAME, "pin.txt names no origin", "restore pin.txt");
    };
    if log_vkey(&origin, key.ed25519()) != *pin.log() {
        let next = "restore the keys/log.pem that pin.txt names";
        return Check::failed(NAME, "it is not the key that pin.txt names", next);
    }
    match exposed(&path) {
        Some(found) => Check::failed(NAME, found, "chmod 600: whoever reads it can fork the log"),
        None => Check::ok(NAME, "the one that pin.txt names, readable by its owner alone"),
    }
}

fn permissions(folder: &Folder) -> Check {
    const NAME: &str = "permissions";
    let private =
        [folder.root.join("ledger.db"), folder.root.join("ledger.db-wal"), folder.service_key()];
    if let Some(found) = private.iter().find_map(|path| exposed(path)) {
        return Check::failed(NAME, found, "chmod 600: it holds every envelope, or a key");
    }
    let mode = |path: &Path| std::fs::metadata(path).map(|it| it.permissions().mode() & 0o777);
    for path in [folder.root.clone(), folder.root.join("keys")] {
        match mode(&path) {
            Ok(mode) if mode & 0o022 != 0 => {
                let found = format!("{} has mode {mode:03o}", path.display());
                return Check::failed(
                    NAME,
                    found,
                    "chmod go-w: others could replace what is in it",
                );
            }
            Ok(_) => {}
            Err(cause) => {
                let found = format!("{}: {cause}", path.display());
                return Check::failed(NAME, found, "restore the folder");
            }
        }
    }
    Check::ok(NAME, "nobody else writes here or reads the database and the keys")
}

/// Attachments are there, can be read, and a sample of them is what its names say.
pub fn attachments(folder: &Folder) -> Check {
    const NAME: &str = "attachments";
    let listed = match std::fs::read_dir(folder.root.join("attachments").join("sha256")) {
        Ok(listed) => listed.flatten(),
        Err(cause) => {
            let found = format!("attachments/sha256: {cause}");
            return Check::failed(NAME, found, "restore the folder from a backup");
        }
    };
    let (mut read, mut seen) = (0, 0_u64);
    for file in listed {
        seen += 1;
        let small = file.metadata().is_ok_and(|it| it.is_file() && it.len() <= SAMPLE_BYTES_MAX);
        let name = file.file_name().to_string_lossy().into_owned();
        let Ok(digest) = format!("sha256:{name}").parse::<Digest>() else { continue };
        if !small || read >= SAMPLE {
            continue;
        }
        if let Err(cause) = folder.attachment(&digest) {
            return Check::failed(NAME, cause.to_string(), "restore it from a backup");
        }
        read += 1;
    }
    Check::ok(NAME, format!("{seen} files, {read} of them read again"))
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_disk_is_low_before_it_is_full() {
        for (bytes, expected) in [
            (ROOM_LOW, Grade::Ok),
            (ROOM_LOW - 1, Grade::Warning),
            (ROOM_NONE, Grade::Warning),
            (ROOM_NONE - 1, Grade::Failed),
            (0, Grade::Failed),
        ] {
            assert_eq!(room(bytes).grade, expected, "{bytes}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_room() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk(&folder.path().join("gone")).grade, Grade::Failed);
    }
}
