//! `rego`: what a Rego rule says of the artifact.

use schemas::policy::Rego;
use schemas::report::Verdict;
use serde_json::{Value, json};

use super::{Answer, newest_build};
use crate::policy::Context;
use crate::policy::rego;
use crate::projection::Missing;

/// Longest reason that a rule gives, in characters.
const REASON_CHARS_MAX: usize = 500;

pub fn evaluate(gate: &Rego, context: &Context) -> Result<Answer, Missing> {
    let input = input(context)?.to_string();
    let mend = "mend the rule, and set the policy again";
    let answer = match rego::evaluate(&gate.text, &gate.rule, &input) {
        Ok(value) => answer(gate, &value),
        Err(cause) => Answer::indeterminate(format!("{}: {cause}", gate.rule)).next(mend),
    };
    Ok(answer)
}

fn answer(gate: &Rego, value: &Value) -> Answer {
    let rule = &gate.rule;
    let next = "bring what the rule asks for";
    let said = value.get("reason").and_then(Value::as_str).unwrap_or(rule);
    let reason: String = said.chars().filter(|c| !crate::policy::document::is_hidden(*c)).collect();
    let reason = reason.chars().take(REASON_CHARS_MAX).collect::<String>();
    let verdict = match value {
        Value::Bool(true) => Verdict::Pass,
        Value::Bool(false) => Verdict::Fail,
        _ => match value.get("verdict").and_then(Value::as_str) {
            Some("pass") => Verdict::Pass,
            Some("fail") => Verdict::Fail,
            Some("waiting") => Verdict::Waiting,
            Some("indeterminate") => Verdict::Indeterminate,
            Some(_) | None => {
                let reason = format!("{rule} is neither true nor false, and has no verdict");
                return Answer::indeterminate(reason)
                    .next("mend the rule, and set the policy again");
            }
        },
    };
    let reason = match value {
        Value::Bool(told) => format!("{rule} is {told}"),
        _ => reason,
    };
    let answer = Answer::new(verdict, reason);
    if verdict.admits() { answer } else { answer.next(next) }
}

/// The documented input (docs/rego.md): what the log says of the artifact, its commits, the
/// environment and the request, as the slices keep it.
fn input(context: &Context) -> Result<Value, Missing> {
    let environment = context.environment()?;
    let request = context.ask.request.and_then(|index| environment?.requests.get(&index));
    let request = request.filter(|it| it.is_about(context.ask.artifact));
    let evidence = context.asked()?;
    let mut commits = serde_json::Map::new();
    if let Ok(build) = newest_build(context)? {
        for source in &build.facts.sources {
            let known = context.artifact(&source.commit)?;
            let review = known.and_then(|known| known.review.as_ref());
            commits.insert(source.commit.to_string(), json!({ "review": review }));
        }
    }
    Ok(json!({
        "at": context.at,
        "project": context.project,
        "environment": {
            "name": context.ask.environment.name,
            "granted": environment.and_then(|it| it.granted.as_ref()),
            "deployed": environment.and_then(|it| it.deployed.as_ref()),
            "previous": environment.and_then(|it| it.previous.as_ref()),
        },
        "artifact": { "digest": context.ask.artifact, "evidence": evidence },
        "commits": commits,
        "request": request,
    }))
}

#[cfg(test)]
pub(super) mod tests;
