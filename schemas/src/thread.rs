//! Threads: the chains of all entries about one artifact, environment or project, and the control
//! thread of whatever changes the rules for everybody.

use std::fmt;

use crate::id::{Digest, Environment, Project};

/// The one id of the control thread.
pub const CONTROL_ID: &str = "ledger";

/// Names a thread. The order of the variants is the byte order of their kind words, so that the
/// derived order is the order of thread lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThreadId {
    Artifact(Digest),
    Control,
    Environment(Environment),
    Project(Project),
}

impl ThreadId {
    pub fn kind(&self) -> &'static str {
        match self {
            ThreadId::Artifact(_) => "artifact",
            ThreadId::Control => "control",
            ThreadId::Environment(_) => "environment",
            ThreadId::Project(_) => "project",
        }
    }

    pub fn id(&self) -> String {
        match self {
            ThreadId::Artifact(digest) => digest.to_string(),
            ThreadId::Control => CONTROL_ID.to_owned(),
            ThreadId::Environment(environment) => environment.to_string(),
            ThreadId::Project(project) => project.to_string(),
        }
    }

    /// Reads the two words of a thread line.
    pub fn parse(kind: &str, id: &str) -> Option<ThreadId> {
        match kind {
            "artifact" => id.parse().ok().map(ThreadId::Artifact),
            "control" => (id == CONTROL_ID).then_some(ThreadId::Control),
            "environment" => id.parse().ok().map(ThreadId::Environment),
            "project" => id.parse().ok().map(ThreadId::Project),
            _ => None,
        }
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind())?;
        match self {
            ThreadId::Artifact(digest) => digest.fmt(f),
            ThreadId::Control => f.write_str(CONTROL_ID),
            ThreadId::Environment(environment) => environment.fmt(f),
            ThreadId::Project(project) => project.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_sort_as_the_bytes_of_kind_and_id() {
        let hex = "0".repeat(64);
        let mut threads = [
            ThreadId::Project("a".parse().unwrap()),
            ThreadId::Environment("a/b".parse().unwrap()),
            ThreadId::Environment("a-b/c".parse().unwrap()),
            ThreadId::Control,
            ThreadId::Artifact(format!("sha256:{hex}").parse().unwrap()),
            ThreadId::Artifact(format!("gitCommit:{hex}").parse().unwrap()),
        ];
        let mut texts = threads.each_ref().map(ToString::to_string);
        threads.sort();
        texts.sort();
        assert_eq!(threads.each_ref().map(ToString::to_string), texts);
        for thread in &threads {
            assert_eq!(ThreadId::parse(thread.kind(), &thread.id()).as_ref(), Some(thread));
        }
    }
}
