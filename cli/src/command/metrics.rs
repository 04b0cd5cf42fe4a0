//! `attestry metrics`: measured delivery, from the log alone.

use std::fmt::Write as _;

use clap::Args;
use schemas::id::{EnvironmentName, Time, TreeSize};
use schemas::metrics::{GateUse, Metric, MetricsReport, Statistic, Value};
use verifier::metrics::{Scope, WATCH_MS};

use super::record::append;
use crate::argument::{LedgerArgs, ProjectArgs, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{day, paragraph, span, table};
use crate::service::Service;

/// Measure delivery: lead times, failures, recovery, what each gate did
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry metrics --from 2026-07-01 --to 2026-10-01 --environment prod",
    after_help = "What is too young to tell is pending, and never a success. The same log at the same \
                  --size gives the same numbers.\n\nExit codes: 0 measured, 5 no such project."
)]
pub struct MetricsArgs {
    /// From this time or day, UTC [default: 90 days before the newest entry]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Before this time or day [default: up to the newest entry]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Only this environment; may be given more than once
    #[arg(long, value_name = "ENV")]
    pub environment: Vec<EnvironmentName>,
    /// How many days a deployment is watched before it is called good
    #[arg(long, value_name = "DAYS", default_value_t = WATCH_MS / DAY_MS, value_parser = clap::value_parser!(i64).range(1..=365))]
    pub watch: i64,
    /// By the first entries of the log alone
    #[arg(long, value_name = "N")]
    pub size: Option<TreeSize>,
    /// Also say what each number counts
    #[arg(long)]
    pub definitions: bool,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

const DAY_MS: i64 = 86_400_000;

/// A period unless one is named, in days.
const DAYS: i64 = 90;

pub fn run(args: &MetricsArgs, io: &mut Io) -> Result<Exit, Failure> {
    let time = |text: &Option<String>| text.as_deref().map(parse_time).transpose();
    let (from, to) = (time(&args.from)?, time(&args.to)?);
    let service = Service::open(&args.ledger, io)?;
    let project = append::project(args.project.named(io)?, &service)?;
    let newest = service.newest_time(args.size)?;
    let to = to.unwrap_or_else(|| newest.plus_ms(1));
    let from = from.unwrap_or_else(|| to.plus_ms(-DAYS * DAY_MS));
    if from >= to {
        return Err(Failure::usage("--from is not before --to"));
    }
    let environments = args.environment.clone();
    let scope = Scope { environments, from, to, watch_ms: args.watch * DAY_MS };
    let report = service.metrics(&project, args.size, &scope)?;
    let text = text_of(&report, args.definitions);
    let json = serde_json::to_value(&report).map_err(Failure::unexpected)?;
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}

fn text_of(report: &MetricsReport, definitions: bool) -> String {
    let mut text = format!(
        "{}  {} to {} (UTC), by the first {} entries\n\n",
        report.project,
        day(report.from),
        day(Time(report.to.0 - 1)),
        report.size
    );
    let rows: Vec<Vec<String>> = report.metrics.iter().map(row).collect();
    if definitions {
        for (line, metric) in table(&rows).lines().zip(&report.metrics) {
            let _ = writeln!(text, "{line}\n{}", paragraph(4, metric.definition));
        }
    } else {
        text.push_str(&table(&rows));
    }
    if !report.gates.is_empty() {
        let head = ["gate", "decided", "failed", "waived", "overturned", "waited"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(report.gates.iter().map(gate_row));
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn row(metric: &Metric) -> Vec<String> {
    let pending =
        if metric.pending > 0 { format!("{} pending", metric.pending) } else { String::new() };
    vec![metric.id.to_owned(), value_of(metric), pending]
}

fn value_of(metric: &Metric) -> String {
    match &metric.value {
        Value::Rate(rate) => match rate.basis_points {
            Some(points) => {
                format!("{}.{:02} %  {} of {}", points / 100, points % 100, rate.part, rate.of)
            }
            None => "none".to_owned(),
        },
        Value::DurationMs(it) => statistic(metric.n, it, span),
        Value::Millionths(it) => statistic(metric.n, it, millionths),
        Value::Frequency(it) => format!("{} in {} d", it.count, it.days),
    }
}

fn statistic(n: u64, it: &Statistic, shown: impl Fn(i64) -> String) -> String {
    match (it.median, it.p90, it.mean) {
        (Some(median), Some(p90), Some(mean)) => {
            let (median, p90, mean) = (shown(median), shown(p90), shown(mean));
            format!("{median}  p90 {p90}, mean {mean}, n {n}")
        }
        _ => "none".to_owned(),
    }
}

fn millionths(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.unsigned_abs() / 1_000_000, value.unsigned_abs() % 1_000_000);
    let text = format!("{sign}{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn gate_row(it: &GateUse) -> Vec<String> {
    let waited = it.waited_ms.median.map_or_else(|| "-".to_owned(), span);
    let counts = [it.evaluations, it.failures, it.waived, it.overturned].map(|it| it.to_string());
    let mut row = vec![format!("{} {}", it.environment, it.id)];
    row.extend(counts);
    row.push(waited);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_shown_without_trailing_zeros() {
        for (value, text) in
            [(0, "0"), (1, "0.000001"), (250_000, "0.25"), (-2_500_000, "-2.5"), (10_000_000, "10")]
        {
            assert_eq!(millionths(value), text);
        }
    }
}
