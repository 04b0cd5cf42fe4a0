//! The server, until the process is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use ledger::http::{self, Settings};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::Service;
use crate::exit::Exit;
use crate::failure::Failure;

/// Where a server listens.
pub struct Listen {
    pub callers: SocketAddr,
    /// For whoever scrapes its metrics, if anybody may.
    pub metrics: Option<SocketAddr>,
}

impl Service {
    /// Serves the ledger over HTTP until the process is told to stop, and its metrics elsewhere.
    pub fn serve(
        self,
        listen: Listen,
        settings: Settings,
        ready: impl FnOnce(SocketAddr, Option<SocketAddr>),
    ) -> Result<(), Failure> {
        let ledger = Arc::new(self.ledger);
        self.runtime.block_on(async {
            let (listener, address) = bind(listen.callers, "--listen").await?;
            let metrics = match listen.metrics {
                Some(metrics) => Some(bind(metrics, "--metrics-listen").await?),
                None => None,
            };
            ready(address, metrics.as_ref().map(|(_, address)| *address));
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
async fn stopped() {
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
