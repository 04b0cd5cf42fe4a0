//! `record envelope`: somebody else's DSSE file or Sigstore bundle, kept byte for byte.

use ledger::Submission;
use schemas::statement::ENVELOPE_BYTES_MAX;
use serde_json::json;
use verifier::event::Event;

use super::desk::{self, Desk, Signed, Spooled, Submitted};
use super::{RecordArgs, append};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::subject::{self, Written};

pub fn run(args: &RecordArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.files.is_empty() {
        return Err(Failure::usage("no file to record")
            .hint("attestry record envelope provenance.dsse.json"));
    }
    let mut events = Vec::new();
    for name in &args.files {
        let bytes = io.read_file(name, ENVELOPE_BYTES_MAX as u64)?;
        let event = Event::read(&bytes).map_err(|cause| {
            Failure::new(Exit::No, cause.code.name(), format!("{name}: {cause}"))
                .hint("a DSSE envelope or Sigstore bundle with an in-toto statement inside is read")
        })?;
        check_subject(args, name, &event, io)?;
        events.push((name, bytes, event));
    }
    let named = args.project.named(io)?;
    let (desk, project) = Desk::open(&args.ledger, io, |desk, _| desk.project(named.clone()))?;
    let batch = events.iter().map(|(name, bytes, event)| Signed {
        kind: event.kind.name(),
        summary: (*name).clone(),
        submission: Submission {
            envelope: bytes.clone(),
            project: (!event.is_project_free()).then(|| project.clone()),
            attachments: Vec::new(),
        },
    });
    let (service, answers) = match desk.submit(batch.collect(), io)? {
        Submitted::Answered(service, answers) => (service, answers),
        Submitted::Spooled(spooled) => {
            let line = |it: &Spooled| format!("{}   {}\n", it.kind, it.summary);
            let text: String = spooled.iter().map(line).collect();
            return desk::tell_spooled(&text, &project, &spooled, io);
        }
    };
    let mut text = String::new();
    let mut items = Vec::new();
    let mut refused = None;
    let several = answers.len() > 1;
    for ((answer, _), (name, _, event)) in answers.into_iter().zip(&events) {
        match answer {
            Ok(logged) => {
                let receipt =
                    append::write_receipt(args.receipt.as_deref(), None, &logged, several, io)?;
                let kind = logged.kind.name();
                text.push_str(&format!("{kind}   {name}   {}\n", event.predicate_type));
                text.push_str(&format!(
                    "logged as entry {} of {}\n",
                    logged.index,
                    service.origin()
                ));
                items.push(json!({
                    "index": logged.index, "kind": kind, "statement": logged.statement,
                    "repeated": logged.repeated, "receipt": receipt,
                }));
            }
            Err(failure) => refused = Some(failure),
        }
    }
    if let Some(failure) = refused {
        if !io.json {
            io.say(&text)?;
        }
        return Err(failure);
    }
    let decisions = append::decisions(&service, Some(&project), io)?;
    text.push_str(&append::text_of(&decisions, &service)?);
    let json =
        json!({ "project": project, "logged": items, "decisions": append::json_of(&decisions) });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}

/// Where a subject was named, the statement must be about it.
fn check_subject(args: &RecordArgs, name: &str, event: &Event, io: &Io) -> Result<(), Failure> {
    let Some(text) = &args.subject else {
        return Ok(());
    };
    let fits = match subject::read(text, io)? {
        Written::File(_, digest) | Written::Digest(digest) => {
            event.digests().any(|found| *found == digest)
        }
        Written::Prefix(algorithm, hex) => event
            .digests()
            .any(|found| found.algorithm() == algorithm && found.hex().starts_with(&hex)),
    };
    if fits {
        return Ok(());
    }
    let message = "this envelope is about another artifact";
    let failure = Failure::new(Exit::No, "report-names-other-subject", message)
        .detail(format!("you recorded about  {text}"));
    let named = event.digests().take(4);
    Err(named.fold(failure, |failure, digest| failure.detail(format!("{name} is about  {digest}"))))
}
