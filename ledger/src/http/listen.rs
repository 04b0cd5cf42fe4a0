//! Connections: accepted up to a limit, plain or over TLS, and let go where nothing comes of them.
//!
//! HTTP/1.1 only. A reverse proxy speaks HTTP/2 to the outside where that is wanted; here each
//! connection has one request at a time, and one timer says how long its head may take.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::peer::Peer;
use super::tls::Tls;

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long connections are kept that do not do what they are there for.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Connections at the same time; more wait in the system's queue until one ends.
    pub connections_max: usize,
    /// The longest that agreeing on TLS may take.
    pub handshake: Duration,
    /// The longest that a request's head may take, counted from when the server waits for it: so
    /// also the longest that a connection may be idle.
    pub head: Duration,
    /// The longest that a server which is told to stop waits for what is under way.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let (handshake, head, drain) =
            (Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(30));
        Patience { connections_max: 1024, handshake, head, drain }
    }
}

/// What every connection is served with.
#[derive(Clone)]
struct Listening {
    router: Router,
    tls: Option<Arc<Tls>>,
    patience: Patience,
    stopping: watch::Receiver<bool>,
}

/// Serves until `stop` is there, then answers what was accepted, as long as the patience lasts.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    patience: Patience,
    stop: impl Future<Output = ()>,
) {
    let (say_stop, stopping) = watch::channel(false);
    let (drain, slots) = (patience.drain, Arc::new(Semaphore::new(patience.connections_max)));
    let listening = Listening { router, tls, patience, stopping };
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, from, slot) = tokio::select! {
            () = &mut stop => break,
            // Those that have ended leave their results behind.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        let listening = listening.clone();
        connections.spawn(async move {
            listening.connection(stream, from).await;
            drop(slot);
        });
    }
    drop((listener, listening));
    let _ = say_stop.send(true);
    let done = timeout(drain, async { while connections.join_next().await.is_some() {} }).await;
    if done.is_err() {
        let left = connections.len();
        tracing::warn!(left, "connections are cut off: they took longer than the server waits");
        connections.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Nobody closes the semaphore, so there is always a permit some day.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => return (stream, from, slot),
            Err(cause) if is_of_connection(&cause) => {}
            Err(cause) => {
                tracing::error!(%cause, "no connection could be accepted");
                // Such as no file handle: it passes when connections end.
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// The caller has gone before it was there.
fn is_of_connection(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Whoever could say it has gone: then it stops too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

impl Listening {
    async fn connection(mut self, stream: TcpStream, from: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.answer(stream, from).await };
        let agreed = timeout(self.patience.handshake, tls.acceptor().accept(stream));
        let agreed = tokio::select! {
            agreed = agreed => agreed,
            () = stopped(&mut self.stopping) => return,
        };
        match agreed {
            Ok(Ok(stream)) => self.answer(stream, from).await,
            Ok(Err(cause)) => tracing::debug!(%cause, %from, "no TLS was agreed on"),
            Err(_) => tracing::debug!(%from, "agreeing on TLS took too long"),
        }
    }

    async fn answer<T: AsyncRead + AsyncWrite + Unpin>(mut self, stream: T, from: SocketAddr) {
        let (peer, router) =
            (Peer(from.ip().to_canonical()), TowerToHyperService::new(self.router));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.head)
            .max_buf_size(HEAD_BYTES_MAX);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let done = tokio::select! {
            done = connection.as_mut() => done,
            () = stopped(&mut self.stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(cause) = done {
            tracing::debug!(%cause, %from, "a connection ended early");
        }
    }
}
