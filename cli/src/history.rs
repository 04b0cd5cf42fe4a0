//! What commands read: the ledger that is here, or a pack that somebody sent.

#[cfg(feature = "ledger")]
pub mod ledger_history;

use std::path::Path;

use schemas::id::{Digest, EntryIndex, Project, Time, TreeSize};
use schemas::report::Finding;
use schemas::thread::ThreadId;
use verifier::event::Body;
pub use verifier::line::Line;
use verifier::pack::PackReport;
use verifier::pack::shown::ShownEntry;
use verifier::pin::Pin;
use verifier::projection::Missing;
use verifier::projection::slice::{ArtifactSlice, ControlSlice};
use verifier::status;
use verifier::view::{Lacking, View};

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::pack_file::{self, Limits, PackFileError};
use crate::subject::{self, Written};

/// Where to read from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    #[cfg_attr(feature = "ledger", doc = "Read this pack instead of a ledger")]
    #[cfg_attr(not(feature = "ledger"), doc = "The pack to read")]
    #[arg(long, value_name = "FILE")]
    pub pack: Option<String>,
    /// The pin to check the pack against: a file or a verifier key
    #[arg(long, value_name = "PIN", requires = "pack")]
    pub trust: Option<String>,
}

pub enum History {
    #[cfg(feature = "ledger")]
    Ledger(Box<ledger_history::LedgerHistory>),
    Pack(Box<PackReport>),
}

impl History {
    /// Opens the ledger, or reads and checks the pack that was named instead.
    pub fn open(args: &HistoryArgs, io: &mut Io) -> Result<History, Failure> {
        match &args.pack {
            Some(pack) => open_pack(pack, args.trust.as_deref(), io),
            #[cfg(feature = "ledger")]
            None => {
                let service = crate::service::Service::open(&args.ledger, io)?;
                Ok(History::Ledger(Box::new(ledger_history::LedgerHistory::new(service)?)))
            }
            #[cfg(not(feature = "ledger"))]
            None => Err(crate::command::other_build("reading a ledger")
                .hint("this build reads packs: add --pack FILE")),
        }
    }

    pub fn size(&self) -> Result<TreeSize, Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.service.size(),
            History::Pack(report) => Ok(report.size),
        }
    }

    /// The moment as of which things are shown.
    pub fn now(&self) -> Time {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.service.now(),
            History::Pack(report) => report.span.map_or(Time(0), |(_, (_, time))| time),
        }
    }

    pub fn control(&self) -> Result<ControlSlice, Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.service.control(),
            History::Pack(report) => Ok(report.state.control().clone()),
        }
    }

    /// The projects that are looked at: the one that was named, else all of them.
    pub fn projects(&self, named: Option<Project>) -> Result<Vec<Project>, Failure> {
        let known = status::projects(&self.control()?);
        let Some(named) = named else { return Ok(known) };
        if !known.contains(&named) {
            let names: Vec<&str> = known.iter().map(Project::as_str).collect();
            let message = format!("there is no project {named}");
            return Err(Failure::new(Exit::No, "unknown-project", message)
                .hint(format!("there are: {}", names.join(", "))));
        }
        Ok(vec![named])
    }

    /// The project that is meant where none is named: the only one that there is.
    pub fn only_project(&self) -> Result<Option<Project>, Failure> {
        let mut known = self.projects(None)?;
        Ok(known.pop().filter(|_| known.is_empty()))
    }

    /// What is known of an artifact; nothing where a pack does not show it.
    pub fn artifact(&self, digest: &Digest) -> Result<Option<ArtifactSlice>, Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.service.artifact(digest),
            History::Pack(report) => Ok(report.state.artifact(digest).ok().flatten().cloned()),
        }
    }

    /// Asks something of the state; a pack answers as far as it goes.
    pub fn ask<T>(&self, question: impl Fn(View<'_>) -> Result<T, Missing>) -> Result<T, Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.service.ask(question),
            History::Pack(report) => {
                let (state, at) = (&report.state, self.now());
                let answer = question(View { state, at, lacking: Lacking::GoesOn });
                answer.map_err(|missing| Failure::unexpected(format!("{missing:?}")))
            }
        }
    }

    pub fn line(&self, index: EntryIndex) -> Result<Line, Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.line(&it.service.entry(index)?),
            History::Pack(report) => match report.shown.entries.get(&index) {
                Some(shown) => Ok(shown_line(shown)),
                None => Err(Failure::new(
                    Exit::NotFound,
                    "no-entry",
                    format!("the pack does not show entry {index}"),
                )),
            },
        }
    }

    /// Some of the lines from one index up to another, and the index to go on from.
    pub fn lines(
        &self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<(Vec<Line>, EntryIndex), Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.lines(from, to),
            History::Pack(report) => {
                let shown = report.shown.entries.range(from..to.max(from));
                Ok((shown.map(|(_, shown)| shown_line(shown)).collect(), to))
            }
        }
    }

    /// Some of the lines back from an index, else from the newest, newest first, and the index to
    /// go on from: of a thread, or of all.
    pub fn back(
        &self,
        thread: Option<&ThreadId>,
        from: Option<EntryIndex>,
        most: u64,
    ) -> Result<(Vec<Line>, Option<EntryIndex>), Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.back(thread, from, most),
            History::Pack(report) => {
                let on = |shown: &&ShownEntry| {
                    thread.is_none_or(|thread| shown.entry.thread(thread).is_some())
                };
                let back = report.shown.entries.range(..=from.unwrap_or(EntryIndex::MAX)).rev();
                let mut shown = back.map(|(_, shown)| shown).filter(on);
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let lines = shown.by_ref().take(most).map(shown_line).collect();
                Ok((lines, shown.next().map(|shown| shown.entry.index)))
            }
        }
    }

    /// The entries of a thread, oldest first: all of them in a ledger, those shown in a pack.
    pub fn thread(&self, thread: &ThreadId) -> Result<Vec<Line>, Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => {
                it.service.thread(thread)?.iter().map(|stored| it.line(stored)).collect()
            }
            History::Pack(report) => Ok(report
                .shown
                .entries
                .values()
                .filter(|shown| shown.entry.thread(thread).is_some())
                .map(shown_line)
                .collect()),
        }
    }

    /// The digest that somebody wrote in one of its forms.
    pub fn subject(&self, text: &str, io: &Io) -> Result<Digest, Failure> {
        match subject::read(text, io)? {
            Written::File(_, digest) | Written::Digest(digest) => Ok(digest),
            Written::Prefix(algorithm, hex) => {
                let mut found = self.find(&hex)?;
                found.retain(|digest| digest.algorithm() == algorithm);
                subject::only(text, found)
            }
        }
    }

    fn find(&self, prefix: &str) -> Result<Vec<Digest>, Failure> {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(it) => it.service.find(prefix),
            History::Pack(report) => {
                let known = report.state.artifacts().map(|(digest, _)| digest);
                Ok(known.filter(|digest| digest.hex().starts_with(prefix)).cloned().collect())
            }
        }
    }

    /// True where all of it is in memory, so that counting costs nothing.
    pub fn is_pack(&self) -> bool {
        matches!(self, History::Pack(_))
    }

    /// What was wrong with the pack.
    pub fn findings(&self) -> &[Finding] {
        match self {
            #[cfg(feature = "ledger")]
            History::Ledger(_) => &[],
            History::Pack(report) => &report.findings,
        }
    }

    /// The exit of a command that only reads: a broken pack is woken for, whatever was asked;
    /// exceptions and doubts are the business of `verify`.
    pub fn exit(&self, io: &mut Io) -> Exit {
        if Exit::of_findings(self.findings()) != Exit::Integrity {
            return Exit::Done;
        }
        io.note("error: this pack is broken: `attestry verify PACK --trust PIN` says where");
        Exit::Integrity
    }
}

