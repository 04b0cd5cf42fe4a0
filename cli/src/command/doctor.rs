//! `attestry doctor`: what an operator should look at, looked at.

use std::fmt::Write as _;

use clap::Args;
use ledger::doctor::{Check, Grade};
use serde_json::json;

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{labelled, paragraph, span};
use crate::service::Service;
use crate::spool::Spool;

/// Look at clock, disk, keys, permissions, database and checkpoints
///
/// Changes nothing. Exit 0 where everything is ok or only worth a warning, 3 where something
/// failed, 7 where the log is not the one that was published or its pages are broken.
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry doctor --ledger ledger")]
pub struct DoctorArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

pub fn run(args: &DoctorArgs, io: &mut Io) -> Result<Exit, Failure> {
    let mut checks = Service::examine(&args.ledger, io)?;
    checks.extend(spool(io)?);
    let worst = checks.iter().map(|check| check.grade).max().unwrap_or(Grade::Ok);
    let list: Vec<_> = checks.iter().map(shown).collect();
    let json = json!({ "grade": worst.name(), "checks": list });
    io.answer(&text(&checks), &json)?;
    Ok(match worst {
        Grade::Ok | Grade::Warning => Exit::Done,
        Grade::Failed => Exit::No,
        Grade::Broken => Exit::Integrity,
    })
}

/// What was recorded here while a server was away, and is not delivered yet.
fn spool(io: &Io) -> Result<Option<Check>, Failure> {
    let spool = Spool::of(io);
    let (waiting, refused) = (spool.list()?, spool.refused().list()?);
    if waiting.is_empty() && refused.is_empty() {
        return Ok(None);
    }
    let oldest = waiting.iter().find_map(|it| spool.read(it.name).ok());
    let oldest = oldest.map_or_else(String::new, |item| {
        let waited = crate::service::now().since(item.about.spooled_at).max(0);
        format!(", the oldest for {}", span(waited))
    });
    let (count, aside) = (waiting.len(), refused.len());
    let found = format!("{count} events wait{oldest}; {aside} were refused");
    let next = Some("attestry spool list, then attestry spool push");
    Ok(Some(Check { name: "spool", grade: Grade::Warning, found, next }))
}

fn shown(check: &Check) -> serde_json::Value {
    json!({
        "name": check.name, "grade": check.grade.name(), "found": check.found, "next": check.next,
    })
}

fn text(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let label = format!("{:<8} {}", check.grade.name(), check.name);
        out.push_str(&labelled(0, &label, 21, &check.found));
        if let Some(next) = check.next {
            out.push_str(&paragraph(22, &format!("next: {next}")));
        }
    }
    let bad = checks.iter().filter(|check| check.grade > Grade::Warning).count();
    let _ = match bad {
        0 => writeln!(out, "\nnothing failed"),
        bad => writeln!(out, "\n{bad} of {} checks failed", checks.len()),
    };
    out
}
