//! Servers in this process, on free ports of this machine, that end with the test.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::clock::SystemClock;
use ledger::http::Settings;
use ledger::witness::{Witness, WitnessFolder};
use ledger::{Ledger, http, witness};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use verifier::note::Vkey;

use crate::Place;

/// A server that runs.
pub struct Serving {
    pub address: SocketAddr,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    done: Option<JoinHandle<io::Result<()>>>,
}

impl Serving {
    /// Serves the ledger of a place.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn ledger(place: &Place, settings: Settings) -> Serving {
        let (folder, state) = (place.file("ledger"), place.file("state"));
        Serving::start(async move |listener, stopped| {
            let ledger = Ledger::open(&folder, &state).await.expect("a ledger");
            http::serve(Arc::new(ledger), settings, listener, stopped).await
        })
    }

    /// Serves a witness from a folder, which is made where there is none.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn witness(folder: &Path, name: &str, logs: Vec<Vkey>) -> (Vkey, Serving) {
        if !folder.exists() {
            WitnessFolder::init(folder, &name.parse().expect("a name")).expect("a folder");
        }
        let it = Witness::open(folder, logs, Arc::new(SystemClock)).expect("a witness");
        let vkey = it.vkey().clone();
        let it = Arc::new(it);
        let serve = async move |listener, stopped| witness::serve(it, listener, stopped).await;
        (vkey, Serving::start(serve))
    }

    fn start<F>(serve: impl FnOnce(TcpListener, Stopped) -> F) -> Serving
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let stopped: Stopped = Box::pin(async { drop(stopped.await) });
        let done = runtime.spawn(serve(listener, stopped));
        Serving { address, runtime, stop: Some(stop), done: Some(done) }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it as an operator does, and waits until it has answered everybody.
    ///
    /// # Panics
    /// Where it ended with an error.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if let Some(done) = self.done.take() {
            self.runtime.block_on(done).expect("its task").expect("its end");
        }
    }
}

type Stopped = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Asks again until there is an answer, for half a minute.
///
/// # Panics
/// Where there is none by then.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < until, "half a minute has gone without {what}");
        std::thread::yield_now();
    }
}
