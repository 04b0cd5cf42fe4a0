//! Which threads a statement joins: mechanical, derived from payload and filing, never chosen.

use schemas::id::{Environment, Hash, Project};
use schemas::thread::ThreadId;

use crate::entry::THREADS_MAX;
use crate::event::Event;

/// Derives the thread lines of a statement, part by part.
///
/// `filed` is the project that a foreign statement was filed under; our own kinds carry theirs.
/// `ledger` is the digest by which statements name the ledger itself (`prev` of entry 0): it opens
/// no thread. Artifact lines stand in order over the parts, the other threads on the first.
pub fn derive_threads(event: &Event, filed: Option<&Project>, ledger: &Hash) -> Vec<Vec<ThreadId>> {
    let mut artifacts: Vec<ThreadId> = event
        .digests()
        .filter(|digest| !digest.is_sha256(ledger))
        .map(|digest| ThreadId::Artifact(digest.clone()))
        .collect();
    artifacts.sort_unstable();
    artifacts.dedup();
    let others = other_threads(event, filed);
    let mut rest = artifacts.into_iter();
    let mut first: Vec<ThreadId> = rest.by_ref().take(THREADS_MAX - others.len()).collect();
    first.extend(others);
    let mut parts = vec![first];
    loop {
        let part: Vec<ThreadId> = rest.by_ref().take(THREADS_MAX).collect();
        if part.is_empty() {
            return parts;
        }
        parts.push(part);
    }
}

fn other_threads(event: &Event, filed: Option<&Project>) -> Vec<ThreadId> {
    // What belongs to the ledger as a whole is filed under no project.
    let filed = filed.filter(|_| !event.is_project_free());
    let project = event.project().or(filed);
    let mut others = Vec::with_capacity(2);
    match (event.joins_control(), event.environment(), project) {
        (true, _, _) => others.push(ThreadId::Control),
        (false, Some(name), Some(project)) => {
            let environment = Environment { project: project.clone(), name: name.clone() };
            others.push(ThreadId::Environment(environment));
        }
        (false, _, _) => {}
    }
    others.extend(project.map(|project| ThreadId::Project(project.clone())));
    others
}
