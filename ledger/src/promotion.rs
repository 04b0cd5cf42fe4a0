//! Open requests: evaluated again, and decided under the lock.

mod open;

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Environment, Project};
use schemas::kind::EventKind;
use schemas::predicate::decision::{self, Decision};
use schemas::predicate::promotion_request::{self, PromotionRequest};
use schemas::thread::ThreadId;
use tracing::{Instrument as _, Span};
use verifier::entry::Entry;
use verifier::event::{Body, Event};
use verifier::policy::decide::compose_decision;
use verifier::policy::{Ask, Evaluation};
use verifier::sign;
use verifier::signature::SigningKey;

pub use self::open::TOUCHED_ELSEWHERE_MAX;
pub(crate) use self::open::environments;
use self::open::{Look, Open, open_requests, threads};
use crate::error::{LedgerError, malformed};
use crate::ledger::{Ledger, Stored};
use crate::store::{Read, Store};
use crate::working::Working;

/// Which open requests to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    All,
    Request(EntryIndex),
    /// Those that something which was just logged in a project may touch: its own, and those of
    /// other projects whose gates read it.
    Touched {
        project: Project,
    },
}

/// An open request after it was looked at.
#[derive(Debug, Clone)]
pub struct Evaluated {
    pub request: EntryIndex,
    pub environment: Environment,
    pub artifact: Digest,
    /// Further artifacts that stand or fall with it.
    pub with: Vec<Digest>,
    pub evaluation: Evaluation,
    /// The entry of the decision, where one was logged.
    pub decision: Option<EntryIndex>,
}

/// How often decisions are followed by what they touch, and what falls then by what that touches.
const ROUNDS_MAX: usize = 8;

impl<S: Store> Ledger<S> {
    /// Evaluates open requests again and logs the decisions that fall; one that is named and was
    /// decided before is answered as it was decided.
    ///
    /// A decision is an event like any other: what is granted in one environment may be what a
    /// request for the next has waited for. What is decided on that account follows in the list.
    pub async fn evaluate_open(&self, which: Which) -> Result<Vec<Evaluated>, LedgerError> {
        let mut evaluated = self.look_at(&Look::from(&which)).await?;
        self.follow(&mut evaluated, &which).await;
        if let (true, Which::Request(request)) = (evaluated.is_empty(), &which) {
            evaluated.extend(self.decided(*request).await?);
        }
        Ok(evaluated)
    }

    /// Evaluates each once.
    ///
    /// Takes the lock only where something is decided; under it everything is evaluated anew, so
    /// that a decision rests on the state just before its own entry.
    async fn look_at(&self, look: &Look<'_>) -> Result<Vec<Evaluated>, LedgerError> {
        let at = self.clock.now();
        let mut loader = self.loader().await?;
        let open = open_requests(&mut loader, look, at).await?;
        let mut evaluated = Vec::with_capacity(open.len());
        let mut decided = false;
        for it in open {
            let ask = Ask {
                environment: &it.environment,
                artifact: &it.artifact,
                request: Some(it.request),
            };
            let evaluation = loader.evaluate(&ask, at).instrument(evaluating(&ask)).await?;
            decided |= evaluation.outcome().is_some();
            evaluated.push(it.evaluated(evaluation, None));
        }
        drop(loader);
        if decided {
            evaluated = self.decide(look).await?;
        }
        for it in &evaluated {
            self.metrics.evaluated(&it.environment, &it.evaluation);
        }
        Ok(evaluated)
    }

    /// Looks at what the decisions touch: requests of their own projects, since other projects' gates
    /// read what is deployed. What was decided elsewhere is followed by the timer, so that one event
    /// brings no endless work. The decisions are logged, whatever comes of this.
    async fn follow(&self, evaluated: &mut Vec<Evaluated>, which: &Which) {
        let mut projects = projects_decided(evaluated);
        if let Which::Touched { project: only } = which {
            projects.retain(|project| project == only);
        }
        for _ in 0..ROUNDS_MAX {
            let mut fell = Vec::new();
            for project in std::mem::take(&mut projects) {
                match self.look_at(&Look::Within(&project)).await {
                    Ok(found) => fell.extend(found.into_iter().filter(|it| it.decision.is_some())),
                    Err(cause) => {
                        tracing::warn!(%cause, "what a decision touches could not be evaluated");
                        return;
                    }
                }
            }
            projects = projects_decided(&fell);
            for it in fell {
                match evaluated.iter_mut().find(|known| known.request == it.request) {
                    Some(known) => *known = it,
                    None => evaluated.push(it),
                }
            }
        }
    }

