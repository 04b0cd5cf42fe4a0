//! Collects cosignatures: each published checkpoint is brought to the witnesses of a policy.
//!
//! Beside the appends and never in their way. Witnesses are asked in rounds, all for the same
//! checkpoint, since a quorum is counted on one: while a round is under way the log may go on, and
//! the next round is for the newest checkpoint then. A witness that holds another history, or a
//! longer one, stops the signing.

mod peer;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::cosignature::quorum::Quorum;
use verifier::cosignature::verify_cosignature;
use verifier::note::{NoteSignature, format_note};

use crate::error::{LedgerError, malformed};
use crate::folder::write_durably;
use crate::ledger::Ledger;
use crate::outgoing::Outgoing;
use crate::store::Store;
use peer::{AskError, Peer};

/// From the begin of one round to the next.
const ROUND_MIN: Duration = Duration::from_secs(1);

/// How long a round waits for witnesses after it has a quorum, or gives them at all.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// How often to look for what other processes have published.
const LOOK: Duration = Duration::from_secs(10);

/// A witness that fails is left alone for a second, then for twice as long each time, up to this.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// The witnesses to ask, and how.
#[derive(Debug, Clone)]
pub struct Witnesses {
    quorum: Quorum,
    outgoing: Outgoing,
    peers: Vec<Peer>,
}

impl Witnesses {
    /// Takes a policy's witnesses that have an address; there must be one.
    pub fn new(quorum: Quorum, outgoing: Outgoing) -> Result<Witnesses, LedgerError> {
        let mut peers = Vec::new();
        for witness in quorum.witnesses() {
            let Some(url) = &witness.url else { continue };
            outgoing.parse(url).map_err(|cause| malformed("the witness policy", cause))?;
            peers.push(Peer::new(witness.name.clone(), witness.key.clone(), url));
        }
        match peers.is_empty() {
            true => Err(malformed("the witness policy", "no witness in it has an address")),
            false => Ok(Witnesses { quorum, outgoing, peers }),
        }
    }
}

/// Collects for as long as it is polled.
pub struct Cosigning<S: Store> {
    ledger: Arc<Ledger<S>>,
    witnesses: Witnesses,
    /// What the last round was about, with the cosignatures that it has.
    last: Option<VerifiedCheckpoint>,
}

impl<S: Store> Cosigning<S> {
    /// Serves what a quorum has cosigned before, if it still is one.
    pub fn new(ledger: Arc<Ledger<S>>, witnesses: Witnesses) -> Cosigning<S> {
        let kept = std::fs::read(ledger.folder().cosigned()).ok();
        let kept = kept.and_then(|bytes| verify_checkpoint(&bytes, ledger.pin().log()).ok());
        let meets = |it: &VerifiedCheckpoint| witnesses.quorum.evaluate(it.note()).is_met;
        ledger.asked.begin();
        ledger.vouch(kept.filter(meets));
        Cosigning { ledger, witnesses, last: None }
    }

    /// Runs until signing is stopped.
    pub async fn run(mut self) {
        let mut published = self.ledger.publisher.grown.subscribe();
        while self.ledger.check_signing().is_ok() {
            let next = Instant::now() + ROUND_MIN;
            if let Err(cause) = self.round().await {
                tracing::warn!(%cause, "no cosignatures were collected");
            }
            let until = self.look_again().max(next);
            let _ = timeout_at(until, published.changed()).await;
            sleep(next.saturating_duration_since(Instant::now())).await;
        }
    }

    /// When to look again if nothing is published: sooner where a witness is owed a question.
    fn look_again(&self) -> Instant {
        let peers = self.witnesses.peers.iter();
        let owed = peers.filter(|peer| !self.has_cosigned(peer)).map(|peer| peer.not_before);
        let look = Instant::now() + LOOK;
        owed.min().map_or(look, |owed| owed.min(look))
    }

    fn has_cosigned(&self, peer: &Peer) -> bool {
        let cosigned = |it: &VerifiedCheckpoint| verify_cosignature(it.note(), &peer.key).is_ok();
        self.last.as_ref().is_some_and(cosigned)
    }

