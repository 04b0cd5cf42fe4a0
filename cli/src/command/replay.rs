//! `attestry replay`: every decision evaluated again, from the log alone.

use clap::Args;
use schemas::report::Class;
use serde_json::{Value, json};
use verifier::replay::{Replay, Replayed, Scope};

use super::record::append;
use crate::argument::{LedgerArgs, ScopeArgs, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::shorts;
use crate::output::{count, labelled, minute, plural};
use crate::service::Service;
use crate::watching::watched;

/// Evaluate every decision again, from the log alone
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry replay --project payments --environment prod",
    after_help = "The whole log is verified on the way: bytes, chain, signatures, roles, heads. A \
                  decision agrees where every gate says the same again, word for word.\n\nExit codes: 0 \
                  all agree, 3 one does not, 7 integrity broken, 8 one could not be told."
)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub period: PeriodArgs,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// Which decisions are looked at.
#[derive(Debug, Args)]
pub struct PeriodArgs {
    /// Only those that were logged from this time or day on, UTC
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// … and before this one
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Only those of this environment
    #[arg(long, value_name = "ENV")]
    pub environment: Option<String>,
    #[command(flatten)]
    pub project: ScopeArgs,
}

impl PeriodArgs {
    pub fn scope(&self, service: &Service, io: &Io) -> Result<Scope, Failure> {
        let time = |text: &Option<String>| text.as_deref().map(parse_time).transpose();
        let project = self.project.named(io)?;
        let environment = self.environment.as_deref();
        let environment =
            environment.map(|text| append::environment(text, project.clone(), service));
        let environment = environment.transpose()?;
        let (from, to) = (time(&self.from)?, time(&self.to)?);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Failure::usage("--from is not before --to"));
        }
        Ok(Scope { project, environment, from, to })
    }
}

pub fn run(args: &ReplayArgs, io: &mut Io) -> Result<Exit, Failure> {
    let service = Service::open(&args.ledger, io)?;
    let scope = args.period.scope(&service, io)?;
    let size = service.size()?;
    let heard =
        watched(size, io, |progress| service.verify_heard(Replay::of(scope), progress.hearing()));
    let (report, replay) = heard?;
    let mut text = String::new();
    for it in &replay.decisions {
        text.push_str(&labelled(0, &label(it), 22, &said(it)));
    }
    let all = replay.agreed + replay.disagreed;
    text.push_str(&format!(
        "\n{} evaluated again, {} agree, by {} entries with root {}…\n",
        plural(all, "decision", "decisions"),
        count(replay.agreed),
        count(report.size),
        report.root.short()
    ));
    let broken = report.findings.iter().filter(|it| it.class == Class::Integrity);
    for finding in broken {
        let at = finding.index.map_or(String::new(), |index| format!("entry {index}: "));
        text.push_str(&labelled(0, finding.code.name(), 22, &format!("{at}{}", finding.detail)));
    }
    let items: Vec<Value> = replay.decisions.iter().map(to_json).collect();
    io.answer(
        &text,
        &json!({
            "size": report.size, "root": report.root, "agreed": replay.agreed,
            "disagreed": replay.disagreed, "decisions": items,
        }),
    )?;
    Ok(exit(&report.findings, &replay))
}

/// What the decisions come to; what breaks the log comes first.
fn exit(findings: &[schemas::report::Finding], replay: &Replay) -> Exit {
    let mut classes: Vec<Class> = findings
        .iter()
        .map(|finding| finding.class)
        .filter(|class| *class == Class::Integrity)
        .collect();
    classes.extend(replay.decisions.iter().filter_map(|it| Some(it.disagrees.as_ref()?.0.class())));
    classes.into_iter().map(Exit::of_class).fold(Exit::Done, Exit::worse)
}

fn label(it: &Replayed) -> String {
    let word = if it.disagrees.is_none() { "agrees" } else { "DISAGREES" };
    format!("{word:<10} entry {}", it.entry)
}

fn said(it: &Replayed) -> String {
    let artifact = match it.artifacts.is_empty() {
        true => "?".to_owned(),
        false => shorts(&it.artifacts),
    };
    let outcome = format!("{:?}", it.outcome).to_lowercase();
    let gates = plural(it.gates as u64, "gate", "gates");
    let head = format!(
        "P-{} {outcome}: {artifact} -> {}, {gates}, {}",
        it.request,
        it.environment,
        minute(it.at)
    );
    match &it.disagrees {
        None => head,
        Some((code, detail)) => format!("{head}; {} {detail}", code.name()),
    }
}

fn to_json(it: &Replayed) -> Value {
    json!({
        "entry": it.entry, "request": format!("P-{}", it.request), "environment": it.environment,
        "artifact": it.artifacts.first(), "artifacts": it.artifacts, "at": it.at, "outcome": it.outcome, "gates": it.gates,
        "agrees": it.disagrees.is_none(),
        "code": it.disagrees.as_ref().map(|(code, _)| code.name()),
        "detail": it.disagrees.as_ref().map(|(_, detail)| detail),
    })
}
