//! `attestry freeze`: for a time nothing is admitted.

use clap::Args;
use schemas::id::{EntryIndex, EnvironmentName, Project};
use schemas::predicate::freeze::{self, Freeze, FreezeOutcome};
use serde_json::json;
use verifier::compose::ledger_subject;
use verifier::event::Body;

use super::exception;
use crate::argument::{
    AppendArgs, KeyArgs, ProjectArgs, parse_environment, parse_index, parse_time,
};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::minute;
use crate::service::Service;

/// Freeze environments, a project or everything, until a date; or lift a freeze
///
/// A freeze holds where the policy has a `freeze` gate.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry freeze --to prod --until 2027-01-03 --reason \"end of the year\"",
    after_help = "Exit codes: 0 logged, 3 refused, 4 not allowed."
)]
pub struct FreezeArgs {
    /// An environment; may be repeated [default: every one of the project]
    #[arg(long, value_name = "ENV")]
    pub to: Vec<String>,
    /// Every project of the ledger, by an admin of all of them
    #[arg(long, conflicts_with = "project")]
    pub all_projects: bool,
    /// When it begins [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// When it ends, for good
    #[arg(long, value_name = "TIME", required_unless_present = "lift")]
    pub until: Option<String>,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: String,
    /// Leave the emergency path open
    #[arg(long)]
    pub except_emergency: bool,
    /// Lift the freeze of this entry
    #[arg(long, value_name = "INDEX")]
    pub lift: Option<String>,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

pub fn run(args: &FreezeArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.reason.is_empty() {
        return Err(crate::argument::empty("--reason"));
    }
    let lifted = args.lift.as_deref().map(parse_index).transpose()?;
    let key = crate::key::load(&args.key, io)?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let body = match lifted {
        Some(index) => lifting(args, index, &service)?,
        None => setting(args, &service, io)?,
    };
    let (text, project) = (told(&body), body.project.clone());
    let json = json!({
        "project": body.project, "environments": body.environments, "from": body.from,
        "until": body.until, "outcome": body.outcome, "exceptEmergency": body.except_emergency,
    });
    let draft = Draft::of(ledger_subject(service.origin()), freeze::TYPE, body)?;
    // Lifting one may let requests in.
    exception::log(draft, &key, text, json, project.as_ref(), &service, io)
}

fn setting(args: &FreezeArgs, service: &Service, io: &Io) -> Result<Freeze, Failure> {
    let until = args.until.as_deref().ok_or_else(|| Failure::usage("--until is missing"))?;
    let from = args.from.as_deref().map(parse_time).transpose()?;
    let (project, environments) = place(args, service, io)?;
    Ok(Freeze {
        ledger: service.origin().clone(),
        project,
        nonce: service.nonce()?,
        environments,
        from: from.unwrap_or_else(|| service.now()),
        until: parse_time(until)?,
        reason: args.reason.clone(),
        except_emergency: args.except_emergency,
        outcome: FreezeOutcome::Set,
        lifts: None,
    })
}

fn place(
    args: &FreezeArgs,
    service: &Service,
    io: &Io,
) -> Result<(Option<Project>, Vec<EnvironmentName>), Failure> {
    if args.all_projects {
        let names = args.to.iter().map(|name| {
            name.parse::<EnvironmentName>()
                .map_err(|cause| Failure::usage(format!("environment: {cause}")))
        });
        return Ok((None, names.collect::<Result<_, _>>()?));
    }
    let first = args.to.first().map(String::as_str);
    let project = exception::project(first, &args.project, service, io)?;
    let names = args.to.iter().map(|to| Ok(parse_environment(to, Some(&project))?.name));
    let names = names.collect::<Result<_, Failure>>()?;
    Ok((Some(project), names))
}

/// What lifts a freeze names the same scope, and says why.
fn lifting(args: &FreezeArgs, index: EntryIndex, service: &Service) -> Result<Freeze, Failure> {
    let event = exception::event_of(index, "freeze", service)?;
    let Body::Freeze(body) = event.body else { return Err(exception::no_such(index, "freeze")) };
    Ok(Freeze {
        nonce: service.nonce()?,
        reason: args.reason.clone(),
        outcome: FreezeOutcome::Lifted,
        lifts: Some(event.statement),
        ..body
    })
}

fn told(body: &Freeze) -> String {
    let names: Vec<&str> = body.environments.iter().map(EnvironmentName::as_str).collect();
    let place = match (&body.project, names.as_slice()) {
        (Some(project), []) => format!("project {project}"),
        (Some(project), names) => format!("{} of {project}", names.join(", ")),
        (None, []) => "everything".to_owned(),
        (None, names) => format!("{} of every project", names.join(", ")),
    };
    match body.outcome {
        FreezeOutcome::Set => format!("frozen until {} UTC: {place}", minute(body.until)),
        FreezeOutcome::Lifted => format!("freeze lifted: {place}"),
    }
}
