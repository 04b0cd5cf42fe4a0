//! Environments: what is granted and deployed there, and which requests wait for what.

use axum::Json;
use axum::extract::{Path, State};
use schemas::id::{Digest, EntryIndex, Environment, EnvironmentName, Project, Time};
use schemas::predicate::promotion_request::RequestPath;
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::status::{RequestStatus, RunningStatus, of_environment};

use super::Server;
use super::artifacts::ArtifactName;
use super::page::{Listed, Listing, Page, Paging};
use super::problem::Problem;
use super::reviews::DueReview;
use super::walk::environments;
use crate::error::LedgerError;
use crate::loader::Loader;
use crate::store::{Read, Store};

/// Which environments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EnvironmentFilter {
    /// Of this project.
    #[param(example = "payments")]
    pub project: Option<String>,
}

/// An environment, as `attestry status --json` has it, and what was granted there.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentBody {
    #[schema(value_type = String, example = "payments")]
    pub project: Project,
    #[schema(value_type = String, example = "prod")]
    pub environment: EnvironmentName,
    /// The newest deployment that succeeded.
    pub running: Option<RunningBody>,
    /// The newest grant. A later denial leaves it as it is.
    pub granted: Option<GrantedBody>,
    /// The open requests, oldest first.
    pub requests: Vec<OpenRequest>,
    /// Emergencies that nobody has reviewed yet, the longest due first.
    pub reviews: Vec<DueReview>,
}

/// What runs in an environment, as far as deployments were recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunningBody {
    pub artifact: ArtifactName,
    /// What runs beside it: artifacts that were granted with it.
    #[schema(value_type = Vec<String>)]
    pub beside: Vec<Digest>,
    #[schema(value_type = String)]
    pub since: Time,
    pub entry: EntryIndex,
    /// A decision had granted it.
    pub granted: bool,
}

/// What a decision has granted.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantedBody {
    pub artifact: ArtifactName,
    /// All artifacts that were granted together, the first one too.
    pub artifacts: Vec<ArtifactName>,
    #[schema(value_type = String)]
    pub time: Time,
    /// The entry of the decision.
    pub entry: EntryIndex,
    #[schema(example = "P-27")]
    pub request: String,
}

/// An open request in a word or two.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenRequest {
    #[schema(example = "P-27")]
    pub request: String,
    #[schema(value_type = String)]
    pub artifact: Digest,
    /// All artifacts of the request, the first one too: they stand or fall together.
    #[schema(value_type = Vec<String>)]
    pub artifacts: Vec<Digest>,
    /// By which path it asks: `normal`, `emergency` or `rollback`.
    #[schema(value_type = String, example = "normal")]
    pub path: RequestPath,
    /// What it waits for, as of now.
    #[schema(example = "waits: approvals")]
    pub state: String,
}

