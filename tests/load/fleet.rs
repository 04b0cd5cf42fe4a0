//! The servers under load, and the ledger that they serve.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::copy_folder;
use harness::http::try_ask;
use harness::postgres::{Server, own_server};
use harness::process::Process;
use ledger::{Database, Ledger};
use schemas::id::TreeSize;
use tempfile::TempDir;
use verifier::fixture::traffic::Traffic;

use crate::library::{new_ledger, submit};
use crate::measured::{cpu_seconds_of, memory_mb_of};
use crate::{DatabaseKind, Options};

/// Entries of a ledger before the first event: its trust document, and the next.
pub const BEGINNING: TreeSize = 2;

/// Events that are made, then logged, at a time.
const WINDOW: u64 = 51_200;

/// Servers that run, on one log.
pub struct Fleet {
    processes: Vec<Process>,
    kept: Kept,
    /// Entries in the log when they were started.
    pub size: TreeSize,
    /// From the start of the first process until it is ready.
    pub ready_ms: u64,
}

/// Where everything is; what is not to be kept goes with this value.
pub struct Kept {
    folder: PathBuf,
    _temporary: Option<TempDir>,
    pub postgres: Option<Server>,
}

impl Kept {
    fn of(options: &Options) -> Kept {
        let temporary = options.keep.is_none().then(|| tempfile::tempdir().unwrap());
        let folder = options.keep.as_deref().or(temporary.as_ref().map(TempDir::path)).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let folder = folder.canonicalize().unwrap();
        let is_postgres = options.database == DatabaseKind::Postgres;
        let postgres = is_postgres.then(|| own_server().expect("a PostgreSQL server"));
        Kept { folder, _temporary: temporary, postgres }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A database of the same kind, on the same disk, that nothing is in yet.
    pub fn database(&self, name: &str) -> Database {
        match &self.postgres {
            Some(server) => Database::of_name(&server.database()).unwrap(),
            None => Database::Sqlite(self.folder.join(name)),
        }
    }

    pub async fn open(&self) -> Ledger {
        let (root, state) = (self.folder.join("ledger"), self.folder.join("state"));
        Ledger::open(&root, &state).await.unwrap()
    }
}

impl Fleet {
    pub async fn start(options: &Options) -> Fleet {
        let kept = Kept::of(options);
        let is_postgres = options.database == DatabaseKind::Postgres;
        assert!(is_postgres || options.servers == 1, "several servers need --database postgres");
        assert!(!is_postgres || options.keep.is_none(), "--keep is for sqlite");
        let size = prepare(&kept, options).await;
        let mut processes = Vec::new();
        let mut ready_ms = 0;
        for nth in 0..options.servers {
            let folder = kept.folder.join(format!("server-{nth}"));
            let start = Instant::now();
            let process = serve(options, &kept, &folder, options.servers > 1);
            wait_until_ready(process.address);
            if nth == 0 {
                ready_ms = start.elapsed().as_millis() as u64;
            }
            processes.push(process);
        }
        Fleet { processes, kept, size, ready_ms }
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.processes.iter().map(|process| process.address).collect()
    }

    pub fn cpu_seconds(&self) -> f64 {
        self.processes.iter().map(|process| cpu_seconds_of(process.id())).sum()
    }

    /// How long the processes of PostgreSQL have worked.
    pub fn database_cpu_seconds(&self) -> f64 {
        self.kept
            .postgres
            .as_ref()
            .map_or(0.0, |server| server.processes().into_iter().map(cpu_seconds_of).sum())
    }

    pub fn memory_mb(&self) -> Vec<f64> {
        self.processes.iter().map(|process| memory_mb_of(process.id())).collect()
    }

    /// Stops the servers, which write what they have accepted; says how long the log is.
    pub async fn stop(self) -> (TreeSize, Kept) {
        for process in self.processes {
            assert!(process.terminate(), "a server does not stop as it should");
        }
        let ledger = self.kept.open().await;
        let size = ledger.size().await.unwrap();
        ledger.close().await;
        (size, self.kept)
    }
}

/// Makes the ledger, or takes the one that is there, and fills it up.
async fn prepare(kept: &Kept, options: &Options) -> TreeSize {
    let ledger = match kept.folder.join("ledger/pin.txt").exists() {
        true => kept.open().await,
        false => new_ledger(&kept.folder, &kept.database("ledger.db")).await,
    };
    let ledger = Arc::new(ledger);
    let mut size = ledger.size().await.unwrap();
    let traffic = Traffic::about(options.artifacts).with_pipelines(options.pipelines);
    let mut traffic = traffic.after(size - BEGINNING);
    while size < options.events_before {
        let count = WINDOW.min(options.events_before - size);
        let envelopes: Vec<Vec<u8>> = (0..count).map(|_| traffic.send().0).collect();
        submit(&ledger, &envelopes, 1024).await;
        size += count;
    }
    ledger.close().await;
    size
}

/// Starts a server; several have each a folder of its own, as on machines of their own.
fn serve(options: &Options, kept: &Kept, folder: &Path, is_one_of_many: bool) -> Process {
    let folder = match is_one_of_many {
        true => {
            for part in ["ledger", "state"] {
                copy_folder(&kept.folder.join(part), &folder.join(part));
            }
            folder
        }
        false => &kept.folder,
    };
    let mut command = match &options.binary {
        Some(binary) => Command::new(binary),
        None => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg("attestry");
            command
        }
    };
    command.args(["serve", "--listen", "127.0.0.1:0", "--json"]);
    command.args(["--open-reading", "--open-submitting", "--ledger"]);
    command.arg(folder.join("ledger")).env("ATTESTRY_STATE", folder.join("state"));
    Process::start(&mut command).expect("a server")
}

fn wait_until_ready(address: SocketAddr) {
    let until = Instant::now() + Duration::from_secs(60);
    let patience = Duration::from_secs(5);
    while !try_ask(address, "GET", "/readyz", b"", patience).is_ok_and(|it| it.status == 200) {
        assert!(Instant::now() < until, "a server is not ready");
    }
}
