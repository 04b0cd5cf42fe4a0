//! What stands in an artifact's tree: its build and sources, its evidence, its environments.

use std::collections::BTreeMap;

use schemas::id::{EntryIndex, Environment, Project};
use schemas::predicate::approval::{Approval, ApprovalOutcome};
use schemas::predicate::decision::Outcome;
use schemas::predicate::review::ReviewOutcome;
use schemas::predicate::test::TestResult;
use schemas::report::GateVerdict;
use schemas::thread::ThreadId;
use verifier::event::Body;
use verifier::pack::population::result_name;
use verifier::policy::{self, Ask};
use verifier::projection::slice::{ArtifactInProject, BuildFacts, Evidence, Signer};

use super::tree::Node;
use crate::failure::Failure;
use crate::history::{History, Line};
use crate::output::{gates, plural};

fn names(signers: &[Signer]) -> String {
    let names: Vec<&str> = signers.iter().map(|signer| signer.identity.as_str()).collect();
    names.join(", ")
}

/// The build, the commits that it came from, and who wrote and reviewed them.
pub fn build(
    history: &History,
    project: &Project,
    build: &Evidence<BuildFacts>,
) -> Result<Node, Failure> {
    let text = format!("build by {}, signed by {}", build.facts.builder, names(&build.signers));
    let mut node = Node::new(text, Some(build.entry));
    for source in &build.facts.sources {
        let uri = source.uri.rsplit_once('@').map_or(source.uri.as_str(), |(uri, _)| uri);
        let mut commit = Node::new(format!("source {uri}@{}", source.commit.short()), None);
        let slice = history.artifact(&source.commit)?;
        let known = slice.as_ref().and_then(|slice| slice.projects.get(project));
        commit.add(match known.and_then(|known| known.review.as_ref()) {
            Some(review) => {
                let facts = &review.facts;
                let outcome = match facts.outcome {
                    ReviewOutcome::Approved => "approved",
                    ReviewOutcome::ChangesRequested => "asked for changes",
                    ReviewOutcome::Commented => "commented",
                };
                let reviewers = match facts.reviewers.is_empty() {
                    true => "nobody".to_owned(),
                    false => facts.reviewers.join(", "),
                };
                let authors = facts.authors.join(", ");
                Node::new(
                    format!("written by {authors}; {reviewers} {outcome}"),
                    Some(review.entry),
                )
            }
            None => Node::new("no review is recorded", None),
        });
        node.add(commit);
    }
    Ok(node)
}

/// The newest evidence of each suite.
pub fn evidence(known: &ArtifactInProject) -> Option<Node> {
    let mut node = Node::new("evidence", None);
    let suite = |word: &str, name: &str| match name {
        "" => word.to_owned(),
        name => format!("{word} {name}"),
    };
    for (name, test) in &known.tests {
        let result = match test.facts.result {
            TestResult::Passed => "passed",
            TestResult::Warned => "passed with warnings",
            TestResult::Failed => "failed",
        };
        let counts = counts(&test.facts.counts);
        node.add(Node::new(format!("{}: {result}{counts}", suite("test", name)), Some(test.entry)));
    }
    for (name, scan) in &known.scans {
        let counts: Vec<String> = scan
            .facts
            .counts
            .iter()
            .map(|(word, count)| format!("{count} {}", word.name()))
            .collect();
        let found = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
        let text = format!("{}: {found} ({})", suite("scan", name), scan.facts.scanner);
        node.add(Node::new(text, Some(scan.entry)));
    }
    for (name, analysis) in &known.analyses {
        let levels = &analysis.facts.levels;
        let errors = plural(levels.error, "error", "errors");
        let text = format!("{errors}, {}", plural(levels.warning, "warning", "warnings"));
        node.add(Node::new(format!("{}: {text}", suite("analysis", name)), Some(analysis.entry)));
    }
    for (name, metric) in &known.metrics {
        let unit = metric.facts.unit.as_deref().map_or(String::new(), |unit| format!(" {unit}"));
        let text = format!("{name}: {}{unit}", metric.facts.value);
        node.add(Node::new(text, Some(metric.entry)));
    }
    if let Some(sbom) = &known.sbom {
        node.add(Node::new("bill of materials", Some(sbom.entry)));
    }
    for (kind, entry) in &known.unreadable {
        node.add(Node::new(format!("{kind}: cannot be read"), Some(*entry)));
    }
    (!node.is_leaf()).then_some(node)
}

