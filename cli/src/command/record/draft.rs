//! Reads the reports, binds them to their subject, and drafts one event for each.

use schemas::id::Digest;
use schemas::kind::EventKind;
use schemas::predicate::build::Metadata;
use schemas::predicate::measurement::Metric;
use schemas::predicate::report::Binding;
use schemas::statement::{Annotations, Subject};

use super::{Job, RecordArgs, deployment, scan};
use crate::adapter::{self, REPORT_BYTES_MAX, Reading, measurement};
use crate::compose::{self, Attached, Draft, Frame, Report};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::ends;

/// A report file that was read.
pub struct Read {
    name: String,
    bytes: Vec<u8>,
    reading: Reading,
}

/// Reads every file before anything else is done: a bad one stops the whole batch.
pub fn read_reports(args: &RecordArgs, kind: EventKind, io: &mut Io) -> Result<Vec<Read>, Failure> {
    let database = args.scan.read(kind, io)?;
    let mut reports = Vec::new();
    for name in &args.files {
        if name.is_empty() {
            return Err(Failure::usage("a file name is empty").hint("is your variable empty?"));
        }
        let bytes = io.read_file(name, REPORT_BYTES_MAX as u64)?;
        let mut reading =
            adapter::read(&bytes, kind).map_err(|cause| Failure::report(name, &cause))?;
        scan::add_database(&mut reading, database.as_ref())?;
        for warning in &reading.warnings {
            io.note(&format!("warning: {name}: {warning}"));
        }
        reports.push(Read { name: name.clone(), bytes, reading });
    }
    Ok(reports)
}

/// The events to log, each with its line for people.
pub fn drafts(
    args: &RecordArgs,
    job: &Job,
    reports: &mut Vec<Read>,
    io: &mut Io,
) -> Result<Vec<(String, Draft)>, Failure> {
    let mut drafts = Vec::with_capacity(reports.len().max(1));
    if reports.is_empty() {
        drafts.push(without_file(args, job)?);
    }
    for read in reports.drain(..) {
        drafts.push(of_report(args, job, read, io)?);
    }
    if let Some(about) = &job.about {
        for (summary, _) in &mut drafts {
            summary.push_str(&format!("   (about {})", about.name()));
        }
    }
    Ok(drafts)
}

fn of_report(
    args: &RecordArgs,
    job: &Job,
    read: Read,
    io: &mut Io,
) -> Result<(String, Draft), Failure> {
    let binding = match &job.subject {
        Some(subject) => bind(&read, subject, args)?,
        None => Binding::Unbound,
    };
    if binding == Binding::Unbound && takes_binding(job.kind) {
        let name = &read.name;
        io.note(&format!("note: {name} names no digest: only your signature binds it"));
    }
    let summary = format!("{}   ({})", read.reading.summary, read.reading.format_name);
    let mut frame = frame(job)?;
    if job.kind == EventKind::Build {
        named_in_file(args)?;
        frame.subject = built(args, job, frame.subject);
    }
    let report = Report {
        kind: job.kind,
        bytes: read.bytes,
        reading: read.reading,
        binding,
        suite: args.suite.clone(),
        environment: deployment::environment(args, job)?.map(|it| it.name),
        attached: attached(job),
    };
    Ok((summary, compose::report(frame, report)?))
}

/// The kinds whose reports say, or could say, what they are about.
fn takes_binding(kind: EventKind) -> bool {
    use EventKind as K;
    matches!(kind, K::Test | K::Vulnerabilities | K::Vex | K::Analysis | K::Measurement)
}

/// A report that names its artifact by a comparable digest must name this one.
fn bind(read: &Read, subject: &Digest, args: &RecordArgs) -> Result<Binding, Failure> {
    let comparable: Vec<&Digest> = read
        .reading
        .named
        .iter()
        .filter(|named| named.algorithm() == subject.algorithm())
        .collect();
    let Some(other) = comparable.first() else {
        return Ok(Binding::Unbound);
    };
    if comparable.contains(&subject) {
        return Ok(Binding::Subject);
    }
    let place = read.reading.named_where.map_or(String::new(), |text| format!("  ({text})"));
    let written = args.subject.as_deref().unwrap_or_default();
    let verb = format!("{} is about", read.name);
    let width = verb.len().max("you recorded about".len());
    let message = "this report is about another artifact";
    Err(Failure::new(Exit::No, "report-names-other-subject", message)
        .detail(format!("{verb:width$}  {}{place}", ends(other)))
        .detail(format!("{:width$}  {}", "you recorded about", ends(subject)))
        .hint(format!("make the report of {written}, or name its subject: --subject {other}")))
}

