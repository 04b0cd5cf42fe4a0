//! What a command may touch of the world: streams, environment variables and the current folder.
//!
//! Nothing else in this crate reads the process's own environment or current folder, so that
//! tests and the demo run many commands in one process, each in its own place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::clean;

/// Streams, environment and current folder of one command.
pub struct Io<'a> {
    pub stdin: &'a mut (dyn Read + Send),
    pub stdout: &'a mut (dyn Write + Send),
    pub stderr: &'a mut (dyn Write + Send),
    pub env: BTreeMap<String, String>,
    /// What relative paths start from.
    pub dir: PathBuf,
    /// True where somebody watches standard error.
    pub watched: bool,
    /// One JSON object on standard output instead of text.
    pub json: bool,
}

impl<'a> Io<'a> {
    /// The streams given, an empty environment, and a folder.
    pub fn new(
        stdin: &'a mut (dyn Read + Send),
        stdout: &'a mut (dyn Write + Send),
        stderr: &'a mut (dyn Write + Send),
        dir: impl Into<PathBuf>,
    ) -> Io<'a> {
        let (env, dir) = (BTreeMap::new(), dir.into());
        Io { stdin, stdout, stderr, env, dir, watched: false, json: false }
    }

    /// The streams given, with the process's environment and folder.
    pub fn of_process(
        stdin: &'a mut (dyn Read + Send),
        stdout: &'a mut (dyn Write + Send),
        stderr: &'a mut (dyn Write + Send),
    ) -> Io<'a> {
        let dir = std::env::current_dir().unwrap_or_default();
        let mut io = Io::new(stdin, stdout, stderr, dir);
        io.env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        io.watched = std::io::stderr().is_terminal();
        io
    }

    /// An environment variable, unless it is absent or empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.join(path)
    }

    /// Writes one answer to standard output: the text, or the JSON object where that was asked.
    pub fn answer(&mut self, text: &str, json: &Value) -> Result<(), Failure> {
        if self.json { self.raw(format!("{json}\n").as_bytes()) } else { self.say(text) }
    }

    /// Writes text to standard output, hidden characters escaped.
    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.raw(format!("{}{end}", clean(text)).as_bytes())
    }

    /// Writes bytes to standard output as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.stdout.write_all(bytes) {
            // Whoever reads has had enough, as `head` does.
            Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Writes a line to standard error. If that fails there is nobody left to tell.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.stderr, "{}", clean(text));
    }

    /// Shows how far a long work is, where somebody watches.
    pub fn progress(&mut self, text: &str) {
        if self.watched {
            let _ = write!(self.stderr, "\r\x1b[K{}", clean(text));
            let _ = self.stderr.flush();
        }
    }

    /// Says why a command failed, and returns its exit.
    pub fn fail(&mut self, failure: &Failure) -> Exit {
        if self.json {
            let _ = self.raw(format!("{}\n", failure.to_json()).as_bytes());
        } else {
            self.note(&failure.render());
        }
        failure.exit
    }

    pub fn flush(&mut self) {
        let _ = self.stdout.flush();
        let _ = self.stderr.flush();
    }

    /// Reads a whole file (`-`: standard input) of at most so many bytes.
    pub fn read_file(&mut self, name: &str, bytes_max: u64) -> Result<Vec<u8>, Failure> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        let read = if name == "-" {
            self.stdin.take(bytes_max + 1).read_to_end(&mut bytes)
        } else {
            let file = File::open(&path).map_err(|cause| Failure::file(Path::new(name), &cause))?;
            let length = file.metadata().map_or(0, |meta| meta.len());
            if length > bytes_max {
                return Err(too_large(name, bytes_max));
            }
            file.take(bytes_max + 1).read_to_end(&mut bytes)
        };
        read.map_err(|cause| Failure::file(Path::new(name), &cause))?;
        if bytes.len() as u64 > bytes_max {
            return Err(too_large(name, bytes_max));
        }
        Ok(bytes)
    }

    /// Writes a file whole.
    pub fn write_file(&mut self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Failure> {
        let name = name.as_ref();
        std::fs::write(self.path(name), bytes).map_err(|cause| Failure::file(name, &cause))
    }
}

fn too_large(name: &str, bytes_max: u64) -> Failure {
    let message = format!("{name} is larger than {bytes_max} bytes");
    Failure::new(Exit::Usage, "file-too-large", message)
}
