//! `attestry serve`: the ledger over HTTP.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use ledger::http::Settings;

use crate::argument::AppendArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::service::Service;

/// Serve the ledger over HTTP, until it is interrupted
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry serve --listen 127.0.0.1:8080",
    after_help = "Anybody may submit what a granted key has signed. There are no tokens for \
                  reading yet, so beyond this machine reading must be opened: \
                  --open-reading.\n\nThe API document: GET /api/v1/openapi.json"
)]
pub struct ServeArgs {
    #[command(flatten)]
    pub append: AppendArgs,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Let everybody who reaches the address read the whole ledger
    #[arg(long)]
    pub open_reading: bool,
    /// How often open requests are evaluated again, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub evaluate_every: u32,
}

pub fn run(args: &ServeArgs, io: &mut Io) -> Result<Exit, Failure> {
    if !args.open_reading && !args.listen.ip().is_loopback() {
        let message = format!("{} can be reached from outside this machine", args.listen);
        return Err(Failure::new(Exit::Usage, "reading-is-open", message).hint(
            "whoever reaches it could read everything: listen on 127.0.0.1 behind a proxy that \
             asks who is there, or say --open-reading",
        ));
    }
    let service = Service::open_to_append(&args.append, io)?;
    let origin = service.origin().clone();
    let settings = Settings { evaluate_every: Duration::from_secs(args.evaluate_every.into()) };
    let json = io.json;
    let stdout = &mut io.stdout;
    service.serve(args.listen, settings, |address| {
        let line = match json {
            true => serde_json::json!({ "origin": origin, "listening": address }).to_string(),
            false => format!("{origin} listens on http://{address}"),
        };
        let _ = writeln!(stdout, "{line}");
        let _ = stdout.flush();
    })?;
    Ok(Exit::Done)
}
