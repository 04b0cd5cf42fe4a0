//! `attestry approve` and `reject`: a person's signed answer to a request.

pub mod asked;
mod role;
mod shown;

use clap::Args;
use ledger::{Evaluated, Logged, Which};
use schemas::id::{Digest, IdentityName};
use schemas::policy::Duration;
use schemas::predicate::EntryRef;
use schemas::predicate::approval::{self, Approval, ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::decision::Outcome;
use serde_json::json;
use verifier::card::Card;
use verifier::status;
use verifier::trust::Trust;

use self::asked::Asked;
use super::promote::together;
use super::record::append;
use crate::argument::{AppendArgs, KeyArgs, parse_request};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{labelled, names, reviews};
use crate::service::Service;

/// Approve a promotion request with your own signature
///
/// With `--meaning post-hoc-review` it is the review that an emergency brings with it: by somebody
/// who neither asked for the emergency nor approved it.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry approve P-1193 --reason \"canary clean\" --key bob.pem",
    after_help = "Exit codes: 0 logged, and granted or waiting, 3 denied or not open any more, 4 not \
                  allowed."
)]
pub struct ApproveArgs {
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Reject a promotion request with your own signature
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry reject P-1193 --reason \"open incident\" --key bob.pem",
    after_help = "Exit codes: 0 logged, 3 not open any more, 4 not allowed."
)]
pub struct RejectArgs {
    #[command(flatten)]
    pub answer: AnswerArgs,
}

#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// The request
    #[arg(value_name = "P-118")]
    pub request: String,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: String,
    /// What the signature means [default: what the gate asks for]
    #[arg(long, value_name = "M")]
    pub meaning: Option<String>,
    /// The role in which you sign [default: the one that you have and the gate asks for]
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// How long it counts
    #[arg(long, value_name = "TIME", default_value = "72h")]
    pub expires: String,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

pub fn run_approve(args: &ApproveArgs, io: &mut Io) -> Result<Exit, Failure> {
    run(&args.answer, ApprovalOutcome::Granted, io)
}

pub fn run_reject(args: &RejectArgs, io: &mut Io) -> Result<Exit, Failure> {
    run(&args.answer, ApprovalOutcome::Rejected, io)
}

fn run(args: &AnswerArgs, outcome: ApprovalOutcome, io: &mut Io) -> Result<Exit, Failure> {
    if args.reason.is_empty() {
        return Err(crate::argument::empty("--reason"));
    }
    let index = parse_request(&args.request)?;
    let lasts: Duration =
        args.expires.parse().map_err(|cause| Failure::usage(format!("--expires: {cause}")))?;
    let key = crate::key::load(&args.key, io)?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let asked = match args.meaning.as_deref() {
        Some(POST_HOC_REVIEW) => asked::due(&service, index)?,
        Some(_) | None => asked::open(&service, index)?,
    };
    let signer = signer(&service, &key, &args.key, &asked)?;
    let (role, meaning) = role::choose(args, &asked, &signer)?;
    let card = card(&service, &signer, io)?;
    let expires_at = service.now().plus_ms(lasts.ms());
    let body = Approval {
        ledger: service.origin().clone(),
        project: asked.environment.project.clone(),
        nonce: service.nonce()?,
        environment: asked.environment.name.clone(),
        request: EntryRef { index, statement: asked.statement },
        policy: asked.policy.statement,
        outcome,
        withdraws: None,
        meaning,
        role,
        reason: args.reason.clone(),
        expires_at,
        signing_mode: key.public().signing_mode(),
        card: card.as_ref().map(|(digest, _)| digest.clone()),
        seen: service.seen()?,
    };
    let printed = card.as_ref().map(|(_, card)| card);
    io.note(&shown::you_sign(&asked, &signer.name, printed, &body, &lasts));
    let draft = Draft::about(together::subjects(&asked.called), approval::TYPE, body)?;
    let logged = service.submit_one(append::sign(draft, &key, None)?)?;
    match &asked.due {
        None => answer(&service, &asked, outcome, &logged, io),
        Some(_) => reviewed(&service, &asked, outcome, &logged, io),
    }
}

/// Who signs, by the trust document in force.
struct Signer {
    trust: Trust,
    name: IdentityName,
}

fn signer(
    service: &Service,
    key: &crate::key::Signer,
    written: &KeyArgs,
    asked: &Asked,
) -> Result<Signer, Failure> {
    let (_, document) = service.trust()?;
    let trust = Trust::of(document).map_err(Failure::unexpected)?;
    let id = key.public().key_id();
    match trust.identity(&id, service.size()?).cloned() {
        Some(name) => Ok(Signer { trust, name }),
        None => Err(Failure::new(
            Exit::NotAllowed,
            "signature-invalid",
            format!("key {} belongs to no identity of this ledger", id.short()),
        )
        .hint(format!(
            "whoever keeps the root key says whose it is: attestry identity add NAME --pub {} \
             --role {} --project {} --key ROOT.pem",
            public_file(written),
            role::asked_for(asked).unwrap_or_else(|| "ROLE".to_owned()),
            asked.environment.project,
        ))),
    }
}

