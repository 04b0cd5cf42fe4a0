//! `attestry record`: signs what a tool or a person reports, and logs it.

mod about;
pub mod append;
mod deployment;
mod desk;
mod draft;
mod envelope;
mod job;
mod scan;

use clap::Args;
use ledger::Logged;
use schemas::id::EntryIndex;
use schemas::kind::EventKind;
use schemas::report::Finding;
use serde_json::{Value, json};
use verifier::projection::evidence;

use crate::argument::{AppendArgs, KeyArgs, ProjectArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::paragraph;
use crate::service::Service;
use crate::subject;
use desk::{Desk, Signed, Submitted};
pub use job::Job;

/// Sign and log an event: a test run, a scan, a build, a deployment
///
/// The file's format is recognised by its content: JUnit XML, SARIF 2.1, CycloneDX JSON, Trivy and
/// Grype JSON, OpenVEX, k6 and Argo Rollouts in JSON, plain JSON. KIND is build, test, vulnerabilities
/// (or scan), vex, sbom, analysis, measurement (or coverage), review, migration, rehearsal,
/// configuration, canary, deployment, rollback, incident, note, or envelope: somebody else's DSSE
/// file or Sigstore bundle, kept unchanged.
///
/// A note, an incident or a canary is attached to what it is about by --promotion or --deployment,
/// a note or an incident also by --subject, --to and --at.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry record test target/junit.xml --subject dist/app.tar.gz --suite unit",
    after_help = "Where a server does not answer, the signed event is kept in .attestry/spool and \
                  delivered by the next command that reaches the ledger.\n\n\
                  Exit codes: 0 logged or spooled, 2 a report that cannot be read, 3 refused, or \
                  logged as deployed without grant, 4 not allowed, 6 the server is away and \
                  nothing was spooled."
)]
pub struct RecordArgs {
    /// What it is
    #[arg(value_name = "KIND")]
    pub kind: String,
    /// The reports; several of one kind are logged together
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
    /// What it is about: a file, or a digest such as sha256:9f2c41d0
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// The suite's name: newer evidence replaces older of the same suite
    #[arg(long, value_name = "S")]
    pub suite: Option<String>,
    /// A number, for measurement; may be repeated
    #[arg(long = "metric", value_name = "N=V")]
    pub metrics: Vec<String>,
    /// The text of a note
    #[arg(long, value_name = "T")]
    pub text: Option<String>,
    /// Where the receipt goes [default: beside the subject's file]
    #[arg(long, value_name = "F")]
    pub receipt: Option<String>,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub about: about::AboutArgs,
    #[command(flatten)]
    pub scan: scan::ScanArgs,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "For build")]
pub struct BuildArgs {
    /// The source and its whole commit
    #[arg(long, value_name = "URI@COMMIT")]
    pub source: Option<String>,
    /// Who built it
    #[arg(long, value_name = "URI")]
    pub builder: Option<String>,
    /// The artifact's name [default: the project's]
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// The artifact's version
    #[arg(long = "version", value_name = "V")]
    pub artifact_version: Option<String>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "For deployment, rollback, and what happens in an environment")]
pub struct DeploymentArgs {
    /// The environment
    #[arg(long, value_name = "ENV")]
    pub to: Option<String>,
    /// started, succeeded or failed
    #[arg(long, value_name = "R")]
    pub result: Option<String>,
    /// The request that it carries out, or is about
    #[arg(long, value_name = "P-118")]
    pub promotion: Option<String>,
    /// Cluster, host or region
    #[arg(long, value_name = "T")]
    pub target: Option<String>,
    /// For rollback: the artifact that is left, a file or a digest
    #[arg(long, value_name = "SUBJECT")]
    pub from: Option<String>,
    /// For rollback: why
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
    /// For rollback: the entry of the incident that it answers
    #[arg(long, value_name = "INDEX")]
    pub incident: Option<String>,
}

pub fn run(args: &RecordArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.kind == "envelope" {
        return envelope::run(args, io);
    }
    let kind = parse_kind(&args.kind)?;
    let written = args.subject.as_deref().map(|text| subject::read(text, io)).transpose()?;
    let from = args.deployment.from.as_deref().map(|text| subject::read(text, io)).transpose()?;
    let mut reports = draft::read_reports(args, kind, io)?;
    let key = crate::key::load(&args.key, io)?;
    let (desk, job) =
        Desk::open(&args.ledger, io, |desk, io| Job::new(args, kind, (&written, &from), desk, io))?;
    let drafts = draft::drafts(args, &job, &mut reports, io)?;
    let filed = (!kind.is_own()).then_some(&job.project);
    let sign = |(summary, draft)| {
        let submission = append::sign(draft, &key, filed)?;
        Ok::<_, Failure>(Signed { kind: kind.name(), summary, submission })
    };
    let batch = drafts.into_iter().map(sign).collect::<Result<Vec<_>, _>>()?;
    match desk.submit(batch, io)? {
        Submitted::Answered(service, answers) => tell(args, &job, &service, &key, answers, io),
        Submitted::Spooled(spooled) => {
            let text: String = spooled
                .iter()
                .map(|it| job.headline(&args.kind, args, &it.summary) + "\n")
                .collect();
            desk::tell_spooled(&text, &job.project, &spooled, io)
        }
    }
}

