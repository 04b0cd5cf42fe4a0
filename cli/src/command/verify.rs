//! `attestry verify`: everything from bytes, believing nothing that the pin does not give.

#[cfg(feature = "ledger")]
mod log;
mod pack;
mod receipt;
mod report;

use std::io::Read;

use clap::Args;
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::cosignature::quorum::{POLICY_BYTES_MAX, Quorum, parse_policy_file};
use verifier::note::{NOTE_BYTES_MAX, Vkey};
use verifier::pin::Pin;

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::read_pin;
use crate::io::Io;

#[cfg_attr(feature = "ledger", doc = "Verify a pack, a receipt, or the ledger itself")]
#[cfg_attr(not(feature = "ledger"), doc = "Verify a pack or a receipt")]
///
/// Signatures, roles as of each entry, chain, threads, heads, tree, checkpoint, and every decision
/// once more.
#[cfg_attr(feature = "ledger", doc = "Without a file it verifies the ledger.")]
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry verify pack.zip --trust pin.txt",
    after_help = "Exit codes: 0 it holds, 3 it holds with exceptions, 7 integrity broken: somebody \
                  must be woken, 8 not everything could be told."
)]
pub struct VerifyArgs {
    /// A pack (zip or unpacked folder) or a receipt
    #[cfg_attr(feature = "ledger", doc = "[default: the ledger]")]
    #[arg(value_name = "PACK|RECEIPT")]
    pub file: Option<String>,
    /// What you got by another road: the file pin.txt, or a verifier key
    #[arg(long, value_name = "PIN")]
    pub trust: Option<String>,
    /// The witnesses to ask for, instead of those that the pin names: a C2SP tlog-policy file
    #[arg(long, value_name = "POLICY")]
    pub witnesses: Option<String>,
    /// A checkpoint kept from earlier, which this log must extend
    #[arg(long, value_name = "F")]
    pub checkpoint: Option<String>,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

pub fn run(args: &VerifyArgs, io: &mut Io) -> Result<Exit, Failure> {
    let pin = match args.trust.as_deref() {
        Some(text) => read_pin(text, io)?,
        None => return Err(no_pin()),
    };
    let pin = match args.witnesses.as_deref() {
        Some(file) => {
            let quorum = read_policy(file, pin.log(), io)?;
            pin.with_quorum(quorum)
        }
        None => pin,
    };
    let kept =
        args.checkpoint.as_deref().map(|file| read_checkpoint(file, &pin, io)).transpose()?;
    match args.file.as_deref() {
        Some("") => Err(crate::argument::empty("PACK|RECEIPT")),
        Some(file) if is_receipt(file, io)? => receipt::run(file, &pin, kept.as_ref(), io),
        Some(file) => pack::run(file, &pin, kept.as_ref(), io),
        #[cfg(feature = "ledger")]
        None => log::run(&args.ledger, &pin, kept.as_ref(), io),
        #[cfg(not(feature = "ledger"))]
        None => Err(super::other_build("verifying a ledger's folder")
            .hint("this build verifies files: attestry verify PACK --trust PIN")),
    }
}

fn no_pin() -> Failure {
    Failure::usage("--trust is missing: verified against what?").hint(
        "whoever made the evidence could have made the keys in it too. Name the pin that you got \
         by another road: --trust pin.txt, or the log's verifier key",
    )
}

/// Reads a witness policy for a log.
pub fn read_policy(file: &str, log: &Vkey, io: &mut Io) -> Result<Quorum, Failure> {
    if file.is_empty() {
        return Err(crate::argument::empty("the witness policy"));
    }
    let bytes = io.read_file(file, POLICY_BYTES_MAX as u64)?;
    parse_policy_file(log, &bytes).map_err(|cause| {
        Failure::new(Exit::Usage, "witness-policy-malformed", format!("{file}: {cause}")).hint(
            "lines like `witness NAME VKEY URL`, `group G 2 NAME NAME NAME` and last `quorum G`: \
             c2sp.org/tlog-policy",
        )
    })
}

/// Reads a checkpoint that somebody kept; it must be of the pinned log.
fn read_checkpoint(file: &str, pin: &Pin, io: &mut Io) -> Result<VerifiedCheckpoint, Failure> {
    if file.is_empty() {
        return Err(crate::argument::empty("--checkpoint"));
    }
    let bytes = io.read_file(file, NOTE_BYTES_MAX as u64)?;
    verify_checkpoint(&bytes, pin.log()).map_err(|cause| {
        Failure::new(Exit::Integrity, "checkpoint-invalid", format!("{file}: {cause}"))
            .hint("a checkpoint is a signed note of this log: origin, size, root hash, signature")
    })
}

/// True for a file that begins as receipts do.
fn is_receipt(file: &str, io: &Io) -> Result<bool, Failure> {
    let path = io.path(file);
    if path.is_dir() {
        return Ok(false);
    }
    let failed = |cause| Failure::file(std::path::Path::new(file), &cause);
    let opened = std::fs::File::open(&path).map_err(failed)?;
    let mut start = Vec::new();
    opened.take(8).read_to_end(&mut start).map_err(failed)?;
    Ok(start.starts_with(b"c2sp.org"))
}
