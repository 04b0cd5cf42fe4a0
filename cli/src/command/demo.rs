//! `attestry demo`: one release, from build to production, recorded and proven offline.

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Walk through one release, from build to a verified pack and two forgeries
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry demo")]
pub struct DemoArgs {
    /// The new folder in which it happens
    #[arg(long, value_name = "D")]
    pub dir: Option<PathBuf>,
}

pub fn run(_args: &DemoArgs, _io: &mut Io) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "not-built", "the demo is not built yet"))
}