/// An event without a report: its content stands in the options.
fn without_file(args: &RecordArgs, job: &Job) -> Result<(String, Draft), Failure> {
    use EventKind as K;
    match job.kind {
        K::Build => build(args, job),
        K::Deployment => deployment::draft(args, job, frame(job)?),
        K::Rollback => deployment::draft_rollback(args, job, frame(job)?),
        K::Note => {
            let text = args.text.as_deref().ok_or_else(|| {
                Failure::usage("--text is missing").hint("attestry record note --text TEXT")
            })?;
            if text.is_empty() {
                return Err(crate::argument::empty("--text"));
            }
            let draft = compose::note(frame(job)?, text, attached(job))?;
            Ok((crate::output::cut(text, 40), draft))
        }
        K::Measurement if !args.metrics.is_empty() => {
            let metrics: Vec<Metric> =
                args.metrics.iter().map(|text| metric(text)).collect::<Result<_, _>>()?;
            Ok((measurement::values(&metrics), compose::metrics(frame(job)?, metrics)?))
        }
        kind => Err(Failure::usage(format!("no file to record as {}", kind.name()))
            .hint(format!("attestry record {} FILE --subject SUBJECT", args.kind))),
    }
}

/// What the statement says that it is about.
fn attached(job: &Job) -> Option<Attached> {
    job.about.as_ref().and_then(|about| about.attached)
}

/// Reads `N=V`.
fn metric(text: &str) -> Result<Metric, Failure> {
    let wrong = || Failure::usage(format!("--metric {text:?}: write it as coverage.line=83.2"));
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    if name.is_empty() {
        return Err(wrong());
    }
    let value = value.parse().map_err(|cause| wrong().detail(format!("{value:?} is {cause}")))?;
    Ok(Metric { name: name.to_owned(), value, unit: None, baseline: None, samples: None })
}

fn build(args: &RecordArgs, job: &Job) -> Result<(String, Draft), Failure> {
    let missing = |option: &str| {
        Failure::usage(format!("{option} is missing")).hint(
            "attestry record build --subject FILE --source git+https://host/repo@COMMIT \
             --builder URI",
        )
    };
    let text = args.build.source.as_deref().ok_or_else(|| missing("--source"))?;
    let builder = args.build.builder.as_deref().ok_or_else(|| missing("--builder"))?;
    if builder.is_empty() {
        return Err(crate::argument::empty("--builder"));
    }
    let source = compose::parse_source(text)?;
    let subject = built(args, job, frame(job)?.subject);
    let draft = compose::build(subject, &source, builder, Metadata::default())?;
    Ok((format!("from {}", source.commit.short()), draft))
}

/// What was built, with the name and version that the options give it.
fn built(args: &RecordArgs, job: &Job, mut subject: Subject) -> Subject {
    let name = args.build.name.clone().unwrap_or_else(|| job.project.to_string());
    subject.name = Some(name);
    let version = args.build.artifact_version.clone();
    subject.annotations = version.map(|version| Annotations { version: Some(version) });
    subject
}

/// Source and builder stand in a provenance file: said beside it, they would be said nowhere.
fn named_in_file(args: &RecordArgs) -> Result<(), Failure> {
    let given = [("--source", &args.build.source), ("--builder", &args.build.builder)];
    match given.into_iter().find(|(_, value)| value.is_some()) {
        Some((option, _)) => {
            Err(Failure::usage(format!("{option} is for a build without a file: the file says it"))
                .hint(format!("leave the file or {option} out")))
        }
        None => Ok(()),
    }
}

/// What the statement is made for, about the job's subject or the ledger itself.
pub fn frame(job: &Job) -> Result<Frame<'_>, Failure> {
    let origin = &job.origin;
    let subject = match &job.subject {
        Some(digest) => {
            let name = job.called.as_ref().and_then(|called| called.name.as_deref());
            Subject::of(digest, name)
        }
        None => verifier::compose::ledger_subject(origin),
    };
    Ok(Frame { origin, project: &job.project, subject, nonce: crate::service::nonce()? })
}
