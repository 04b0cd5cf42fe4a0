//! Pack files, read as if an enemy had written them; `ledger` writes them.
//!
//! What is in the files is the verifier's to judge. Here only the container is: a name that climbs
//! out, stands twice or hides something would make two readers see two packs.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use schemas::report::{Code, Finding};
use verifier::pack::bag::{FOLDER, Files};
use zip::read::ZipReadOptions;
use zip::{CompressionMethod, ZipArchive};

use crate::failure::Failure;

#[cfg(feature = "ledger")]
pub use ledger::pack_file::write;

/// How much of a container is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub file_bytes_max: u64,
    pub total_bytes_max: u64,
    pub files_max: usize,
}

impl Limits {
    pub const PACK: Limits =
        Limits { file_bytes_max: 256 << 20, total_bytes_max: 8 << 30, files_max: 5_000_000 };
}

/// Why a container was not read: the files are not opened at all, or are no pack.
#[derive(Debug)]
pub enum PackFileError {
    Failure(Failure),
    /// The container is not as the format demands: a finding, exit 7.
    Malformed(Finding),
}

impl From<Failure> for PackFileError {
    fn from(failure: Failure) -> PackFileError {
        PackFileError::Failure(failure)
    }
}

fn malformed(detail: impl Into<String>) -> PackFileError {
    PackFileError::Malformed(Finding::new(Code::PackMalformed, None, detail))
}

/// Reads a pack from a zip file, or from the folder that one was unpacked into.
pub fn read(path: &Path, limits: &Limits) -> Result<Files, PackFileError> {
    let failed = |cause| Failure::file(path, &cause);
    if path.is_dir() {
        let inner = path.join(FOLDER);
        let root = if inner.is_dir() { inner } else { path.to_owned() };
        let mut folder = Folder { files: Files::new(), total: 0, limits };
        folder.read(&root, "")?;
        return Ok(folder.files);
    }
    let file = File::open(path).map_err(failed)?;
    read_zip(file, limits)
}

/// Reads the files of an archive.
pub fn read_zip(reader: impl Read + Seek, limits: &Limits) -> Result<Files, PackFileError> {
    let mut archive = ZipArchive::new(reader)
        .map_err(|cause| malformed(format!("not a whole zip file: {cause}")))?;
    if archive.offset() != 0 || !archive.comment().is_empty() {
        return Err(malformed("something stands before the archive, or a comment behind it"));
    }
    if archive.has_duplicate_names() {
        return Err(malformed("a name stands twice in the archive"));
    }
    if archive.len() > limits.files_max {
        return Err(malformed(format!("{} files, at most {}", archive.len(), limits.files_max)));
    }
    let mut files = Files::new();
    let mut total = 0;
    for number in 0..archive.len() {
        if let Some((path, bytes)) = read_member(&mut archive, number, &mut total, limits)? {
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

/// Reads one member; the folder entries that some archivers write are passed over.
fn read_member(
    archive: &mut ZipArchive<impl Read + Seek>,
    number: usize,
    total: &mut u64,
    limits: &Limits,
) -> Result<Option<(String, Vec<u8>)>, PackFileError> {
    // The manifests hold a better digest than the archive's, and name the file that differs.
    let options = ZipReadOptions::new().ignore_crc32(true).enforce_header_consistency(true);
    let member = archive
        .by_index_with_options(number, options)
        .map_err(|cause| malformed(format!("member {number}: {cause}")))?;
    let name = str::from_utf8(member.name_raw())
        .map_err(|_| malformed(format!("member {number} has a name that is not UTF-8")))?
        .to_owned();
    let kind = member.unix_mode().map_or(REGULAR, |mode| mode & FILE_TYPE);
    let folder = name.ends_with('/');
    let path = path_below(name.trim_end_matches('/'))
        .ok_or_else(|| malformed(format!("{name:?} does not stand below {FOLDER}/")))?;
    if member.encrypted() || member.compression() != CompressionMethod::Stored {
        return Err(malformed(format!("{name} is not stored as it is")));
    }
    let (size, stored) = (member.size(), member.compressed_size());
    if folder && size == 0 && (kind == DIRECTORY || kind == REGULAR || kind == 0) {
        return Ok(None);
    }
    if folder || !(kind == REGULAR || kind == 0) {
        return Err(malformed(format!("{name} is no plain file")));
    }
    if path.is_empty() || size != stored {
        return Err(malformed(format!("{name} is not stored as it is")));
    }
    take_room(&name, size, total, limits)?;
    // The room is reserved as the bytes come: a header may promise what the file does not hold.
    let mut bytes = Vec::new();
    let read = member.take(size + 1).read_to_end(&mut bytes);
    read.map_err(|cause| malformed(format!("{name}: {cause}")))?;
    if bytes.len() as u64 != size {
        return Err(malformed(format!("{name} is cut off: {} of {size} bytes", bytes.len())));
    }
    Ok(Some((path, bytes)))
}

const FILE_TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

fn take_room(name: &str, size: u64, total: &mut u64, limits: &Limits) -> Result<(), PackFileError> {
    if size > limits.file_bytes_max {
        let most = limits.file_bytes_max;
        return Err(malformed(format!("{name} has {size} bytes, at most {most} are read")));
    }
    *total = total.saturating_add(size);
    if *total > limits.total_bytes_max {
        return Err(malformed(format!("more than {} bytes in all", limits.total_bytes_max)));
    }
    Ok(())
}

/// The path below the pack's folder; `None` where a name is not plainly inside it.
fn path_below(name: &str) -> Option<String> {
    let path = match name.strip_prefix(FOLDER)? {
        "" => "",
        rest => rest.strip_prefix('/')?,
    };
    is_plain(path).then(|| path.to_owned())
}

/// True for a relative path of ordinary names.
fn is_plain(path: &str) -> bool {
    let ordinary = |part: &str| !part.is_empty() && part != "." && part != "..";
    let bytes =
        path.bytes().all(|byte| byte != b'\\' && byte != b':' && byte >= 0x20 && byte != 0x7f);
    path.is_empty() || (bytes && path.len() <= 1024 && path.split('/').all(ordinary))
}

/// Reads the files of an unpacked pack.
struct Folder<'a> {
    files: Files,
    total: u64,
    limits: &'a Limits,
}

impl Folder<'_> {
    fn read(&mut self, dir: &Path, prefix: &str) -> Result<(), PackFileError> {
        let failed = |cause| PackFileError::Failure(Failure::file(dir, &cause));
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| malformed("a name is not UTF-8"))?;
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed)?;
            if !is_plain(&path) || self.files.len() >= self.limits.files_max {
                return Err(malformed(format!("{path:?} is no name of a pack, or one too many")));
            } else if kind.is_dir() {
                self.read(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                let size = entry.metadata().map_err(failed)?.len();
                take_room(&path, size, &mut self.total, self.limits)?;
                let bytes = std::fs::read(entry.path()).map_err(failed)?;
                self.files.insert(path, bytes);
            } else {
                return Err(malformed(format!("{path} is no plain file")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
