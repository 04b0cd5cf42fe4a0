//! Composes statements from what was read and asked: payload bytes, ready to be signed.

use std::collections::BTreeMap;

use schemas::id::{Digest, DigestAlgorithm, EntryIndex, EnvironmentName, Origin, Project, Time};
use schemas::kind::{EventKind, ExtraThread};
use schemas::predicate::analysis::{self, Analysis};
use schemas::predicate::build::{self, Build, BuildDefinition, Builder, Metadata, RunDetails};
use schemas::predicate::canary::{self, Canary};
use schemas::predicate::incident::Cause;
use schemas::predicate::measurement::{self, Measurement};
use schemas::predicate::report::{Binding, ReportNote};
use schemas::predicate::sbom::{self, Attester, MEDIA_TYPES, Reference};
use schemas::predicate::test::{self, Test};
use schemas::predicate::vulnerabilities::{self, Vulnerabilities};
use schemas::predicate::{Nonce, note};
use schemas::statement::{ENVELOPE_BYTES_MAX, ResourceDescriptor, Statement, Subject};
use serde::Serialize;
use serde_json::value::RawValue;
use verifier::compose::{self, Member};
use verifier::merkle::sha256;
use verifier::sign;

use crate::adapter::{Body, Reading};
use crate::exit::Exit;
use crate::failure::Failure;

/// What every statement is made for.
pub struct Frame<'a> {
    pub origin: &'a Origin,
    pub project: &'a Project,
    pub subject: Subject,
    pub nonce: Nonce,
}

/// A payload to sign, and the files that it names.
pub struct Draft {
    pub payload: Vec<u8>,
    pub attachments: Vec<Vec<u8>>,
}

impl Draft {
    pub fn of<P: Serialize>(
        subject: Subject,
        predicate_type: &str,
        predicate: P,
    ) -> Result<Draft, Failure> {
        Draft::about(vec![subject], predicate_type, predicate)
    }

    /// A statement about several subjects.
    pub fn about<P: Serialize>(
        subjects: Vec<Subject>,
        predicate_type: &str,
        predicate: P,
    ) -> Result<Draft, Failure> {
        let statement = Statement::new(subjects, predicate_type, predicate);
        let payload = sign::payload_of(&statement).map_err(Failure::unexpected)?;
        Ok(Draft { payload, attachments: Vec::new() })
    }

    pub fn with(mut self, attachment: Vec<u8>) -> Draft {
        self.attachments.push(attachment);
        self
    }
}

/// A report that was read, to be recorded about the frame's subject.
pub struct Report {
    pub kind: EventKind,
    pub bytes: Vec<u8>,
    pub reading: Reading,
    pub binding: Binding,
    pub suite: Option<String>,
    /// Of what happens in an environment.
    pub environment: Option<EnvironmentName>,
    /// What a canary, an incident or a note is about.
    pub attached: Option<Attached>,
}

/// The entry that an event is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// Of a promotion request.
    Promotion(EntryIndex),
    /// Of a deployment or a rollback.
    Deployment(EntryIndex),
}

impl Attached {
    pub fn entry(self) -> EntryIndex {
        match self {
            Attached::Promotion(entry) | Attached::Deployment(entry) => entry,
        }
    }

    /// `P-118`, or `entry 121`.
    pub fn name(self) -> String {
        match self {
            Attached::Promotion(request) => format!("P-{request}"),
            Attached::Deployment(entry) => format!("entry {entry}"),
        }
    }

    /// The member by which a kind says it, where it has one.
    fn member(self, kind: EventKind) -> serde_json::Result<Option<Member>> {
        let cause = match self {
            Attached::Promotion(request) => Cause::Promotion(request),
            Attached::Deployment(entry) => Cause::Deployment(entry),
        };
        match kind {
            EventKind::Canary => Member::new("promotion", &self.entry()).map(Some),
            EventKind::Incident => Member::new("cause", &cause).map(Some),
            EventKind::Note => Member::new("about", &self.entry()).map(Some),
            _ => Ok(None),
        }
    }
}

impl Report {
    fn note(&self) -> ReportNote {
        ReportNote {
            format: self.reading.format.to_owned(),
            digest: Digest::sha256(&sha256(&[&self.bytes])),
            size_bytes: self.bytes.len() as u64,
            binding: self.binding,
            suite: self.suite.clone(),
            tool: self.reading.tool.clone(),
            counts: self.reading.counts.clone(),
            finished_at: self.reading.finished_at,
        }
    }
}

