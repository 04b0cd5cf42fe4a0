//! How everything stands, in one answer: what `attestry status --json` prints.

use axum::Json;
use axum::extract::{Query, State};
use schemas::id::{EnvironmentName, Project, TreeSize};
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::status::{EnvironmentStatus, ProjectStatus, projects, status};

use super::Server;
use super::environments::{OpenRequest, RunningBody, parse_project};
use super::problem::Problem;
use super::reviews::DueReview;
use crate::error::LedgerError;
use crate::loader::Loader;
use crate::store::{Read, Store};

/// Of which projects.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatusQuery {
    /// Of this project alone.
    #[param(example = "payments")]
    pub project: Option<String>,
}

/// How everything stands, as `attestry status --json` has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    /// The size of the log of which this is the state.
    #[schema(value_type = u64)]
    pub size: TreeSize,
    pub projects: Vec<ProjectStatusBody>,
}

/// How a project stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectStatusBody {
    #[schema(value_type = String, example = "payments")]
    pub project: Project,
    /// In the policy's order; none where it has no policy.
    pub environments: Vec<EnvironmentStatusBody>,
}

/// How an environment stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentStatusBody {
    #[schema(value_type = String, example = "prod")]
    pub environment: EnvironmentName,
    /// Always true here; a pack may leave an environment out.
    pub known: bool,
    /// The newest deployment that succeeded.
    pub running: Option<RunningBody>,
    /// The open requests, oldest first.
    pub requests: Vec<OpenRequest>,
    /// Emergencies that nobody has reviewed yet, the longest due first.
    pub reviews: Vec<DueReview>,
}

impl From<ProjectStatus> for ProjectStatusBody {
    fn from(it: ProjectStatus) -> ProjectStatusBody {
        let environments = it.environments.into_iter().flatten();
        let environments = environments.map(EnvironmentStatusBody::from).collect();
        ProjectStatusBody { project: it.project, environments }
    }
}

impl From<EnvironmentStatus> for EnvironmentStatusBody {
    fn from(it: EnvironmentStatus) -> EnvironmentStatusBody {
        EnvironmentStatusBody {
            environment: it.environment,
            known: it.known,
            running: it.running.map(RunningBody::from),
            requests: it.requests.into_iter().map(OpenRequest::from).collect(),
            reviews: it.reviews.into_iter().map(DueReview::from).collect(),
        }
    }
}

/// Shows what is deployed where, and which requests wait for what. As of the newest entry.
#[utoipa::path(get, path = "/api/v1/status", tag = "environments", params(StatusQuery),
    responses(
        (status = 200, description = "How everything stands", body = StatusBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<StatusQuery>,
) -> Result<Json<StatusBody>, Problem> {
    let only = parse_project(query.project.as_deref())?;
    let mut loader = server.ledger.loader().await?;
    let known = projects(loader.state.control());
    let projects = match only {
        None => known,
        Some(only) if known.contains(&only) => vec![only],
        Some(only) => return Err(Problem::not_found(format!("there is no project {only}"))),
    };
    load(&mut loader, &projects).await?;
    let now = server.ledger.now();
    let found = loader.ask(now, |view| status(&view, &projects)).await?;
    let projects = found.into_iter().map(ProjectStatusBody::from).collect();
    Ok(Json(StatusBody { size: loader.read.head().size, projects }))
}

/// Loads what the answer is made of in two questions, where one at a time would be many.
async fn load<R: Read>(loader: &mut Loader<R>, projects: &[Project]) -> Result<(), LedgerError> {
    let control = loader.state.control();
    let environments = super::walk::environments(control, None, None);
    let environments: Vec<_> =
        environments.into_iter().filter(|it| projects.contains(&it.project)).collect();
    let threads: Vec<ThreadId> = environments.iter().cloned().map(ThreadId::Environment).collect();
    loader.know(&threads).await?;
    let slices = environments.iter().filter_map(|it| loader.state.environment(it).ok().flatten());
    let artifacts = slices.flat_map(|slice| {
        let deployed = slice.deployed.iter().map(|it| &it.artifact);
        deployed.chain(slice.requests.values().flat_map(|it| it.artifacts()))
    });
    let artifacts: Vec<ThreadId> = artifacts.cloned().map(ThreadId::Artifact).collect();
    loader.know(&artifacts).await
}
