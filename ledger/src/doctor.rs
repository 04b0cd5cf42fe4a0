//! Looks at a ledger as its operator should: clock, disk, keys, permissions, database, checkpoints.
//!
//! Looks and changes nothing, and goes on after a check that fails: what one finding hides is seldom
//! what is wrong.

mod database;
mod folder;
mod log;

use std::path::Path;
use std::sync::Arc;

use verifier::pin::{Pin, parse_pin};

use crate::clock::Clock;
use crate::error::{LedgerError, malformed};
use crate::folder::Folder;
use crate::ledger::Ledger;

/// How good what was found is, better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    Ok,
    /// It works, and should be looked at.
    Warning,
    /// It does not work, or what it has acknowledged may be lost.
    Failed,
    /// History is not what was published, or the database's bytes are broken.
    Broken,
}

impl Grade {
    pub fn name(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Warning => "warning",
            Grade::Failed => "failed",
            Grade::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What: one word, the same each time.
    pub name: &'static str,
    pub grade: Grade,
    pub found: String,
    /// The next step, where there is one.
    pub next: Option<&'static str>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, grade: Grade::Ok, found: found.into(), next: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, next: &'static str) -> Check {
        Check { name, grade: Grade::Warning, found: found.into(), next: Some(next) }
    }

    fn failed(name: &'static str, found: impl Into<String>, next: &'static str) -> Check {
        Check { name, grade: Grade::Failed, found: found.into(), next: Some(next) }
    }

    fn broken(name: &'static str, found: impl Into<String>, next: &'static str) -> Check {
        Check { name, grade: Grade::Broken, found: found.into(), next: Some(next) }
    }
}

/// Looks at everything; an error only where there is no ledger to look at.
pub async fn examine(
    root: &Path,
    high_water: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Vec<Check>, LedgerError> {
    let folder = Folder::new(root);
    let pin = pin(&folder)?;
    let mut checks = folder::examine(&folder, &pin);
    let named = folder.database()?;
    let now = clock.now();
    checks.push(folder::attachments(&folder));
    match database::examine(&named, now).await {
        Err(cause) => checks.push(database::unusable(&cause)),
        Ok(found) => {
            checks.extend(found);
            match named.open().await {
                Err(cause) => checks.push(database::unusable(&cause)),
                Ok(store) => {
                    let ledger = Ledger::assemble(store, folder, pin, high_water, clock, false)?;
                    checks.extend(log::examine(&ledger).await);
                    ledger.close().await;
                }
            }
        }
    }
    Ok(checks)
}

fn pin(folder: &Folder) -> Result<Pin, LedgerError> {
    match std::fs::read(folder.pin()) {
        Ok(bytes) => parse_pin(&bytes).map_err(|cause| malformed("pin.txt", cause)),
        Err(_) => Err(LedgerError::NotFound(folder.root.clone())),
    }
}
