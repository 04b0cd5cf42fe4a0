//! Delivering what waits: in the order in which it was recorded, each until its receipt was checked.

use std::time::Duration;

use ledger::{LedgerError, Logged, Remote, RemoteError};
use schemas::id::Project;

use super::{End, Service, failure_of};
use crate::failure::Failure;
use crate::io::Io;
use crate::spool::{Item, Name, Spool};

/// What became of the events that waited.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Each with its entry and the file of its receipt.
    pub delivered: Vec<(Name, Logged, String)>,
    /// Refused, and set aside.
    pub refused: Vec<(Name, Failure)>,
    /// Why the rest waits on.
    pub stopped: Option<Failure>,
    /// Events that wait for another ledger.
    pub others: usize,
}

impl Service {
    /// Notes the projects of a server, for when it is away. That it could not is no reason to stop.
    pub fn remember(&self, projects: &[Project]) {
        if let End::Server(remote) = &self.end
            && let Err(cause) = remote.remember(projects)
        {
            tracing::warn!(%cause, "the projects of the server are not remembered");
        }
    }

    /// Whether the ledger is on a server, which may be away.
    pub fn is_remote(&self) -> bool {
        matches!(self.end, End::Server(_))
    }

    /// Where the server is, for what waits for it.
    pub fn address(&self) -> Option<&str> {
        match &self.end {
            End::Here(_) => None,
            End::Server(remote) => Some(remote.address()),
        }
    }

    /// Delivers what waits before anything else is done, and tells of it on standard error.
    ///
    /// Only a broken log keeps a command from its own work: whatever else stops the delivery may
    /// well not stop that, and what waits waits on.
    pub(super) fn deliver_first(&self, io: &mut Io) -> Result<(), Failure> {
        let spool = Spool::of(io);
        if spool.list().map_or(true, |waiting| waiting.is_empty()) {
            return Ok(());
        }
        let delivery = match self.deliver(&spool) {
            Ok(delivery) => delivery,
            Err(failure) if failure.exit == crate::exit::Exit::Integrity => return Err(failure),
            Err(failure) => Delivery { stopped: Some(failure), ..Delivery::default() },
        };
        if let (Some((_, first, _)), Some((_, last, _))) =
            (delivery.delivered.first(), delivery.delivered.last())
        {
            let (count, shown) = (delivery.delivered.len(), spool.shown.display());
            io.note(&format!(
                "delivered {count} of {shown}: entries {} to {}",
                first.index, last.index
            ));
        }
        for (name, failure) in &delivery.refused {
            let place = spool.refused().path(*name);
            io.note(&format!("warning: refused, and kept as {}", place.display()));
            io.note(&failure.render());
        }
        if let Some(failure) = &delivery.stopped {
            let left = spool.list().map_or(0, |waiting| waiting.len());
            let shown = spool.shown.display();
            io.note(&format!("warning: {left} in {shown} wait on: {}", failure.message));
        }
        Ok(())
    }

    /// Delivers what waits for this ledger: in order, one after the other, and takes each away only
    /// once its receipt was checked. Whoever is killed in between delivers it again, and the ledger
    /// answers with the entry that it has already.
    pub fn deliver(&self, spool: &Spool) -> Result<Delivery, Failure> {
        let End::Server(remote) = &self.end else { return Ok(Delivery::default()) };
        let (log, mut delivery) = (remote.pin().log().to_string(), Delivery::default());
        let _turn = spool.turn()?;
        for waiting in spool.list()? {
            let item = match spool.read(waiting.name) {
                Ok(item) => item,
                // Not ours, or damaged: nothing that a server could say anything about.
                Err(failure) => {
                    delivery.stopped.get_or_insert(failure);
                    continue;
                }
            };
            if item.about.log != log {
                delivery.others += 1;
                continue;
            }
            match self.runtime.block_on(send(remote, item)) {
                Ok(logged) => {
                    let receipt = spool.keep_receipt(waiting.name, &logged.receipt)?;
                    spool.remove(waiting.name)?;
                    let receipt = receipt.display().to_string();
                    delivery.delivered.push((waiting.name, logged, receipt));
                }
                Err(cause @ LedgerError::Forked(_)) => return Err(failure_of(&cause)),
                Err(cause) if is_final(&cause) => {
                    let failure = failure_of(&cause);
                    spool.set_aside(waiting.name, &failure)?;
                    delivery.refused.push((waiting.name, failure));
                }
                Err(cause) => {
                    delivery.stopped = Some(failure_of(&cause));
                    break;
                }
            }
        }
        Ok(delivery)
    }
}

async fn send(remote: &Remote, item: Item) -> Result<Logged, LedgerError> {
    let waited = remote.now().since(item.about.spooled_at).max(0).unsigned_abs();
    remote.submit_late(item.submission(), Duration::from_millis(waited)).await
}

/// Whether it was the event that was refused, and not the caller, the moment or the road.
fn is_final(cause: &LedgerError) -> bool {
    match cause {
        LedgerError::Refused(_)
        | LedgerError::AttachmentTooLarge { .. }
        | LedgerError::Malformed { .. } => true,
        LedgerError::Remote(cause) => match &**cause {
            RemoteError::Told(told) => matches!(told.status, 400 | 413 | 415 | 422),
            _ => false,
        },
        _ => false,
    }
}
