//! What waits for whom: what `attestry inbox --json` prints.

use axum::Json;
use axum::extract::{Query, State};
use schemas::id::{EntryIndex, Environment, IdentityName, Time, TreeSize};
use schemas::predicate::decision::Outcome;
use schemas::report::GateVerdict;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::owed::inbox::{Item, Late, What, Whose, inbox};

use super::Server;
use super::artifacts::ArtifactName;
use super::environments::parse_project;
use super::gate::GateBody;
use super::problem::Problem;
use super::status::{load, projects_of};
use crate::store::{Read, Store};

/// Of which projects, and for whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InboxQuery {
    /// Of this project alone.
    #[param(example = "payments")]
    pub project: Option<String>,
    /// Only what this role can supply, or has come to it overdue.
    #[param(example = "security")]
    pub role: Option<String>,
    /// Only what this identity can supply; not beside `role`.
    #[param(example = "carol")]
    pub identity: Option<String>,
}

/// What waits for whom, overdue first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InboxBody {
    /// The size of the log of which this is the state.
    #[schema(value_type = u64)]
    pub size: TreeSize,
    pub items: Vec<InboxItem>,
}

/// One thing that somebody is waited for.
#[derive(Debug, Serialize, ToSchema)]
pub struct InboxItem {
    #[schema(example = "P-27")]
    pub request: String,
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    pub artifact: ArtifactName,
    /// Further artifacts that stand or fall with it.
    pub with: Vec<ArtifactName>,
    /// When it was asked for, or granted where a review is due.
    #[schema(value_type = String)]
    pub since: Time,
    /// In which roles it can be supplied; none where only time helps.
    pub roles: Vec<String>,
    /// Who has one of them, and whose answer would count as far as the log says: a hint.
    #[schema(value_type = Vec<String>)]
    pub people: Vec<IdentityName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub requester: Option<IdentityName>,
    /// `gate`, `decision` or `review`.
    #[schema(example = "gate")]
    pub what: &'static str,
    /// The gate that does not admit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<GateBody>)]
    pub gate: Option<GateVerdict>,
    /// What would come out, where it only has to be evaluated again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub outcome: Option<Outcome>,
    /// The entry that granted the emergency which is to be reviewed, and by when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<EntryIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub due: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue: Option<OverdueBody>,
}

/// It should have been there by now.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverdueBody {
    #[schema(value_type = String)]
    pub since: Time,
    /// Who has the role that is next in line.
    #[schema(value_type = Vec<String>)]
    pub people: Vec<IdentityName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl From<Item> for InboxItem {
    fn from(it: Item) -> InboxItem {
        let (mut gate, mut outcome, mut granted, mut due) = (None, None, None, None);
        let what = match it.what {
            What::Gate(verdict) => {
                gate = Some(verdict);
                "gate"
            }
            What::Decision(found) => {
                outcome = Some(found);
                "decision"
            }
            What::Review { granted: by, due: at } => {
                (granted, due) = (Some(by), Some(at));
                "review"
            }
            What::Unknown => "unknown",
        };
        let overdue =
            it.late.map(|Late { since, role, people }| OverdueBody { since, people, role });
        InboxItem {
            request: format!("P-{}", it.request),
            environment: it.environment,
            artifact: it.artifact.into(),
            with: it.with.into_iter().map(ArtifactName::from).collect(),
            since: it.since,
            roles: it.roles,
            people: it.people,
            requester: it.requester,
            what,
            gate,
            outcome,
            granted,
            due,
            overdue,
        }
    }
}

/// Lists what waits for whom: gates of open requests that do not admit, and reviews of emergencies
/// that are due; what is overdue first. As of the newest entry.
#[utoipa::path(get, path = "/api/v1/inbox", tag = "promotions", params(InboxQuery),
    responses(
        (status = 200, description = "What waits for whom", body = InboxBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    Query(query): Query<InboxQuery>,
) -> Result<Json<InboxBody>, Problem> {
    let only = parse_project(query.project.as_deref())?;
    let wrong = |cause| Problem::bad_request(format!("identity: {cause}"));
    let identity: Option<IdentityName> =
        query.identity.as_deref().map(str::parse).transpose().map_err(wrong)?;
    let whose = match (&query.role, &identity) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("either a role or an identity")),
        (Some(role), None) => Whose::Role(role),
        (None, Some(identity)) => Whose::Identity(identity),
        (None, None) => Whose::Everybody,
    };
    let mut loader = server.ledger.loader().await?;
    let projects = projects_of(&loader, only)?;
    load(&mut loader, &projects).await?;
    let found = loader.ask(server.ledger.now(), |view| inbox(&view, &projects, whose)).await?;
    let items = found.into_iter().map(InboxItem::from).collect();
    Ok(Json(InboxBody { size: loader.read.head().size, items }))
}
