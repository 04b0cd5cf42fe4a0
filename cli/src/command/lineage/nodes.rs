//! What stands in an artifact's tree: its build and sources, its evidence, its environments.

use std::collections::BTreeMap;

use schemas::id::{EntryIndex, Environment, Project};
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::decision::Outcome;
use schemas::predicate::review::ReviewOutcome;
use schemas::predicate::test::TestResult;
use verifier::event::Body;
use verifier::pack::population::result_name;
use verifier::projection::slice::{ArtifactInProject, BuildFacts, Evidence, Signer};

use super::tree::Node;
use crate::failure::Failure;
use crate::history::{History, Line};
use crate::output::gates;

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
        let text = format!("{} errors, {} warnings", levels.error, levels.warning);
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

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Each environment with what was asked, answered, decided and deployed there.
pub fn environments(project: &Project, thread: &[Line]) -> Vec<Node> {
    let mut found: Vec<(Environment, Node)> = Vec::new();
    for line in thread {
        let Some((environment, text)) = step(line).filter(|(it, _)| it.project == *project) else {
            continue;
        };
        let at = found.iter().position(|(known, _)| *known == environment).unwrap_or_else(|| {
            found.push((environment.clone(), Node::new(environment.to_string(), None)));
            found.len() - 1
        });
        found[at].1.add(Node::new(text, Some(line.entry.index)));
    }
    found.into_iter().map(|(_, node)| node).collect()
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
