//! Promotion requests: open ones with what the gates say now, decided ones with the decision.

mod body;
mod notes;

pub use body::{ApprovalBody, PlansBody, PromotionBody, PromotionState};
pub use notes::NoteBody;

use axum::Json;
use axum::extract::{Path, State};
use schemas::id::{Digest, EntryIndex, Environment, Hash, Time};
use schemas::predicate::decision::Outcome;
use schemas::predicate::promotion_request::{self, PromotionRequest};
use schemas::thread::ThreadId;
use serde::Deserialize;
use utoipa::IntoParams;
use verifier::access::{Act, Reach};
use verifier::entry::{Entry, genesis_prev};
use verifier::event::Event;
use verifier::policy::Ask;
use verifier::projection::promotion::Closed;
use verifier::projection::slice::{EnvironmentSlice, REQUEST_MS_MAX};
use verifier::signed::{KeyRing, signed_by};
use verifier::status::reviews;

use super::Server;
use super::artifacts::ArtifactName;
use super::environments::{parse_environment, parse_project};
use super::page::{Listed, Listing, Page, Paging};
use super::problem::Problem;
use super::reviews::DueReview;
use super::walk::{Found, Look, Spot, environments, walk};
use crate::access::Caller;
use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::loader::Loader;
use crate::promotion::{find_decision, find_withdrawal, request_of};
use crate::reading::newest_of;
use crate::store::{Rows, StatementKey, Store};

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PromotionFilter {
    /// Of this project.
    #[param(example = "payments")]
    pub project: Option<String>,
    /// Into this environment: `payments/prod`, or `prod` beside a project.
    #[param(example = "payments/prod")]
    pub environment: Option<String>,
    /// In this state now.
    pub state: Option<PromotionState>,
}

