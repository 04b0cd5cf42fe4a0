//! What the journeys share: a folder of their own with its own environment, a story to be in, kept
//! texts, and the corpus.

pub mod go;
pub mod http;
pub mod insider;
pub mod issuer;
pub mod moments;
pub mod paths;
pub mod postgres;
pub mod process;
mod replaying;
pub mod serving;
pub mod snapshot;
pub mod story;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cli::{Io, run};
use tempfile::TempDir;

/// A new folder in which command lines run as a user would type them.
///
/// Everything that a command could touch is in the folder: its environment is empty but for the
/// state folder, so that nothing of the machine's user is read or written.
///
/// When a place goes away, its ledgers are replayed: every decision in them must agree.
pub struct Place {
    folder: TempDir,
    env: Vec<(String, String)>,
    tampered: OnceLock<&'static str>,
}

/// What a command line answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Default for Place {
    fn default() -> Place {
        Place::new()
    }
}

impl Place {
    /// # Panics
    /// Where the machine has no room for a folder.
    pub fn new() -> Place {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = folder.path().join("state").display().to_string();
        let env = vec![("ATTESTRY_STATE".to_owned(), state)];
        Place { folder, env, tampered: OnceLock::new() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    ///
    /// # Panics
    /// Where the machine does not let it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.file(name);
        let folder = path.parent().expect("a file stands in a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Another folder with the same files and variables.
    ///
    /// # Panics
    /// Where the machine does not let it.
    pub fn copy(&self) -> Place {
        let mut copy = Place::new();
        self.settle();
        copy_folder(self.path(), copy.path());
        for (name, value) in self.env.iter().filter(|(name, _)| name != "ATTESTRY_STATE") {
            copy.set(name, value);
        }
        if let Some(why) = self.tampered.get() {
            copy.tampered(why);
        }
        copy
    }

    /// Says that this test breaks its ledger, and how, so that nobody expects it to replay.
    pub fn tampered(&self, how: &'static str) {
        assert!(how.contains(' '), "say how");
        let _ = self.tampered.set(how);
    }

    /// Waits until the last command's connections, which close behind its back, have put what is
    /// beside the database into it: a copy taken meanwhile would be of two moments.
    fn settle(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.file("ledger/ledger.db-wal").exists() && Instant::now() < until {
            std::thread::yield_now();
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Runs `attestry …` in this process; words may be quoted.
    pub fn run(&self, line: &str) -> Outcome {
        self.run_with(line, b"")
    }

    pub fn run_with(&self, line: &str, stdin: &[u8]) -> Outcome {
        let (mut stdin, mut stdout, mut stderr) = (stdin, Vec::new(), Vec::new());
        let mut io = Io::new(&mut stdin, &mut stdout, &mut stderr, self.path());
        io.env.extend(self.env.iter().cloned());
        let code = run(words(line).into_iter().map(Into::into), &mut io);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { code, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs a command line that must answer with this exit code.
    ///
    /// # Panics
    /// Where it answers with another one; the message has everything that it said.
    pub fn expect(&self, code: u8, line: &str) -> Outcome {
        let outcome = self.run(line);
        let Outcome { stdout, stderr, .. } = &outcome;
        assert_eq!(outcome.code, code, "$ {line}\n{stdout}\n{stderr}");
        outcome
    }
}

impl Drop for Place {
    /// # Panics
    /// Where a decision in one of its ledgers does not come out again as it was.
    fn drop(&mut self) {
        if std::thread::panicking() || self.tampered.get().is_some() {
            return;
        }
        let problems = replaying::problems(self.path());
        assert!(problems.is_empty(), "attestry replay: {}", problems.join("; "));
    }
}

/// Copies a folder with everything in it.
///
/// # Panics
/// Where the machine does not let it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            // Permissions too: a key file stays its owner's alone.
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Splits a command line at spaces; single and double quotes hold words together.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of other projects' files, or a loud skip.
///
/// `ATTESTRY_CORPUS` names it, else it lies beside the repository.
pub fn corpus() -> Option<PathBuf> {
    let beside = || repository().join("../shared/corpus");
    let folder = std::env::var_os("ATTESTRY_CORPUS").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    // Not `eprintln`, which the test runner would swallow.
    let note = format!("SKIPPED: no corpus at {} (set ATTESTRY_CORPUS)\n", folder.display());
    let _ = std::io::stderr().write_all(note.as_bytes());
    None
}
