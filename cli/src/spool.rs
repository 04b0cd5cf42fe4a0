//! The spool: signed events that wait for a server that is away.
//!
//! A file each, written whole or not at all and durable before anybody is told; it goes when a
//! receipt of it was checked, and not before. Whoever can read the folder reads what is recorded,
//! so it is its owner's alone; whoever can write there can take events away, and forge none.

pub mod item;
mod name;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use schemas::id::Time;

pub use self::item::{About, Item};
pub use self::name::Name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Most events that wait.
pub const EVENTS_MAX: usize = 10_000;

/// Most bytes that wait.
pub const BYTES_MAX: u64 = 1 << 30;

/// The longest that one command waits for another that delivers.
const TURN_MAX: Duration = Duration::from_secs(20);

/// Longest reason that is kept beside what was refused, in bytes.
const REASON_BYTES_MAX: u64 = 65_536;

/// The folder of what waits.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
    /// The folder as the user would write it.
    pub shown: PathBuf,
}

/// Something that waits, or was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub name: Name,
    pub bytes: u64,
}

impl Spool {
    /// The folder that `ATTESTRY_SPOOL` names, else `.attestry/spool`.
    pub fn of(io: &Io) -> Spool {
        let shown = PathBuf::from(io.var("ATTESTRY_SPOOL").unwrap_or(".attestry/spool"));
        Spool { dir: io.path(&shown), shown }
    }

    /// What was refused, and is kept.
    pub fn refused(&self) -> Spool {
        Spool { dir: self.dir.join("refused"), shown: self.shown.join("refused") }
    }

    pub fn path(&self, name: Name) -> PathBuf {
        self.shown.join(name.to_string())
    }

    fn file(&self, name: Name) -> PathBuf {
        self.dir.join(name.to_string())
    }

    fn reason_file(&self, name: Name) -> PathBuf {
        self.dir.join(format!("{name}.reason"))
    }

    /// What waits, the oldest first; nothing where there is no folder.
    pub fn list(&self) -> Result<Vec<Waiting>, Failure> {
        let found = match fs::read_dir(&self.dir) {
            Ok(found) => found,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(Failure::file(&self.shown, &cause)),
        };
        let mut waiting = Vec::new();
        for entry in found.take(4 * EVENTS_MAX) {
            let entry = entry.map_err(|cause| Failure::file(&self.shown, &cause))?;
            if let Some(name) = entry.file_name().to_str().and_then(Name::parse) {
                let bytes = entry.metadata().map_or(0, |meta| meta.len());
                waiting.push(Waiting { name, bytes });
            }
        }
        waiting.sort_by_key(|it| it.name);
        Ok(waiting)
    }

    /// Keeps an event until it is delivered: when this returns, it survives a loss of power.
    pub fn put(&self, item: &Item, now: Time, chance: [u8; 16]) -> Result<Name, Failure> {
        let bytes = item.format().map_err(|cause| full(&cause.to_string()))?;
        self.make().map_err(|cause| Failure::file(&self.shown, &cause))?;
        let _turn = self.lock(".names")?;
        let waiting = self.list()?;
        let size: u64 = waiting.iter().map(|it| it.bytes).sum();
        if waiting.len() >= EVENTS_MAX || size + bytes.len() as u64 > BYTES_MAX {
            return Err(full(&format!("{} events of {size} bytes wait", waiting.len())));
        }
        let name = Name::after(waiting.last().map(|it| it.name), now.0, chance);
        self.write(&self.file(name), &bytes)?;
        Ok(name)
    }

    /// Makes the folder, which is its owner's alone and never committed by accident.
    fn make(&self) -> io::Result<()> {
        if self.dir.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        fs::write(self.dir.join(".gitignore"), "*\n")?;
        let above = self.dir.parent().unwrap_or(Path::new("/"));
        File::open(above).and_then(|folder| folder.sync_all())
    }

