//! What is where, since when, and what waits: by project and environment.

use schemas::id::{Digest, EntryIndex, Environment, EnvironmentName, Project, Time};
use schemas::predicate::promotion_request::RequestPath;

use crate::drift::{Drift, drift};
use crate::policy::overdue::{self, Overdue};
use crate::policy::{Ask, environment_rule};
use crate::projection::Missing;
use crate::projection::slice::{ControlSlice, EnvironmentSlice};
use crate::view::{View, state_of};

/// One project; no environments are known where it has no policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectStatus {
    pub project: Project,
    pub environments: Option<Vec<EnvironmentStatus>>,
}

/// One environment that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentStatus {
    pub environment: EnvironmentName,
    /// False where a pack leaves it out.
    pub known: bool,
    pub running: Option<RunningStatus>,
    /// The open requests, oldest first.
    pub requests: Vec<RequestStatus>,
    /// Emergencies that nobody has reviewed yet, the longest due first.
    pub reviews: Vec<ReviewStatus>,
    /// Where what is seen to run there differs from what was granted.
    pub drift: Drift,
}

/// What runs in an environment, as far as deployments were recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningStatus {
    pub name: Option<String>,
    pub version: Option<String>,
    pub artifact: Digest,
    /// What runs beside it: artifacts that were granted with it.
    pub beside: Vec<Digest>,
    pub since: Time,
    pub entry: EntryIndex,
    /// A decision had granted it.
    pub granted: bool,
}

/// An open request, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestStatus {
    pub request: EntryIndex,
    pub artifact: Digest,
    /// Further artifacts that stand or fall with it.
    pub with: Vec<Digest>,
    pub path: RequestPath,
    pub state: String,
    /// The gates that have waited for longer than the policy lets them.
    pub overdue: Vec<Overdue>,
}

/// An emergency that was granted, and whose review is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewStatus {
    pub request: EntryIndex,
    pub artifact: Digest,
    /// Further artifacts that were granted with it.
    pub with: Vec<Digest>,
    /// The entry and time of the grant.
    pub granted: EntryIndex,
    pub granted_at: Time,
    pub due_at: Time,
    pub overdue: bool,
    /// Who may sign it; empty: any role that approves.
    pub roles: Vec<String>,
}

impl ReviewStatus {
    /// Every artifact that the review is about: one, or several that were granted together.
    pub fn artifacts(&self) -> impl Iterator<Item = &Digest> {
        std::iter::once(&self.artifact).chain(&self.with)
    }
}

/// The reviews that are due in an environment, the longest due first.
pub fn reviews(slice: &EnvironmentSlice, at: Time) -> Vec<ReviewStatus> {
    let due = slice.reviews_due.iter().map(|(request, it)| ReviewStatus {
        request: *request,
        artifact: it.artifact.clone(),
        with: it.with.clone(),
        granted: it.granted,
        granted_at: it.granted_at,
        due_at: it.due_at,
        overdue: at >= it.due_at,
        roles: it.roles.clone(),
    });
    let mut due: Vec<ReviewStatus> = due.collect();
    due.sort_by_key(|it| (it.due_at, it.request));
    due
}

/// The projects with a grant or a policy, in the order of their names.
pub fn projects(control: &ControlSlice) -> Vec<Project> {
    let granted = control.trust.iter().flat_map(|trust| &trust.document.grants);
    let named = granted.flat_map(|grant| &grant.projects).filter_map(|name| name.parse().ok());
    let mut projects: Vec<Project> = named.chain(control.policies.keys().cloned()).collect();
    projects.sort();
    projects.dedup();
    projects
}

/// How these projects stand.
pub fn status(view: &View<'_>, projects: &[Project]) -> Result<Vec<ProjectStatus>, Missing> {
    projects.iter().map(|project| of_project(view, project)).collect()
}

