//! Where recording is done: at a ledger, or with what is remembered of one whose server is away.

use ledger::{Logged, Page, Submission};
use schemas::id::{Digest, EntryIndex, Origin, Project};
use schemas::thread::ThreadId;
use serde_json::json;
use verifier::event::Event;
use verifier::projection::slice::ArtifactSlice;

use super::append;
use crate::argument::AppendArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::paragraph;
use crate::service::{Remembered, Service, now, remembered};
use crate::spool::{About, Item, Spool};

pub enum Desk {
    There(Box<Service>),
    Away(Box<Away>),
}

/// A server that does not answer.
pub struct Away {
    address: String,
    known: Remembered,
    origin: Origin,
    why: Failure,
}

/// An event that is ready to go.
pub struct Signed {
    pub kind: &'static str,
    /// The line for people.
    pub summary: String,
    pub submission: Submission,
}

/// An event that waits now.
pub struct Spooled {
    pub kind: &'static str,
    pub summary: String,
    name: String,
    file: String,
    origin: Origin,
    why: String,
}

/// What became of the events.
pub enum Submitted {
    /// Each with its line for people.
    Answered(Box<Service>, Vec<(Result<Logged, Failure>, String)>),
    Spooled(Vec<Spooled>),
}

impl Desk {
    /// Opens the ledger and looks up what the work needs; where its server is away, or goes away
    /// meanwhile, what is remembered of it has to do.
    pub fn open<T>(
        args: &AppendArgs,
        io: &mut Io,
        look: impl Fn(&Desk, &mut Io) -> Result<T, Failure>,
    ) -> Result<(Desk, T), Failure> {
        let address = args.ledger.server(io);
        let tried = Service::open_to_append(args, io).and_then(|service| {
            let desk = Desk::There(Box::new(service));
            look(&desk, io).map(|found| (desk, found))
        });
        match (tried, address) {
            (Err(why), Some(address)) if why.away.is_some() => {
                let desk = Desk::Away(Box::new(Away::of(address, why, io)?));
                let found = look(&desk, io)?;
                Ok((desk, found))
            }
            (other, _) => other,
        }
    }

    pub fn origin(&self) -> Origin {
        match self {
            Desk::There(service) => service.origin().clone(),
            Desk::Away(away) => away.origin.clone(),
        }
    }

    /// The project that is meant. One that is named may be newer than what is remembered.
    pub fn project(&self, named: Option<Project>) -> Result<Project, Failure> {
        match (self, named) {
            (Desk::There(service), named) => append::project(named, service),
            (Desk::Away(_), Some(named)) => Ok(named),
            (Desk::Away(away), None) => append::choose(None, &away.known.projects).map_err(|_| {
                away.why.clone().hint("name the project, which cannot be looked up: --project P")
            }),
        }
    }

    pub fn find(&self, text: &str, hex: &str) -> Result<Vec<Digest>, Failure> {
        match self {
            Desk::There(service) => service.find(hex),
            Desk::Away(away) => {
                let hint =
                    format!("{text} cannot be looked up: name the file, or the whole digest");
                Err(away.why.clone().hint(hint))
            }
        }
    }

    pub fn artifact(&self, digest: &Digest) -> Result<Option<ArtifactSlice>, Failure> {
        match self {
            Desk::There(service) => service.artifact_if_readable(digest),
            Desk::Away(_) => Ok(None),
        }
    }

    pub fn is_away(&self) -> bool {
        matches!(self, Desk::Away(_))
    }

    /// The event whose envelope stands at an entry, if there is one.
    pub fn event(&self, index: EntryIndex) -> Result<Option<Event>, Failure> {
        let service = self.there(&format!("entry {index}"))?;
        let stored = match service.entry(index) {
            Err(failure) if failure.exit == Exit::NotFound => return Ok(None),
            stored => stored?,
        };
        let event = stored.envelope.as_deref().map(Event::read).transpose();
        event.map_err(Failure::unexpected)
    }