    /// Writes a file whole, or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let beside = path.with_extension("new");
            // What a killed process has left: nobody else writes here now.
            let _ = fs::remove_file(&beside);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            self.sync()
        };
        write().map_err(|cause| Failure::file(&self.shown, &cause))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.dir).and_then(|folder| folder.sync_all())
    }

    /// Waits for a turn, which lasts as long as the file is kept; the kernel ends that of the dead.
    fn lock(&self, name: &str) -> Result<File, Failure> {
        let path = self.dir.join(name);
        let open =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(|cause| Failure::file(&self.shown, &cause))?;
        let until = Instant::now() + TURN_MAX;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let message = format!("another command works in {}", self.shown.display());
                    return Err(Failure::new(Exit::Unexpected, "spool-busy", message)
                        .hint("wait until it has delivered what waits, then repeat"));
                }
                Err(fs::TryLockError::Error(cause)) => {
                    return Err(Failure::file(&self.shown, &cause));
                }
            }
        }
    }

    /// The turn of whoever delivers: one after the other, so that the order is kept.
    pub fn turn(&self) -> Result<File, Failure> {
        self.lock(".delivery")
    }

    /// Reads an event. A file that others may read or write was not written by us: a folder that
    /// somebody else has made, such as one in a repository that was cloned, is not trusted.
    pub fn read(&self, name: Name) -> Result<Item, Failure> {
        let path = self.path(name);
        let file = |cause: io::Error| Failure::file(&path, &cause);
        let meta = fs::symlink_metadata(self.file(name)).map_err(file)?;
        if !meta.is_file() || meta.permissions().mode() & 0o077 != 0 {
            return Err(unreadable(&path, "it is open to others, so it was not written here"));
        }
        let most = item::ITEM_BYTES_MAX as u64 + 1;
        let mut bytes = Vec::new();
        let read =
            File::open(self.file(name)).and_then(|file| file.take(most).read_to_end(&mut bytes));
        read.map_err(file)?;
        Item::parse(&bytes).map_err(|cause| unreadable(&path, &cause.to_string()))
    }

    /// Takes an event away: it was delivered, or nobody wants it.
    pub fn remove(&self, name: Name) -> Result<(), Failure> {
        let gone = fs::remove_file(self.file(name)).and_then(|()| {
            let _ = fs::remove_file(self.reason_file(name));
            self.sync()
        });
        match gone {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let message = format!("nothing waits as {}", self.path(name).display());
                Err(Failure::not_found(message).hint("attestry spool list"))
            }
            other => other.map_err(|cause| Failure::file(&self.path(name), &cause)),
        }
    }

    /// Sets what was refused aside with the reason, so that what is behind it is delivered.
    pub fn set_aside(&self, name: Name, why: &Failure) -> Result<(), Failure> {
        let refused = self.refused();
        refused.make().map_err(|cause| Failure::file(&refused.shown, &cause))?;
        // First the reason: whoever is killed here is refused once more.
        refused.write(&refused.reason_file(name), why.to_json().to_string().as_bytes())?;
        let moved = fs::rename(self.file(name), refused.file(name));
        let moved = moved.and_then(|()| refused.sync()).and_then(|()| self.sync());
        moved.map_err(|cause| Failure::file(&refused.shown, &cause))
    }

    /// Why an event was refused, in the words of then.
    pub fn reason(&self, name: Name) -> Option<String> {
        let file = File::open(self.reason_file(name)).ok()?;
        let mut text = String::new();
        file.take(REASON_BYTES_MAX).read_to_string(&mut text).ok()?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        let word = |name: &str| json["error"][name].as_str().unwrap_or_default().to_owned();
        Some(format!("{} [{}]", word("message"), word("code")))
    }

    /// Lets what was set aside wait again.
    pub fn retry(&self, name: Name) -> Result<(), Failure> {
        let refused = self.refused();
        let moved = fs::rename(refused.file(name), self.file(name)).and_then(|()| self.sync());
        moved.map_err(|cause| Failure::file(&refused.path(name), &cause))?;
        let _ = fs::remove_file(refused.reason_file(name));
        Ok(())
    }

    /// Keeps the receipt of what was delivered.
    pub fn keep_receipt(&self, name: Name, receipt: &str) -> Result<PathBuf, Failure> {
        let folder = Spool { dir: self.dir.join("receipts"), shown: self.shown.join("receipts") };
        folder.make().map_err(|cause| Failure::file(&folder.shown, &cause))?;
        let file = format!("{name}.receipt");
        folder.write(&folder.dir.join(&file), receipt.as_bytes())?;
        Ok(folder.shown.join(file))
    }
}

