//! `attestry gate`: asks the same question as `promote`, without a request.

use clap::Args;
use ledger::http::artifacts::ArtifactName;
use ledger::http::gate::{GateAnswer, PolicyName};
use ledger::http::reviews::DueReview;
use schemas::id::{Environment, IdentityName};
use schemas::predicate::promotion_request::RequestPath;
use schemas::report::{GateVerdict, Verdict};
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
    let request = open
        .as_ref()
        .and_then(|slice| path::open_request_of(slice, &artifacts, way, service.now()));
    let ask = Ask { environment: &environment, artifact: &artifacts[0], request };
    let evaluation = service.evaluate(&ask, &artifacts[1..], way)?;
    let control = service.control()?;
    let policy = control.policies.get(&environment.project);
    let head = heading(&called, &environment, way, policy);
    let trust = control.trust.as_ref().and_then(|it| Trust::of(it.document.clone()).ok());
    let asked = policy.zip(trust.as_ref()).map(|(policy, trust)| supply::Asked {
        policy: &policy.document,
        trust,
        environment: &environment,
        way,
        request: open.as_ref().and_then(|slice| slice.requests.get(&request?)),
    });
    let who = asked.map(|it| it.missing(&evaluation)).unwrap_or_default();
    let waivers = asked.map(|it| it.waivable(&evaluation.gates)).unwrap_or_default();
    let mut list = gates::render(&evaluation.gates);
    list.push_str(&people(&evaluation.gates, &who, &waivers));
    let conclusion = gates::conclusion(&evaluation.gates);
    // Where nobody is asked, no approval has counted.
    let approved = evaluation.gates.iter().any(|gate| gate.gate == "approvals");
    let asked = request
        .filter(|_| approved)
        .map_or(String::new(), |request| format!(" (with the approvals of P-{request})"));
    let due = open.as_ref().map_or(Vec::new(), |slice| status::reviews(slice, service.now()));
    let tail = reviews::below(&environment.name, &due);
    let below = names::below(&called);
    let text = format!("{head}\n{below}\n{list}{conclusion}{asked}\n{tail}");
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
        waivers,
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
fn people(gates: &[GateVerdict], who: &supply::People, waivers: &supply::People) -> String {
    let line = |gate: &str, how: &str, people: &[IdentityName]| {
        let names: Vec<&str> = people.iter().map(IdentityName::as_str).collect();
        format!("  {gate} can be {how} by {}\n", names.join(", "))
    };
    // A freeze is taken away, and nothing can be added to it.
    let frozen = |id: &str| gates.iter().any(|gate| gate.id == id && gate.gate == "freeze");
    let how = |gate: &str| if frozen(gate) { "lifted" } else { "supplied" };
    let supplied = who.iter().map(|(gate, people)| line(gate, how(gate), people));
    let waived = waivers.iter().map(|(gate, people)| line(gate, "waived", people));
    let lines: String = supplied.chain(waived).collect();
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
    fn a_freeze_is_lifted_and_not_supplied() {
        let gate = |id: &str, gate: &str| GateVerdict {
            id: id.to_owned(),
            gate: gate.to_owned(),
            verdict: Verdict::Fail,
            reason: String::new(),
            next: None,
            entries: Vec::new(),
            until: None,
        };
        let gates = [gate("holidays", "freeze"), gate("approvals", "approvals")];
        let who: supply::People = ["approvals", "holidays"]
            .map(|id| (id.to_owned(), vec!["mia".parse().unwrap()]))
            .into_iter()
            .collect();
        assert_eq!(
            people(&gates, &who, &supply::People::new()),
            "\n  approvals can be supplied by mia\n  holidays can be lifted by mia\n\n"
        );
    }

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