/// Lists the environments that the policies name, in the order of their names.
#[utoipa::path(get, path = "/api/v1/environments", tag = "environments",
    params(EnvironmentFilter, Paging),
    responses(
        (status = 200, description = "A page", body = Page<EnvironmentBody>),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn list<S: Store>(
    State(server): State<Server<S>>,
    listed: Listed<EnvironmentFilter>,
) -> Result<Json<Page<EnvironmentBody>>, Problem> {
    let project = parse_project(listed.filter.project.as_deref())?;
    let listing: Listing<Environment> = listed.listing(server.ledger.published_size().await?)?;
    let mut loader = server.ledger.loader().await?;
    let mut found = environments(loader.state.control(), project.as_ref(), None);
    found.retain(|it| listing.from.as_ref().is_none_or(|from| it >= from));
    let next = found.get(listing.limit).cloned();
    found.truncate(listing.limit);
    let mut items = Vec::with_capacity(found.len());
    for environment in found {
        items.push(body(&mut loader, environment, server.ledger.now()).await?);
    }
    Ok(Json(listing.page(items, next)?))
}

/// Reads an environment, as of the newest entry.
#[utoipa::path(get, path = "/api/v1/environments/{project}/{environment}", tag = "environments",
    params(
        ("project" = String, Path, example = "payments"),
        ("environment" = String, Path, example = "prod"),
    ),
    responses(
        (status = 200, description = "The environment", body = EnvironmentBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    Path((project, name)): Path<(String, String)>,
) -> Result<Json<EnvironmentBody>, Problem> {
    let text = format!("{project}/{name}");
    let parsed = text.parse();
    let environment: Environment =
        parsed.map_err(|cause| Problem::bad_request(format!("environment: {cause}")))?;
    let mut loader = server.ledger.loader().await?;
    loader.know(&[ThreadId::Environment(environment.clone())]).await?;
    let policy = loader.state.policy(&environment.project);
    let ruled = policy.is_some_and(|it| it.document.environment(&environment.name).is_some());
    if !ruled && loader.state.environment(&environment).ok().flatten().is_none() {
        return Err(Problem::not_found(format!("there is no environment {environment}")));
    }
    Ok(Json(body(&mut loader, environment, server.ledger.now()).await?))
}

async fn body<R: Read>(
    loader: &mut Loader<R>,
    environment: Environment,
    now: Time,
) -> Result<EnvironmentBody, LedgerError> {
    let status = loader.ask(now, |view| of_environment(&view, &environment)).await?;
    let slice = loader.state.environment(&environment).ok().flatten();
    let granted = slice.and_then(|slice| slice.granted.clone());
    let shown = granted.iter().flat_map(|it| it.artifacts()).cloned();
    loader.know(&shown.map(ThreadId::Artifact).collect::<Vec<_>>()).await?;
    let name = |digest: &Digest| {
        let known = loader.state.artifact(digest).ok().flatten();
        ArtifactName::of(digest, known, &environment.project)
    };
    let granted = granted.map(|it| GrantedBody {
        artifact: name(&it.artifact),
        artifacts: it.artifacts().map(name).collect(),
        time: it.time,
        entry: it.entry,
        request: format!("P-{}", it.request),
    });
    Ok(EnvironmentBody {
        running: status.running.map(RunningBody::from),
        requests: status.requests.into_iter().map(OpenRequest::from).collect(),
        reviews: status.reviews.into_iter().map(DueReview::from).collect(),
        granted,
        project: environment.project,
        environment: environment.name,
    })
}

impl From<RunningStatus> for RunningBody {
    fn from(it: RunningStatus) -> RunningBody {
        let RunningStatus { name, version, artifact: digest, beside, since, entry, granted } = it;
        let artifact = ArtifactName { name, version, digest };
        RunningBody { artifact, beside, since, entry, granted }
    }
}

impl From<RequestStatus> for OpenRequest {
    fn from(it: RequestStatus) -> OpenRequest {
        let request = format!("P-{}", it.request);
        let artifacts = [std::slice::from_ref(&it.artifact), &it.with].concat();
        let (artifact, path, state) = (it.artifact, it.path, it.state);
        OpenRequest { request, artifact, artifacts, path, state }
    }
}

/// Reads the name of a project in a query.
pub fn parse_project(text: Option<&str>) -> Result<Option<Project>, Problem> {
    let wrong = |cause| Problem::bad_request(format!("project: {cause}"));
    text.map(str::parse).transpose().map_err(wrong)
}

/// Reads an environment in a query: whole, or its name beside a project.
pub fn parse_environment(
    text: Option<&str>,
    project: Option<&Project>,
) -> Result<Option<Environment>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let whole = match project {
        Some(project) if !text.contains('/') => format!("{project}/{text}"),
        Some(_) | None => text.to_owned(),
    };
    let environment: Environment =
        whole.parse().map_err(|cause| Problem::bad_request(format!("environment: {cause}")))?;
    match project {
        Some(project) if *project != environment.project => {
            Err(Problem::bad_request("environment: it is one of another project"))
        }
        Some(_) | None => Ok(Some(environment)),
    }
}

/// Reads a day, which begins at 00:00 UTC, or a time of RFC 3339.
pub fn parse_time(text: &str) -> Result<Time, Problem> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let wrong = || Problem::bad_request("a time is written 2026-07-01 or 2026-07-01T09:00:00Z");
    Time::parse_rfc3339(&whole).ok_or_else(wrong)
}
