//! What one call of `record` works with.

use schemas::id::{Digest, Origin, Project};
use schemas::kind::EventKind;

use super::about::{self, About};
use super::desk::Desk;
use super::{RecordArgs, may_be_about_the_ledger};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::Called;
use crate::output::{WIDTH, columns, paragraph};
use crate::subject::{self, Written};

pub struct Job {
    pub kind: EventKind,
    pub origin: Origin,
    pub project: Project,
    /// The subject's digest; none for a note about the ledger.
    pub subject: Option<Digest>,
    /// The subject's file, where it is one.
    pub file: Option<std::path::PathBuf>,
    pub called: Option<Called>,
    /// What a rollback leaves.
    pub from: Option<Digest>,
    /// The promotion or deployment that the event is about.
    pub about: Option<About>,
}

impl Job {
    pub fn new(
        args: &RecordArgs,
        kind: EventKind,
        (written, from): (&Option<Written>, &Option<Written>),
        desk: &Desk,
        io: &Io,
    ) -> Result<Job, Failure> {
        let about = about::named(args, kind, desk)?;
        let named = args.project.named(io)?;
        let to = args.deployment.to.as_deref();
        let hinted = to.and_then(crate::argument::project_of_environment);
        let there = about.as_ref().and_then(About::environment);
        let hinted = hinted.or_else(|| there.map(|it| it.project.clone()));
        let project = desk.project(named.or(hinted))?;
        let digest = |it: &Option<Written>| it.as_ref().map(|it| digest_of(it, desk)).transpose();
        let (subject, from) = (digest(written)?, digest(from)?);
        let (subject, about) = match about {
            Some(about) => (about.subject(args, &project, subject)?, Some(about)),
            None => {
                let about = about::deployed(args, kind, &project, subject.as_ref(), desk)?;
                (subject, about)
            }
        };
        if subject.is_none() && !may_be_about_the_ledger(kind) {
            return Err(Failure::usage("what is it about? --subject is missing")
                .hint("--subject FILE, or --subject sha256:…"));
        }
        let file = written.as_ref().and_then(|it| match it {
            Written::File(file, _) => Some(file.clone()),
            Written::Digest(_) | Written::Prefix(..) => None,
        });
        let called = match &subject {
            Some(digest) => Some(Called::of(digest, desk.artifact(digest)?.as_ref(), &project)),
            None => None,
        };
        Ok(Job { kind, origin: desk.origin(), project, subject, file, called, from, about })
    }

    /// `test   payments 1.4.2  sha256:9f2c41d0   412 passed…`.
    pub fn headline(&self, word: &str, args: &RecordArgs, summary: &str) -> String {
        let title = match &self.called {
            Some(called) => {
                let (name, version) =
                    (args.build.name.clone(), args.build.artifact_version.clone());
                let name = called.name.clone().or(name);
                let name =
                    name.or((self.kind == EventKind::Build).then(|| self.project.to_string()));
                let version = called.version.clone().or(version);
                let named = Called { name, version, digest: called.digest.clone() };
                format!("{}  {}", named.title(), named.digest.short())
            }
            None => self.origin.to_string(),
        };
        let title = title.trim_start();
        let line = format!("{word:<6} {title}   {summary}").trim_end().to_owned();
        if columns(&line) <= WIDTH {
            return line;
        }
        let below = format!("       {summary}");
        match columns(&below) <= WIDTH {
            true => format!("{word:<6} {title}\n{below}"),
            false => format!("{word:<6} {title}\n{}", paragraph(7, summary).trim_end()),
        }
    }
}

/// The whole digest of what was written.
fn digest_of(written: &Written, desk: &Desk) -> Result<Digest, Failure> {
    match written {
        Written::File(_, digest) | Written::Digest(digest) => Ok(digest.clone()),
        Written::Prefix(algorithm, hex) => {
            let text = format!("{}:{hex}", algorithm.name());
            let mut found = desk.find(&text, hex).map_err(|it| in_full(it, &text))?;
            found.retain(|digest| digest.algorithm() == *algorithm);
            subject::only(&text, found)
        }
    }
}

/// Whoever may only submit cannot have the beginning of a digest looked up.
fn in_full(failure: Failure, text: &str) -> Failure {
    match failure.exit {
        Exit::NotAllowed => failure
            .detail(format!("{text} is the beginning of a digest, which must be looked up"))
            .hint("name the file, or the digest in full: that needs no reading"),
        _ => failure,
    }
}
