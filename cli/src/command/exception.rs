//! What waivers and freezes share: they are set for a scope, and taken back by the entry that set it.

use schemas::id::{EntryIndex, Project};
use serde_json::{Value, json};
use verifier::event::Event;

use super::record::append;
use crate::argument::{ProjectArgs, project_of_environment};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key::Signer;
use crate::service::Service;

/// The project that is meant: of an environment that names it, else the one that is named.
pub fn project(
    to: Option<&str>,
    named: &ProjectArgs,
    service: &Service,
    io: &Io,
) -> Result<Project, Failure> {
    append::project(to.and_then(project_of_environment).or(named.named(io)?), service)
}

/// The event of an entry, which `what` says what it should be.
pub fn event_of(index: EntryIndex, what: &str, service: &Service) -> Result<Event, Failure> {
    let none = || no_such(index, what);
    let stored = service.entry(index)?;
    let bytes = stored.envelope.as_deref().ok_or_else(none)?;
    Event::read(bytes).map_err(|_| none())
}

pub fn no_such(index: EntryIndex, what: &str) -> Failure {
    Failure::not_found(format!("entry {index} is no {what}"))
}

/// Signs and logs it, and tells of it and of the decisions that it brings.
pub fn log(
    draft: Draft,
    key: &Signer,
    mut text: String,
    mut json: Value,
    project: Option<&Project>,
    service: &Service,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let logged = service.submit_one(append::sign(draft, key, None)?)?;
    let signer = append::signer_name(service, key)?;
    text.push_str(&append::logged_lines(&logged, service.origin(), &signer, None));
    json["index"] = logged.index.into();
    json["statement"] = json!(logged.statement);
    let decisions = append::decisions(service, project, io)?;
    text.push_str(&append::text_of(&decisions, service)?);
    json["decisions"] = append::json_of(&decisions);
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}