    /// A request that is not open any more, as it was decided.
    ///
    /// Whoever asks right after something was logged may find that a server has been faster.
    async fn decided(&self, request: EntryIndex) -> Result<Option<Evaluated>, LedgerError> {
        let Some((environment, event)) = self.request(request).await? else { return Ok(None) };
        let mut asked = event.artifacts().cloned();
        let Some(artifact) = asked.next() else { return Ok(None) };
        let with: Vec<Digest> = asked.collect();
        let mut read = self.store.snapshot().await?;
        let thread = ThreadId::Environment(environment.clone());
        let newest = read.threads(std::slice::from_ref(&thread)).await?;
        let newest = newest.first().map(|row| row.head.index);
        let found = find_decision(&mut read, &thread, newest, request).await?;
        Ok(found.map(|(entry, decision)| {
            let decision = decision.extension;
            let evaluation = Evaluation::told(decision.gates, Some(decision.outcome));
            let decision = Some(entry.index);
            Evaluated { request, environment, artifact, with, evaluation, decision }
        }))
    }

    /// Counts the requests that are not decided, in every environment that a policy names.
    pub async fn promotions_open(&self) -> Result<BTreeMap<Environment, u64>, LedgerError> {
        let at = self.clock.now();
        let mut loader = self.loader().await?;
        let environments = environments(&loader, None);
        loader.know(&threads(&environments)).await?;
        let open = |environment: Environment| {
            let slice = loader.state.environment(&environment).ok().flatten();
            let requests = slice.iter().flat_map(|slice| slice.requests.values());
            let open = requests.filter(|request| !request.is_expired(at)).count();
            (environment, open as u64)
        };
        Ok(environments.into_iter().map(open).collect())
    }

    async fn decide(&self, look: &Look<'_>) -> Result<Vec<Evaluated>, LedgerError> {
        let (log, service) = (self.log_key()?, self.service_key()?);
        let mut working = self.begin().await?;
        let at = working.time();
        let open = open_requests(working.loader(), look, at).await?;
        let mut evaluated = Vec::with_capacity(open.len());
        for it in open {
            let promotion = name(it.request);
            let span = tracing::info_span!("decide", attestry.promotion.id = promotion);
            let deciding = self.decide_one(&mut working, &it, &service).instrument(span);
            let (evaluation, decision) = deciding.await?;
            evaluated.push(it.evaluated(evaluation, decision));
        }
        self.commit(working, log).await?;
        for _ in evaluated.iter().filter(|it| it.decision.is_some()) {
            self.metrics.logged(EventKind::Decision);
        }
        Ok(evaluated)
    }

    async fn decide_one(
        &self,
        working: &mut Working<S::Append>,
        it: &Open,
        service: &SigningKey,
    ) -> Result<(Evaluation, Option<EntryIndex>), LedgerError> {
        let at = working.time();
        let ask =
            Ask { environment: &it.environment, artifact: &it.artifact, request: Some(it.request) };
        let evaluation = working.loader().evaluate(&ask, at).await?;
        if evaluation.outcome().is_none() {
            return Ok((evaluation, None));
        }
        let statement = compose_decision(working.state(), &ask, &evaluation, at, self.nonce()?)
            .map_err(|cause| malformed("decision", cause))?;
        let envelope = sign::sign_statement(&statement, &[service])
            .map_err(|cause| malformed("decision", cause))?;
        let place = Ledger::<S>::append_own(working, envelope).await?;
        Ok((evaluation, Some(place.last())))
    }
}

/// The name of a request, as people and traces know it.
pub fn name(request: EntryIndex) -> String {
    format!("P-{request}")
}

