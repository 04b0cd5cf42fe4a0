//! A ledger that a server keeps, as its client sees it.
//!
//! The server is believed as little as a database is: what it says is read by the same functions,
//! receipts are checked against the pin before anybody relies on them, and each checkpoint must
//! extend the one that this machine has seen last.

mod asked;
mod attachments;
mod batch;
mod error;
mod known;
mod view;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemas::id::{EntryIndex, Origin, Project, Time, TreeSize};
use schemas::kind::EventKind;
use schemas::predicate::Nonce;
use schemas::report::{Code, Finding};
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::entry::Entry;
use verifier::event::Event;
use verifier::log::{Hearing, LogReport};
use verifier::merkle::proof::verify_consistency;
use verifier::pin::{Pin, parse_pin};
use verifier::receipt::{parse_receipts, verify_proof_of};
use zeroize::Zeroizing;

use asked::{Asked, Body};
use batch::{Line, lines_of};
pub use error::{RemoteError, Told};
use known::Known;
pub use known::Remembered;
pub use view::RemoteView;

use crate::clock::Clock;
use crate::error::{LedgerError, malformed};
use crate::export::{Cosigned, ExportAsk};
use crate::high_water::HighWater;
use crate::http::events::LoggedEvent;
use crate::http::gate::{EvaluateAsk, EvaluatedRequests};
use crate::http::log::LedgerBody;
use crate::http::packs::{EXPORT_ENTRY, PackAsk, QUORUM_MET, WITNESSES};
use crate::http::proofs::ProofBody;
use crate::ledger::{About, Logged, Submission};
use crate::outgoing::{Answer, Outgoing, Settings};
use crate::promotion::{Evaluated, Which};
use crate::reading::Reading;
use crate::store::{StoreError, Views};

/// A ledger on a server.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    outgoing: Outgoing,
    /// Without a slash at its end.
    address: String,
    token: Option<Zeroizing<String>>,
    headers: Vec<(String, String)>,
    origin: Origin,
    pin: Arc<Pin>,
    clock: Arc<dyn Clock>,
    high_water: HighWater,
    known: Known,
    /// The newest checkpoint of which everything before it is known to be a beginning.
    seen: Mutex<Option<VerifiedCheckpoint>>,
}

/// Where a server is, and what its client brings.
pub struct Connect<'a> {
    pub address: &'a str,
    pub token: Option<Zeroizing<String>>,
    /// Where this machine keeps pins and the largest checkpoints that it has seen.
    pub state: &'a Path,
    /// The pin that the server must have, got by another road.
    pub pin: Option<Pin>,
    /// Headers that every request carries, such as those by which a trace is continued.
    pub headers: Vec<(String, String)>,
    pub outgoing: Settings,
    pub clock: Arc<dyn Clock>,
}

impl Remote {
    /// Asks a server who it is; the flag says that its pin was taken on trust, for the first time.
    pub async fn connect(with: Connect<'_>) -> Result<(Remote, bool), LedgerError> {
        let outgoing = Outgoing::new(&with.outgoing)?;
        let address = with.address.trim_end_matches('/').to_owned();
        let (token, headers) = (with.token.as_ref(), with.headers.as_slice());
        let asked = Asked { outgoing: &outgoing, address: &address, token, headers };
        let body: LedgerBody = asked.get("/api/v1/ledger").await?;
        let pin = parse_pin(body.pin.as_bytes()).map_err(|cause| malformed("the pin", cause))?;
        let known = Known::of(with.state, &address);
        let first = match with.pin {
            Some(given) => known.compare(&given, &pin).map(|()| false)?,
            None => known.check(&pin)?,
        };
        let origin: Origin =
            pin.log().name().as_str().parse().map_err(|cause| malformed("the pin", cause))?;
        let high_water = HighWater::of(with.state, &origin, pin.log());
        let seen = Mutex::new(high_water.read(pin.log())?);
        let (pin, token, clock, headers) = (Arc::new(pin), with.token, with.clock, with.headers);
        let inner = Inner {
            outgoing,
            address,
            token,
            headers,
            origin,
            pin,
            clock,
            high_water,
            known,
            seen,
        };
        Ok((Remote { inner: Arc::new(inner) }, first))
    }

    /// What this machine remembers of a server, where it does not answer.
    pub fn remembered(
        address: &str,
        state: &Path,
        pin: Option<Pin>,
    ) -> Result<Option<Remembered>, LedgerError> {
        Known::of(state, address.trim_end_matches('/')).remembered(pin)
    }

    /// Notes the projects that there are, for when the server is away.
    pub fn remember(&self, projects: &[Project]) -> Result<(), LedgerError> {
        self.inner.known.note_projects(projects)
    }

