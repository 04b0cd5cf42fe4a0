//! Which requests are open, of all or of those that something new may touch.

use schemas::id::{Digest, EntryIndex, Environment, Project, Time};
use schemas::thread::ThreadId;
use verifier::policy::{Evaluation, touch};

use super::{Evaluated, Which};
use crate::error::LedgerError;
use crate::loader::Loader;
use crate::store::Read;

/// Most requests of other projects that one event has evaluated again, the oldest of them; the rest
/// is for a server's timer. What many projects depend on would otherwise wait for all of theirs.
pub const TOUCHED_ELSEWHERE_MAX: usize = 64;

/// Most environments of other projects that are looked through for those.
const READERS_MAX: usize = 256;

/// Which of them to look at, in one look.
pub(super) enum Look<'a> {
    All,
    Request(EntryIndex),
    /// Those of a project, and those elsewhere whose gates read it.
    Touched(&'a Project),
    /// Those of a project alone.
    Within(&'a Project),
}

impl<'a> From<&'a Which> for Look<'a> {
    fn from(which: &'a Which) -> Look<'a> {
        match which {
            Which::All => Look::All,
            Which::Request(index) => Look::Request(*index),
            Which::Touched { project } => Look::Touched(project),
        }
    }
}

pub(super) struct Open {
    pub request: EntryIndex,
    pub environment: Environment,
    pub artifact: Digest,
    pub with: Vec<Digest>,
}

impl Open {
    pub fn evaluated(self, evaluation: Evaluation, decision: Option<EntryIndex>) -> Evaluated {
        let Open { request, environment, artifact, with } = self;
        Evaluated { request, environment, artifact, with, evaluation, decision }
    }
}

/// Lists open requests, oldest first.
///
/// One whose time is over is open no more, although it stays in its slice until the next event
/// there: nothing can be decided by it.
pub(super) async fn open_requests<R: Read>(
    loader: &mut Loader<R>,
    look: &Look<'_>,
    at: Time,
) -> Result<Vec<Open>, LedgerError> {
    let own = match look {
        Look::All | Look::Request(_) => environments(loader, None),
        Look::Touched(project) | Look::Within(project) => environments(loader, Some(project)),
    };
    let mut open = listed(loader, own, at).await?;
    match look {
        Look::All | Look::Within(_) => {}
        Look::Request(only) => open.retain(|it| it.request == *only),
        Look::Touched(project) => {
            let readers = touch::readers(&loader.state.control().policies, project);
            let readers = readers.take(READERS_MAX).collect();
            open.extend(listed(loader, readers, at).await?.into_iter().take(TOUCHED_ELSEWHERE_MAX));
            open.sort_by_key(|it| it.request);
        }
    }
    Ok(open)
}

/// The open requests of these environments, oldest first.
async fn listed<R: Read>(
    loader: &mut Loader<R>,
    environments: Vec<Environment>,
    at: Time,
) -> Result<Vec<Open>, LedgerError> {
    loader.know(&threads(&environments)).await?;
    let mut open = Vec::new();
    for environment in environments {
        let slice = loader.state.environment(&environment).ok().flatten();
        let requests = slice.iter().flat_map(|slice| &slice.requests);
        for (request, asked) in requests.filter(|(_, asked)| !asked.is_expired(at)) {
            let (environment, artifact) = (environment.clone(), asked.artifact.clone());
            open.push(Open { request: *request, environment, artifact, with: asked.with.clone() });
        }
    }
    open.sort_by_key(|it| it.request);
    Ok(open)
}

/// The environments that the policies name, of all projects or of one.
pub(crate) fn environments<R: Read>(
    loader: &Loader<R>,
    only: Option<&Project>,
) -> Vec<Environment> {
    let policies = loader.state.control().policies.iter();
    let policies = policies.filter(|(project, _)| only.is_none_or(|only| only == *project));
    let named = policies.flat_map(|(project, policy)| {
        let rules = policy.document.environments.iter();
        rules.map(|rule| Environment { project: project.clone(), name: rule.name.clone() })
    });
    named.collect()
}

pub(super) fn threads(environments: &[Environment]) -> Vec<ThreadId> {
    environments.iter().cloned().map(ThreadId::Environment).collect()
}