/// Says in the current span which promotion it is about: only where it is one alone, since a span has
/// room for one.
pub fn note_span(requests: impl IntoIterator<Item = EntryIndex>) {
    let mut requests = requests.into_iter();
    if let Some(first) = requests.next()
        && requests.all(|other| other == first)
    {
        Span::current().record("attestry.promotion.id", name(first));
    }
}

/// The span of one evaluation, of a request or of a question alone.
fn evaluating(ask: &Ask<'_>) -> Span {
    let promotion = ask.request.map(name);
    let environment = ask.environment;
    tracing::info_span!("evaluate", %environment, attestry.promotion.id = promotion)
}

/// The projects in which a decision was logged.
fn projects_decided(evaluated: &[Evaluated]) -> BTreeSet<Project> {
    let decided = evaluated.iter().filter(|it| it.decision.is_some());
    decided.map(|it| it.environment.project.clone()).collect()
}

/// The decision that an entry logs, if it is one.
pub fn decision_of(stored: &Stored) -> Result<Option<(Box<Decision>, Event)>, LedgerError> {
    let Some(bytes) = stored.envelope.as_deref() else { return Ok(None) };
    let event = Event::read(bytes)
        .map_err(|cause| malformed(format!("envelope of entry {}", stored.index), cause))?;
    Ok(match &event.body {
        Body::Decision(decision) => Some((decision.clone(), event)),
        _ => None,
    })
}

/// The request that an envelope holds, if it holds one.
pub fn request_of(
    envelope: Option<&[u8]>,
) -> Result<Option<(Event, PromotionRequest)>, LedgerError> {
    let Some(bytes) = envelope else { return Ok(None) };
    let event = Event::read(bytes).map_err(|cause| malformed("envelope", cause))?;
    Ok(match &event.body {
        Body::PromotionRequest(body) => {
            let body = body.clone();
            Some((event, body))
        }
        _ => None,
    })
}

/// Finds the decision on a request, from an entry back along a thread that both are on, no further
/// than the request itself.
pub(crate) async fn find_decision<R: Read>(
    read: &mut R,
    thread: &ThreadId,
    from: Option<EntryIndex>,
    request: EntryIndex,
) -> Result<Option<(Entry, Box<Decision>)>, LedgerError> {
    let about = |entry: Entry, stored: &Stored| {
        let found =
            if entry.predicate_type == decision::TYPE { decision_of(stored)? } else { None };
        let found = found.filter(|(decision, _)| decision.extension.request.index == request);
        Ok(found.map(|(decision, _)| (entry, decision)))
    };
    find_back(read, thread, from, request, about).await
}

/// Finds what took a request back, likewise.
pub(crate) async fn find_withdrawal<R: Read>(
    read: &mut R,
    thread: &ThreadId,
    from: Option<EntryIndex>,
    request: EntryIndex,
) -> Result<Option<EntryIndex>, LedgerError> {
    let withdraws = |entry: Entry, stored: &Stored| {
        if entry.predicate_type != promotion_request::TYPE {
            return Ok(None);
        }
        let found = request_of(stored.envelope.as_deref())?;
        let named = found.and_then(|(_, body)| body.withdraws);
        Ok(named.filter(|named| named.index == request).map(|_| entry.index))
    };
    find_back(read, thread, from, request, withdraws).await
}

/// Walks back along a thread to the first entry that gives something, no further than the request.
async fn find_back<R: Read, T>(
    read: &mut R,
    thread: &ThreadId,
    from: Option<EntryIndex>,
    request: EntryIndex,
    look: impl Fn(Entry, &Stored) -> Result<Option<T>, LedgerError>,
) -> Result<Option<T>, LedgerError> {
    let mut next = from;
    while let Some(at) = next.filter(|at| *at > request) {
        let stored = read.entries(&[at]).await?.into_iter().next();
        let stored = stored.ok_or(LedgerError::NoEntry(at))?;
        let entry = Entry::parse(&stored.entry).map_err(|cause| malformed("entry", cause))?;
        let line = entry.thread(thread).ok_or(LedgerError::NoEntry(at))?;
        next = line.before.map(|link| link.index).filter(|before| *before < at);
        if let Some(found) = look(entry, &stored)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
