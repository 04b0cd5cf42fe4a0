//! What is waived, and what runs by it: what `attestry waivers --json` prints.

use axum::Json;
use axum::extract::{Query, State};
use schemas::id::{
    Digest, EntryIndex, Environment, EnvironmentName, IdentityName, Project, Time, TreeSize,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::owed::waivers::{Held, Row, Runs, RunsBy, running, waivers};
use verifier::policy::waiver::Standing;

use super::Server;
use super::artifacts::ArtifactName;
use super::environments::parse_project;
use super::problem::Problem;
use super::status::{load, projects_of};
use crate::error::LedgerError;
use crate::loader::Loader;
use crate::promotion::decision_of;
use crate::store::{Read, Store};

/// Of which projects.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaiversQuery {
    /// Of this project alone.
    #[param(example = "payments")]
    pub project: Option<String>,
}

/// Waivers: relied upon after their end, ending soon, and open.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaiversBody {
    /// The size of the log of which this is the state.
    #[schema(value_type = u64)]
    pub size: TreeSize,
    pub waivers: Vec<WaiverBody>,
    /// What runs by a decision that is not to be had: none here; a pack may leave it out.
    pub untold: Vec<RunsBody>,
}

/// How a waiver stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverStanding {
    /// It has ended, and what runs was granted with it.
    ReliedAfterEnd,
    /// It ends within 14 days.
    EndsSoon,
    Open,
    Ended,
}

/// A waiver, and what runs by it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaiverBody {
    #[schema(value_type = String, example = "payments")]
    pub project: Project,
    /// Absent: every environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub environment: Option<EnvironmentName>,
    #[schema(example = "vulnerabilities")]
    pub gate: String,
    pub standing: WaiverStanding,
    /// It is in force, and its review was due before now.
    pub review_due: bool,
    /// What was granted with it, and runs.
    pub relied: Vec<RunsBody>,
    /// Its entry, who accepts the risk, in which role and why; absent where it is not kept any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub identity: Option<IdentityName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub review_at: Option<Time>,
    /// The one artifact, or the versions, that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub artifact: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
    /// What the decision says of one that is not kept any more: it was taken back, or ended long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Time>,
}

/// What runs somewhere, and the decision that granted it there.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunsBody {
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    pub artifact: ArtifactName,
    pub decision: EntryIndex,
}

impl From<Runs> for RunsBody {
    fn from(it: Runs) -> RunsBody {
        let Runs { environment, artifact, decision } = it;
        RunsBody { environment, artifact: artifact.into(), decision }
    }
}

impl From<Row> for WaiverBody {
    fn from(it: Row) -> WaiverBody {
        let (kept, said, until) = match it.waiver {
            Held::Kept(waiver) => (Some(waiver), None, None),
            Held::Gone { said, until } => (None, Some(said), until),
        };
        let of = kept.as_deref();
        WaiverBody {
            project: it.project,
            environment: it.environment,
            gate: it.gate,
            standing: match it.standing {
                Standing::ExpiredRelied => WaiverStanding::ReliedAfterEnd,
                Standing::Expiring => WaiverStanding::EndsSoon,
                Standing::Open => WaiverStanding::Open,
                Standing::Expired => WaiverStanding::Ended,
            },
            review_due: it.review_due,
            relied: it.relied.into_iter().map(RunsBody::from).collect(),
            entry: of.map(|it| it.entry),
            identity: of.map(|it| it.signer.identity.clone()),
            role: of.map(|it| it.role.clone()),
            reason: of.map(|it| it.reason.clone()),
            review_at: of.map(|it| it.review_at),
            artifact: of.and_then(|it| it.artifact.clone()),
            versions: of.and_then(|it| it.versions.clone()),
            said,
            expires_at: of.map(|it| it.expires_at).or(until),
        }
    }
}

/// Lists waivers: those that have ended while what they let in still runs, those that end within 14
/// days, and the others that are in force. As of the newest entry.
#[utoipa::path(get, path = "/api/v1/waivers", tag = "promotions", params(WaiversQuery),
    responses(
        (status = 200, description = "The waivers", body = WaiversBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<WaiversQuery>,
) -> Result<Json<WaiversBody>, Problem> {
    let only = parse_project(query.project.as_deref())?;
    let mut loader = server.ledger.loader().await?;
    let projects = projects_of(&loader, only)?;
    load(&mut loader, &projects).await?;
    let now = server.ledger.now();
    let runs = loader.ask(now, |view| running(&view, &projects)).await?;
    let (known, untold) = read_decisions(&mut loader, runs).await?;
    let found = loader.ask(now, |view| waivers(&view, &projects, &known)).await?;
    Ok(Json(WaiversBody {
        size: loader.read.head().size,
        waivers: found.into_iter().map(WaiverBody::from).collect(),
        untold: untold.into_iter().map(RunsBody::from).collect(),
    }))
}

/// What the gates said when it was granted; apart what of that is not to be had.
async fn read_decisions<R: Read>(
    loader: &mut Loader<R>,
    runs: Vec<Runs>,
) -> Result<(Vec<RunsBy>, Vec<Runs>), LedgerError> {
    let indexes: Vec<EntryIndex> = runs.iter().map(|it| it.decision).collect();
    let stored = loader.read.entries(&indexes).await?;
    let (mut known, mut untold) = (Vec::new(), Vec::new());
    for runs in runs {
        let entry = stored.iter().find(|it| it.index == runs.decision);
        let decision = entry.map(decision_of).transpose()?.flatten();
        match decision {
            Some((decision, _)) => known.push(RunsBy { runs, gates: decision.extension.gates }),
            None => untold.push(runs),
        }
    }
    Ok((known, untold))
}
