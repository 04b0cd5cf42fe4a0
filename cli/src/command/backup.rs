//! `attestry backup`: a verified copy of a ledger, while it goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use ledger::Database;
use ledger::backup::Keys;
use serde_json::json;

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{count, plural};
use crate::service::Service;

/// Copy the ledger into a new folder, and verify the copy
///
/// The log is copied as it is at one moment; a server may go on appending. Copying the files of a
/// running ledger is no backup. A log in PostgreSQL is backed up with PostgreSQL's own tools:
/// docs/operating.md.
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry backup backup-2026-11-20")]
pub struct BackupArgs {
    /// The folder to make; it is whole or not there
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// Copy the keys of the log and of the service too: guard that folder like them
    #[arg(long)]
    pub with_keys: bool,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// How often it says how far it is.
const STEP: Duration = Duration::from_millis(50);

pub fn run(args: &BackupArgs, io: &mut Io) -> Result<Exit, Failure> {
    let service = Service::open(&args.ledger, io)?;
    if let Database::Postgres(address) = service.database()? {
        let message = format!("the log is in {address}");
        return Err(Failure::new(Exit::Usage, "backup-elsewhere", message).hint(
            "back the database up with pg_dump or a base backup, and this folder as files: \
             docs/operating.md",
        ));
    }
    let keys = if args.with_keys { Keys::With } else { Keys::Without };
    let (to, size) = (io.path(&args.to), service.size()?);
    let verified = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&verified);
    let made = std::thread::scope(|scope| {
        let progress = move |at| heard.store(at, Ordering::Relaxed);
        let work = scope.spawn(|| service.back_up(&to, keys, progress));
        while !work.is_finished() {
            std::thread::park_timeout(STEP);
            let verified = count(verified.load(Ordering::Relaxed));
            io.progress(&format!("verified {verified} of {} entries", count(size)));
        }
        work.join().map_err(|_| Failure::unexpected("the backup broke off"))?
    });
    io.progress("");
    let made = made?;
    let (entries, to) = (plural(made.size, "entry", "entries"), args.to.display());
    let attachments = plural(made.attachments, "attachment", "attachments");
    let keys = match keys {
        Keys::With => "The keys are in it: whoever reads it can fork the log.",
        Keys::Without => {
            "Without keys/log.pem and keys/service.pem: keep a copy of them elsewhere."
        }
    };
    let text = format!(
        "{entries} and {attachments} in {to}, verified\n\n  root  {}\n\n{keys}\n",
        made.root
    );
    let json = json!({
        "folder": args.to, "size": made.size, "root": made.root,
        "attachments": made.attachments, "keys": args.with_keys,
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}