fn full(why: &str) -> Failure {
    Failure::new(Exit::Unreachable, "spool-full", format!("the spool does not keep this: {why}"))
        .hint("deliver what waits: attestry spool push; or look at it: attestry spool list")
}

fn unreadable(path: &Path, why: &str) -> Failure {
    let message = format!("{} is not read: {why}", path.display());
    Failure::new(Exit::Unexpected, "spool-unreadable", message)
        .hint("look at the file; attestry spool drop takes it away")
}

#[cfg(test)]
mod tests {
    use super::item::tests::item;
    use super::*;

    fn spool() -> (tempfile::TempDir, Spool) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join(".attestry/spool");
        (folder, Spool { dir, shown: ".attestry/spool".into() })
    }

    fn put(spool: &Spool, text: &str) -> Name {
        spool.put(&item(text), Time(1), [7; 16]).unwrap()
    }

    #[test]
    fn what_waits_is_private_ordered_and_goes_one_by_one() {
        let (_folder, spool) = spool();
        assert_eq!(spool.list().unwrap(), []);
        let names: Vec<Name> = ["a", "b", "c"].map(|text| put(&spool, text)).into();
        // What a process that was killed has left is no event.
        fs::write(spool.dir.join(format!("{}.new", names[0])), "half").unwrap();
        let listed = spool.list().unwrap();
        assert_eq!(listed.iter().map(|it| it.name).collect::<Vec<_>>(), names);
        assert_eq!(spool.read(names[1]).unwrap().envelope, b"b");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&spool.dir), mode(&spool.file(names[0]))), (0o700, 0o600));
        spool.remove(names[0]).unwrap();
        assert_eq!(spool.remove(names[0]).unwrap_err().exit, Exit::NotFound);
        assert_eq!(spool.list().unwrap().len(), 2);
    }

    #[test]
    fn what_was_refused_is_kept_with_its_reason_and_may_be_tried_again() {
        let (_folder, spool) = spool();
        let name = put(&spool, "a");
        let why = Failure::new(Exit::No, "role-missing", "no role");
        spool.set_aside(name, &why).unwrap();
        assert_eq!(spool.list().unwrap(), []);
        assert_eq!(spool.refused().list().unwrap()[0].name, name);
        assert_eq!(spool.refused().reason(name).unwrap(), "no role [role-missing]");
        spool.retry(name).unwrap();
        assert_eq!(spool.read(name).unwrap().envelope, b"a");
        assert_eq!(spool.refused().reason(name), None);
    }

    #[test]
    fn what_others_may_have_written_is_not_read() {
        let (folder, spool) = spool();
        let name = put(&spool, "a");
        fs::set_permissions(spool.file(name), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(spool.read(name).unwrap_err().code, "spool-unreadable");
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(spool.file(name), &elsewhere).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&elsewhere, spool.file(name)).unwrap();
        assert_eq!(spool.read(name).unwrap_err().code, "spool-unreadable");
    }

    #[test]
    fn the_spool_is_bounded() {
        let (_folder, spool) = spool();
        let name = put(&spool, "a");
        let large = OpenOptions::new().write(true).open(spool.file(name)).unwrap();
        large.set_len(BYTES_MAX).unwrap();
        let refused = spool.put(&item("b"), Time(1), [7; 16]).unwrap_err();
        assert_eq!((refused.code.as_ref(), refused.exit), ("spool-full", Exit::Unreachable));
        large.set_len(0).unwrap();
        for nth in spool.list().unwrap().len()..EVENTS_MAX {
            fs::write(spool.file(Name::after(Some(name), nth as i64, [1; 16])), "").unwrap();
        }
        assert_eq!(spool.put(&item("b"), Time(1), [7; 16]).unwrap_err().code, "spool-full");
    }
}
