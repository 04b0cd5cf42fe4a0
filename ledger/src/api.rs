//! STUB of the ledger's public face, to write the CLI against. The real one has these signatures.
use schemas::id::*;
use schemas::kind::EventKind;
use schemas::predicate::{Nonce, Seen};
use schemas::report::Finding;
use std::path::{Path, PathBuf};
use verifier::log::LogReport;
use verifier::pin::Pin;
use verifier::policy::{Ask, Evaluation};
use verifier::projection::slice::{ArtifactSlice, ControlSlice, EnvironmentSlice};
use verifier::signature::SigningKey;

/// Why the ledger did not do something.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A rule of the verifier refuses it: code, class and detail are in the finding.
    #[error("{}", .0.detail)]
    Refused(Finding),
    #[error("there is no ledger at {0}")]
    NotFound(PathBuf),
    #[error("nothing at entry {0}")]
    NoEntry(EntryIndex),
    /// The database is behind or beside a checkpoint that was published: exit 7.
    #[error("{0}")]
    Forked(String),
    #[error("clock: {0}")]
    Clock(String),
    #[error("the database is full")]
    Full,
    #[error("{0}")]
    Other(String),
}

pub struct NewLedger {
    pub pin: Pin,
    pub root_key_file: PathBuf,
}

/// One thing to log.
pub struct Submission {
    pub envelope: Vec<u8>,
    /// Where a foreign statement is filed.
    pub project: Option<Project>,
    /// Raw reports and the like, content-addressed.
    pub attachments: Vec<Vec<u8>>,
}

pub struct Logged {
    /// The entries of all parts; the statement is folded at the last.
    pub index: EntryIndex,
    pub kind: EventKind,
    /// It was logged before; the receipt is that of its first entry.
    pub repeated: bool,
    /// C2SP tlog-proof file (a list of them where the statement has several parts).
    pub receipt: String,
    /// What the rules remark of it (deployed-without-grant).
    pub notices: Vec<Finding>,
    pub statement: Hash,
}

/// An open request after it was looked at.
pub struct Evaluated {
    pub request: EntryIndex,
    pub environment: Environment,
    pub artifact: Digest,
    pub evaluation: Evaluation,
    /// The entry of the decision, where one was logged.
    pub decision: Option<EntryIndex>,
}

/// An entry with what belongs to it.
pub struct Stored {
    pub index: EntryIndex,
    pub entry: Vec<u8>,
    /* with the first part only */ pub envelope: Option<Vec<u8>>,
}

pub struct Ledger;

impl Ledger {
    /// Makes a new ledger in an empty or absent folder. `root` has been written by the caller.
    pub async fn init(
        _dir: &Path,
        _origin: &Origin,
        _roots: &[SigningKey],
        _high_water: &Path,
    ) -> Result<NewLedger, LedgerError> {
        unimplemented!()
    }
    /// Opens, checks the published checkpoint and the high-water file.
    pub async fn open(_dir: &Path, _high_water: &Path) -> Result<Ledger, LedgerError> {
        unimplemented!()
    }
    pub fn origin(&self) -> &Origin {
        unimplemented!()
    }
    pub fn pin(&self) -> &Pin {
        unimplemented!()
    }
    pub fn now(&self) -> Time {
        unimplemented!()
    }
    pub async fn size(&self) -> Result<TreeSize, LedgerError> {
        unimplemented!()
    }
    /// What a signer's client has verified: the published checkpoint.
    pub async fn seen(&self) -> Result<Seen, LedgerError> {
        unimplemented!()
    }
    pub fn nonce(&self) -> Result<Nonce, LedgerError> {
        unimplemented!()
    }
    /// Appends in one transaction; each submission has its own answer.
    pub async fn submit(
        &self,
        _batch: Vec<Submission>,
    ) -> Result<Vec<Result<Logged, LedgerError>>, LedgerError> {
        unimplemented!()
    }
    pub async fn control(&self) -> Result<ControlSlice, LedgerError> {
        unimplemented!()
    }
    pub async fn artifact(&self, _digest: &Digest) -> Result<Option<ArtifactSlice>, LedgerError> {
        unimplemented!()
    }
    pub async fn environment(
        &self,
        _environment: &Environment,
    ) -> Result<Option<EnvironmentSlice>, LedgerError> {
        unimplemented!()
    }
    /// Digests whose hex begins with these (at least 8) digits.
    pub async fn find(&self, _prefix: &str) -> Result<Vec<Digest>, LedgerError> {
        unimplemented!()
    }
    /// Evaluates without logging anything.
    pub async fn evaluate(&self, _ask: &Ask<'_>) -> Result<Evaluation, LedgerError> {
        unimplemented!()
    }
    /// Evaluates open requests again and logs the decisions that fall: one request, those that an artifact or environment touches, or all.
    pub async fn evaluate_open(&self, _which: Which) -> Result<Vec<Evaluated>, LedgerError> {
        unimplemented!()
    }
    pub async fn entry(&self, _index: EntryIndex) -> Result<Stored, LedgerError> {
        unimplemented!()
    }
    pub async fn entries(
        &self,
        _from: EntryIndex,
        _to: EntryIndex,
    ) -> Result<Vec<Stored>, LedgerError> {
        unimplemented!()
    }
    /// All entries of a thread, oldest first (walks the links back from its head).
    pub async fn thread(
        &self,
        _thread: &schemas::thread::ThreadId,
    ) -> Result<Vec<Stored>, LedgerError> {
        unimplemented!()
    }
    pub async fn receipt(&self, _index: EntryIndex) -> Result<String, LedgerError> {
        unimplemented!()
    }
    /// The published checkpoint note.
    pub async fn checkpoint(&self) -> Result<String, LedgerError> {
        unimplemented!()
    }
    pub fn attachment(&self, _digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        unimplemented!()
    }
    /// Verifies everything from bytes.
    pub async fn verify(
        &self,
        _progress: &mut (dyn FnMut(TreeSize) + Send),
    ) -> Result<LogReport, LedgerError> {
        unimplemented!()
    }
    /// A proof that the log at `to` extends the log at `from`.
    pub async fn consistency(
        &self,
        _from: TreeSize,
        _to: TreeSize,
    ) -> Result<Vec<Hash>, LedgerError> {
        unimplemented!()
    }
    /// Signs and logs heads, and gathers the files of a pack.
    pub async fn export(&self, _ask: &ExportAsk) -> Result<Exported, LedgerError> {
        unimplemented!()
    }
    /// Logs the custody of a pack.
    pub async fn log_export(
        &self,
        _ask: &ExportAsk,
        _exported: &Exported,
    ) -> Result<Logged, LedgerError> {
        unimplemented!()
    }
}
pub enum Which {
    All,
    Request(EntryIndex),
    Touched { project: Project },
}
pub struct ExportAsk {
    pub environment: Environment,
    pub from: Time,
    pub to: Time,
    pub audience: String,
    pub reason: String,
    pub framework: Option<String>,
}
pub struct Exported {
    pub files: std::collections::BTreeMap<String, Vec<u8>>,
    pub id: Hash,
    pub size: TreeSize,
}