/// The public half of a key file, as `attestry key generate` names it.
fn public_file(key: &KeyArgs) -> String {
    let named = |key: &&str| *key != "-" && !key.starts_with("env:") && !key.starts_with("agent:");
    let file = key.key.as_deref().filter(named);
    let file = file.map(|file| file.strip_prefix("ssh:").unwrap_or(file));
    file.map_or_else(
        || "FILE.pub".to_owned(),
        |file| format!("{}.pub", file.trim_end_matches(".pub")),
    )
}

/// The signer's person card, where there is one and it is at hand. An approval names only a card
/// that was shown.
fn card(
    service: &Service,
    signer: &Signer,
    io: &mut Io,
) -> Result<Option<(Digest, Card)>, Failure> {
    let identities = &signer.trust.document.identities;
    let named = identities.iter().find(|it| it.name == signer.name);
    let Some(digest) = named.and_then(|it| it.card.clone()) else { return Ok(None) };
    match super::identity::card::read(service, &digest)? {
        Ok(card) => Ok(Some((digest, card))),
        Err(why) => {
            let name = &signer.name;
            io.note(&format!("note: the person card of {name} {why}: the approval names none"));
            Ok(None)
        }
    }
}

fn answer(
    service: &Service,
    asked: &Asked,
    outcome: ApprovalOutcome,
    logged: &Logged,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let word = match outcome {
        ApprovalOutcome::Granted => "approval",
        ApprovalOutcome::Rejected => "rejection",
        ApprovalOutcome::Withdrawn => "withdrawal",
    };
    let mut followed = service.evaluate_open(Which::Request(asked.index))?.into_iter();
    let evaluated = followed.next();
    let followed: Vec<Evaluated> = followed.collect();
    let state = match &evaluated {
        Some(it) => append::state_of(it),
        None => "is not open any more".to_owned(),
    };
    let mut text = format!("{word} logged as entry {} · P-{} {state}\n", logged.index, asked.index);
    for gate in evaluated.iter().flat_map(|it| it.evaluation.open_gates()) {
        text.push_str(&labelled(2, &gate.id, 14, &gate.reason));
    }
    text.push_str(&append::text_of(&followed, service)?);
    let decided = evaluated.as_ref().and_then(|it| it.evaluation.outcome());
    let due = if decided == Some(Outcome::Granted) { due(service, asked)? } else { Vec::new() };
    text.push_str(&reviews::render(&asked.environment.name, &due));
    let json = json!({
        "index": logged.index, "statement": logged.statement,
        "request": format!("P-{}", asked.index), "artifact": asked.called[0].to_json(),
        "artifacts": names::to_json(&asked.called),
        "environment": asked.environment, "outcome": decided,
        "decision": evaluated.as_ref().and_then(|it| it.decision),
        "gates": evaluated.as_ref().map(|it| &it.evaluation.gates),
        "reviews": reviews::to_json(&due),
        "decisions": append::json_of(&followed),
    });
    io.answer(&text, &json)?;
    let denied = decided == Some(Outcome::Denied) && outcome == ApprovalOutcome::Granted;
    Ok(if denied { Exit::No } else { Exit::Done })
}

/// The review that this grant has made due, if it has.
fn due(service: &Service, asked: &Asked) -> Result<Vec<status::ReviewStatus>, Failure> {
    let slice = service.environment(&asked.environment)?.unwrap_or_default();
    let mut due = status::reviews(&slice, service.now());
    due.retain(|it| it.request == asked.index);
    Ok(due)
}

/// What a review after the fact has closed, and which others are due there.
fn reviewed(
    service: &Service,
    asked: &Asked,
    outcome: ApprovalOutcome,
    logged: &Logged,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let slice = service.environment(&asked.environment)?.unwrap_or_default();
    let due = status::reviews(&slice, service.now());
    let word = match outcome {
        ApprovalOutcome::Granted => "approved",
        ApprovalOutcome::Rejected | ApprovalOutcome::Withdrawn => "objected to",
    };
    let (index, request, environment) = (logged.index, asked.index, &asked.environment);
    let mut text = format!("review logged as entry {index} · P-{request} {word} after the fact\n");
    match due.is_empty() {
        true => text.push_str(&format!("no review is due in {environment}\n")),
        false => text.push_str(&reviews::render(&environment.name, &due)),
    }
    let json = json!({
        "index": index, "statement": logged.statement, "request": format!("P-{request}"),
        "artifact": asked.called[0].to_json(), "artifacts": names::to_json(&asked.called),
        "environment": environment, "review": word,
        "reviews": reviews::to_json(&due),
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}