/// The event that a report gives. The report itself goes along as an attachment.
pub fn report(frame: Frame, report: Report) -> Result<Draft, Failure> {
    let note = report.note();
    let Report { kind, bytes, reading, environment, attached, .. } = report;
    let draft = match reading.body {
        Body::Sbom { predicate_type, .. } => return bill(frame, predicate_type, bytes),
        Body::Fields(text) => {
            let filled = filled(&frame, kind, environment, attached)?;
            return fields(frame.subject, kind, &text, &filled, &note, bytes);
        }
        Body::Test { result, passed, warned, failed } => {
            let body = Test {
                result,
                configuration: Vec::new(),
                passed_tests: passed,
                warned_tests: warned,
                failed_tests: failed,
                report: Some(note),
            };
            Draft::of(frame.subject, test::TYPE, body)
        }
        Body::Vulnerabilities { scanner, metadata } => {
            let report = Some(note);
            let body = Vulnerabilities { scanner, metadata, report };
            Draft::of(frame.subject, vulnerabilities::TYPE, body)
        }
        Body::Analysis { levels, suppressed, new, secrets } => {
            let body = Analysis {
                ledger: frame.origin.clone(),
                project: frame.project.clone(),
                nonce: frame.nonce,
                levels,
                suppressed,
                new,
                secrets,
                report: note,
            };
            Draft::of(frame.subject, analysis::TYPE, body)
        }
        Body::Canary { verdict, started_at, finished_at, windows, metrics } => {
            let environment = environment.ok_or_else(|| Failure::usage("--to is missing"))?;
            let body = Canary {
                ledger: frame.origin.clone(),
                project: frame.project.clone(),
                nonce: frame.nonce,
                environment,
                verdict,
                started_at,
                finished_at,
                windows,
                samples: None,
                metrics,
                promotion: attached.map(Attached::entry),
                report: Some(note),
            };
            Draft::of(frame.subject, canary::TYPE, body)
        }
        Body::Measurement { metrics, measured_at } => {
            measured(frame, metrics, measured_at, Some(note))
        }
    };
    Ok(draft?.with(bytes))
}

fn measured(
    frame: Frame,
    metrics: Vec<measurement::Metric>,
    measured_at: Option<Time>,
    report: Option<ReportNote>,
) -> Result<Draft, Failure> {
    let body = Measurement {
        ledger: frame.origin.clone(),
        project: frame.project.clone(),
        nonce: frame.nonce,
        metrics,
        measured_at,
        report,
    };
    Draft::of(frame.subject, measurement::TYPE, body)
}

/// A bill of materials: its own bytes are the predicate, or an attachment where they are too many.
fn bill(frame: Frame, predicate_type: &str, bytes: Vec<u8>) -> Result<Draft, Failure> {
    let Frame { origin, subject, .. } = frame;
    // Base64 makes four bytes of three; the rest of an envelope is small.
    if bytes.len() / 3 * 4 + 65_536 < ENVELOPE_BYTES_MAX {
        let text = String::from_utf8(bytes).map_err(Failure::unexpected)?;
        let raw = RawValue::from_string(text.trim().to_owned()).map_err(Failure::unexpected)?;
        return Draft::of(subject, predicate_type, &*raw);
    }
    let media_type =
        if predicate_type == sbom::TYPE_SPDX { MEDIA_TYPES[1] } else { MEDIA_TYPES[0] };
    let digest = BTreeMap::from([("sha256".to_owned(), sha256(&[&bytes]).to_string())]);
    let document = ResourceDescriptor {
        digest,
        media_type: Some(media_type.to_owned()),
        ..ResourceDescriptor::default()
    };
    let attester = Attester { id: format!("attestry:{origin}") };
    let body = Reference { attester, references: vec![document] };
    Ok(Draft::of(subject, sbom::TYPE_REFERENCE, body)?.with(bytes))
}

