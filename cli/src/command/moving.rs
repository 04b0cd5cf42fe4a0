//! `attestry move`: the same log in another database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use ledger::Database;
use ledger::moving::Progress;
use serde_json::json;

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{count, plural};
use crate::service::{Service, parse_database};

/// Move the log to another database, PostgreSQL or a file
///
/// It stays the same log: every entry, envelope and checkpoint is copied as it is, and the copy is
/// verified whole before it counts. Nobody can append meanwhile. The old database is kept, and
/// refuses to append from then on. A password comes from PGPASSWORD or PGPASSFILE.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry move --to postgres://attestry@db.acme.example/ledger"
)]
pub struct MoveArgs {
    /// An empty PostgreSQL database, or the folder for a new file ledger.db
    #[arg(long, value_name = "ADDRESS|DIR", required_unless_present = "cancel")]
    pub to: Option<String>,
    /// Give up a move that was broken off, and append to the old database again
    #[arg(long, conflicts_with = "to")]
    pub cancel: bool,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// How often it says how far it is.
const STEP: Duration = Duration::from_millis(50);

pub fn run(args: &MoveArgs, io: &mut Io) -> Result<Exit, Failure> {
    let service = Service::open(&args.ledger, io)?;
    match args.to.as_deref() {
        None => cancel(&service, io),
        Some(to) => {
            let to = parse_database("--to", to, io)?;
            go(&service, &to, io)
        }
    }
}

fn cancel(service: &Service, io: &mut Io) -> Result<Exit, Failure> {
    service.stay()?;
    let from = service.database()?.name();
    io.answer(&format!("the log stays in {from}\n"), &json!({ "database": from }))?;
    Ok(Exit::Done)
}

fn go(service: &Service, to: &Database, io: &mut Io) -> Result<Exit, Failure> {
    let size = service.size()?;
    let (copied, verified) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let heard = (Arc::clone(&copied), Arc::clone(&verified));
    let progress = move |at| match at {
        Progress::Copied(at) => heard.0.store(at, Ordering::Relaxed),
        Progress::Verified(at) => heard.1.store(at, Ordering::Relaxed),
    };
    let moved = std::thread::scope(|scope| {
        let work = scope.spawn(|| service.move_to(to, progress));
        while !work.is_finished() {
            std::thread::park_timeout(STEP);
            let at = |it: &AtomicU64| count(it.load(Ordering::Relaxed));
            let (copied, verified, size) = (at(&copied), at(&verified), count(size));
            io.progress(&format!("copied {copied} of {size} entries, verified {verified}"));
        }
        work.join().map_err(|_| Failure::unexpected("the move broke off"))?
    });
    io.progress("");
    let moved = moved?;
    let entries = plural(moved.size, "entry", "entries");
    let text = format!(
        "moved {entries} to {}\n\n  root  {}\n\n\
         The copy was verified from its first entry to its last. {} is kept as it was,\n\
         and refuses to append: delete it once the new database has a backup.\n",
        moved.to, moved.root, moved.from,
    );
    let json = json!({
        "from": moved.from, "to": moved.to, "size": moved.size, "root": moved.root,
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}
