//! What every appending command does: sign, find the project, and look at open requests again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ledger::http::gate::EvaluatedBody;
use ledger::{Evaluated, Logged, Submission, Which};
use schemas::id::{Environment, Origin, Project};
use schemas::predicate::decision::Outcome;
use serde_json::{Value, json};
use verifier::trust::Trust;
use verifier::view::{failed_names, open_names};

use crate::argument::parse_environment;
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key::{self, Signer};
use crate::output::names::{self, Called};
use crate::output::{WIDTH, columns, paragraph};
use crate::service::{Service, unknown_project};

/// Signs a draft.
pub fn sign(draft: Draft, key: &Signer, project: Option<&Project>) -> Result<Submission, Failure> {
    Ok(Submission {
        envelope: key::sign(&draft.payload, &[key])?,
        project: project.cloned(),
        attachments: draft.attachments,
    })
}

/// The project that is meant: the one named, or the ledger's only one.
pub fn project(named: Option<Project>, service: &Service) -> Result<Project, Failure> {
    let known = service.projects()?;
    service.remember(&known);
    choose(named, &known)
}

/// The project that is meant, of those that are known.
pub fn choose(named: Option<Project>, known: &[Project]) -> Result<Project, Failure> {
    match (named, known) {
        (Some(named), known) if known.contains(&named) => Ok(named),
        (Some(named), known) => {
            Err(unknown_project(format!("there is no project {named} in this ledger"), known))
        }
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(unknown_project("there is no project in this ledger".to_owned(), &[])),
        (None, known) => {
            let names: Vec<&str> = known.iter().map(Project::as_str).collect();
            Err(Failure::usage("which project? --project is missing")
                .hint(format!("--project or ATTESTRY_PROJECT: {}", names.join(", "))))
        }
    }
}

/// The environment that is meant: of the project that it is written with, else of the one named, else
/// of the ledger's only one.
pub fn environment(
    text: &str,
    named: Option<Project>,
    service: &Service,
) -> Result<Environment, Failure> {
    match text.contains('/') {
        true => parse_environment(text, named.as_ref()),
        false => parse_environment(text, Some(&project(named, service)?)),
    }
}

/// The name of the identity that a key belongs to, or the beginning of the key's id.
pub fn signer_name(service: &Service, key: &Signer) -> Result<String, Failure> {
    let (_, document) = service.trust()?;
    let trust = Trust::of(document).map_err(Failure::unexpected)?;
    let id = key.public().key_id();
    let name = trust.identity(&id, service.size()?).map(ToString::to_string);
    Ok(name.unwrap_or_else(|| format!("key {}", id.short())))
}

/// Writes the receipt where it was asked for, or beside the subject's file.
pub fn write_receipt(
    asked: Option<&str>,
    subject: Option<&Path>,
    logged: &Logged,
    several: bool,
    io: &mut Io,
) -> Result<Option<String>, Failure> {
    let name = match (asked, subject) {
        (Some(""), _) => return Err(crate::argument::empty("--receipt")),
        (Some(name), _) if several => format!("{name}.{}", logged.index),
        (Some(name), _) => name.to_owned(),
        (None, Some(file)) => format!("{}.{}.receipt", file.display(), logged.index),
        (None, None) => return Ok(None),
    };
    io.write_file(PathBuf::from(&name), logged.receipt.as_bytes())?;
    Ok(Some(name))
}

/// The lines behind the headline.
pub fn logged_lines(it: &Logged, origin: &Origin, signer: &str, receipt: Option<&str>) -> String {
    let before = if it.repeated { "was logged before as" } else { "logged as" };
    let mut text = format!("\n{before} entry {} of {origin} · signed by {signer}\n", it.index);
    if let Some(receipt) = receipt {
        let _ = writeln!(text, "receipt {receipt}");
    }
    text
}

/// Evaluates the open requests that what was just logged may touch, and returns those that were decided.
///
/// It is logged whatever comes of this, so that a failure is told and ends nothing: a server's timer
/// or `attestry evaluate` looks again. Only for broken integrity somebody must be woken.
pub fn decisions(
    service: &Service,
    project: Option<&Project>,
    io: &mut Io,
) -> Result<Vec<Evaluated>, Failure> {
    // What belongs to no project holds for all of them.
    let which = project.map_or(Which::All, |it| Which::Touched { project: it.clone() });
    match service.evaluate_open(which) {
        Ok(mut evaluated) => {
            evaluated.retain(|it| it.decision.is_some());
            Ok(evaluated)
        }
        Err(failure) if failure.exit == Exit::Integrity => Err(failure),
        Err(failure) => {
            let warning = format!(
                "warning: it is logged, but open requests could not be evaluated: {} [{}]. \
                 `attestry evaluate` tries again",
                failure.message, failure.code
            );
            io.note(paragraph(0, &warning).trim_end());
            Ok(Vec::new())
        }
    }
}

/// One line for each request that was looked at.
pub fn text_of(evaluated: &[Evaluated], service: &Service) -> Result<String, Failure> {
    let mut text = String::new();
    for it in evaluated {
        let mut called = Vec::new();
        for artifact in std::iter::once(&it.artifact).chain(&it.with) {
            let slice = service.artifact_if_readable(artifact)?;
            called.push(Called::of(artifact, slice.as_ref(), &it.environment.project));
        }
        let (head, environment) = (names::head(&called), &it.environment);
        let (said, what) =
            (format!("P-{} {}:", it.request, state_of(it)), format!("{head} -> {environment}"));
        text.push_str(&one_line_or_two(&said, &what));
        text.push_str(&names::below(&called));
    }
    Ok(text)
}

/// What is said and of what: on one line where there is room.
fn one_line_or_two(said: &str, what: &str) -> String {
    let line = format!("{said} {what}");
    match columns(&line) <= WIDTH {
        true => line + "\n",
        false => format!("{}{}", paragraph(0, said), paragraph(2, what)),
    }
}

/// `granted as entry 1200`, or what it waits for.
pub fn state_of(it: &Evaluated) -> String {
    let (open, failed) = (open_names(&it.evaluation.gates), failed_names(&it.evaluation.gates));
    match (it.evaluation.outcome(), it.decision) {
        (Some(Outcome::Granted), Some(entry)) => format!("granted as entry {entry}"),
        (Some(Outcome::Denied), Some(entry)) => format!("denied as entry {entry} by {failed}"),
        (Some(Outcome::Granted), None) => "may be granted".to_owned(),
        (Some(Outcome::Denied), None) => format!("fails {failed}"),
        (None, _) => format!("waits for {open}"),
    }
}

pub fn json_of(evaluated: &[Evaluated]) -> Value {
    json!(evaluated.iter().cloned().map(EvaluatedBody::from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_takes_two_lines() {
        let what = "ranking 43 sha256:9f2c41d0 -> search/prod";
        let check = |said: &str, expected: &str| {
            let text = one_line_or_two(said, what);
            assert_eq!(text, expected);
            assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        };
        check("P-1 granted as entry 2:", &format!("P-1 granted as entry 2: {what}\n"));
        let said = "P-16 denied as entry 19 by canary, vulnerabilities, soak:";
        check(said, &format!("{said}\n  {what}\n"));
    }
}