/// Lists promotion requests: by environment in the order of their names, each from the newest
/// back. Which requests there are is as of one tree size; how they stand is as of now.
///
/// A page looks at no more than 1,000 entries of environments. Where few of them are requests in
/// the state that was asked for it is short or empty, and has `next` all the same.
#[utoipa::path(get, path = "/api/v1/promotions", tag = "promotions",
    params(PromotionFilter, Paging),
    responses(
        (status = 200, description = "A page", body = Page<PromotionBody>),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn list<S: Store>(
    State(server): State<Server<S>>,
    listed: Listed<PromotionFilter>,
) -> Result<Json<Page<PromotionBody>>, Problem> {
    let filter = &listed.filter;
    let project = parse_project(filter.project.as_deref())?;
    let environment = parse_environment(filter.environment.as_deref(), project.as_ref())?;
    let listing: Listing<Spot> = listed.listing(server.ledger.published_size().await?)?;
    let mut look = Looking::new(&server.ledger).await?;
    let control = look.loader.state.control();
    let environments = environments(control, project.as_ref(), environment);
    let (found, next) = match filter.state {
        Some(PromotionState::Open) => look.open(&environments, &listing).await?,
        _ => {
            let asks = |entry: &Entry| match entry.predicate_type == promotion_request::TYPE {
                true => Look::Take,
                false => Look::Pass,
            };
            walk(&mut look.loader.read, &environments, &listing, asks).await?
        }
    };
    let mut items = Vec::with_capacity(found.len());
    for it in found {
        let Some((event, body)) = request_of(it.stored.envelope.as_deref())? else { continue };
        let found = look.promotion(&it.environment, &it.entry, &event, body).await?;
        items.extend(found.filter(|it| filter.state.is_none_or(|state| state == it.state)));
    }
    Ok(Json(listing.page(items, next)?))
}

/// Reads a promotion request.
#[utoipa::path(get, path = "/api/v1/promotions/{request}", tag = "promotions",
    params(("request" = String, Path, description = "P-27, or the index alone", example = "P-27")),
    responses(
        (status = 200, description = "The request", body = PromotionBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Path(request): Path<String>,
) -> Result<Json<PromotionBody>, Problem> {
    let index = parse_request(&request)?;
    crate::promotion::note_span([index]);
    let none = || Problem::not_found(format!("entry {index} is no promotion request"));
    let stored = server.ledger.entry(index).await?;
    let (event, body) = request_of(stored.envelope.as_deref())?.ok_or_else(none)?;
    let environment = Environment { project: body.project.clone(), name: body.to.clone() };
    caller.check(Act::Read, Reach::Environment(&environment))?;
    let mut look = Looking::new(&server.ledger).await?;
    let entry = Entry::parse(&stored.entry).map_err(|cause| malformed("entry", cause))?;
    let found = look.promotion(&environment, &entry, &event, body).await?;
    let mut found = found.ok_or_else(none)?;
    let (read, documents) = (&mut look.loader.read, &server.ledger.documents);
    let artifacts = event.artifacts().cloned();
    found.notes = notes::about(read, documents, &environment.project, index, artifacts).await?;
    Ok(Json(found))
}

/// Reads `P-118`, or the index alone.
pub fn parse_request(text: &str) -> Result<EntryIndex, Problem> {
    let digits = text.strip_prefix("P-").unwrap_or(text);
    let wrong = || Problem::bad_request("a request is named as P-118");
    verifier::entry::integer(digits).ok_or_else(wrong)
}

/// One look at the log, as of now.
struct Looking<R> {
    loader: Loader<R>,
    ring: KeyRing,
    now: Time,
    /// The digest by which statements name the ledger itself.
    named: Hash,
}

impl<R: Rows> Looking<R> {
    async fn new<S: Store<Snapshot = R>>(ledger: &Ledger<S>) -> Result<Looking<R>, LedgerError> {
        let loader = ledger.loader().await?;
        let ring = loader.state.trust().map(|trust| KeyRing::of_document(trust));
        let (now, named) = (ledger.now(), genesis_prev(ledger.origin()));
        Ok(Looking { loader, ring: ring.unwrap_or_default(), now, named })
    }

    async fn environment(&mut self, it: &Environment) -> Result<EnvironmentSlice, LedgerError> {
        self.loader.know(&[ThreadId::Environment(it.clone())]).await?;
        Ok(self.loader.state.environment(it).ok().flatten().cloned().unwrap_or_default())
    }

    /// The open requests, which the slices of their environments name: nothing is walked.
    async fn open(
        &mut self,
        environments: &[Environment],
        listing: &Listing<Spot>,
    ) -> Result<(Vec<Found>, Option<Spot>), LedgerError> {
        let mut spots = Vec::new();
        for environment in environments {
            let slice = self.environment(environment).await?;
            let open = slice.requests.keys().rev().filter(|index| **index < listing.as_of);
            let spot = |index: &EntryIndex| (environment.clone(), *index);
            spots.extend(open.map(spot).filter(|(environment, index)| match &listing.from {
                None => true,
                Some(from) if *environment == from.environment => *index <= from.index,
                Some(from) => *environment > from.environment,
            }));
        }
        let next = spots.get(listing.limit).cloned();
        spots.truncate(listing.limit);
        let indexes: Vec<EntryIndex> = spots.iter().map(|(_, index)| *index).collect();
        let stored = self.loader.read.entries(&indexes).await?;
        let mut found = Vec::with_capacity(spots.len());
        for (environment, index) in spots {
            let stored = stored.iter().find(|stored| stored.index == index).cloned();
            let stored = stored.ok_or(LedgerError::NoEntry(index))?;
            let entry = Entry::parse(&stored.entry).map_err(|cause| malformed("entry", cause))?;
            found.push(Found { environment, entry, stored });
        }
        Ok((found, next.map(|(environment, index)| Spot { environment, index })))
    }

    /// How a request stands; none for one that only repeats another's statement.
    async fn promotion(
        &mut self,
        environment: &Environment,
        entry: &Entry,
        event: &Event,
        it: PromotionRequest,
    ) -> Result<Option<PromotionBody>, LedgerError> {
        let index = entry.index;
        if it.withdraws.is_some() {
            return Ok(None);
        }
        let Some(artifact) = event.artifacts().next().cloned() else { return Ok(None) };
        let mut slice = self.environment(environment).await?;
        let threads: Vec<ThreadId> = event.artifacts().cloned().map(ThreadId::Artifact).collect();
        self.loader.know(&threads).await?;
        let name = |digest: &Digest| {
            let known = self.loader.state.artifact(digest).ok().flatten();
            ArtifactName::of(digest, known, &environment.project)
        };
        let mut body = PromotionBody {
            request: format!("P-{index}"),
            index,
            environment: environment.clone(),
            artifact: name(&artifact),
            artifacts: event.artifacts().map(name).collect(),
            state: PromotionState::Expired,
            path: it.path,
            reason: it.reason,
            ticket: it.ticket,
            incident: it.incident,
            plans: it.plans.map(PlansBody::from),
            requester: self.requester(event, index),
            requested_at: entry.time,
            expires_at: entry.time.plus_ms(REQUEST_MS_MAX),
            statement: event.statement,
            gates: Vec::new(),
            approvals: Vec::new(),
            decision: None,
            decided_at: None,
            withdrawn: None,
            review: None,
            notes: Vec::new(),
        };
        let due = reviews(&slice, self.now).into_iter().find(|due| due.request == index);
        body.review = due.map(DueReview::from);
        if let Some(request) = slice.requests.remove(&index) {
            body.expires_at = request.ends_at();
            body.approvals = request.approvals.iter().map(ApprovalBody::from).collect();
            if !request.is_expired(self.now) {
                let ask = Ask { environment, artifact: &artifact, request: Some(index) };
                body.gates = self.loader.evaluate(&ask, self.now).await?.gates;
                body.state = PromotionState::Open;
            }
            return Ok(Some(body));
        }
        let closed = slice.closed.iter().find(|closed| closed.request() == index);
        if let Some(Closed::Withdrawn(it)) = closed {
            body.withdrawn = Some(it.by.withdrawn.entry);
        } else if !self.add_decision(&mut body).await? && closed.is_none() {
            if self.is_repeat(event, index).await? {
                return Ok(None);
            }
            body.withdrawn = self.withdrawal(&body).await?;
        }
        if body.withdrawn.is_some() {
            body.state = PromotionState::Withdrawn;
        }
        Ok(Some(body))
    }

    /// What took a request back, so long ago that its environment keeps it no more.
    async fn withdrawal(&mut self, it: &PromotionBody) -> Result<Option<EntryIndex>, LedgerError> {
        let thread = ThreadId::Artifact(it.artifact.digest.clone());
        let read = &mut self.loader.read;
        let newest = newest_of(read, &thread).await?;
        find_withdrawal(read, &thread, newest, it.index).await
    }

    fn requester(&self, event: &Event, index: EntryIndex) -> Option<String> {
        let trust = self.loader.state.trust()?;
        let keys = signed_by(event, &self.ring);
        keys.iter().find_map(|key| trust.identity(key, index)).map(ToString::to_string)
    }

    /// Finds the decision on a request, from the newest one about its artifact in its environment
    /// back along the artifact's thread, no further than the request itself.
    async fn add_decision(&mut self, body: &mut PromotionBody) -> Result<bool, LedgerError> {
        let (environment, artifact) = (&body.environment, &body.artifact.digest);
        let thread = ThreadId::Artifact(artifact.clone());
        let known = self.loader.state.artifact(artifact).ok().flatten();
        let places = known.and_then(|known| known.projects.get(&environment.project));
        let place = places.and_then(|known| known.places.get(&environment.name));
        let from = place.and_then(|place| place.decided.as_ref()).map(|it| it.entry);
        let read = &mut self.loader.read;
        let Some((entry, decision)) = find_decision(read, &thread, from, body.index).await? else {
            return Ok(false);
        };
        body.state = match decision.extension.outcome {
            Outcome::Granted => PromotionState::Granted,
            Outcome::Denied => PromotionState::Denied,
        };
        body.gates = decision.extension.gates;
        (body.decision, body.decided_at) = (Some(entry.index), Some(entry.time));
        Ok(true)
    }

    /// True where the statement was logged before: it took effect there.
    async fn is_repeat(&mut self, event: &Event, index: EntryIndex) -> Result<bool, LedgerError> {
        let key = StatementKey::of(event, None, &self.named);
        let first = self.loader.read.statements(&[key]).await?;
        Ok(first.first().is_some_and(|first| first.index < index))
    }
}
