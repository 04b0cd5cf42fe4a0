//! What a scanner knew, where its report does not say it.

use clap::Args;
use schemas::kind::EventKind;
use schemas::predicate::vulnerabilities::ScannerDatabase;

use crate::adapter::database::{self, DATABASE_BYTES_MAX};
use crate::adapter::{Body, Reading};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "For vulnerabilities")]
pub struct ScanArgs {
    /// What Trivy looked into: the output of `trivy version --format json`
    #[arg(long, value_name = "FILE")]
    pub database: Option<String>,
}

impl ScanArgs {
    /// Reads the file about the scanner's database, where one is named.
    pub fn read(&self, kind: EventKind, io: &mut Io) -> Result<Option<ScannerDatabase>, Failure> {
        let Some(file) = &self.database else { return Ok(None) };
        if kind != EventKind::Vulnerabilities {
            return Err(Failure::usage("--database is for scans: attestry record scan"));
        }
        let bytes = io.read_file(file, DATABASE_BYTES_MAX)?;
        let read = database::read(&bytes).ok_or_else(|| {
            let message = format!("{file} does not say when a database was updated");
            Failure::new(Exit::Usage, "database-unknown", message)
                .hint("write it with: trivy version --format json")
        })?;
        Ok(Some(read))
    }
}

/// Adds what is known of the database that Trivy looked into; what its report says itself stays.
pub fn add_database(
    reading: &mut Reading,
    database: Option<&ScannerDatabase>,
) -> Result<(), Failure> {
    let Some(database) = database else { return Ok(()) };
    let Body::Vulnerabilities { scanner, .. } = &mut reading.body else { return Ok(()) };
    if reading.format != "trivy" {
        let message =
            format!("--database is Trivy's, and this report is {}'s", reading.format_name);
        return Err(Failure::usage(message));
    }
    scanner.db.get_or_insert_with(|| database.clone());
    Ok(())
}
