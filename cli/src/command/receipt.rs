//! `attestry receipt`: the proof that an entry is in the log, as one file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::service::Service;

/// Print the receipt of an entry: the entry, its inclusion proof, a checkpoint
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry receipt 1174 > app.1174.receipt")]
pub struct ReceiptArgs {
    /// The entry's index; P-118 is the same as 118
    #[arg(value_name = "INDEX")]
    pub index: String,
    /// Write it to this file
    #[arg(long, short, value_name = "F")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

pub fn run(args: &ReceiptArgs, io: &mut Io) -> Result<Exit, Failure> {
    let index = crate::argument::parse_index(&args.index)?;
    let receipt = Service::open(&args.ledger, io)?.receipt(index)?;
    if let Some(file) = &args.out {
        io.write_file(file, receipt.as_bytes())?;
        let text = format!("receipt {}", file.display());
        io.answer(&text, &json!({ "index": index, "file": file.display().to_string() }))?;
    } else {
        let json = json!({ "index": index, "receipt": receipt });
        io.answer(&receipt, &json)?;
    }
    Ok(Exit::Done)
}
