//! `attestry gate`: asks the same question as `promote`, without a request.

use std::collections::BTreeMap;

use clap::Args;
use ledger::http::artifacts::ArtifactName;
use ledger::http::gate::{GateAnswer, PolicyName};
use ledger::http::reviews::DueReview;
use schemas::id::{Environment, IdentityName};
use schemas::predicate::promotion_request::RequestPath;
use schemas::report::Verdict;
use verifier::policy::{Ask, path, supply};
use verifier::projection::slice::PolicyInForce;
use verifier::status;
use verifier::trust::Trust;

use super::promote::together::WithArgs;
use super::promote::way::WayArgs;
use super::promote::{self, together};
use crate::argument::{LedgerArgs, ProjectArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::{self, Called};
use crate::output::{columns, gates, reviews};
use crate::service::Service;
use crate::subject;

/// Ask whether an artifact could enter an environment now; logs nothing
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry gate sha256:9f2c41d0 --to prod",
    after_help = "Exit codes: 0 admitted, 3 not admitted: a gate fails or waits."
)]
pub struct GateArgs {
    /// The artifact: a file, or a digest such as sha256:9f2c41d0
    pub subject: String,
    #[command(flatten)]
    pub with: WithArgs,
    /// The environment
    #[arg(long, value_name = "ENV")]
    pub to: String,
    #[command(flatten)]
    pub way: WayArgs,
    #[command(flatten)]
    pub ledger: LedgerArgs,
    #[command(flatten)]
    pub project: ProjectArgs,
}

pub fn run(args: &GateArgs, io: &mut Io) -> Result<Exit, Failure> {
    let written = subject::read(&args.subject, io)?;
    let others = args.with.read(io)?;
    let service = Service::open(&args.ledger, io)?;
    let environment = promote::environment(&args.to, &args.project, &service, io)?;
    let artifact = promote::artifact(&args.subject, written, &service)?;
    let artifacts = args.with.all(artifact, others, &service)?;
    let called = together::called(&artifacts, &environment.project, &service)?;
    // An open request about just these artifacts has approvals that count.
    let (open, way) = (service.environment(&environment)?, args.way.way());
    let now = service.now();
    let request =
        open.as_ref().and_then(|slice| path::open_request_of(slice, &artifacts, way, now));
    let ask = Ask { environment: &environment, artifact: &artifacts[0], request };
    let evaluation = service.evaluate(&ask, &artifacts[1..], way)?;
    let control = service.control()?;
    let policy = control.policies.get(&environment.project);
    let head = heading(&called, &environment, way, policy);
    let rule = policy.and_then(|policy| policy.document.environment(&environment.name));
    let trust = control.trust.as_ref().map(|it| Trust::of(it.document.clone()));
    let who = match (rule.and_then(|rule| path::gates(rule, way)), trust) {
        (Some(rules), Some(Ok(trust))) => {
            supply::missing(rules, &evaluation.gates, &trust, &environment)
        }
        _ => BTreeMap::new(),
    };
    let mut list = gates::render(&evaluation.gates);
    list.push_str(&people(&who));
    let conclusion = gates::conclusion(&evaluation.gates);
    let asked =
        request.map_or(String::new(), |request| format!(" (with the approvals of P-{request})"));
    let due = open.as_ref().map_or(Vec::new(), |slice| status::reviews(slice, now));
    let (which, below) = (names::below(&called), reviews::below(&environment.name, &due));
    let text = format!("{head}\n{which}\n{list}{conclusion}{asked}\n{below}");
    let name = |it: Called| ArtifactName { name: it.name, version: it.version, digest: it.digest };
    let artifacts: Vec<ArtifactName> = called.into_iter().map(name).collect();
    let answer = GateAnswer {
        artifact: artifacts[0].clone(),
        artifacts,
        environment: environment.clone(),
        path: way,
        policy: policy.map(|it| PolicyName {
            revision: it.revision,
            digest: it.digest,
            entry: it.entry,
        }),
        request: request.map(|request| format!("P-{request}")),
        admitted: evaluation.gates.iter().all(|gate| gate.verdict.admits()),
        gates: evaluation.gates.clone(),
        who,
        reviews: due.into_iter().map(DueReview::from).collect(),
    };
    let json = serde_json::to_value(answer).map_err(Failure::unexpected)?;
    io.answer(&text, &json)?;
    Ok(exit(evaluation.gates.iter().map(|gate| gate.verdict)))
}

/// What is asked, and at the right end the policy that answers.
fn heading(
    called: &[Called],
    environment: &Environment,
    way: RequestPath,
    policy: Option<&PolicyInForce>,
) -> String {
    let by = if way.is_normal() { String::new() } else { format!(" ({})", way.name()) };
    let head = format!("{} -> {}{by}", names::head(called), environment.name);
    let shown = policy.map_or(String::new(), |policy| {
        format!("policy {} (sha256:{}…)", policy.revision, &policy.digest.short()[..4])
    });
    let gap = crate::output::WIDTH.saturating_sub(columns(&head) + columns(&shown)).max(2);
    format!("{head}{:gap$}{shown}", "")
}

/// One line for each gate that somebody can do something about.
fn people(who: &BTreeMap<String, Vec<IdentityName>>) -> String {
    let line = |(gate, people): (&String, &Vec<IdentityName>)| {
        let names: Vec<&str> = people.iter().map(IdentityName::as_str).collect();
        format!("  {gate} can be supplied by {}\n", names.join(", "))
    };
    let lines: String = who.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}\n") }
}

/// 0 where every gate admits, 8 where only "could not tell" stands in the way, else 3.
pub fn exit(verdicts: impl Iterator<Item = Verdict>) -> Exit {
    let mut exit = Exit::Done;
    for verdict in verdicts {
        exit = exit.worse(match verdict {
            Verdict::Pass | Verdict::Waived => Exit::Done,
            Verdict::Fail | Verdict::Waiting => Exit::No,
            Verdict::Indeterminate => Exit::Unknown,
        });
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn could_not_tell_is_eight_only_alone() {
        use Verdict as V;
        for (verdicts, expected) in [
            (vec![], 0),
            (vec![V::Pass, V::Waived], 0),
            (vec![V::Pass, V::Indeterminate], 8),
            (vec![V::Waiting, V::Indeterminate], 3),
            (vec![V::Indeterminate, V::Fail], 3),
        ] {
            assert_eq!(exit(verdicts.into_iter()).code(), expected);
        }
    }
}
