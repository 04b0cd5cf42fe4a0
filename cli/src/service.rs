//! The ledger, as commands call it: synchronous, and with failures that people can read.
//!
//! The only file that calls the `ledger` library, and the only one that waits for futures.

mod attachments;
mod database;
mod exporting;
mod failing;
mod issuing;
mod server;
mod serving;
mod spooling;
mod tokens;
mod upkeep;
mod webhook;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::clock::{Clock as _, SystemClock};
use ledger::moving::{Moved, Progress};
use ledger::objects::{Bucket, Objects};
use ledger::{Database, Evaluated, Ledger, LedgerError, Logged, Remote, Submission, Which};
use schemas::id::{Digest, EntryIndex, Environment, Hash, Origin, Project, Time, TreeSize};
use schemas::metrics::MetricsReport;
use schemas::predicate::{Nonce, Seen, promotion_request::RequestPath};
use schemas::thread::ThreadId;
use schemas::trust::TrustDocument;
use tokio::runtime::{Builder, Runtime};
use verifier::log::{Hearing, LogReport};
use verifier::metrics::Scope;
use verifier::pin::Pin;
use verifier::policy::{Ask, Evaluation};
use verifier::projection::Missing;
use verifier::projection::slice::{ArtifactSlice, ControlSlice, EnvironmentSlice};
use verifier::signature::SigningKey;
use verifier::view::View;

pub use database::{parse_bucket, parse_database};
pub use failing::unknown_project;
use failing::{failure_of, not_here, refusal};
pub use issuing::read_rules;
pub use ledger::{Cosigned, ExportAsk, Remembered};
pub use server::remembered;
pub use serving::{Listen, Ready};
pub use spooling::Delivery;
pub use witness::{init_witness, serve_witness, witnesses};

use crate::argument::{AppendArgs, LedgerArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key::{self, Signer};

/// An opened ledger and what runs its futures.
pub struct Service {
    end: End,
    runtime: Runtime,
}

/// Where the ledger is.
enum End {
    Here(Box<Ledger>),
    Server(Remote),
}

/// The same call on whichever it is.
macro_rules! each {
    ($service:expr, $name:ident => $call:expr) => {
        match &$service.end {
            End::Here($name) => $call,
            End::Server($name) => $call,
        }
    };
}

/// The same question to one view of whichever it is.
macro_rules! read {
    ($service:expr, $name:ident => $call:expr) => {
        each!($service, it => $service.wait(async {
            let $name = it.reading().await?;
            $call
        }))
    };
}

/// What runs a command's futures: a command waits for one thing after the other.
fn runtime() -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().map_err(Failure::unexpected)
}

/// What runs a server's futures: as many threads as the machine, or its container, has cores.
fn serving_runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread().enable_all().build().map_err(Failure::unexpected)
}

/// Where the high-water file is kept: outside of the ledger's own folder, so that whoever puts an
/// old copy of that folder in place is noticed.
fn state_dir(io: &Io) -> PathBuf {
    if let Some(dir) = io.var("ATTESTRY_STATE") {
        return io.path(dir);
    }
    match (io.var("XDG_STATE_HOME"), io.var("HOME")) {
        (Some(dir), _) => io.path(dir).join("attestry"),
        (None, Some(home)) => io.path(home).join(".local/state/attestry"),
        (None, None) => io.path(".attestry"),
    }
}

/// The time of day, where no ledger is there to say it.
pub fn now() -> Time {
    SystemClock.now()
}

impl Service {
    /// Opens the ledger for reading.
    pub fn open(args: &LedgerArgs, io: &mut Io) -> Result<Service, Failure> {
        Service::open_with(args, false, io)
    }

    pub fn open_to_append(args: &AppendArgs, io: &mut Io) -> Result<Service, Failure> {
        Service::open_with(&args.ledger, args.accept_clock, io)
    }

    /// Reaches a server, and leaves what waits for it where it is.
    pub fn open_alone(args: &LedgerArgs, io: &mut Io) -> Result<Service, Failure> {
        let address =
            args.server(io).ok_or_else(|| Failure::usage("this is no server's address"))?;
        let runtime = runtime()?;
        let end = End::Server(runtime.block_on(server::connect(&address, io))?);
        Ok(Service { end, runtime })
    }

