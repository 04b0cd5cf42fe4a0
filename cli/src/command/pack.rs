//! `attestry pack`: takes evidence out of the ledger, for somebody, on the record.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use schemas::id::Time;
use serde_json::json;

use super::record::append;
use crate::argument::{AppendArgs, ProjectArgs, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::count;
use crate::service::{Cosigned, ExportAsk, Service};

const EXAMPLE: &str = "Example:\n  attestry pack create --environment payments/prod --from 2026-07-01 \\\n    \
                       --to 2026-10-01 --for \"Example Audit LLP\" --reason \"SOC 2\" -o q3.zip";

/// Make a pack: one file that an auditor checks without us
#[derive(Debug, Args)]
#[command(before_help = EXAMPLE, disable_help_subcommand = true)]
pub struct PackCommand {
    #[command(subcommand)]
    pub action: PackAction,
}

#[derive(Debug, Subcommand)]
pub enum PackAction {
    Create(CreateArgs),
}

/// Export an environment's history of a period, and log who it was for and why
#[derive(Debug, Args)]
#[command(
    before_help = EXAMPLE,
    override_usage = "attestry pack create --environment P/ENV --from T --to T --for WHOM\n           \
                      --reason R -o F [OPTIONS]"
)]
pub struct CreateArgs {
    /// The environment: project/name
    #[arg(long, alias = "env", value_name = "P/ENV")]
    pub environment: String,
    /// Beginning of the period, UTC
    #[arg(long, value_name = "T")]
    pub from: String,
    /// End of the period, UTC, not included
    #[arg(long, value_name = "T")]
    pub to: String,
    /// Who gets it
    #[arg(long = "for", value_name = "WHOM")]
    pub audience: String,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: String,
    /// A control framework to name in it, such as soc2
    #[arg(long, value_name = "NAME")]
    pub framework: Option<String>,
    /// Seconds to wait for witnesses to cosign it, where the ledger asks some
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=300))]
    pub patience: u32,
    /// The file to write
    #[arg(long, short, value_name = "F")]
    pub out: PathBuf,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub project: ProjectArgs,
}

pub fn run(command: &PackCommand, io: &mut Io) -> Result<Exit, Failure> {
    let PackAction::Create(args) = &command.action;
    let (from, to) = (parse_time(&args.from)?, parse_time(&args.to)?);
    check(args, from, to, io)?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let named = match args.environment.contains('/') {
        true => None,
        false => args.project.named(io)?,
    };
    let environment = append::environment(&args.environment, named, &service)?;
    let ask = ExportAsk {
        environment,
        from,
        to,
        audience: args.audience.clone(),
        reason: args.reason.clone(),
        framework: args.framework.clone(),
        patience: Duration::from_secs(args.patience.into()),
    };
    if service.environment(&ask.environment)?.is_none() {
        // A misspelt name would give a pack in which nothing was ever deployed.
        let named = ask.environment.to_string();
        super::promote::environment(&named, &ProjectArgs::default(), &service, io)?;
    }
    let pin = match args.ledger.ledger.server(io) {
        Some(_) => PathBuf::from("PIN"),
        None => args.ledger.ledger.shown(io).join("pin.txt"),
    };
    create(&ask, &args.out, &pin, &service, io)
}

const MISSED: &str = "warning: not enough witnesses had cosigned this log when the patience ended: \
                      the pack\nhas the log's signature alone, and `verify --witnesses` says so. Make \
                      it again later,\nor with more --patience.";

fn check(args: &CreateArgs, from: Time, to: Time, io: &Io) -> Result<(), Failure> {
    for (option, text) in [("--for", &args.audience), ("--reason", &args.reason)] {
        if text.is_empty() {
            return Err(crate::argument::empty(option));
        }
    }
    if to <= from {
        return Err(Failure::usage("the period ends before it begins"));
    }
    if io.path(&args.out).exists() {
        let message = format!("{} exists already", args.out.display());
        return Err(Failure::new(Exit::Usage, "file-exists", message).hint("choose another name"));
    }
    Ok(())
}

/// The custody is logged before the file gets its name: nobody holds a pack that is not on record.
fn create(
    ask: &ExportAsk,
    out: &Path,
    pin: &Path,
    service: &Service,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let mut unfinished = out.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = io.path(PathBuf::from(unfinished));
    let failed = |cause: std::io::Error| Failure::file(out, &cause);
    let made = service.export(ask, &unfinished).inspect_err(|_| {
        let _ = std::fs::remove_file(&unfinished);
    })?;
    std::fs::rename(&unfinished, io.path(out)).map_err(failed)?;
    let text = format!(
        "pack {}  {}\n{} files, log of size {}\nexport logged as entry {}: for {}, {}\n",
        made.id.short(),
        out.display(),
        count(made.files as u64),
        count(made.size),
        made.entry,
        ask.audience,
        ask.reason,
    );
    let witnesses = match made.cosigned {
        Cosigned::NotAsked => None,
        Cosigned::Met => Some("met"),
        Cosigned::Missed => Some("missed"),
    };
    let mut text = text;
    if made.cosigned == Cosigned::Met {
        text.push_str("cosigned by as many witnesses as are asked for\n");
    }
    let json = json!({
        "id": made.id, "file": out.display().to_string(), "size": made.size,
        "files": made.files, "entry": made.entry, "witnesses": witnesses,
    });
    io.answer(&text, &json)?;
    if !io.json {
        if made.cosigned == Cosigned::Missed {
            io.note(MISSED);
        }
        io.note(&format!("next: attestry verify {} --trust {}", out.display(), pin.display()));
    }
    Ok(Exit::Done)
}
