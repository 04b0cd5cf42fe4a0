//! The server, until the process is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use ledger::http::Settings;

use super::Service;
use crate::exit::Exit;
use crate::failure::Failure;

impl Service {
    /// Serves the ledger over HTTP until the process is told to stop.
    pub fn serve(
        self,
        listen: SocketAddr,
        settings: Settings,
        ready: impl FnOnce(SocketAddr),
    ) -> Result<(), Failure> {
        let ledger = Arc::new(self.ledger);
        let unusable = |cause: std::io::Error| {
            Failure::new(Exit::Unexpected, "cannot-listen", format!("{listen}: {cause}"))
                .hint("another process may have the port: name another with --listen")
        };
        self.runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(listen).await.map_err(unusable)?;
            ready(listener.local_addr().map_err(unusable)?);
            ledger::http::serve(ledger, settings, listener, stopped())
                .await
                .map_err(Failure::unexpected)
        })
    }
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
