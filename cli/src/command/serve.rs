//! `attestry serve`: the ledger over HTTP.

mod edge;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ledger::access::Openness;
use ledger::cosigning::Witnesses;
use ledger::http::Settings;
use ledger::outgoing::{self, Reach};
use ledger::webhook;

use super::verify::read_policy;
use crate::argument::AppendArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::service::{Listen, Ready, Service, read_rules, witnesses};
use crate::telemetry::Format;
use edge::EdgeArgs;

/// What a server logs where `ATTESTRY_LOG` says nothing.
pub const LOG: &str = "warn";

/// Serve the ledger over HTTP, until it is interrupted
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry serve --listen 127.0.0.1:8080",
    after_help = "Callers show a token: `attestry token create` makes them. Reading needs the role \
                  auditor, submitting any other role. The first server on a ledger without tokens \
                  prints one on standard error that makes others for an hour.\n\n\
                  The API reference: GET /api, its document: GET /api/v1/openapi.json"
)]
pub struct ServeArgs {
    #[command(flatten)]
    pub append: AppendArgs,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where to serve GET /metrics, to whoever reaches it; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// How the log is written to standard error; ATTESTRY_LOG=info has a line for each request
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: Format,
    /// Let everybody who reaches the address read the whole ledger
    #[arg(long)]
    pub open_reading: bool,
    /// Let everybody who reaches the address submit what a granted key has signed
    #[arg(long)]
    pub open_submitting: bool,
    /// Rules that say which ID tokens of CI jobs and people mean which identity
    #[arg(long, value_name = "FILE")]
    pub oidc_rules: Option<String>,
    /// How often open requests are evaluated again, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub evaluate_every: u32,
    /// Send webhooks to private addresses too, which are refused otherwise
    #[arg(long)]
    pub webhooks_to_private: bool,
    #[command(flatten)]
    pub edge: EdgeArgs,
    /// Ask these witnesses to cosign: a C2SP tlog-policy file, with their URLs
    #[arg(long, value_name = "POLICY")]
    pub witness_policy: Option<String>,
    /// Trust these certificate authorities too, of whomever the server asks: witnesses, issuers of ID
    /// tokens, receivers of webhooks. A file in PEM
    #[arg(long, value_name = "PEM")]
    pub outgoing_ca: Option<PathBuf>,
    /// Ask witnesses on other machines over plain http: anybody on the way may answer or listen
    #[arg(long, requires = "witness_policy")]
    pub danger_plain_http: bool,
}

pub fn run(args: &ServeArgs, io: &mut Io) -> Result<Exit, Failure> {
    let authorities = args.outgoing_ca.as_ref().map(|path| io.path(path));
    let outgoing = outgoing::Settings { authorities, ..outgoing::Settings::default() };
    let rules = args.oidc_rules.as_deref();
    let rules = rules.map(|file| read_rules(file, &outgoing, io)).transpose()?;
    let (issuers, login) = rules.unwrap_or_default();
    let edge = args.edge.settings(io)?;
    let service = Service::open_to_serve(&args.append, io)?;
    let origin = service.origin().clone();
    let open = Openness { reading: args.open_reading, submitting: args.open_submitting };
    let evaluate_every = Duration::from_secs(args.evaluate_every.into());
    let scheme = if edge.tls.is_some() { "https" } else { "http" };
    let reach = if args.webhooks_to_private { Reach::Anywhere } else { Reach::Public };
    let webhooks = webhook::Settings { reach, ..webhook::Settings::default() };
    let witnesses = witnesses_of(args, &outgoing, &service, io)?;
    let settings =
        Settings { open, issuers, login, evaluate_every, webhooks, witnesses, outgoing, ..edge };
    let listen = Listen { callers: args.listen, metrics: args.metrics_listen };
    service.serve(listen, settings, |ready| {
        let Ready { callers, metrics, first_token } = ready;
        if let Some(token) = first_token {
            io.note(FIRST_TOKEN);
            io.note(&token);
        }
        let mut line = match io.json {
            true => {
                serde_json::json!({ "origin": origin, "listening": callers, "metrics": metrics })
                    .to_string()
            }
            false => format!("{origin} listens on {scheme}://{callers}"),
        };
        if let Some(metrics) = metrics.filter(|_| !io.json) {
            line.push_str(&format!("\nits metrics are at http://{metrics}/metrics"));
        }
        let _ = io.raw(format!("{line}\n").as_bytes());
        io.flush();
    })?;
    Ok(Exit::Done)
}

const FIRST_TOKEN: &str = "there is no token yet: this one makes others for an hour, does nothing \
                           else, and is not shown again";

fn witnesses_of(
    args: &ServeArgs,
    outgoing: &outgoing::Settings,
    service: &Service,
    io: &mut Io,
) -> Result<Option<Witnesses>, Failure> {
    let Some(file) = args.witness_policy.as_deref() else { return Ok(None) };
    let quorum = read_policy(file, service.pin().log(), io)?;
    witnesses(quorum, outgoing.clone(), args.danger_plain_http).map(Some)
}
