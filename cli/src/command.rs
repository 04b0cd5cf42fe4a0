//! The commands: one file each, with arguments, help text and what it does.

#[cfg(not(feature = "ledger"))]
use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::telemetry::{self, Format};

/// The example of a command that reads the ledger, or in the offline build a pack.
#[cfg(feature = "ledger")]
macro_rules! example {
    ($line:literal) => {
        concat!("Example:\n  ", $line)
    };
}
#[cfg(not(feature = "ledger"))]
macro_rules! example {
    ($line:literal) => {
        concat!("Example:\n  ", $line, " \\\n    --pack pack.zip --trust pin.txt")
    };
}

#[cfg(feature = "ledger")]
pub mod approve;
#[cfg(feature = "ledger")]
pub mod backup;
#[cfg(feature = "ledger")]
pub mod demo;
#[cfg(feature = "ledger")]
pub mod doctor;
#[cfg(feature = "ledger")]
pub mod evaluate;
#[cfg(feature = "ledger")]
pub mod freeze;
#[cfg(feature = "ledger")]
pub mod gate;
#[cfg(feature = "ledger")]
pub mod identity;
#[cfg(feature = "ledger")]
pub mod init;
#[cfg(feature = "ledger")]
pub mod key;
pub mod lineage;
pub mod log;
#[cfg(feature = "ledger")]
pub mod metrics;
#[cfg(feature = "ledger")]
pub mod moving;
#[cfg(feature = "ledger")]
pub mod observe;
#[cfg(feature = "ledger")]
pub mod pack;
pub mod policy;
#[cfg(feature = "ledger")]
pub mod promote;
#[cfg(feature = "ledger")]
pub mod receipt;
#[cfg(feature = "ledger")]
pub mod record;
#[cfg(feature = "ledger")]
pub mod replay;
#[cfg(feature = "ledger")]
pub mod serve;
pub mod show;
#[cfg(feature = "ledger")]
pub mod spool;
pub mod status;
#[cfg(feature = "ledger")]
pub mod token;
pub mod trust;
pub mod verify;
#[cfg(feature = "ledger")]
pub mod waive;
#[cfg(feature = "ledger")]
pub mod webhook;
#[cfg(feature = "ledger")]
pub mod what_if;
#[cfg(feature = "ledger")]
pub mod withdraw;
#[cfg(feature = "ledger")]
pub mod witness;

#[cfg(feature = "ledger")]
const EXAMPLE: &str = "Example:\n  attestry record test target/junit.xml --subject dist/app.tar.gz";
#[cfg(not(feature = "ledger"))]
const EXAMPLE: &str = "Example:\n  attestry verify pack.zip --trust pin.txt";

#[cfg(feature = "ledger")]
const ABOUT: &str = "An audit and provenance ledger for software delivery";
#[cfg(not(feature = "ledger"))]
const ABOUT: &str = "The offline verifier of Attestry, a ledger for software delivery: reads packs \
                     and receipts, and has no database and no network";

#[derive(Debug, Parser)]
#[command(
    name = "attestry",
    version,
    term_width = 80,
    max_term_width = 80,
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true,
    about = ABOUT,
    before_help = EXAMPLE,
    after_help = "Exit codes: 0 done, holds or spooled, 1 unexpected error, 2 wrong usage, 3 the \
                  answer is no, 4 not allowed, 5 not found, 6 server unreachable and nothing \
                  spooled, 7 integrity broken, 8 could not tell."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Print one JSON object on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[cfg(feature = "ledger")]
    Demo(demo::DemoArgs),
    #[cfg(feature = "ledger")]
    Init(init::InitArgs),
    #[cfg(feature = "ledger")]
    Key(key::KeyCommand),
    #[cfg(feature = "ledger")]
    Identity(identity::IdentityCommand),
    Trust(trust::TrustCommand),
    Policy(policy::PolicyCommand),
    #[cfg(feature = "ledger")]
    Record(Box<record::RecordArgs>),
    #[cfg(feature = "ledger")]
    Promote(Box<promote::PromoteArgs>),
    #[cfg(feature = "ledger")]
    Approve(approve::ApproveArgs),
    #[cfg(feature = "ledger")]
    Reject(approve::RejectArgs),
    #[cfg(feature = "ledger")]
    Withdraw(withdraw::WithdrawArgs),
    #[cfg(feature = "ledger")]
    Observe(observe::ObserveArgs),
    #[cfg(feature = "ledger")]
    Waive(Box<waive::WaiveArgs>),
    #[cfg(feature = "ledger")]
    Freeze(freeze::FreezeArgs),
    #[cfg(feature = "ledger")]
    Gate(gate::GateArgs),
    #[cfg(feature = "ledger")]
    Evaluate(evaluate::EvaluateArgs),
    Status(status::StatusArgs),
    Log(log::LogArgs),
    #[cfg(feature = "ledger")]
    Metrics(metrics::MetricsArgs),
    Show(show::ShowArgs),
    Lineage(lineage::LineageArgs),
    #[cfg(feature = "ledger")]
    Receipt(receipt::ReceiptArgs),
    Verify(verify::VerifyArgs),
    #[cfg(feature = "ledger")]
    Replay(replay::ReplayArgs),
    #[cfg(feature = "ledger")]
    WhatIf(what_if::WhatIfArgs),
    #[cfg(feature = "ledger")]
    Serve(serve::ServeArgs),
    #[cfg(feature = "ledger")]
    Spool(spool::SpoolCommand),
    #[cfg(feature = "ledger")]
    Token(token::TokenCommand),
    #[cfg(feature = "ledger")]
    Webhook(webhook::WebhookCommand),
    #[cfg(feature = "ledger")]
    Witness(witness::WitnessCommand),
    #[cfg(feature = "ledger")]
    Pack(pack::PackCommand),
    #[cfg(feature = "ledger")]
    Move(moving::MoveArgs),
    #[cfg(feature = "ledger")]
    Backup(backup::BackupArgs),
    #[cfg(feature = "ledger")]
    Doctor(doctor::DoctorArgs),
    #[cfg(not(feature = "ledger"))]
    #[command(external_subcommand)]
    Elsewhere(Vec<OsString>),
}