    fn open_with(args: &LedgerArgs, accept_clock: bool, io: &mut Io) -> Result<Service, Failure> {
        if args.server(io).is_some() {
            let service = Service::open_alone(args, io)?;
            service.deliver_first(io)?;
            return Ok(service);
        }
        let runtime = runtime()?;
        let (dir, state, clock) = (args.dir(io), state_dir(io), Arc::new(SystemClock));
        let opened = runtime.block_on(Ledger::open_with(&dir, &state, clock, accept_clock));
        let ledger = opened.map_err(|cause| failure_of(&cause))?;
        Ok(Service { end: End::Here(Box::new(ledger)), runtime })
    }

    /// The ledger whose folder is here; a server's is not for its clients to rule over.
    fn here(&self) -> Result<&Ledger, Failure> {
        match &self.end {
            End::Here(ledger) => Ok(ledger),
            End::Server(_) => Err(not_here()),
        }
    }

    /// Makes a new ledger, its log and objects in its folder or elsewhere; the root keys stay with
    /// the caller.
    pub fn init(
        dir: &Path,
        database: Option<&Database>,
        bucket: Option<&Bucket>,
        origin: &Origin,
        roots: &[SigningKey],
        io: &Io,
    ) -> Result<Service, Failure> {
        let runtime = runtime()?;
        let clock = Arc::new(SystemClock);
        let state = state_dir(io);
        let made = runtime.block_on(async {
            if let Some(bucket) = bucket {
                // It may be away, or another log's: then nothing is made.
                Objects::check_unused(bucket).await?;
            }
            let ledger = match database {
                None => Ledger::init(dir, origin, roots, &state, clock).await?,
                Some(it) => Ledger::init_in(it, dir, origin, roots, &state, clock).await?,
            };
            bucket.map_or(Ok(()), |bucket| ledger.folder().name_bucket(bucket))?;
            Ok(ledger)
        });
        let ledger = made.map_err(|cause: LedgerError| failure_of(&cause))?;
        Ok(Service { end: End::Here(Box::new(ledger)), runtime })
    }

    /// Where the log is.
    pub fn database(&self) -> Result<Database, Failure> {
        self.here()?.folder().database().map_err(|cause| failure_of(&cause))
    }

    /// Moves the log to another database, which the ledger's folder names from then on.
    pub fn move_to(
        &self,
        to: &Database,
        progress: impl Fn(Progress) + Send + Clone + 'static,
    ) -> Result<Moved, Failure> {
        self.wait(self.here()?.move_to(to, progress))
    }

