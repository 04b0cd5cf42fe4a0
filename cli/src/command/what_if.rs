//! `attestry what-if`: another policy over the decisions that were made.

use clap::Args;
use schemas::predicate::decision::Outcome;
use serde_json::{Value, json};
use verifier::replay::{Changed, WhatIf};

use super::replay::PeriodArgs;
use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::shorts;
use crate::output::{count, labelled, paragraph, plural};
use crate::service::Service;
use crate::watching::watched;

/// Say which past promotions another policy would have stopped or let through
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry what-if --policy new.yaml --from 2026-07-01",
    after_help = "Every decision is evaluated by the other policy on what was known when it was made; \
                  approvals count as given under it. Nothing is logged.\n\nExit codes: 0 looked at, \
                  whatever came out, 2 the policy cannot be read, 7 integrity broken, 8 one could not be \
                  told."
)]
pub struct WhatIfArgs {
    /// The other policy, as `attestry policy set` takes it
    #[arg(long, value_name = "FILE")]
    pub policy: String,
    #[command(flatten)]
    pub period: PeriodArgs,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

pub fn run(args: &WhatIfArgs, io: &mut Io) -> Result<Exit, Failure> {
    let document = super::policy::read_document(&args.policy, io)?;
    let service = Service::open(&args.ledger, io)?;
    let scope = args.period.scope(&service, io)?;
    let size = service.size()?;
    let heard = watched(size, io, |progress| {
        service.verify_heard(WhatIf::of(document, scope), progress.hearing())
    });
    let (report, what_if) = heard?;
    let mut text = String::new();
    for it in &what_if.changed {
        text.push_str(&labelled(0, word(it), 12, &said(it)));
        for gate in &it.by {
            let reason = format!("{}: {}", gate.verdict.name(), gate.reason);
            text.push_str(&labelled(13, &gate.id, 16, &reason));
        }
    }
    let stopped = what_if.changed.iter().filter(|it| it.was == Outcome::Granted).count() as u64;
    let let_in = what_if.changed.len() as u64 - stopped;
    text.push('\n');
    text.push_str(&summary(what_if.same, stopped, let_in));
    if what_if.unknown > 0 {
        text.push_str(&format!("{} could not be told\n", count(what_if.unknown)));
    }
    let items: Vec<Value> = what_if.changed.iter().map(to_json).collect();
    io.answer(
        &text,
        &json!({
            "size": report.size, "root": report.root, "same": what_if.same,
            "unknown": what_if.unknown, "changed": items,
        }),
    )?;
    let broken = Exit::of_findings(&report.findings);
    Ok(match (broken, what_if.unknown) {
        (Exit::Integrity, _) => Exit::Integrity,
        (_, 0) => Exit::Done,
        _ => Exit::Unknown,
    })
}

fn summary(same: u64, stopped: u64, let_in: u64) -> String {
    let same = plural(same, "decision", "decisions");
    let (stopped, let_in) = (count(stopped), count(let_in));
    paragraph(
        0,
        &format!(
            "{same} would come out the same, {stopped} would be stopped or wait, {let_in} would be let \
             in or wait"
        ),
    )
}

fn word(it: &Changed) -> &'static str {
    match it.would_be {
        Some(Outcome::Granted) => "let in",
        Some(Outcome::Denied) => "stopped",
        None => "would wait",
    }
}

fn said(it: &Changed) -> String {
    let was = match it.was {
        Outcome::Granted => "granted",
        Outcome::Denied => "denied",
    };
    format!(
        "P-{} {} -> {}, {was} as entry {}",
        it.request,
        shorts(&it.artifacts),
        it.environment,
        it.entry
    )
}

fn to_json(it: &Changed) -> Value {
    json!({
        "entry": it.entry, "request": format!("P-{}", it.request), "environment": it.environment,
        "artifact": it.artifacts.first(), "artifacts": it.artifacts, "was": it.was, "wouldBe": it.would_be,
        "gates": crate::output::gates::to_json(&it.by),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{WIDTH, columns};

    #[test]
    fn the_sums_fit_a_terminal() {
        let text = summary(1_000_000, 1_000, 1_000);
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        assert!(text.starts_with("1,000,000 decisions would come out the same, 1,000"), "{text}");
    }
}