/// What a tool counted: `2 passed, 0 failed, 1 skipped`, then words of its own.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    const FIRST: [&str; 4] = ["passed", "failed", "errors", "skipped"];
    let known = FIRST.iter().filter_map(|word| Some((*word, *counts.get(*word)?)));
    let own = counts.iter().map(|(word, count)| (word.as_str(), *count));
    let own = own.filter(|(word, _)| !FIRST.contains(word) && *word != "tests");
    let said = known.chain(own).filter(|(word, count)| *word != "errors" || *count > 0);
    let parts: Vec<String> = said
        .map(|(word, count)| match word {
            "errors" => plural(count, "error", "errors"),
            word => format!("{count} {word}"),
        })
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Each environment with what was asked, answered, decided and deployed there.
pub fn environments(
    history: &History,
    project: &Project,
    thread: &[Line],
) -> Result<Vec<Node>, Failure> {
    let mut found: Vec<(Environment, Node)> = Vec::new();
    for line in thread {
        let Some((environment, text)) = step(line).filter(|(it, _)| it.project == *project) else {
            continue;
        };
        let at = found.iter().position(|(known, _)| *known == environment).unwrap_or_else(|| {
            found.push((environment.clone(), Node::new(environment.to_string(), None)));
            found.len() - 1
        });
        let mut node = Node::new(text, Some(line.entry.index));
        if let Some(why) = why_not(history, thread, line)? {
            node.add(Node::new(format!("does not count: {why}"), None));
        }
        found[at].1.add(node);
    }
    Ok(found.into_iter().map(|(_, node)| node).collect())
}

/// Why an approval does not count: by the decision on its request, else as the gates are now.
fn why_not(history: &History, thread: &[Line], line: &Line) -> Result<Option<String>, Failure> {
    let Some(Body::Approval(body)) = line.event.as_ref().map(|event| &event.body) else {
        return Ok(None);
    };
    let decided = thread.iter().find_map(|line| match line.event.as_ref().map(|it| &it.body) {
        Some(Body::Decision(decision)) => {
            let said = &decision.extension;
            (said.request.index == body.request.index).then(|| said.gates.clone())
        }
        _ => None,
    });
    let gates = match decided {
        Some(gates) => gates,
        None => open_gates(history, body, line)?,
    };
    let asking = || gates.iter().filter(|gate| gate.gate == "approvals");
    let why = |signer: &String| {
        let signer = signer.parse().ok()?;
        // Where one gate counts it, it counts.
        let whys = asking().map(|gate| policy::why_not(&gate.reason, &signer, &body.role));
        whys.collect::<Option<Vec<_>>>()?.first().map(|why| (*why).to_owned())
    };
    Ok(line.signers.iter().find_map(why))
}

fn open_gates(
    history: &History,
    body: &Approval,
    line: &Line,
) -> Result<Vec<GateVerdict>, Failure> {
    let environment = Environment { project: body.project.clone(), name: body.environment.clone() };
    let artifact = line.entry.threads.iter().find_map(|it| match &it.thread {
        ThreadId::Artifact(artifact) => Some(artifact),
        _ => None,
    });
    let Some(artifact) = artifact else { return Ok(Vec::new()) };
    let ask = Ask { environment: &environment, artifact, request: Some(body.request.index) };
    Ok(history.evaluate(&ask)?.map_or(Vec::new(), |evaluation| evaluation.gates))
}

/// What an entry of an environment says, in a few words.
fn step(line: &Line) -> Option<(Environment, String)> {
    let signers = line.signers.join(", ");
    let at = |project: &Project, name| Environment { project: project.clone(), name };
    match &line.event.as_ref()?.body {
        Body::PromotionRequest(body) => {
            let text = format!("P-{} asked by {signers}: {}", line.entry.index, body.reason);
            Some((at(&body.project, body.to.clone()), text))
        }
        Body::Approval(body) => {
            let word = match body.outcome {
                ApprovalOutcome::Granted => "approved",
                ApprovalOutcome::Rejected => "rejected",
                ApprovalOutcome::Withdrawn => "withdrawn",
            };
            let text = format!("{word} by {signers} ({}): {}", body.role, body.reason);
            Some((at(&body.project, body.environment.clone()), text))
        }
        Body::Decision(body) => {
            let said = &body.extension;
            let text = match said.outcome {
                Outcome::Granted => format!("P-{} granted", said.request.index),
                Outcome::Denied => {
                    format!("P-{} denied by {}", said.request.index, gates::open_names(&said.gates))
                }
            };
            Some((at(&said.project, said.environment.clone()), text))
        }
        Body::Deployment(body) => {
            let request = body.promotion.map_or(String::new(), promotion);
            let target = body.target.as_deref().map_or(String::new(), |it| format!(" at {it}"));
            let text =
                format!("deployment {}{request}{target}, by {signers}", result_name(body.result));
            Some((at(&body.project, body.environment.clone()), text))
        }
        _ => None,
    }
}

fn promotion(request: EntryIndex) -> String {
    format!(" of P-{request}")
}
