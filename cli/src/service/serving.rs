//! The server, until the process is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use ledger::Ledger;
use ledger::clock::SystemClock;
use ledger::http::tls::Tls;
use ledger::http::{self, Settings};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::{End, Service, failure_of, not_here, serving_runtime, state_dir};
use crate::argument::AppendArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Where a server listens.
pub struct Listen {
    pub callers: SocketAddr,
    /// For whoever scrapes its metrics, if anybody may.
    pub metrics: Option<SocketAddr>,
}

/// What there is to tell when a server has begun.
pub struct Ready {
    pub callers: SocketAddr,
    pub metrics: Option<SocketAddr>,
    /// The token that makes others, where there has never been any and callers need one.
    pub first_token: Option<Zeroizing<String>>,
}

impl Service {
    /// Opens the ledger without a signature yet: the server asks the witnesses first.
    pub fn open_to_serve(args: &AppendArgs, io: &Io) -> Result<Service, Failure> {
        if args.ledger.server(io).is_some() {
            return Err(not_here());
        }
        let runtime = serving_runtime()?;
        let (dir, state, clock) = (args.ledger.dir(io), state_dir(io), Arc::new(SystemClock));
        let opened = Ledger::open_unsigned(&dir, &state, clock, args.accept_clock);
        let ledger = runtime.block_on(opened).map_err(|cause| failure_of(&cause))?;
        Ok(Service { end: End::Here(Box::new(ledger)), runtime })
    }

    /// Serves the ledger over HTTP until the process is told to stop, and its metrics elsewhere.
    pub fn serve(
        self,
        listen: Listen,
        settings: Settings,
        ready: impl FnOnce(Ready),
    ) -> Result<(), Failure> {
        let End::Here(ledger) = self.end else { return Err(not_here()) };
        let ledger: Arc<Ledger> = Arc::from(ledger);
        self.runtime.block_on(async {
            let (listener, address) = bind(listen.callers, "--listen").await?;
            let metrics = match listen.metrics {
                Some(metrics) => Some(bind(metrics, "--metrics-listen").await?),
                None => None,
            };
            if let Some(tls) = &settings.tls {
                tokio::spawn(reload_on_hangup(Arc::clone(tls)));
            }
            let needed = !(settings.open.reading && settings.open.submitting);
            let first_token = match needed {
                true => ledger.first_token().await.map_err(|cause| failure_of(&cause))?,
                false => None,
            };
            let scraped = metrics.as_ref().map(|(_, address)| *address);
            ready(Ready { callers: address, metrics: scraped, first_token });
            let (own, served) = (Arc::clone(&ledger), Arc::new(Notify::new()));
            let done = Arc::clone(&served);
            let metrics = async move {
                match metrics {
                    // As long as callers are answered there is something to see.
                    Some((listener, _)) => {
                        http::metrics::serve(own, listener, async move { done.notified().await })
                            .await
                    }
                    None => Ok(()),
                }
            };
            let callers = async {
                let answered = http::serve(ledger, settings, listener, stopped()).await;
                served.notify_one();
                answered
            };
            tokio::try_join!(callers, metrics).map(drop).map_err(Failure::unexpected)
        })
    }
}

async fn bind(listen: SocketAddr, option: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let unusable = |cause: std::io::Error| {
        Failure::new(Exit::Unexpected, "cannot-listen", format!("{listen}: {cause}"))
            .hint(format!("another process may have the port: name another with {option}"))
    };
    let listener = TcpListener::bind(listen).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    Ok((listener, address))
}

/// Waits for an interrupt or a request to terminate.
pub async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
            return;
        }
    }
    let _ = interrupt.await;
}

/// Reads the certificate again whenever the operator says that there is a new one.
#[cfg(unix)]
async fn reload_on_hangup(tls: Arc<Tls>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        match tls.reload() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(cause) => tracing::error!(%cause, "the certificate read before stays in use"),
        }
    }
}

#[cfg(not(unix))]
async fn reload_on_hangup(_: Arc<Tls>) {}