/// Runs one command, with the log and the traces that were asked for.
pub fn run(command: Command, io: &mut Io) -> Result<Exit, Failure> {
    #[cfg(feature = "ledger")]
    if let Command::Serve(args) = command {
        // It has a span for each request, and none for its life.
        let _telemetry = telemetry::start(Some(serve::LOG), args.log_format, io);
        return serve::run(&args, io);
    }
    #[cfg(feature = "ledger")]
    if let Command::Witness(command) = &command
        && command.is_server()
    {
        let _telemetry = telemetry::start(Some(serve::LOG), Format::Text, io);
        return witness::run(command, io);
    }
    let telemetry = telemetry::start(None, Format::Text, io);
    telemetry.within(io, |io| dispatch(command, io))
}

fn dispatch(command: Command, io: &mut Io) -> Result<Exit, Failure> {
    match command {
        #[cfg(feature = "ledger")]
        Command::Demo(args) => demo::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Init(args) => init::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Key(command) => key::run(&command, io),
        #[cfg(feature = "ledger")]
        Command::Identity(command) => identity::run(&command, io),
        Command::Trust(command) => trust::run(&command, io),
        Command::Policy(command) => policy::run(&command, io),
        #[cfg(feature = "ledger")]
        Command::Record(args) => record::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Promote(args) => promote::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Approve(args) => approve::run_approve(&args, io),
        #[cfg(feature = "ledger")]
        Command::Reject(args) => approve::run_reject(&args, io),
        #[cfg(feature = "ledger")]
        Command::Withdraw(args) => withdraw::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Observe(args) => observe::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Waive(args) => waive::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Freeze(args) => freeze::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Gate(args) => gate::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Evaluate(args) => evaluate::run(&args, io),
        Command::Status(args) => status::run(&args, io),
        Command::Log(args) => log::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Metrics(args) => metrics::run(&args, io),
        Command::Show(args) => show::run(&args, io),
        Command::Lineage(args) => lineage::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Receipt(args) => receipt::run(&args, io),
        Command::Verify(args) => verify::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Replay(args) => replay::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::WhatIf(args) => what_if::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Serve(args) => serve::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Spool(command) => spool::run(&command, io),
        #[cfg(feature = "ledger")]
        Command::Token(command) => token::run(&command, io),
        #[cfg(feature = "ledger")]
        Command::Webhook(command) => webhook::run(&command, io),
        #[cfg(feature = "ledger")]
        Command::Witness(command) => witness::run(&command, io),
        #[cfg(feature = "ledger")]
        Command::Pack(command) => pack::run(&command, io),
        #[cfg(feature = "ledger")]
        Command::Move(args) => moving::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Backup(args) => backup::run(&args, io),
        #[cfg(feature = "ledger")]
        Command::Doctor(args) => doctor::run(&args, io),
        #[cfg(not(feature = "ledger"))]
        Command::Elsewhere(words) => Err(elsewhere(&words)),
    }
}

/// The commands that only the whole tool has.
#[cfg(not(feature = "ledger"))]
const ELSEWHERE: &[&str] = &[
    "demo", "init", "key", "identity", "record", "promote", "approve", "reject", "withdraw",
    "observe", "waive", "freeze", "gate", "evaluate", "metrics", "receipt", "replay", "what-if",
    "pack", "move", "serve", "spool", "token", "backup", "doctor", "webhook", "witness",
];

#[cfg(not(feature = "ledger"))]
fn elsewhere(words: &[OsString]) -> Failure {
    let word = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    if ELSEWHERE.contains(&word.as_ref()) {
        other_build(&format!("`attestry {word}`"))
    } else {
        unrecognized(&word).hint("attestry --help")
    }
}

/// A word that no build knows.
#[cfg(not(feature = "ledger"))]
pub fn unrecognized(word: &str) -> Failure {
    Failure::usage(format!("unrecognized subcommand '{word}'"))
}

/// This build cannot do it, and which one can.
#[cfg(not(feature = "ledger"))]
pub fn other_build(what: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        "offline-build",
        format!("this is the offline verifier, without {what}"),
    )
    .hint("the whole tool has it: cargo build --release, with default features")
}
