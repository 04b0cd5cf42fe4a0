//! `attestry witness`: cosigns the checkpoints of other people's logs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use verifier::note::{KeyName, Vkey};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::read_pin;
use crate::io::Io;
use crate::service::{init_witness, serve_witness};

/// Be a witness: see that logs only ever grow, and cosign what you see
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry witness init witness --name witness.partner.example",
    disable_help_subcommand = true
)]
pub struct WitnessCommand {
    #[command(subcommand)]
    pub action: WitnessAction,
}

#[derive(Debug, Subcommand)]
pub enum WitnessAction {
    /// Make a witness's key, and print the verifier key that others name it by
    #[command(
        before_help = "Example:\n  attestry witness init witness --name witness.partner.example"
    )]
    Init(InitArgs),
    /// Serve a witness over HTTP (C2SP tlog-witness), until it is interrupted
    #[command(
        before_help = "Example:\n  attestry witness serve --dir witness --log pin.txt",
        after_help = "What was cosigned is kept in the folder before it is answered. The folder \
                      is never copied, shared or restored: a witness that forgets what it \
                      cosigned is no witness. It speaks plain HTTP: put a proxy with TLS in \
                      front."
    )]
    Serve(ServeArgs),
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The witness's folder, made where there is none
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Its name: a host name of yours, without +
    #[arg(long, value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The witness's folder
    #[arg(long, value_name = "DIR", default_value = "witness")]
    pub dir: PathBuf,
    /// The logs to cosign: a pin or a verifier key each
    #[arg(long = "log", value_name = "PIN", value_delimiter = ',', required = true)]
    pub logs: Vec<String>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
}

impl WitnessCommand {
    /// It runs until it is stopped, and says in its log what it refuses.
    pub fn is_server(&self) -> bool {
        matches!(self.action, WitnessAction::Serve(_))
    }
}

pub fn run(command: &WitnessCommand, io: &mut Io) -> Result<Exit, Failure> {
    match &command.action {
        WitnessAction::Init(args) => init(args, io),
        WitnessAction::Serve(args) => serve(args, io),
    }
}

fn init(args: &InitArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.dir.as_os_str().is_empty() {
        return Err(crate::argument::empty("DIR"));
    }
    let name: KeyName = match args.name.as_str() {
        "" => return Err(crate::argument::empty("--name")),
        name => name.parse().map_err(|cause| Failure::usage(format!("--name: {cause}")))?,
    };
    let vkey = init_witness(&io.path(&args.dir), &name)?;
    let dir = args.dir.display().to_string();
    let text = format!("witness  {name}, in {dir} (its key cosigns: guard it)\nvkey     {vkey}\n");
    io.answer(&text, &json!({ "name": name.as_str(), "dir": dir, "vkey": vkey.to_string() }))?;
    if !io.json {
        io.note(&format!("next: attestry witness serve --dir {dir} --log PIN"));
    }
    Ok(Exit::Done)
}

fn serve(args: &ServeArgs, io: &mut Io) -> Result<Exit, Failure> {
    let logs = args.logs.iter().map(|pin| Ok(read_pin(pin, io)?.log().clone()));
    let logs = logs.collect::<Result<Vec<Vkey>, Failure>>()?;
    let (dir, as_json) = (io.path(&args.dir), io.json);
    let origins: Vec<String> = logs.iter().map(|log| log.name().to_string()).collect();
    let stdout = &mut io.stdout;
    serve_witness(&dir, logs, args.listen, |vkey, address| {
        let name = vkey.name();
        let line = match as_json {
            true => json!({ "witness": vkey.to_string(), "listening": address, "logs": origins })
                .to_string(),
            false => format!("{name} listens on http://{address} for {}", origins.join(", ")),
        };
        let _ = writeln!(stdout, "{line}");
        let _ = stdout.flush();
    })?;
    Ok(Exit::Done)
}
