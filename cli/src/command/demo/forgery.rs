//! Two forgeries of a pack.

use std::fs::File;
use std::path::Path;

use verifier::pack::bag::{self, Files};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::pack_file::{self, Limits, PackFileError};

const GENUINE: &str = "payments-prod.zip";

/// Changes one digit of the time at which it was deployed, and nothing else.
pub fn one_byte(folder: &Path) -> Result<(), Failure> {
    let files = forged(folder)?;
    write(folder, "forged.zip", &files)
}

/// The same, with every manifest made to fit.
pub fn with_manifests(folder: &Path) -> Result<(), Failure> {
    let (bag, _) = bag::open(forged(folder)?);
    let bag = bag.ok_or_else(|| broken("the pack says nothing of itself"))?;
    let (files, _) = bag::seal(&bag.scope, bag.readme, bag.payload);
    write(folder, "forged-better.zip", &files)
}

fn forged(folder: &Path) -> Result<Files, Failure> {
    let mut files = match pack_file::read(&folder.join(GENUINE), &Limits::PACK) {
        Ok(files) => files,
        Err(PackFileError::Failure(failure)) => return Err(failure),
        Err(PackFileError::Malformed(finding)) => return Err(broken(&finding.detail)),
    };
    let entries = files.iter_mut().filter(|(path, _)| path.starts_with("data/entries/"));
    let deployment = entries.map(|(_, bytes)| bytes).filter(|bytes| {
        let kind = format!("\ntype {}\n", schemas::predicate::deployment::TYPE);
        bytes.windows(kind.len()).any(|window| window == kind.as_bytes())
    });
    let bytes = deployment.last().ok_or_else(|| broken("the pack has no deployment"))?;
    let at = bytes.windows(5).position(|window| window == b"time ");
    let digit = at.and_then(|at| bytes.get_mut(at + "time 2026-11-20T17:00:0".len()));
    let digit = digit.ok_or_else(|| broken("an entry has no time"))?;
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    Ok(files)
}

fn write(folder: &Path, name: &str, files: &Files) -> Result<(), Failure> {
    let path = folder.join(name);
    let file = File::create(&path).map_err(|cause| Failure::file(&path, &cause))?;
    pack_file::write(files, file).map_err(|cause| broken(&cause.to_string()))
}

fn broken(what: &str) -> Failure {
    Failure::new(Exit::Unexpected, "demo-broken", what.to_owned())
}
