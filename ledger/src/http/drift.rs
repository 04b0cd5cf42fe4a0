//! Where what runs differs from what was granted: what `attestry drift --json` prints.

use axum::Json;
use axum::extract::{Query, State};
use schemas::id::{EntryIndex, Environment, Time, TreeSize};
use schemas::predicate::observation::Observed;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::drift::{Difference, Drift, Expected, Look, drift};

use super::Server;
use super::artifacts::ArtifactName;
use super::environments::{parse_environment, parse_project};
use super::problem::Problem;
use super::status::{load, projects_of};
use super::walk::environments;
use crate::store::{Read, Store};

/// Of which environments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DriftQuery {
    /// Of this project alone.
    #[param(example = "payments")]
    pub project: Option<String>,
    /// This one alone: `payments/prod`, or `prod` beside a project.
    #[param(example = "payments/prod")]
    pub environment: Option<String>,
}

/// Where environments differ from what was granted there.
#[derive(Debug, Serialize, ToSchema)]
pub struct DriftBody {
    /// The size of the log of which this is the state.
    #[schema(value_type = u64)]
    pub size: TreeSize,
    pub environments: Vec<DriftOfEnvironment>,
}

/// How one environment differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct DriftOfEnvironment {
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    /// Always true here; a pack may leave an environment out.
    pub known: bool,
    /// The newest look at it; none where nobody has ever looked.
    pub observed: Option<LookBody>,
    /// What is granted and should be seen there.
    pub expected: Vec<ExpectedBody>,
    /// The worst first.
    pub differences: Vec<DifferenceBody>,
}

/// A look at what runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookBody {
    pub entry: EntryIndex,
    #[schema(value_type = String)]
    pub taken_at: Time,
    #[schema(example = "kubernetes")]
    pub source: String,
    /// How many artifacts were seen, and how many instances of them.
    pub artifacts: u64,
    pub instances: u64,
}

/// An artifact that should run.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExpectedBody {
    pub artifact: ArtifactName,
    /// The decision that granted it, or the rollback that went back to it.
    pub entry: EntryIndex,
    #[schema(value_type = String)]
    pub since: Time,
    pub rollback: bool,
}

/// One difference.
#[derive(Debug, Serialize, ToSchema)]
pub struct DifferenceBody {
    #[schema(example = "unapproved-digest")]
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactName>,
    /// As it was seen, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub seen: Option<Observed>,
    /// The entry that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryIndex>,
}

impl From<Drift> for DriftOfEnvironment {
    fn from(it: Drift) -> DriftOfEnvironment {
        DriftOfEnvironment {
            environment: it.environment,
            known: it.known,
            observed: it.look.map(LookBody::from),
            expected: it.expected.into_iter().map(ExpectedBody::from).collect(),
            differences: it.differences.into_iter().map(DifferenceBody::from).collect(),
        }
    }
}

impl From<Look> for LookBody {
    fn from(it: Look) -> LookBody {
        let Look { entry, taken_at, source, artifacts, instances } = it;
        LookBody { entry, taken_at, source, artifacts, instances }
    }
}

impl From<Expected> for ExpectedBody {
    fn from(it: Expected) -> ExpectedBody {
        let (entry, since) = (it.by.entry, it.by.time);
        ExpectedBody { artifact: it.artifact.into(), entry, since, rollback: it.rollback }
    }
}

impl From<Difference> for DifferenceBody {
    fn from(it: Difference) -> DifferenceBody {
        let artifact = it.artifact.map(ArtifactName::from);
        DifferenceBody { code: it.kind.name(), artifact, seen: it.seen, entry: it.entry }
    }
}

/// Compares the newest look at environments with what was granted there. As of the newest entry.
#[utoipa::path(get, path = "/api/v1/drift", tag = "environments", params(DriftQuery),
    responses(
        (status = 200, description = "Where they differ", body = DriftBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<DriftQuery>,
) -> Result<Json<DriftBody>, Problem> {
    let only = parse_project(query.project.as_deref())?;
    let named = parse_environment(query.environment.as_deref(), only.as_ref())?;
    let only = only.or_else(|| named.as_ref().map(|it| it.project.clone()));
    let mut loader = server.ledger.loader().await?;
    let projects = projects_of(&loader, only)?;
    let control = loader.state.control();
    let mut wanted: Vec<Environment> =
        projects.iter().flat_map(|project| environments(control, Some(project), None)).collect();
    if let Some(named) = named {
        wanted.retain(|it| *it == named);
        if wanted.is_empty() {
            return Err(Problem::not_found(format!("no policy has an environment {named}")));
        }
    }
    load(&mut loader, &projects).await?;
    let now = server.ledger.now();
    let found = loader
        .ask(now, |view| wanted.iter().map(|it| drift(&view, it)).collect::<Result<Vec<_>, _>>())
        .await?;
    let environments = found.into_iter().map(DriftOfEnvironment::from).collect();
    Ok(Json(DriftBody { size: loader.read.head().size, environments }))
}
