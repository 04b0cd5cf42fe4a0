//! The commands of Attestry. `run` is the whole program: the binary and the tests both call it.

pub mod adapter;
pub mod argument;
pub mod command;
#[cfg(feature = "ledger")]
pub mod compose;
pub mod exit;
pub mod failure;
pub mod history;
pub mod io;
#[cfg(feature = "ledger")]
pub mod key;
pub mod output;
pub mod pack_file;
pub mod policy_diff;
pub mod policy_test;
pub mod policy_text;
#[cfg(feature = "ledger")]
pub mod service;
pub mod subject;
pub mod telemetry;

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

pub use exit::Exit;
pub use failure::Failure;
pub use io::Io;

/// Runs one command line, its first word the program's name, and returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>, io: &mut Io) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    // A line that clap cannot read may still ask for JSON.
    io.json = args.iter().any(|arg| arg == "--json");
    let exit = match command::Cli::try_parse_from(&args) {
        Ok(cli) => {
            io.json |= cli.json;
            command::run(cli.command, io).unwrap_or_else(|failure| io.fail(&failure))
        }
        Err(error) => usage(&error, io),
    };
    io.flush();
    exit.code()
}

/// Answers a request for help, or says what is wrong with the command line.
fn usage(error: &clap::Error, io: &mut Io) -> Exit {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            io.raw(text.as_bytes()).map_or(Exit::Unexpected, |()| Exit::Done)
        }
        _ if io.json => {
            let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            io.fail(&Failure::usage(message))
        }
        _ => {
            io.note(text.trim_end());
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests;
