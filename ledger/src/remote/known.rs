//! What this machine remembers of the servers that it has met: their pins, and the projects that
//! there were.

use std::path::{Path, PathBuf};

use schemas::id::{Hash, Project};
use verifier::pin::{Pin, format_pin, parse_pin};

use crate::error::{LedgerError, file_error, malformed};
use crate::folder::write_copy;

/// Largest file of projects that is read, in bytes.
const PROJECTS_BYTES_MAX: u64 = 1 << 20;

/// The pin that a server had when this machine first met it, and the projects that it had last.
pub struct Known {
    path: PathBuf,
}

/// Enough of a server to sign something for it while it is away.
#[derive(Debug, Clone)]
pub struct Remembered {
    pub pin: Pin,
    /// Those that there were; there may be more by now.
    pub projects: Vec<Project>,
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

    /// What is remembered of a server; none where this machine has never met it, and brings no pin.
    pub fn remembered(&self, given: Option<Pin>) -> Result<Option<Remembered>, LedgerError> {
        let found = match std::fs::read(&self.path) {
            Ok(bytes) => Some(
                parse_pin(&bytes)
                    .map_err(|cause| malformed(self.path.display().to_string(), cause))?,
            ),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(file_error(&self.path)(cause)),
        };
        if let (Some(given), Some(found)) = (&given, &found) {
            self.compare(given, found)?;
        }
        let projects = self.projects();
        Ok(given.or(found).map(|pin| Remembered { pin, projects }))
    }

    fn projects_file(&self) -> PathBuf {
        self.path.with_extension("projects")
    }

    /// The names that were noted; a file that says nothing readable says nothing.
    fn projects(&self) -> Vec<Project> {
        let path = self.projects_file();
        let small = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= PROJECTS_BYTES_MAX);
        let text = small.then(|| std::fs::read_to_string(&path).unwrap_or_default());
        text.iter().flat_map(|text| text.lines()).filter_map(|name| name.parse().ok()).collect()
    }

    /// Notes the projects of a server that answers, for when it does not.
    pub fn note_projects(&self, projects: &[Project]) -> Result<(), LedgerError> {
        if self.projects() == projects {
            return Ok(());
        }
        let text: String = projects.iter().map(|project| format!("{project}\n")).collect();
        write_copy(&self.projects_file(), text.as_bytes())
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
