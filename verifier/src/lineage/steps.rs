//! What was asked, answered, decided, deployed and seen to go wrong about an artifact, by environment.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, Environment, Project};
use schemas::predicate::approval::{Approval, ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::decision::Outcome;
use schemas::predicate::incident::IncidentStatus;
use schemas::predicate::promotion_request::PromotionRequest;
use schemas::report::GateVerdict;
use schemas::thread::ThreadId;

use super::Node;
use super::compromised::Compromises;
use crate::event::Body;
use crate::line::Line;
use crate::pack::population::result_name;
use crate::policy::{self, Ask};
use crate::projection::Missing;
use crate::view::{View, failed_names};

/// Each environment with what was asked, answered, decided and deployed there.
pub fn environments(
    view: &View<'_>,
    project: &Project,
    thread: &[Line],
) -> Result<Vec<Node>, Missing> {
    let compromises = Compromises::of(view);
    let mut gates = Gates { view, thread, known: BTreeMap::new() };
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
        node.children.extend(compromises.of_line(line));
        if let Some(why) = gates.why_not(line)? {
            node.add(Node::new(format!("does not count: {why}"), None));
        }
        found[at].1.add(node);
    }
    Ok(found.into_iter().map(|(_, node)| node).collect())
}

/// The gates of requests: as they were decided, else as they are now.
struct Gates<'a> {
    view: &'a View<'a>,
    thread: &'a [Line],
    known: BTreeMap<EntryIndex, Vec<GateVerdict>>,
}

impl Gates<'_> {
    /// Why an approval does not count.
    fn why_not(&mut self, line: &Line) -> Result<Option<String>, Missing> {
        let Some(Body::Approval(body)) = line.event.as_ref().map(|event| &event.body) else {
            return Ok(None);
        };
        let gates = self.of(body, line)?;
        let asking = || gates.iter().filter(|gate| gate.gate == "approvals");
        let why = |signer: &String| {
            let signer = signer.parse().ok()?;
            // Where one gate counts it, it counts.
            let whys = asking().map(|gate| policy::why_not(&gate.reason, &signer, &body.role));
            whys.collect::<Option<Vec<_>>>()?.first().map(|why| (*why).to_owned())
        };
        Ok(line.signers.iter().find_map(why))
    }

    fn of(&mut self, body: &Approval, line: &Line) -> Result<&[GateVerdict], Missing> {
        let request = body.request.index;
        if !self.known.contains_key(&request) {
            let gates = match self.decided(request) {
                Some(gates) => gates,
                None => self.open(body, line)?,
            };
            self.known.insert(request, gates);
        }
        Ok(self.known.get(&request).map_or(&[], Vec::as_slice))
    }

    fn decided(&self, request: EntryIndex) -> Option<Vec<GateVerdict>> {
        self.thread.iter().find_map(|line| match line.event.as_ref().map(|it| &it.body) {
            Some(Body::Decision(decision)) => {
                let said = &decision.extension;
                (said.request.index == request).then(|| said.gates.clone())
            }
            _ => None,
        })
    }

    fn open(&self, body: &Approval, line: &Line) -> Result<Vec<GateVerdict>, Missing> {
        let environment =
            Environment { project: body.project.clone(), name: body.environment.clone() };
        let artifact = line.entry.threads.iter().find_map(|it| match &it.thread {
            ThreadId::Artifact(artifact) => Some(artifact),
            _ => None,
        });
        let Some(artifact) = artifact else { return Ok(Vec::new()) };
        let ask = Ask { environment: &environment, artifact, request: Some(body.request.index) };
        Ok(self.view.evaluate(&ask)?.map_or(Vec::new(), |evaluation| evaluation.gates))
    }
}

/// What an entry of an environment says, in a few words.
fn step(line: &Line) -> Option<(Environment, String)> {
    let signers = line.signers.join(", ");
    let at = |project: &Project, name| Environment { project: project.clone(), name };
    match &line.event.as_ref()?.body {
        Body::PromotionRequest(body) => {
            let text = asked(body, line.entry.index, &signers);
            let together = together(line).map_or(String::new(), |it| format!(" ({it} together)"));
            Some((at(&body.project, body.to.clone()), text + &together))
        }
        Body::Approval(body) if body.meaning == POST_HOC_REVIEW => Some(reviewed(body, &signers)),
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
                    format!("P-{} denied by {}", said.request.index, failed_names(&said.gates))
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
        Body::Canary(body) => {
            let request = body.promotion.map_or(String::new(), promotion);
            let text = format!("canary{request} {}, by {signers}", body.verdict.name());
            Some((at(&body.project, body.environment.clone()), text))
        }
        Body::Rollback(body) => {
            let (result, from) = (result_name(body.result), body.from.short());
            let text = format!("rollback from {from} {result}, by {signers}: {}", body.reason);
            Some((at(&body.project, body.environment.clone()), text))
        }
        Body::Incident(body) => {
            let (status, severity) = (happened(body.status), body.severity.name());
            let text = format!("{} {status} ({severity}): {}", body.id, body.summary);
            Some((at(&body.project, body.environment.clone()), text))
        }
        _ => None,
    }
}

fn happened(status: IncidentStatus) -> &'static str {
    match status {
        IncidentStatus::Opened => "opened",
        IncidentStatus::Detected => "detected",
        IncidentStatus::Resolved => "resolved",
    }
}

/// The artifacts of a request for several.
fn together(line: &Line) -> Option<String> {
    let artifacts: Vec<String> = line.event.as_ref()?.artifacts().map(Digest::short).collect();
    (artifacts.len() > 1).then(|| artifacts.join(" and "))
}

/// A request, or what takes one back.
fn asked(body: &PromotionRequest, index: EntryIndex, signers: &str) -> String {
    let reason = &body.reason;
    match &body.withdraws {
        Some(withdrawn) => format!("P-{} taken back by {signers}: {reason}", withdrawn.index),
        None if body.path.is_normal() => format!("P-{index} asked by {signers}: {reason}"),
        None => format!("P-{index} asked by {signers} ({}): {reason}", body.path.name()),
    }
}

/// The review of an emergency after the fact.
fn reviewed(body: &Approval, signers: &str) -> (Environment, String) {
    let word = match body.outcome {
        ApprovalOutcome::Granted => "approved",
        ApprovalOutcome::Rejected | ApprovalOutcome::Withdrawn => "objected to",
    };
    let (role, reason, request) = (&body.role, &body.reason, body.request.index);
    let environment = Environment { project: body.project.clone(), name: body.environment.clone() };
    (environment, format!("P-{request} {word} after the fact by {signers} ({role}): {reason}"))
}

fn promotion(request: EntryIndex) -> String {
    format!(" of P-{request}")
}