    /// Gives up a move that was broken off.
    pub fn stay(&self) -> Result<(), Failure> {
        self.wait(self.here()?.stay())
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, Failure> {
        self.runtime.block_on(work).map_err(|cause| failure_of(&cause))
    }

    pub fn origin(&self) -> &Origin {
        each!(self, it => it.origin())
    }

    pub fn pin(&self) -> &Pin {
        each!(self, it => it.pin())
    }

    pub fn now(&self) -> Time {
        each!(self, it => it.now())
    }

    pub fn nonce(&self) -> Result<Nonce, Failure> {
        nonce()
    }

    pub fn size(&self) -> Result<TreeSize, Failure> {
        read!(self, it => Ok(it.size()))
    }

    pub fn seen(&self) -> Result<Seen, Failure> {
        read!(self, view => view.seen().await)
    }

    /// Logs a batch; each submission has its own answer.
    pub fn submit(&self, batch: Vec<Submission>) -> Result<Vec<Result<Logged, Failure>>, Failure> {
        let answers = each!(self, it => self.wait(it.submit(batch)))?;
        let promotions = answers.iter().flatten().filter_map(|logged| logged.promotion);
        ledger::promotion::note_span(promotions);
        // Only to say more of a refusal; whoever may not read hears less.
        let known = self.projects().unwrap_or_default();
        let answer = |it: Result<Logged, LedgerError>| it.map_err(|cause| refusal(&cause, &known));
        Ok(answers.into_iter().map(answer).collect())
    }

    /// Logs one event.
    pub fn submit_one(&self, submission: Submission) -> Result<Logged, Failure> {
        let answer = self.submit(vec![submission])?.into_iter().next();
        answer.unwrap_or_else(|| Err(Failure::unexpected("the ledger gave no answer")))
    }

    pub fn control(&self) -> Result<ControlSlice, Failure> {
        read!(self, view => view.control().await)
    }

    pub fn artifact(&self, digest: &Digest) -> Result<Option<ArtifactSlice>, Failure> {
        read!(self, view => view.artifact(digest).await)
    }

    /// The same where the caller may read; whoever may only submit to a server is told nothing.
    pub fn artifact_if_readable(&self, digest: &Digest) -> Result<Option<ArtifactSlice>, Failure> {
        match self.artifact(digest) {
            Err(failure) if failure.exit == Exit::NotAllowed => Ok(None),
            found => found,
        }
    }

    pub fn environment(&self, it: &Environment) -> Result<Option<EnvironmentSlice>, Failure> {
        read!(self, view => view.environment(it).await)
    }

    pub fn find(&self, prefix: &str) -> Result<Vec<Digest>, Failure> {
        read!(self, view => view.find(prefix).await)
    }

    /// Asks the gates of artifacts that stand or fall together, by this path where no request says one.
    pub fn evaluate(
        &self,
        ask: &Ask,
        with: &[Digest],
        way: RequestPath,
    ) -> Result<Evaluation, Failure> {
        read!(self, view => view.evaluate(ask, with, way).await)
    }

    /// Asks something of the state as it is now.
    pub fn ask<T>(&self, question: impl Fn(View<'_>) -> Result<T, Missing>) -> Result<T, Failure> {
        read!(self, view => view.ask(&question).await)
    }

    /// Evaluates open requests again, and logs the decisions that fall.
    pub fn evaluate_open(&self, which: Which) -> Result<Vec<Evaluated>, Failure> {
        if let Which::Request(request) = which {
            ledger::promotion::note_span([request]);
        }
        each!(self, it => self.wait(it.evaluate_open(which)))
    }

    pub fn entry(&self, index: EntryIndex) -> Result<ledger::Stored, Failure> {
        read!(self, view => view.entry(index).await)
    }

    pub fn entries(
        &self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<ledger::Stored>, Failure> {
        read!(self, view => view.entries(from, to).await)
    }

    pub fn thread(&self, thread: &ThreadId) -> Result<Vec<ledger::Stored>, Failure> {
        read!(self, view => view.thread(thread).await)
    }

    pub fn page_back(
        &self,
        thread: Option<&ThreadId>,
        from: Option<EntryIndex>,
        most: u64,
    ) -> Result<ledger::Page, Failure> {
        read!(self, view => view.page_back(thread, from, most).await)
    }

    pub fn receipt(&self, index: EntryIndex) -> Result<String, Failure> {
        read!(self, view => view.receipt(index).await)
    }

    pub fn checkpoint(&self) -> Result<String, Failure> {
        read!(self, view => view.checkpoint().await)
    }

    pub fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, Failure> {
        read!(self, view => view.consistency(from, to).await)
    }

    /// The time of the newest of the first `size` entries.
    pub fn newest_time(&self, size: Option<TreeSize>) -> Result<Time, Failure> {
        read!(self, view => view.newest_time(size).await)
    }

    pub fn metrics(
        &self,
        project: &Project,
        size: Option<TreeSize>,
        scope: &Scope,
    ) -> Result<MetricsReport, Failure> {
        read!(self, view => view.metrics(project, size, scope).await)
    }

    pub fn verify(
        &self,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<LogReport, Failure> {
        each!(self, it => self.wait(it.verify(progress)))
    }

    /// Verifies the whole log, while somebody hears what happens in it.
    pub fn verify_heard<H: Hearing + 'static>(
        &self,
        hearing: H,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<(LogReport, H), Failure> {
        each!(self, it => self.wait(it.verify_heard(hearing, progress)))
    }

    /// The trust document in force.
    pub fn trust(&self) -> Result<(Hash, TrustDocument), Failure> {
        let trust = self.control()?.trust;
        let trust = trust.ok_or_else(|| Failure::unexpected("the ledger has no trust document"))?;
        Ok((trust.statement, trust.document))
    }

    /// The projects that some grant names.
    pub fn projects(&self) -> Result<Vec<Project>, Failure> {
        let (_, document) = self.trust()?;
        let mut projects: Vec<Project> = document
            .grants
            .iter()
            .flat_map(|grant| &grant.projects)
            .filter_map(|name| name.parse().ok())
            .collect();
        projects.sort();
        projects.dedup();
        Ok(projects)
    }
}

/// Chance that makes a statement unlike every other.
pub fn nonce() -> Result<Nonce, Failure> {
    ledger::nonce().map_err(|cause| failure_of(&cause))
}

/// Signs a trust document with the root keys.
pub fn sign_trust(
    document: &TrustDocument,
    replaces: Hash,
    roots: &[Signer],
) -> Result<Vec<u8>, Failure> {
    let payload = ledger::init::trust_payload(document, Some(replaces));
    let payload = payload.map_err(|cause| failure_of(&cause))?;
    key::sign(&payload, &roots.iter().collect::<Vec<_>>())
}