fn of_project(view: &View<'_>, project: &Project) -> Result<ProjectStatus, Missing> {
    let rules = view.state.policy(project).map(|policy| &policy.document.environments);
    let environments = rules.map(|rules| {
        let named = rules
            .iter()
            .map(|rule| Environment { project: project.clone(), name: rule.name.clone() });
        named.map(|environment| of_environment(view, &environment)).collect()
    });
    Ok(ProjectStatus { project: project.clone(), environments: environments.transpose()? })
}

/// How one environment stands.
pub fn of_environment(
    view: &View<'_>,
    environment: &Environment,
) -> Result<EnvironmentStatus, Missing> {
    let slice = view.environment(environment)?;
    let mut requests = Vec::new();
    for (index, request) in slice.into_iter().flat_map(|slice| &slice.requests) {
        let artifact = &request.artifact;
        let ask = Ask { environment, artifact, request: Some(*index) };
        let evaluation = view.evaluate(&ask)?;
        let rule = view.state.policy(&environment.project);
        let rule = rule.and_then(|policy| environment_rule(policy, environment));
        let gates = evaluation.as_ref().map(|it| &it.gates[..]).unwrap_or_default();
        requests.push(RequestStatus {
            request: *index,
            artifact: artifact.clone(),
            with: request.with.clone(),
            path: request.path,
            state: state_of(evaluation.as_ref()),
            overdue: overdue::of_request(rule, request, gates, view.at),
        });
    }
    Ok(EnvironmentStatus {
        environment: environment.name.clone(),
        known: !view.leaves_out(environment),
        running: slice.map(|slice| running(view, slice, environment)).transpose()?.flatten(),
        requests,
        reviews: slice.map_or(Vec::new(), |slice| reviews(slice, view.at)),
        drift: drift(view, environment)?,
    })
}

fn running(
    view: &View<'_>,
    slice: &EnvironmentSlice,
    environment: &Environment,
) -> Result<Option<RunningStatus>, Missing> {
    let Some(deployed) = &slice.deployed else { return Ok(None) };
    let known = view.artifact_in(&deployed.artifact, &environment.project)?;
    let place = known.and_then(|known| known.places.get(&environment.name));
    // A denial in between takes nothing from the environment's newest grant.
    let newest = slice
        .granted
        .as_ref()
        .is_some_and(|it| it.is_about(&deployed.artifact) && it.entry < deployed.entry);
    let then = place.and_then(|place| place.deployed.as_ref()).is_some_and(|it| it.granted);
    Ok(Some(RunningStatus {
        name: known.and_then(|known| known.name.clone()),
        version: known.and_then(|known| known.version.clone()),
        artifact: deployed.artifact.clone(),
        beside: deployed.beside.iter().map(|it| it.artifact.clone()).collect(),
        since: deployed.time,
        entry: deployed.entry,
        granted: newest || then,
    }))
}

#[cfg(test)]
mod tests {
    use schemas::id::Hash;

    use super::*;
    use crate::projection::slice::ReviewDue;

    #[test]
    fn what_is_due_longest_comes_first() {
        let due = |due_at| ReviewDue {
            statement: Hash([1; 32]),
            artifact: Digest::sha256(&Hash([2; 32])),
            with: vec![Digest::sha256(&Hash([3; 32]))],
            granted: 7,
            granted_at: Time(1),
            due_at: Time(due_at),
            roles: vec!["security".to_owned()],
            involved: Vec::new(),
        };
        let reviews_due = [(3, due(30)), (4, due(20)), (5, due(30))].into();
        let slice = EnvironmentSlice { reviews_due, ..EnvironmentSlice::default() };
        let found = |at| {
            let found = reviews(&slice, Time(at)).into_iter();
            found.map(|it| (it.request, it.overdue)).collect::<Vec<_>>()
        };
        assert_eq!(found(19), [(4, false), (3, false), (5, false)]);
        assert_eq!(found(20), [(4, true), (3, false), (5, false)]);
        assert_eq!(found(30), [(4, true), (3, true), (5, true)]);
        let all = [2, 3].map(|byte| Digest::sha256(&Hash([byte; 32])));
        for it in reviews(&slice, Time(0)) {
            assert!(it.artifacts().eq(&all), "{it:?}");
            assert_eq!(it.granted, 7);
        }
    }
}
