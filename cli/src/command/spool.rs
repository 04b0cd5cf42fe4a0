//! `attestry spool`: what was recorded while a server was away.

use clap::{Args, Subcommand};
use schemas::id::Time;
use serde_json::{Value, json};

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::span;
use crate::service::{Delivery, Service};
use crate::spool::{Name, Spool, Waiting};

/// See, deliver or drop what was recorded while the server was away
///
/// `record` keeps what it has signed where a server does not answer: in .attestry/spool, or the
/// folder that ATTESTRY_SPOOL names. The next command that reaches the ledger delivers it.
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry spool push --ledger https://ledger.acme.example")]
pub struct SpoolCommand {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    /// List what waits, and what was refused with the reason
    #[command(before_help = "Example:\n  attestry spool list")]
    List,
    /// Deliver what waits, in the order in which it was recorded
    #[command(
        before_help = "Example:\n  attestry spool push --ledger https://ledger.acme.example",
        after_help = "Exit codes: 0 all delivered, 3 something was refused and set aside, \
                      4 not allowed, 6 the server is away."
    )]
    Push(PushArgs),
    /// Delete an event that waits, or one that was refused: it is then nowhere
    #[command(before_help = "Example:\n  attestry spool drop 01KB2V3N8Q6T5R4W3E2D1C0B9A")]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
pub struct PushArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Try what was refused once more, too
    #[arg(long)]
    pub refused: bool,
}

#[derive(Debug, Args)]
pub struct DropArgs {
    /// Its name, as `attestry spool list` says it
    #[arg(value_name = "NAME")]
    pub name: String,
}

pub fn run(command: &SpoolCommand, io: &mut Io) -> Result<Exit, Failure> {
    match &command.action {
        Action::List => list(io),
        Action::Push(args) => push(args, io),
        Action::Drop(args) => drop_one(args, io),
    }
}

fn list(io: &mut Io) -> Result<Exit, Failure> {
    let spool = Spool::of(io);
    let now = crate::service::now();
    let (waiting, refused) = (spool.list()?, spool.refused().list()?);
    let (mut text, mut rows, mut asides) = (String::new(), Vec::new(), Vec::new());
    for it in &waiting {
        let (line, row) = shown(&spool, *it, now);
        text.push_str(&line);
        rows.push(row);
    }
    for it in &refused {
        let (line, mut row) = shown(&spool.refused(), *it, now);
        let reason = spool.refused().reason(it.name).unwrap_or_default();
        text.push_str(&format!("{line}  refused: {reason}\n"));
        row["refused"] = reason.into();
        asides.push(row);
    }
    let folder = spool.shown.display();
    text.push_str(&match (waiting.len(), refused.len()) {
        (0, 0) => format!("nothing waits in {folder}\n"),
        (waiting, refused) => {
            format!("{waiting} wait and {refused} were refused, in {folder}\n")
        }
    });
    let json = json!({ "folder": spool.shown, "waiting": rows, "refused": asides });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}

/// A line for people and a row for machines, also of what cannot be read.
fn shown(spool: &Spool, it: Waiting, now: Time) -> (String, Value) {
    let (name, bytes) = (it.name, it.bytes);
    let row = json!({ "name": name.to_string(), "bytes": bytes });
    match spool.read(name) {
        Err(failure) => {
            let mut row = row;
            row["unreadable"] = failure.message.clone().into();
            (format!("{name}  unreadable\n  {}\n", failure.message), row)
        }
        Ok(item) => {
            let about = item.about;
            let waited = span(now.since(about.spooled_at).max(0));
            let mut row = row;
            for (key, value) in [
                ("kind", json!(about.kind)),
                ("summary", json!(about.summary)),
                ("project", json!(about.project)),
                ("server", json!(about.server)),
                ("spooledAt", json!(about.spooled_at)),
            ] {
                row[key] = value;
            }
            let summary = crate::output::cut(&about.summary, 60);
            (format!("{name}  {}  {waited}\n  {summary}\n", about.kind), row)
        }
    }
}

fn push(args: &PushArgs, io: &mut Io) -> Result<Exit, Failure> {
    let spool = Spool::of(io);
    if args.ledger.server(io).is_none() {
        return Err(Failure::usage("what waits is delivered to a server")
            .hint("attestry spool push --ledger https://… (or ATTESTRY_LEDGER)"));
    }
    if args.refused {
        for it in spool.refused().list()? {
            spool.retry(it.name)?;
        }
    }
    let service = Service::open_alone(&args.ledger, io)?;
    let delivery = match spool.list()?.is_empty() {
        true => Delivery::default(),
        false => service.deliver(&spool)?,
    };
    let mut text = String::new();
    for (name, logged, receipt) in &delivery.delivered {
        let before = if logged.repeated { "was delivered before as" } else { "delivered as" };
        text.push_str(&format!("{name}  {before} entry {}\nreceipt {receipt}\n", logged.index));
    }
    let left = spool.list()?.len();
    text.push_str(&match (delivery.delivered.len(), left) {
        (0, 0) => "nothing waits\n".to_owned(),
        (delivered, 0) => format!("{delivered} delivered, nothing waits\n"),
        (delivered, left) => format!("{delivered} delivered, {left} wait\n"),
    });
    let json = json!({
        "delivered": delivery.delivered.iter().map(|(name, logged, receipt)| json!({
            "name": name.to_string(), "index": logged.index, "repeated": logged.repeated,
            "receipt": receipt,
        })).collect::<Vec<_>>(),
        "refused": delivery.refused.iter().map(|(name, failure)| json!({
            "name": name.to_string(), "error": failure.to_json()["error"],
        })).collect::<Vec<_>>(),
        "forOtherLedgers": delivery.others,
        "left": left,
    });
    match delivery.stopped {
        Some(failure) => {
            if !io.json {
                io.say(&text)?;
            }
            Err(failure)
        }
        None => {
            io.answer(&text, &json)?;
            Ok(tell_refused(&delivery.refused, &spool, io))
        }
    }
}

fn tell_refused(refused: &[(Name, Failure)], spool: &Spool, io: &mut Io) -> Exit {
    let told = if io.json { &[] } else { refused };
    for (name, failure) in told {
        let place = spool.refused().path(*name);
        io.note(&format!("refused, and kept as {}\n{}", place.display(), failure.render()));
    }
    refused.iter().fold(Exit::Done, |exit, (_, failure)| exit.worse(failure.exit))
}

fn drop_one(args: &DropArgs, io: &mut Io) -> Result<Exit, Failure> {
    let spool = Spool::of(io);
    let name = Name::parse(&args.name).ok_or_else(|| {
        Failure::usage(format!("{:?} is no name of the spool", args.name))
            .hint("attestry spool list")
    })?;
    match spool.remove(name) {
        Err(failure) if failure.exit == Exit::NotFound => spool.refused().remove(name)?,
        other => other?,
    }
    let text = format!("dropped {name}: what it said is recorded nowhere\n");
    io.answer(&text, &json!({ "dropped": name.to_string() }))?;
    Ok(Exit::Done)
}
