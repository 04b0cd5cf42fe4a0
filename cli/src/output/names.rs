//! How artifacts are called: name, version and short digest. They decide nothing.

use schemas::id::{Digest, Project};
use verifier::projection::slice::{ArtifactInProject, ArtifactSlice};

/// What an artifact is called in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    pub name: Option<String>,
    pub version: Option<String>,
    pub digest: Digest,
}

impl Called {
    pub fn of(digest: &Digest, slice: Option<&ArtifactSlice>, project: &Project) -> Called {
        let known = slice.and_then(|slice| slice.projects.get(project));
        Called::known(digest, known)
    }

    pub fn known(digest: &Digest, known: Option<&ArtifactInProject>) -> Called {
        Called {
            name: known.and_then(|known| known.name.clone()),
            version: known.and_then(|known| known.version.clone()),
            digest: digest.clone(),
        }
    }

    /// `payments 1.4.2`, or nothing where no build said so.
    pub fn title(&self) -> String {
        let parts = [self.name.as_deref(), self.version.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// `payments 1.4.2 sha256:9f2c41d0`.
    pub fn line(&self) -> String {
        format!("{} {}", self.title(), self.digest.short()).trim_start().to_owned()
    }

    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "name": self.name, "version": self.version, "digest": self.digest })
    }
}

/// Several that stand or fall together: `sha256:9f2c41d0 + sha256:51aa07c3`.
pub fn shorts(digests: &[Digest]) -> String {
    digests.iter().map(Digest::short).collect::<Vec<_>>().join(" + ")
}

/// One artifact by its line, several by their number: their lines stand below.
pub fn head(called: &[Called]) -> String {
    match called {
        [one] => one.line(),
        several => format!("{} artifacts together", several.len()),
    }
}

/// The lines of several artifacts, indented; of one there is nothing more to say.
pub fn below(called: &[Called]) -> String {
    let lines = called.iter().filter(|_| called.len() > 1);
    lines.map(|it| format!("  {}\n", it.line())).collect()
}

pub fn to_json(called: &[Called]) -> serde_json::Value {
    called.iter().map(Called::to_json).collect()
}

/// A digest that shows both of its ends: `sha256:9f2c41d0…e7a1`.
pub fn ends(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{}:{}…{}", digest.algorithm().name(), &hex[..8], &hex[hex.len() - 4..])
}