fn open_pack(name: &str, trust: Option<&str>, io: &mut Io) -> Result<History, Failure> {
    let pin = trust.map(|trust| read_pin(trust, io)).transpose()?;
    let there = std::fs::metadata(io.path(name));
    there.map_err(|cause| Failure::file(Path::new(name), &cause))?;
    let files = match pack_file::read(&io.path(name), &Limits::PACK) {
        Ok(files) => files,
        Err(PackFileError::Failure(failure)) => return Err(failure),
        Err(PackFileError::Malformed(finding)) => return Err(broken(name, &finding)),
    };
    let report = verifier::pack::verify(files, pin.as_ref());
    if report.shown.entries.is_empty() {
        let finding = report.findings.first();
        let unread =
            || Failure::new(Exit::Integrity, "pack-malformed", format!("{name} shows nothing"));
        return Err(finding.map_or_else(unread, |finding| broken(name, finding)));
    }
    if pin.is_none() {
        io.note("note: no pin was given, so only this pack vouches for itself (--trust PIN)");
    }
    Ok(History::Pack(Box::new(report)))
}

fn broken(name: &str, finding: &Finding) -> Failure {
    let message = format!("{name}: {}: {}", finding.code.meaning(), finding.detail);
    Failure::new(Exit::of_class(finding.class), finding.code.name(), message)
}

fn shown_line(shown: &ShownEntry) -> Line {
    let mut signers: Vec<String> = shown.signers.iter().map(ToString::to_string).collect();
    if let Some(Body::Trust(..)) = shown.event.as_ref().map(|event| &event.body) {
        // Root keys are nobody's.
        signers.extend(shown.keys.iter().map(|key| format!("root {}", key.short())));
    }
    Line {
        entry: shown.entry.clone(),
        leaf: shown.leaf,
        event: shown.event.clone(),
        signers,
        keys: shown.keys.clone(),
    }
}

/// Reads a pin: a file, or a verifier key written out.
pub fn read_pin(text: &str, io: &mut Io) -> Result<Pin, Failure> {
    if text.is_empty() {
        return Err(crate::argument::empty("--trust"));
    }
    let wrong = |what: String| {
        Failure::new(Exit::Usage, "pin-malformed", what).hint(
            "a pin is the file pin.txt that `attestry init` wrote, or a key like \
             ledger.example+1a2b3c4d+Ab…",
        )
    };
    if Path::new(&io.path(text)).is_file() {
        let bytes = io.read_file(text, verifier::pin::PIN_BYTES_MAX as u64)?;
        return verifier::pin::parse_pin(&bytes).map_err(|cause| wrong(format!("{text}: {cause}")));
    }
    if text.matches('+').count() < 2 {
        return Err(Failure::new(Exit::NotFound, "file-not-found", format!("no file {text}"))
            .hint("PIN is a file or a verifier key"));
    }
    verifier::pin::parse_pin(text.as_bytes()).map_err(|cause| wrong(cause.to_string()))
}
