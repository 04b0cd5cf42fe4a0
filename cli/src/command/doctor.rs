//! `attestry doctor`: what an operator should look at, looked at.

use std::fmt::Write as _;

use clap::Args;
use ledger::doctor::{Check, Grade};
use serde_json::json;

use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{labelled, paragraph};
use crate::service::Service;

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
    let checks = Service::examine(&args.ledger, io)?;
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
