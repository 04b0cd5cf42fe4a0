//! Witnesses, as commands call them: the one that this machine is, and those that a ledger asks.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ledger::clock::SystemClock;
use ledger::cosigning::Witnesses;
use ledger::outgoing::{Outgoing, Settings};
use ledger::witness::{Witness, WitnessFolder};
use ledger::{LedgerError, witness};
use verifier::cosignature::quorum::Quorum;
use verifier::note::{KeyName, Vkey};

use super::failing::chain;
use super::serving::stopped;
use super::{failure_of, runtime};
use crate::exit::Exit;
use crate::failure::Failure;

/// Makes a witness's key.
pub fn init_witness(dir: &Path, name: &KeyName) -> Result<Vkey, Failure> {
    WitnessFolder::init(dir, name).map_err(|cause| match &cause {
        LedgerError::File { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("{} holds a witness already", dir.display());
            Failure::new(Exit::Usage, "file-exists", message)
                .hint("a key is never overwritten: choose another folder")
        }
        _ => failure_of(&cause),
    })
}

/// Serves a witness until the process is told to stop.
pub fn serve_witness(
    dir: &Path,
    logs: Vec<Vkey>,
    listen: SocketAddr,
    ready: impl FnOnce(&Vkey, SocketAddr),
) -> Result<(), Failure> {
    let it = Witness::open(dir, logs, Arc::new(SystemClock)).map_err(|cause| match &cause {
        LedgerError::NoKey { .. } => Failure::new(Exit::NotFound, "no-witness", chain(&cause))
            .hint("make one: attestry witness init DIR --name NAME"),
        _ => failure_of(&cause),
    })?;
    let it = Arc::new(it);
    let unusable = |cause: std::io::Error| {
        Failure::new(Exit::Unexpected, "cannot-listen", format!("{listen}: {cause}"))
            .hint("another process may have the port: name another with --listen")
    };
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(unusable)?;
        ready(it.vkey(), listener.local_addr().map_err(unusable)?);
        witness::serve(it, listener, stopped()).await.map_err(Failure::unexpected)
    })
}

/// The witnesses that a server asks.
pub fn witnesses(
    quorum: Quorum,
    outgoing: Settings,
    danger_plain_http: bool,
) -> Result<Witnesses, Failure> {
    let settings = Settings { danger_plain_http, ..outgoing };
    let outgoing = Outgoing::new(&settings).map_err(|cause| failure_of(&cause))?;
    Witnesses::new(quorum, outgoing).map_err(|cause| {
        Failure::new(Exit::Usage, "witness-policy-unusable", chain(&cause))
            .hint("a witness that is asked has a URL: witness NAME VKEY https://…")
    })
}
