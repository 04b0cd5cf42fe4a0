//! Where a ledger's database is, in the words of the command line, and what is wrong with it.

use ledger::Database;
use ledger::objects::Bucket;
use ledger::store::{Seal, StoreError};

use super::failure_of;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Reads `postgres://…`, or a folder in which the file is.
pub fn parse_database(option: &str, text: &str, io: &Io) -> Result<Database, Failure> {
    if text.is_empty() {
        return Err(crate::argument::empty(option));
    }
    Database::parse(text, |folder| io.path(folder)).map_err(|cause| failure_of(&cause))
}

/// Reads `s3://BUCKET/PREFIX`.
pub fn parse_bucket(text: &str) -> Result<Bucket, Failure> {
    Bucket::parse(text).map_err(|cause| Failure::usage(format!("--objects: {cause}")))
}

/// Says what is wrong with a database, and what to do about it.
pub fn failure(cause: &StoreError, text: String) -> Failure {
    let failure = |exit, code| Failure::new(exit, code, text.clone());
    match cause {
        StoreError::Address { .. } => failure(Exit::Usage, "database-address").hint(
            "postgres://USER@HOST/DATABASE, with ?sslmode=… or ?options=-csearch_path%3DSCHEMA",
        ),
        StoreError::Unreachable { .. } => failure(Exit::Unreachable, "database-unreachable").hint(
            "is the server running, and does it let this user in? A password comes from \
             PGPASSWORD or PGPASSFILE; sslmode and sslrootcert say how it proves itself",
        ),
        StoreError::Disconnected(_) => failure(Exit::Unreachable, "database-unreachable")
            .hint("nothing was logged: repeat it once the server is back"),
        StoreError::NoLog { .. } => failure(Exit::NotFound, "no-ledger")
            .hint("make one there: attestry init --database …, or move one there: attestry move"),
        StoreError::Occupied { .. } => failure(Exit::Usage, "database-not-empty")
            .hint("name an empty database, or an empty schema of it"),
        StoreError::NoSchema { .. } => failure(Exit::Usage, "database-schema")
            .hint("CREATE SCHEMA, or name one with ?options=-csearch_path%3DSCHEMA"),
        StoreError::Setting { name, .. } => failure(Exit::Unexpected, "database-unsafe")
            .hint(format!("nothing was logged: set {name} = on, and reload the server")),
        StoreError::OldServer { .. } => failure(Exit::Unexpected, "database-old"),
        StoreError::Sealed(seal) => failure(Exit::No, "log-sealed").hint(hint(seal)),
        StoreError::CommitUnknown(_) => failure(Exit::Unexpected, "commit-unknown").hint(
            "it is logged, or nothing is: look with `attestry log`, and repeat it if it is not \
             there; the same file is never logged twice",
        ),
        StoreError::Unsynced(_) => failure(Exit::Unexpected, "unsynced")
            .hint("what was logged last may not be on the disk: look at the disk, and repeat it"),
        StoreError::Remote(cause) => super::server::failure(cause, text),
        StoreError::Busy
        | StoreError::Full
        | StoreError::Broken
        | StoreError::Missing { .. }
        | StoreError::Exists { .. }
        | StoreError::Irregular { .. }
        | StoreError::Foreign { .. }
        | StoreError::Newer { .. }
        | StoreError::NewerSchema { .. }
        | StoreError::Journal { .. }
        | StoreError::File { .. }
        | StoreError::Expired(_)
        | StoreError::Gap { .. }
        | StoreError::WrongSize { .. }
        | StoreError::Beyond { .. }
        | StoreError::Backwards { .. }
        | StoreError::Ahead { .. }
        | StoreError::ShortPrefix { .. }
        | StoreError::Corrupt { .. }
        | StoreError::Database(_) => failure(Exit::Unexpected, "ledger-failed"),
    }
}

fn hint(seal: &Seal) -> String {
    match seal {
        Seal::MovingTo(to) => {
            format!("finish it: attestry move --to {to}, or give it up: attestry move --cancel")
        }
        Seal::MovedTo(_) => "this is the old database: use a ledger folder that names the new \
                             one in its file `database`"
            .to_owned(),
        Seal::MovingHere => "repeat `attestry move` where it was begun".to_owned(),
    }
}