/// Reads KIND; `scan` and `coverage` are other words for two of them.
fn parse_kind(word: &str) -> Result<EventKind, Failure> {
    let kind = match word {
        "scan" => Some(EventKind::Vulnerabilities),
        "coverage" => Some(EventKind::Measurement),
        word => EventKind::from_name(word),
    };
    let hint = "one of: build, test, scan, vex, sbom, analysis, coverage, measurement, review, \
                migration, rehearsal, configuration, canary, deployment, rollback, incident, \
                note, envelope";
    use EventKind as K;
    match kind {
        Some(
            kind @ (K::Analysis
            | K::Build
            | K::Canary
            | K::Configuration
            | K::Deployment
            | K::Incident
            | K::Measurement
            | K::Migration
            | K::Note
            | K::Rehearsal
            | K::Review
            | K::Rollback
            | K::Sbom
            | K::Test
            | K::Vex
            | K::Vulnerabilities),
        ) => Ok(kind),
        Some(K::PromotionRequest) => Err(Failure::usage("requests are made with attestry promote")),
        Some(K::Approval) => Err(Failure::usage("approvals are given with attestry approve")),
        Some(K::Policy) => Err(Failure::usage("policies are set with attestry policy set")),
        Some(K::Observation) => Err(Failure::usage("what runs is recorded with attestry observe")),
        Some(K::Waiver) => Err(Failure::usage("gates are waived with attestry waive")),
        Some(K::Freeze) => Err(Failure::usage("freezes are set with attestry freeze")),
        Some(K::Trust) => Err(Failure::usage("trust is changed with attestry identity")),
        Some(K::Decision | K::Export | K::Heads | K::Other) | None => {
            Err(Failure::usage(format!("{word:?} is no kind that is recorded")).hint(hint))
        }
    }
}

/// The kinds that are, or may be, about no artifact.
fn may_be_about_the_ledger(kind: EventKind) -> bool {
    matches!(kind, EventKind::Note | EventKind::Configuration | EventKind::Incident)
}

/// Says what was logged, what was not, and what was decided upon it.
fn tell(
    args: &RecordArgs,
    job: &Job,
    service: &Service,
    key: &crate::key::Signer,
    answers: Vec<(Result<Logged, Failure>, String)>,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let (mut logged, mut refused) = (Vec::new(), Vec::new());
    for (answer, summary) in answers {
        match answer {
            Ok(it) => logged.push((it, summary)),
            Err(failure) => refused.push((failure, summary)),
        }
    }
    let signer = append::signer_name(service, key)?;
    let mut text = String::new();
    let mut items: Vec<Value> = Vec::new();
    let mut notices: Vec<Finding> = Vec::new();
    let mut stale: Vec<(EntryIndex, EntryIndex)> = Vec::new();
    let several = logged.len() > 1;
    let known = match (&job.subject, logged.iter().any(|(it, _)| it.repeated)) {
        (Some(subject), true) => service.artifact_if_readable(subject)?,
        (None, _) | (_, false) => None,
    };
    let known = known.as_ref().and_then(|slice| slice.projects.get(&job.project));
    for (it, summary) in &logged {
        let suite = args.suite.as_deref();
        let newer = known.filter(|_| it.repeated);
        let newer = newer.and_then(|known| evidence::newer::entry(known, it.kind, suite, it.index));
        if let Some(newer) = newer {
            stale.push((it.index, newer));
        }
        let receipt =
            append::write_receipt(args.receipt.as_deref(), job.file.as_deref(), it, several, io)?;
        text.push_str(&job.headline(&args.kind, args, summary));
        text.push_str(&append::logged_lines(it, &job.origin, &signer, receipt.as_deref()));
        items.push(json!({
            "index": it.index, "kind": it.kind.name(), "statement": it.statement,
            "repeated": it.repeated, "newer": newer, "receipt": receipt, "summary": summary,
        }));
        notices.extend(it.notices.iter().cloned());
    }
    let decisions = match logged.is_empty() {
        true => Vec::new(),
        false => append::decisions(service, Some(&job.project), io)?,
    };
    text.push_str(&append::text_of(&decisions, service)?);
    // One refusal alone is the failure; beside logged ones it is told after them.
    if logged.is_empty()
        && let Some((failure, _)) = refused.first()
    {
        return Err(failure.clone());
    }
    let json = json!({
        "project": job.project, "subject": job.subject, "signer": signer, "logged": items,
        "about": job.about.as_ref().map(|about| about.entry),
        "refused": refused.iter().map(|(failure, _)| failure.to_json()).collect::<Vec<_>>(),
        "notices": notices, "decisions": append::json_of(&decisions),
    });
    io.answer(&text, &json)?;
    warn_of_newer(&stale, io);
    Ok(warn(&notices, &refused, io))
}

/// Says on standard error where what was recorded again is not what gates look at.
fn warn_of_newer(stale: &[(EntryIndex, EntryIndex)], io: &mut Io) {
    if io.json {
        return;
    }
    for (logged, newer) in stale {
        let warning = format!(
            "warning: nothing was logged anew: entry {newer} is newer than entry {logged}, of the same \
             kind and suite, and still decides. Run the tool again: a new report is new evidence."
        );
        io.note(paragraph(0, &warning).trim_end());
    }
}

/// Says on standard error what was logged although it broke a rule, and what was not logged.
fn warn(notices: &[Finding], refused: &[(Failure, String)], io: &mut Io) -> Exit {
    if !io.json {
        for notice in notices {
            let message = format!("logged, but {}", notice.code.meaning());
            let failure = Failure::new(Exit::of_class(notice.class), notice.code.name(), message)
                .detail(notice.detail.clone())
                .hint("ask with `attestry promote`, or roll it back and record that");
            io.note(&failure.render());
        }
        for (failure, summary) in refused {
            io.note(&format!("not logged: {summary}\n{}", failure.render()));
        }
    }
    let refusals = refused.iter().map(|(failure, _)| failure.exit);
    refusals.fold(Exit::of_findings(notices), Exit::worse)
}