    /// Entries of a thread back from an index, else from its newest.
    pub fn back(
        &self,
        thread: &ThreadId,
        from: Option<EntryIndex>,
        most: u64,
    ) -> Result<Page, Failure> {
        self.there(&format!("the thread of {thread}"))?.page_back(Some(thread), from, most)
    }

    /// The ledger, where it answers.
    fn there(&self, what: &str) -> Result<&Service, Failure> {
        match self {
            Desk::There(service) => Ok(service),
            Desk::Away(away) => Err(away.why.clone().hint(format!("{what} cannot be looked up"))),
        }
    }

    /// Has the events logged, or keeps them until the server is back.
    pub fn submit(self, batch: Vec<Signed>, io: &mut Io) -> Result<Submitted, Failure> {
        let service = match self {
            Desk::Away(away) => return away.spool(batch, io),
            Desk::There(service) => service,
        };
        let submissions = batch.iter().map(|it| it.submission.clone()).collect();
        match service.submit(submissions) {
            Ok(answers) => {
                let summaries = batch.into_iter().map(|it| it.summary);
                Ok(Submitted::Answered(service, answers.into_iter().zip(summaries).collect()))
            }
            Err(why) if why.away.is_some() => match service.address().map(str::to_owned) {
                // Logged or not: it is delivered again, and logged once.
                Some(address) => Away::of(address, why, io)?.spool(batch, io),
                None => Err(why),
            },
            Err(failure) => Err(failure),
        }
    }
}

impl Away {
    fn of(address: String, why: Failure, io: &mut Io) -> Result<Away, Failure> {
        let known = remembered(&address, &why, io)?;
        let name = known.pin.log().name().as_str();
        let origin = name.parse().map_err(Failure::unexpected)?;
        Ok(Away { address, known, origin, why })
    }

    fn spool(self, batch: Vec<Signed>, io: &mut Io) -> Result<Submitted, Failure> {
        let spool = Spool::of(io);
        let mut spooled = Vec::with_capacity(batch.len());
        for Signed { kind, summary, submission } in batch {
            let now = now();
            let about = About {
                log: self.known.pin.log().to_string(),
                server: self.address.clone(),
                project: submission.project.clone(),
                kind: kind.to_owned(),
                summary: crate::output::cut(&summary, 200),
                spooled_at: now,
            };
            let mut chance = [0; 16];
            getrandom::fill(&mut chance).map_err(Failure::unexpected)?;
            let name = spool.put(&Item::of(about, submission), now, chance)?;
            let (file, origin) = (spool.path(name).display().to_string(), self.origin.clone());
            let (name, why) =
                (name.to_string(), self.why.away.as_deref().unwrap_or_default().to_owned());
            spooled.push(Spooled { kind, summary, name, file, origin, why });
        }
        Ok(Submitted::Spooled(spooled))
    }
}

/// Says what waits and what becomes of it. The build goes on: exit 0.
pub fn tell_spooled(
    text: &str,
    project: &Project,
    spooled: &[Spooled],
    io: &mut Io,
) -> Result<Exit, Failure> {
    let item = |it: &Spooled| json!({ "name": it.name, "file": it.file, "kind": it.kind, "summary": it.summary });
    let items: Vec<_> = spooled.iter().map(item).collect();
    let why = spooled.first().map(|it| it.why.clone()).unwrap_or_default();
    io.answer(text, &json!({ "project": project, "spooled": items, "reason": why }))?;
    if let (Some(first), false) = (spooled.first(), io.json) {
        io.note(
            paragraph(0, &format!("warning: {} did not answer ({why})", first.origin)).trim_end(),
        );
        let files: Vec<&str> = spooled.iter().map(|it| it.file.as_str()).collect();
        let said = format!(
            "signed and spooled as {}; `attestry spool push` delivers it, and so does the next \
             command that reaches the ledger. The build goes on.",
            files.join(", ")
        );
        io.note(paragraph(0, &said).trim_end());
    }
    Ok(Exit::Done)
}
