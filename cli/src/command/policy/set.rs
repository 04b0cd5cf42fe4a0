//! `attestry policy set`: signs the canonical JSON, and keeps the YAML as an attachment.

use schemas::id::Digest;
use schemas::predicate::policy::{self, Policy};
use schemas::statement::Subject;
use serde_json::json;
use verifier::canonical::canonical_of;
use verifier::merkle::sha256;

use super::{Sound, read};
use crate::argument::{AppendArgs, KeyArgs};
use crate::command::record::append;
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key;
use crate::service::Service;

pub fn run(file: &str, ledger: &AppendArgs, key: &KeyArgs, io: &mut Io) -> Result<Exit, Failure> {
    let Sound { document, text, .. } = read(file, io).map_err(|refused| refused.tell(file, io))?;
    let key = key::load(key, io)?;
    let service = Service::open_to_append(ledger, io)?;
    let project = document.project.clone();
    let in_force = service.control()?.policies.remove(&project);
    let canonical = canonical_of(&document).map_err(Failure::unexpected)?;
    let digest = Digest::sha256(&sha256(&[&canonical]));
    let body = Policy {
        ledger: service.origin().clone(),
        project: project.clone(),
        nonce: service.nonce()?,
        policy: document,
        replaces: in_force.as_ref().map(|policy| policy.statement),
        source: Some(Digest::sha256(&sha256(&[text.as_bytes()]))),
    };
    let draft = Draft::of(Subject::of(&digest, None), policy::TYPE, body)?.with(text.into_bytes());
    let submission = append::sign(draft, &key, None)?;
    let logged = service.submit_one(submission)?;
    let revision = in_force.map_or(1, |policy| policy.revision + 1);
    let decisions = append::decisions(&service, Some(&project), io)?;
    let text = format!(
        "policy {revision} of {project}  {}\nlogged as entry {} of {}\n{}",
        digest.short(),
        logged.index,
        service.origin(),
        append::text_of(&decisions, &service)?,
    );
    let json = json!({
        "project": project, "revision": revision, "digest": digest, "index": logged.index,
        "decisions": append::json_of(&decisions),
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}
