//! `attestry waive`: somebody accepts the risk of one gate's verdict, until a date.

use clap::Args;
use schemas::id::{Digest, EntryIndex, EnvironmentName, Project};
use schemas::predicate::waiver::{self, Waiver, WaiverOutcome};
use schemas::statement::Subject;
use serde_json::json;
use verifier::compose::ledger_subject;
use verifier::event::Body;

use super::{exception, promote};
use crate::argument::{
    AppendArgs, KeyArgs, ProjectArgs, parse_environment, parse_index, parse_time,
};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::minute;
use crate::service::Service;
use crate::subject;

/// Accept the risk of one gate's verdict, in one scope, until a date
///
/// The gate's policy says which roles may, and for how long at most. Whoever asked for a promotion
/// cannot waive a gate of it, and what a gate could not tell is never waived.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry waive vulnerabilities --to prod --role security \\\n    --expires 2026-11-30 --reason \"not reachable\"",
    after_help = "Exit codes: 0 logged, 3 refused, 4 not allowed."
)]
pub struct WaiveArgs {
    /// The gate's id
    #[arg(value_name = "GATE")]
    pub gate: Option<String>,
    /// The environment [default: every one of the project]
    #[arg(long, value_name = "ENV")]
    pub to: Option<String>,
    /// Only this artifact: a file, or a digest
    #[arg(long, value_name = "SUBJECT", conflicts_with = "versions")]
    pub subject: Option<String>,
    /// Only these versions, such as ">=1.4.0, <1.5.0"
    #[arg(long, value_name = "RANGE")]
    pub versions: Option<String>,
    /// The role in which you accept it
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: String,
    /// When it ends, for good
    #[arg(long, value_name = "TIME", required_unless_present = "withdraw")]
    pub expires: Option<String>,
    /// When somebody looks at it again [default: when it ends]
    #[arg(long, value_name = "TIME")]
    pub review: Option<String>,
    /// Take back the waiver of this entry
    #[arg(long, value_name = "INDEX")]
    pub withdraw: Option<String>,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

pub fn run(args: &WaiveArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.reason.is_empty() {
        return Err(crate::argument::empty("--reason"));
    }
    let withdrawn = args.withdraw.as_deref().map(parse_index).transpose()?;
    let key = crate::key::load(&args.key, io)?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let body = match withdrawn {
        Some(index) => withdrawal(args, index, &service)?,
        None => acceptance(args, &service, io)?,
    };
    let subject = match &body.artifact {
        Some(artifact) => Subject::of(artifact, None),
        None => ledger_subject(service.origin()),
    };
    let (text, project) = (told(&body), body.project.clone());
    let json = json!({
        "gate": body.gate, "project": body.project, "environment": body.environment,
        "artifact": body.artifact, "versions": body.versions, "role": body.role,
        "expiresAt": body.expires_at, "outcome": body.outcome,
    });
    let draft = Draft::of(subject, waiver::TYPE, body)?;
    exception::log(draft, &key, text, json, Some(&project), &service, io)
}

fn acceptance(args: &WaiveArgs, service: &Service, io: &mut Io) -> Result<Waiver, Failure> {
    let missing = |what: &str| {
        Failure::usage(format!("{what} is missing"))
            .hint("attestry waive GATE --role ROLE --expires TIME --reason R")
    };
    let gate = args.gate.as_deref().ok_or_else(|| missing("the gate"))?;
    let role = args.role.as_deref().ok_or_else(|| missing("--role"))?;
    let expires = args.expires.as_deref().ok_or_else(|| missing("--expires"))?;
    let expires_at = parse_time(expires)?;
    let review_at = args.review.as_deref().map(parse_time).transpose()?.unwrap_or(expires_at);
    let (project, environment) = place(args, service, io)?;
    let artifact = artifact(args, service, io)?;
    Ok(Waiver {
        ledger: service.origin().clone(),
        project,
        nonce: service.nonce()?,
        environment,
        gate: gate.to_owned(),
        artifact,
        versions: args.versions.clone(),
        reason: args.reason.clone(),
        role: role.to_owned(),
        expires_at,
        review_at,
        outcome: WaiverOutcome::Accepted,
        withdraws: None,
    })
}

fn place(
    args: &WaiveArgs,
    service: &Service,
    io: &Io,
) -> Result<(Project, Option<EnvironmentName>), Failure> {
    let project = exception::project(args.to.as_deref(), &args.project, service, io)?;
    let environment =
        args.to.as_deref().map(|to| parse_environment(to, Some(&project))).transpose()?;
    Ok((project, environment.map(|it| it.name)))
}

fn artifact(args: &WaiveArgs, service: &Service, io: &Io) -> Result<Option<Digest>, Failure> {
    let Some(text) = args.subject.as_deref() else { return Ok(None) };
    let written = subject::read(text, io)?;
    promote::artifact(text, written, service).map(Some)
}

/// What takes a waiver back names the same scope, and says why.
fn withdrawal(args: &WaiveArgs, index: EntryIndex, service: &Service) -> Result<Waiver, Failure> {
    let event = exception::event_of(index, "waiver", service)?;
    let Body::Waiver(body) = event.body else { return Err(exception::no_such(index, "waiver")) };
    Ok(Waiver {
        nonce: service.nonce()?,
        reason: args.reason.clone(),
        role: args.role.clone().unwrap_or(body.role),
        outcome: WaiverOutcome::Withdrawn,
        withdraws: Some(event.statement),
        ..body
    })
}

fn told(body: &Waiver) -> String {
    let place = match &body.environment {
        Some(name) => format!("{}/{name}", body.project),
        None => format!("every environment of {}", body.project),
    };
    let scope = match (&body.artifact, &body.versions) {
        (Some(artifact), _) => artifact.short(),
        (None, Some(range)) => format!("versions {range}"),
        (None, None) => "whatever stands there".to_owned(),
    };
    let what = format!("{} in {place}, for {scope}", body.gate);
    match body.outcome {
        WaiverOutcome::Accepted => {
            format!("waived until {} UTC: {what}, as {}", minute(body.expires_at), body.role)
        }
        WaiverOutcome::Withdrawn => format!("waiver taken back: {what}"),
    }
}