/// The members that we fill in: our own kinds are tied to their ledger, and what happens in an
/// environment to that, and to what it is about.
fn filled(
    frame: &Frame,
    kind: EventKind,
    environment: Option<EnvironmentName>,
    attached: Option<Attached>,
) -> Result<Vec<Member>, Failure> {
    let own = || -> serde_json::Result<Vec<Member>> {
        let mut members = vec![
            Member::new("ledger", frame.origin)?,
            Member::new("project", frame.project)?,
            Member::new("nonce", &frame.nonce)?,
        ];
        let joins = kind.line().thread == ExtraThread::Environment;
        let environment = environment.as_ref().filter(|_| joins);
        members.extend(environment.map(|it| Member::new("environment", it)).transpose()?);
        let attached = attached.map(|it| it.member(kind)).transpose()?;
        members.extend(attached.flatten());
        Ok(members)
    };
    if kind.is_own() { own().map_err(Failure::unexpected) } else { Ok(Vec::new()) }
}

/// A predicate whose own fields somebody wrote: they stand in it as they were written.
fn fields(
    subject: Subject,
    kind: EventKind,
    text: &str,
    filled: &[Member],
    note: &ReportNote,
    bytes: Vec<u8>,
) -> Result<Draft, Failure> {
    // A member that stood there twice would have two meanings.
    let written = verifier::json::parse(text.as_bytes()).map_err(Failure::unexpected)?;
    if let Some(twice) = filled.iter().find(|member| written.get(member.name()).is_some()) {
        let message = format!("the file says {:?}, and so do the options", twice.name());
        return Err(Failure::usage(message).hint("leave one of them out"));
    }
    let noted = match kind {
        EventKind::Analysis
        | EventKind::Canary
        | EventKind::Measurement
        | EventKind::Observation
        | EventKind::Rehearsal => Some("report"),
        EventKind::Test | EventKind::Vulnerabilities => Some("attestry_report"),
        _ => None,
    };
    let after = noted.map(|name| Member::new(name, note)).transpose();
    let after: Vec<Member> = after.map_err(Failure::unexpected)?.into_iter().collect();
    let predicate = compose::fill(filled, text, &after).map_err(Failure::unexpected)?;
    let draft = Draft::of(subject, kind.line().predicate_type, &*predicate)?;
    Ok(if noted.is_some() { draft.with(bytes) } else { draft })
}

/// Where a build came from: `git+https://…/repo@<commit>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub uri: String,
    pub commit: Digest,
}

/// Reads `URI@COMMIT`, the commit in full.
pub fn parse_source(text: &str) -> Result<Source, Failure> {
    let wrong = |what: &str| {
        Failure::new(Exit::Usage, "usage", format!("--source {text:?}: {what}"))
            .hint("write it as git+https://host/repo@<40 hex digits>: `git rev-parse HEAD`")
    };
    let (uri, commit) = text.rsplit_once('@').ok_or_else(|| wrong("no @COMMIT behind the URI"))?;
    let commit = Digest::new(DigestAlgorithm::GitCommit, commit)
        .map_err(|_| wrong("the commit is not in full, in lower-case hex digits"))?;
    if uri.is_empty() {
        return Err(wrong("no URI before the @"));
    }
    Ok(Source { uri: text.to_owned(), commit })
}

/// A build as `attestry record build` states it.
pub fn build(
    subject: Subject,
    source: &Source,
    builder: &str,
    times: Metadata,
) -> Result<Draft, Failure> {
    let digest = BTreeMap::from([("gitCommit".to_owned(), source.commit.hex().to_owned())]);
    let uri = Some(source.uri.clone());
    let dependency = ResourceDescriptor { uri, digest, ..ResourceDescriptor::default() };
    let body = Build {
        build_definition: BuildDefinition {
            build_type: build::RECORDED_BUILD.to_owned(),
            external_parameters: BTreeMap::from([("source".to_owned(), source.uri.clone())]),
            resolved_dependencies: vec![dependency],
        },
        run_details: RunDetails {
            builder: Builder { id: builder.to_owned() },
            metadata: (times != Metadata::default()).then_some(times),
        },
    };
    Draft::of(subject, build::TYPE, body)
}

/// Numbers that were given on the command line.
pub fn metrics(frame: Frame, metrics: Vec<measurement::Metric>) -> Result<Draft, Failure> {
    measured(frame, metrics, None, None)
}

/// A comment, perhaps about what happened at an entry.
pub fn note(frame: Frame, text: &str, attached: Option<Attached>) -> Result<Draft, Failure> {
    let body = note::Note {
        ledger: frame.origin.clone(),
        project: frame.project.clone(),
        nonce: frame.nonce,
        text: text.to_owned(),
        about: attached.map(Attached::entry),
    };
    Draft::of(frame.subject, note::TYPE, body)
}

#[cfg(test)]
mod tests;
