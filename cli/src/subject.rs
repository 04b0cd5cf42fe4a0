//! SUBJECT: a file, which is hashed, or a digest, of which eight digits are enough where the log
//! knows it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemas::id::{Digest, DigestAlgorithm, Hash};
use sha2::Digest as _;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Fewest digits of an abbreviated digest.
const DIGITS_MIN: usize = 8;

/// What somebody wrote where a subject belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// A file and the SHA-256 of its bytes.
    File(PathBuf, Digest),
    Digest(Digest),
    /// The beginning of a digest: whoever knows the log finds the rest.
    Prefix(DigestAlgorithm, String),
}

/// Reads what was written; a file is hashed as a stream, whatever its size.
pub fn read(text: &str, io: &Io) -> Result<Written, Failure> {
    if text.is_empty() {
        return Err(Failure::usage("the subject is empty").hint("is your variable empty?"));
    }
    let path = io.path(text);
    if path.is_file() {
        let digest = hash_file(&path).map_err(|cause| Failure::file(Path::new(text), &cause))?;
        return Ok(Written::File(PathBuf::from(text), digest));
    }
    if path.is_dir() {
        return Err(Failure::usage(format!("{text} is a folder; a subject is a file or a digest"))
            .hint("pack it into one file first: the digest of that file is what gets deployed"));
    }
    match text.split_once(':') {
        Some((algorithm, hex)) => read_digest(text, algorithm, hex),
        None => Err(Failure::new(Exit::NotFound, "file-not-found", format!("no file {text}"))
            .hint("a subject is a file, or a digest such as sha256:9f2c41d0…")),
    }
}

fn read_digest(text: &str, algorithm: &str, hex: &str) -> Result<Written, Failure> {
    let Some(known) = DigestAlgorithm::from_name(algorithm) else {
        return Err(not_a_digest(text));
    };
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !is_hex {
        return Err(Failure::usage(format!("{text} is not in lower-case hex digits")));
    }
    if let Ok(digest) = Digest::new(known, hex) {
        return Ok(Written::Digest(digest));
    }
    let whole = match known {
        DigestAlgorithm::GitCommit | DigestAlgorithm::Sha256 => 64,
        DigestAlgorithm::Sha384 => 96,
        DigestAlgorithm::Sha512 => 128,
    };
    match hex.len() {
        0..DIGITS_MIN => Err(Failure::usage(format!("{text} has {} digits", hex.len()))
            .hint(format!("{DIGITS_MIN} digits are enough where the log knows the artifact"))),
        length if length < whole => Ok(Written::Prefix(known, hex.to_owned())),
        length => Err(Failure::usage(format!("{length} digits are too many for {algorithm}"))),
    }
}

/// A word with a colon that is no digest: most likely an image tag, or a file that is not there.
fn not_a_digest(text: &str) -> Failure {
    if text.contains('/') && !text.contains("://") && text.ends_with(['z', 'p', 'r']) {
        return Failure::new(Exit::NotFound, "file-not-found", format!("no file {text}"));
    }
    let message = format!("{text} is a tag, and a tag can be moved to another artifact");
    Failure::new(Exit::Usage, "tag-not-digest", message)
        .hint("name the digest: `docker inspect --format '{{index .RepoDigests 0}}' IMAGE`")
}

/// SHA-256 of a file's bytes.
pub fn hash_file(path: &Path) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::sha256(&Hash(hasher.finalize().into()))),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// The one digest among those that a prefix fits.
pub fn only(prefix: &str, found: Vec<Digest>) -> Result<Digest, Failure> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            let message = format!("the log knows no artifact {prefix}…");
            Err(Failure::new(Exit::NotFound, "subject-unknown", message)
                .hint("write the whole digest, or name the file"))
        }
        (Some(one), Some(two)) => {
            let message = format!("{prefix} fits more than one artifact");
            let failure = Failure::new(Exit::Usage, "subject-ambiguous", message)
                .detail(one.to_string())
                .detail(two.to_string());
            Err(found
                .take(8)
                .fold(failure, |failure, more| failure.detail(more.to_string()))
                .hint("write more digits"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("app.tar.gz"), b"abc").unwrap();
        std::fs::create_dir(dir.path().join("dist")).unwrap();
        let (mut stdin, mut stdout, mut stderr) = (std::io::empty(), Vec::new(), Vec::new());
        let io = Io::new(&mut stdin, &mut stdout, &mut stderr, dir.path());
        let found = match read(text, &io) {
            Ok(Written::File(path, digest)) => format!("{} {}", path.display(), digest.short()),
            Ok(Written::Digest(digest)) => digest.short(),
            Ok(Written::Prefix(algorithm, hex)) => format!("{}:{hex}…", algorithm.name()),
            Err(failure) => failure.code.to_string(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_subject_is_a_file_or_a_digest() {
        let hex = "ab".repeat(32);
        check("app.tar.gz", "app.tar.gz sha256:ba7816bf");
        check(&format!("sha256:{hex}"), "sha256:abababab");
        check(&format!("gitCommit:{}", &hex[..40]), "abababa");
        check("sha256:9f2c41d0", "sha256:9f2c41d0…");
        check("sha256:9f2c41d", "usage");
        check("sha256:", "usage");
        check("sha256:9F2C41D0", "usage");
        check(&format!("sha256:{hex}ab"), "usage");
        check("", "usage");
        check("dist", "usage");
        check("missing.tar.gz", "file-not-found");
        check("app:1.2", "tag-not-digest");
        check("registry.example/app:latest", "tag-not-digest");
        check("md5:d41d8cd98f00b204e9800998ecf8427e", "tag-not-digest");
    }

    #[test]
    fn a_prefix_must_fit_one() {
        let digest = |text: &str| Digest::new(DigestAlgorithm::Sha256, &text.repeat(32)).unwrap();
        assert_eq!(only("ab", vec![digest("ab")]).unwrap(), digest("ab"));
        assert_eq!(only("ab", vec![]).unwrap_err().code, "subject-unknown");
        let both = only("a", vec![digest("ab"), digest("ac")]).unwrap_err();
        assert_eq!((both.code.as_ref(), both.details.len()), ("subject-ambiguous", 2));
    }
}