    /// Brings the published checkpoint to every witness that has not cosigned it.
    pub async fn round(&mut self) -> Result<(), LedgerError> {
        let mut checkpoint = self.ledger.reading().await?.published().await?;
        if let Some(last) = &self.last
            && last.checkpoint() == checkpoint.checkpoint()
        {
            checkpoint = last.clone();
        }
        self.last = Some(checkpoint.clone());
        let now = Instant::now();
        let mut asked = JoinSet::new();
        for (at, peer) in self.witnesses.peers.iter().enumerate() {
            if peer.not_before <= now && !self.has_cosigned(peer) {
                let (ledger, checkpoint) = (Arc::clone(&self.ledger), checkpoint.clone());
                let (mut peer, outgoing) = (peer.clone(), self.witnesses.outgoing.clone());
                asked.spawn(async move {
                    let ask = peer.ask(&*ledger, &outgoing, &checkpoint);
                    let answer = timeout(ROUND_MAX, ask).await.unwrap_or(Err(AskError::Late));
                    (at, peer, answer)
                });
            }
        }
        while let Some(answered) = asked.join_next().await {
            let (at, mut peer, answer) = answered.map_err(|_| LedgerError::Abandoned)?;
            let kept = match answer {
                Ok(line) => {
                    peer.failures = 0;
                    self.add(line).await
                }
                Err(cause) => self.failed(&mut peer, &cause).await,
            };
            self.witnesses.peers[at] = peer;
            kept?;
        }
        Ok(())
    }

    /// Adds a cosignature, and publishes what there is then.
    async fn add(&mut self, line: NoteSignature) -> Result<(), LedgerError> {
        let Some(last) = self.last.take() else { return Ok(()) };
        let mut note = last.note().clone();
        note.add_signature(line).map_err(|cause| malformed("a cosignature", cause))?;
        let text = format_note(&note);
        let checkpoint = verify_checkpoint(text.as_bytes(), self.ledger.pin().log())
            .map_err(|cause| malformed("the cosigned checkpoint", cause))?;
        self.last = Some(checkpoint.clone());
        if self.witnesses.quorum.evaluate(checkpoint.note()).is_met {
            write_durably(&self.ledger.folder().cosigned(), text.as_bytes(), 0o644)?;
            self.ledger.vouch(Some(checkpoint.clone()));
        }
        self.ledger.publisher.publish_cosigned(&self.ledger.store, &checkpoint).await
    }

    async fn failed(&self, peer: &mut Peer, cause: &AskError) -> Result<(), LedgerError> {
        let name = &peer.name;
        match cause {
            AskError::Ahead(_) | AskError::Inconsistent => self.suspect(peer, cause).await?,
            // Another process of ours was there meanwhile: the next round is for what it published.
            AskError::Behind => return Ok(()),
            AskError::NoAnswer(_)
            | AskError::Late
            | AskError::Refused(_)
            | AskError::Malformed
            | AskError::Ledger(_) => {
                tracing::warn!(%name, cause = %chain(cause), "a witness did not cosign");
            }
        }
        peer.failures = peer.failures.saturating_add(1);
        let wait = Duration::from_secs(1 << (peer.failures - 1).min(6)).min(BACK_OFF_MAX);
        peer.not_before = Instant::now() + wait;
        Ok(())
    }

    /// A witness has seen another history. What it cosigned proves it, where it shows that; its word
    /// alone stops the signing too, since a log that goes on could be the fork.
    async fn suspect(&self, peer: &Peer, cause: &AskError) -> Result<(), LedgerError> {
        let (ledger, name) = (&self.ledger, &peer.name);
        if let Some(held) = peer.held_checkpoint(&self.witnesses.outgoing, ledger.pin().log()).await
        {
            ledger.compare(&held, &format!("witness {name}")).await?;
        }
        let why = format!("witness {name} says {cause}");
        ledger.publisher.stop(why.clone());
        Err(LedgerError::Forked(why))
    }
}

/// An error with everything behind it, on one line.
fn chain(cause: &dyn std::error::Error) -> String {
    let behind = std::iter::successors(cause.source(), |cause| cause.source());
    behind.fold(cause.to_string(), |text, cause| format!("{text}: {cause}"))
}
