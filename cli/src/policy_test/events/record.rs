//! `record`: an event of any kind, whose predicate the fixture writes itself.

use schemas::id::{Digest, Time};
use schemas::kind::EventKind;
use serde_json::{Value, json};

use super::{Fields, log, log_own};
use crate::adapter::times;
use crate::policy_test::Case;
use crate::policy_test::stage::{EMITTER, Stage, artifact, commit};

/// Lets it happen: ledger, project and nonce are filled in, and times and words for artifacts read.
pub fn recorded(stage: &mut Stage, mut it: Fields, case: &Case) -> Result<(), String> {
    let (name, by) = (it.required("kind")?, it.text_or("by", EMITTER)?);
    let kind = EventKind::from_name(&name).ok_or_else(|| format!("there is no kind {name}"))?;
    let mut predicate = it.take("predicate").unwrap_or(json!({}));
    timed(&mut predicate, kind, stage.now);
    digested(&mut predicate, kind);
    let about = match (it.text("commit")?, it.text("artifact")?) {
        (Some(word), _) => commit(&word)?,
        (None, Some(word)) => artifact(&word),
        (None, None) if is_about_the_ledger(kind, &predicate) => stage.itself(),
        (None, None) => named(&predicate).unwrap_or_else(|| artifact(&case.artifact)),
    };
    let line = kind.line();
    if line.own {
        log_own(stage, &by, &[about], line.predicate_type, predicate)
    } else {
        log(stage, &by, &[about], line.predicate_type, predicate)
    }
}

/// The kinds that admission takes about the ledger itself, unless they name what they are about.
fn is_about_the_ledger(kind: EventKind, predicate: &Value) -> bool {
    use EventKind as K;
    match kind {
        K::Configuration | K::Freeze | K::Heads | K::Observation => true,
        // Once an incident has a cause, its subject is the artifact.
        K::Incident => predicate.get("cause").is_none(),
        K::Waiver => predicate.get("artifact").is_none(),
        K::Analysis
        | K::Approval
        | K::Build
        | K::Canary
        | K::Decision
        | K::Deployment
        | K::Export
        | K::Measurement
        | K::Migration
        | K::Note
        | K::Other
        | K::Policy
        | K::PromotionRequest
        | K::Rehearsal
        | K::Review
        | K::Rollback
        | K::Sbom
        | K::Test
        | K::Trust
        | K::Vex
        | K::Vulnerabilities => false,
    }
}

/// Writes times in our spelling; what is seen or goes wrong does so now, where nothing else is said.
fn timed(predicate: &mut Value, kind: EventKind, now: Time) {
    let Value::Object(members) = predicate else { return };
    for name in times::members(kind) {
        if let Some(time) = members.get(*name).and_then(Value::as_str).and_then(Time::parse_rfc3339)
        {
            members.insert((*name).to_owned(), json!(time));
        }
    }
    let now_named = match kind {
        EventKind::Incident => Some("at"),
        EventKind::Observation => Some("takenAt"),
        _ => None,
    };
    if let Some(name) = now_named {
        members.entry(name).or_insert(json!(now));
    }
}

/// The artifact of a waiver, or of what caused an incident.
fn named(predicate: &Value) -> Option<Digest> {
    let places = ["/artifact", "/cause/artifact"];
    places.iter().find_map(|at| predicate.pointer(at)?.as_str()?.parse().ok())
}

/// Puts an artifact's digest where its word stands.
fn digested(predicate: &mut Value, kind: EventKind) {
    let put = |value: Option<&mut Value>| {
        if let Some(value) = value
            && let Some(word) = value.as_str().filter(|text| !text.contains(':'))
        {
            *value = json!(artifact(word));
        }
    };
    match kind {
        EventKind::Incident => put(predicate.pointer_mut("/cause/artifact")),
        EventKind::Observation => {
            let seen = predicate.get_mut("artifacts").and_then(Value::as_array_mut);
            seen.into_iter().flatten().for_each(|it| put(it.get_mut("digest")));
        }
        EventKind::Rollback => put(predicate.get_mut("from")),
        EventKind::Waiver => put(predicate.get_mut("artifact")),
        _ => {}
    }
}