    pub fn address(&self) -> &str {
        &self.inner.address
    }

    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    pub fn pin(&self) -> &Pin {
        &self.inner.pin
    }

    pub fn now(&self) -> Time {
        self.inner.clock.now()
    }

    pub fn nonce(&self) -> Result<Nonce, LedgerError> {
        crate::ledger::nonce()
    }

    /// The log as it is published now.
    pub async fn reading(&self) -> Result<Reading<RemoteView>, LedgerError> {
        let view = self.view().await?;
        Ok(Reading::new(view, Arc::clone(&self.inner.pin), self.now()))
    }

    fn asked(&self) -> Asked<'_> {
        let Inner { outgoing, address, token, headers, .. } = &*self.inner;
        Asked { outgoing, address, token: token.as_ref(), headers }
    }

    /// Has an event logged that has waited for so long because the server was away.
    pub async fn submit_late(
        &self,
        one: Submission,
        waited: Duration,
    ) -> Result<Logged, LedgerError> {
        let answer = self.submit_with(vec![one], Some(waited)).await?.into_iter().next();
        answer.unwrap_or_else(|| Err(RemoteError::unreadable("no answer to an event").into()))
    }

    /// The published checkpoint, which must extend what was seen before.
    pub(crate) async fn checkpoint(&self) -> Result<VerifiedCheckpoint, LedgerError> {
        let answer = self.asked().send("/checkpoint", None).await?;
        let checkpoint = verify_checkpoint(&answer.body, self.pin().log())
            .map_err(|cause| LedgerError::Forked(format!("the server's checkpoint: {cause}")))?;
        self.extend_to(&checkpoint).await?;
        Ok(checkpoint)
    }

    /// Checks that a checkpoint extends what was seen before, and notes it.
    async fn extend_to(&self, checkpoint: &VerifiedCheckpoint) -> Result<(), LedgerError> {
        let seen = self.inner.seen.lock().ok().and_then(|seen| seen.clone());
        let (to, root) = (checkpoint.size(), checkpoint.root());
        if let Some(seen) = &seen {
            let from = seen.size();
            if from == to && seen.root() == root {
                return Ok(());
            }
            let forked = |what: String| {
                LedgerError::Forked(format!("the server does not continue what it showed: {what}"))
            };
            // An older checkpoint of the same log is no fork: receipts may come in any order.
            let (small, large) = if from <= to { (from, to) } else { (to, from) };
            let path = format!("/api/v1/proofs/consistency?from={small}&to={large}");
            let proof: Result<ProofBody, LedgerError> = self.asked().get(&path).await;
            let proof = match proof {
                Ok(proof) => proof.hashes,
                Err(LedgerError::Remote(cause)) if cause.is_absence() => {
                    return Err(forked(format!("size {large} was published, {to} is all now")));
                }
                Err(cause) => return Err(cause),
            };
            let (old, new) = if from <= to { (seen.root(), root) } else { (root, seen.root()) };
            verify_consistency(small, old, large, new, &proof)
                .map_err(|cause| forked(format!("from size {small} to {large}: {cause}")))?;
            if from > to {
                return Ok(());
            }
        }
        if let Ok(mut seen) = self.inner.seen.lock() {
            *seen = Some(checkpoint.clone());
        }
        self.inner.high_water.write(checkpoint)
    }

    /// Has a batch logged; each submission has its own answer, and every receipt is checked.
    pub async fn submit(
        &self,
        batch: Vec<Submission>,
    ) -> Result<Vec<Result<Logged, LedgerError>>, LedgerError> {
        self.submit_with(batch, None).await
    }

    async fn submit_with(
        &self,
        batch: Vec<Submission>,
        waited: Option<Duration>,
    ) -> Result<Vec<Result<Logged, LedgerError>>, LedgerError> {
        for attachment in batch.iter().flat_map(|one| &one.attachments) {
            self.attach(attachment).await?;
        }
        let mut answers = Vec::with_capacity(batch.len());
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let (lines, taken) = lines_of(rest)?;
            let (now, later) = rest.split_at(taken);
            let body = match waited {
                None => Body::Lines(lines),
                Some(waited) => Body::Late(lines, waited),
            };
            let answer = self.asked().send("/api/v1/events/batch", Some(body)).await?;
            answers.extend(self.answers(now, &answer).await?);
            rest = later;
        }
        Ok(answers)
    }

    /// Reads an answer line by line, as the events were sent.
    async fn answers(
        &self,
        sent: &[Submission],
        answer: &Answer,
    ) -> Result<Vec<Result<Logged, LedgerError>>, LedgerError> {
        let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<&[u8]> = lines.collect();
        if lines.len() != sent.len() {
            return Err(RemoteError::unreadable("another number of lines than were sent").into());
        }
        let mut answers = Vec::with_capacity(lines.len());
        for (one, line) in sent.iter().zip(lines) {
            answers.push(match serde_json::from_slice(line).map_err(RemoteError::unreadable)? {
                Line::Logged(event) => Ok(self.check_receipt(one, event).await?),
                Line::Problem(told) => Err(told.into()),
            });
        }
        Ok(answers)
    }

    /// A receipt must be of what was sent, and under a checkpoint that extends what was seen.
    async fn check_receipt(
        &self,
        sent: &Submission,
        event: LoggedEvent,
    ) -> Result<Logged, LedgerError> {
        let wrong = |what: String| LedgerError::Forked(format!("the server's receipt: {what}"));
        let own = Event::read(&sent.envelope).map_err(|cause| malformed("envelope", cause))?;
        let receipts = parse_receipts(event.receipt.as_bytes())
            .map_err(|cause| wrong(format!("unreadable: {cause}")))?;
        let last = receipts.last().ok_or_else(|| wrong("it is empty".to_owned()))?;
        for receipt in &receipts {
            let bytes = receipt.extra.as_deref().unwrap_or_default();
            let entry = Entry::parse(bytes).map_err(|cause| wrong(cause.to_string()))?;
            if entry.statement != own.statement || entry.index != receipt.index {
                return Err(wrong("it is about another statement".to_owned()));
            }
            let leaf = verifier::merkle::leaf_hash(bytes);
            let checkpoint = verify_proof_of(receipt, &leaf, self.pin().log())
                .map_err(|cause| wrong(cause.to_string()))?;
            self.extend_to(&checkpoint).await?;
        }
        if last.index != event.index || event.statement != own.statement {
            return Err(wrong("it is of another entry".to_owned()));
        }
        let kind = EventKind::from_name(&event.kind)
            .ok_or_else(|| RemoteError::unreadable("an unknown kind of event"))?;
        let notices = event.notices.into_iter().filter_map(|it| {
            let code = code_of(&it.code)?;
            Some(Finding::new(code, Some(event.index), it.detail))
        });
        Ok(Logged {
            index: event.index,
            kind,
            repeated: event.repeated,
            notices: notices.collect(),
            receipt: event.receipt,
            statement: event.statement,
            promotion: event.promotion.or_else(|| About::of(&own).promotion(event.index)),
        })
    }

    /// Has open requests evaluated again, and the decisions that fall logged.
    pub async fn evaluate_open(&self, which: Which) -> Result<Vec<Evaluated>, LedgerError> {
        let asked = EvaluateAsk::from(&which);
        let body: EvaluatedRequests = self.asked().post("/api/v1/evaluate", &asked).await?;
        let read =
            |it| Evaluated::try_from(it).map_err(|_| RemoteError::unreadable("a request").into());
        body.requests.into_iter().map(read).collect()
    }

    /// Has a pack made and its custody logged: its bytes, the entry that logs it, and whether
    /// witnesses have cosigned it, as the server says.
    pub async fn export(
        &self,
        ask: &ExportAsk,
    ) -> Result<(Vec<u8>, EntryIndex, Cosigned), LedgerError> {
        let asked = serde_json::to_vec(&PackAsk::from(ask));
        let asked = asked.map_err(|cause| malformed("request", cause))?;
        let answer = self.asked().send("/api/v1/packs", Some(Body::Pack(asked))).await?;
        let entry = answer.headers.get(EXPORT_ENTRY).and_then(|it| it.to_str().ok()?.parse().ok());
        let entry = entry.ok_or_else(|| RemoteError::unreadable("no entry of the export"))?;
        let cosigned = match answer.headers.get(WITNESSES).map(|it| it.as_bytes()) {
            None => Cosigned::NotAsked,
            Some(said) if said == QUORUM_MET.as_bytes() => Cosigned::Met,
            Some(_) => Cosigned::Missed,
        };
        Ok((answer.body, entry, cosigned))
    }

    /// Verifies the whole log from bytes, here; the server is believed nothing.
    pub async fn verify(
        &self,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<LogReport, LedgerError> {
        crate::verification::verify(self, self.origin(), self.pin(), progress).await
    }

    /// Verifies the whole log, while somebody hears what happens in it.
    pub async fn verify_heard<H: Hearing + 'static>(
        &self,
        hearing: H,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<(LogReport, H), LedgerError> {
        let (origin, pin) = (self.origin(), self.pin());
        crate::verification::verify_heard(self, origin, pin, hearing, progress).await
    }
}

impl Views for Remote {
    type View = RemoteView;

    async fn view(&self) -> Result<RemoteView, StoreError> {
        RemoteView::open(self.clone()).await.map_err(error::stored)
    }
}

pub(crate) fn code_of(name: &str) -> Option<Code> {
    Code::ALL.iter().find(|code| code.name() == name).copied()
}
