//! Decisions: what was granted and denied, gate by gate, as it was signed.

use axum::Json;
use axum::extract::{Path, State};
use schemas::id::{Digest, EntryIndex, Environment, Hash, Time};
use schemas::predicate::EntryRef;
use schemas::predicate::decision::{self, Decision, Outcome, ThreadRead};
use schemas::report::GateVerdict;
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use verifier::access::{Act, Reach};
use verifier::entry::Entry;
use verifier::event::Event;

use super::Server;
use super::artifacts::ArtifactName;
use super::environments::{parse_environment, parse_project, parse_time};
use super::gate::GateBody;
use super::page::{Listed, Listing, Page, Paging};
use super::problem::Problem;
use super::walk::{Look, Spot, environments, walk};
use crate::access::Caller;
use crate::error::{LedgerError, malformed};
use crate::loader::Loader;
use crate::promotion::decision_of;
use crate::store::{Read, Store};

/// Which decisions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DecisionFilter {
    /// Of this project.
    #[param(example = "payments")]
    pub project: Option<String>,
    /// Of this environment: `payments/prod`, or `prod` beside a project.
    #[param(example = "payments/prod")]
    pub environment: Option<String>,
    /// Logged at or after: a day, or a time of RFC 3339.
    #[param(example = "2026-07-01")]
    pub from: Option<String>,
    /// Logged before.
    #[param(example = "2026-10-01")]
    pub to: Option<String>,
}

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    pub index: EntryIndex,
    /// When it was logged, RFC 3339.
    #[schema(value_type = String)]
    pub time: Time,
    #[schema(example = "P-27")]
    pub request: String,
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    pub artifact: ArtifactName,
    /// All artifacts that it is about, the first one too: they stand or fall together.
    pub artifacts: Vec<ArtifactName>,
    /// `granted` or `denied`.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// The time at which the gates were evaluated.
    #[schema(value_type = String)]
    pub at: Time,
    /// The version of the rules.
    pub rules: u32,
    pub policy: PolicyRef,
    /// SHA-256 of what was signed.
    #[schema(value_type = String)]
    pub statement: Hash,
    #[schema(value_type = Vec<GateBody>)]
    pub gates: Vec<GateVerdict>,
    /// The head of every thread that was read; only where one decision is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub reads: Option<Vec<ThreadRead>>,
}

/// The policy that a decision was made by.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyRef {
    pub index: EntryIndex,
    #[schema(value_type = String)]
    pub statement: Hash,
}

impl From<EntryRef> for PolicyRef {
    fn from(it: EntryRef) -> PolicyRef {
        PolicyRef { index: it.index, statement: it.statement }
    }
}

/// Lists decisions: by environment in the order of their names, each from the newest back.
///
/// A page looks at no more than 1,000 entries of environments. Where few of them are decisions of
/// the period it is short or empty, and has `next` all the same.
#[utoipa::path(get, path = "/api/v1/decisions", tag = "promotions", params(DecisionFilter, Paging),
    responses(
        (status = 200, description = "A page", body = Page<DecisionBody>),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn list<S: Store>(
    State(server): State<Server<S>>,
    listed: Listed<DecisionFilter>,
) -> Result<Json<Page<DecisionBody>>, Problem> {
    let filter = &listed.filter;
    let project = parse_project(filter.project.as_deref())?;
    let environment = parse_environment(filter.environment.as_deref(), project.as_ref())?;
    let from = filter.from.as_deref().map(parse_time).transpose()?;
    let to = filter.to.as_deref().map(parse_time).transpose()?;
    let listing: Listing<Spot> = listed.listing(server.ledger.published_size().await?)?;
    let mut loader = server.ledger.loader().await?;
    let environments = environments(loader.state.control(), project.as_ref(), environment);
    let look = |entry: &Entry| {
        if from.is_some_and(|from| entry.time < from) {
            Look::Stop
        } else if entry.predicate_type == decision::TYPE && to.is_none_or(|to| entry.time < to) {
            Look::Take
        } else {
            Look::Pass
        }
    };
    let (found, next) = walk(&mut loader.read, &environments, &listing, look).await?;
    let mut items = Vec::with_capacity(found.len());
    for it in found {
        if let Some((decision, event)) = decision_of(&it.stored)? {
            let mut body = body(&mut loader, &it.entry, &event, *decision).await?;
            body.reads = None;
            items.push(body);
        }
    }
    Ok(Json(listing.page(items, next)?))
}

/// Reads a decision.
#[utoipa::path(get, path = "/api/v1/decisions/{index}", tag = "promotions",
    params(("index" = u64, Path, description = "The decision's entry")),
    responses(
        (status = 200, description = "The decision", body = DecisionBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Path(index): Path<EntryIndex>,
) -> Result<Json<DecisionBody>, Problem> {
    let stored = server.ledger.entry(index).await?;
    let none = || Problem::not_found(format!("entry {index} is no decision"));
    let (decision, event) = decision_of(&stored)?.ok_or_else(none)?;
    let environment = environment_of(&decision);
    caller.check(Act::Read, Reach::Environment(&environment))?;
    let mut loader = server.ledger.loader().await?;
    let entry = Entry::parse(&stored.entry).map_err(|cause| malformed("entry", cause))?;
    Ok(Json(body(&mut loader, &entry, &event, *decision).await?))
}

fn environment_of(it: &Decision) -> Environment {
    let said = &it.extension;
    Environment { project: said.project.clone(), name: said.environment.clone() }
}

async fn body<R: Read>(
    loader: &mut Loader<R>,
    entry: &Entry,
    event: &Event,
    it: Decision,
) -> Result<DecisionBody, LedgerError> {
    let environment = environment_of(&it);
    let threads: Vec<ThreadId> = event.artifacts().cloned().map(ThreadId::Artifact).collect();
    loader.know(&threads).await?;
    let name = |digest: &Digest| {
        let slice = loader.state.artifact(digest).ok().flatten();
        ArtifactName::of(digest, slice, &environment.project)
    };
    let artifacts: Vec<ArtifactName> = event.artifacts().map(name).collect();
    let first = artifacts.first().cloned();
    let said = it.extension;
    Ok(DecisionBody {
        index: entry.index,
        time: entry.time,
        request: format!("P-{}", said.request.index),
        artifact: first.ok_or_else(|| malformed("decision", "it has no artifact"))?,
        artifacts,
        environment,
        outcome: said.outcome,
        at: said.at,
        rules: said.rules,
        policy: said.policy.into(),
        statement: entry.statement,
        gates: said.gates,
        reads: Some(said.reads),
    })
}
