//! `attestry approve` and `reject`: a person's signed answer to a request.

mod role;

use clap::Args;
use ledger::Which;
use schemas::id::{EntryIndex, Environment, Hash, IdentityName};
use schemas::policy::Duration;
use schemas::predicate::EntryRef;
use schemas::predicate::approval::{self, Approval, ApprovalOutcome};
use schemas::predicate::decision::Outcome;
use serde_json::json;
use verifier::event::{Body, Event};
use verifier::projection::slice::{PolicyInForce, Request};
use verifier::trust::Trust;

use super::promote::together;
use super::record::append;
use crate::argument::{AppendArgs, KeyArgs, parse_request};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::{self, Called, ends};
use crate::output::{WIDTH, labelled, minute, wrap};
use crate::service::Service;

/// Approve a promotion request with your own signature
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

/// An open request with everything that an answer to it is bound to.
struct Asked {
    index: EntryIndex,
    environment: Environment,
    request: Request,
    policy: PolicyInForce,
    /// Every artifact of the request: what is signed is about all of them.
    called: Vec<Called>,
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
    let asked = asked(&service, index)?;
    let signer = signer(&service, &key, &args.key, &asked)?;
    let (role, meaning) = role::choose(args, &asked.policy, &asked.environment, &signer)?;
    let expires_at = service.now().plus_ms(lasts.ms());
    let body = Approval {
        ledger: service.origin().clone(),
        project: asked.environment.project.clone(),
        nonce: service.nonce()?,
        environment: asked.environment.name.clone(),
        request: EntryRef { index, statement: asked.request.statement },
        policy: asked.policy.statement,
        outcome,
        withdraws: None,
        meaning,
        role,
        reason: args.reason.clone(),
        expires_at,
        signing_mode: key.public().signing_mode(),
        card: None,
        seen: service.seen()?,
    };
    io.note(&you_sign(&asked, &signer.name, &body, &lasts));
    let draft = Draft::about(together::subjects(&asked.called), approval::TYPE, body)?;
    let logged = service.submit_one(append::sign(draft, &key, None)?)?;
    answer(&service, &asked, outcome, logged.index, logged.statement, io)
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
            role::asked_for(&asked.policy, &asked.environment).unwrap_or_else(|| "ROLE".to_owned()),
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

/// Finds the open request with its environment and the policy in force.
fn asked(service: &Service, index: EntryIndex) -> Result<Asked, Failure> {
    let unknown = |message: String| Failure::new(Exit::NotFound, "request-unknown", message);
    if index >= service.size()? {
        return Err(unknown(format!("there is no entry {index}"))
            .hint("attestry status lists open requests"));
    }
    let stored = service.entry(index)?;
    let event = stored.envelope.as_deref().and_then(|bytes| Event::read(bytes).ok());
    let body = match event.map(|event| event.body) {
        Some(Body::PromotionRequest(body)) => body,
        _ => {
            return Err(unknown(format!("entry {index} is no promotion request"))
                .hint("attestry status lists open requests"));
        }
    };
    let environment = Environment { project: body.project, name: body.to };
    let slice = service.environment(&environment)?;
    let request = slice.and_then(|mut slice| slice.requests.remove(&index));
    let Some(request) = request.filter(|request| !request.is_expired(service.now())) else {
        let message = format!("P-{index} is not open any more in {environment}");
        return Err(Failure::new(Exit::No, "request-unknown", message)
            .hint("it was decided, or it is over 30 days old: ask again with attestry promote"));
    };
    let policy = service.control()?.policies.remove(&environment.project);
    let policy = policy.ok_or_else(|| {
        Failure::new(
            Exit::No,
            "unknown-environment",
            format!("{} has no policy", environment.project),
        )
    })?;
    let called = together::called(request.artifacts(), &environment.project, service)?;
    Ok(Asked { index, environment, request, policy, called })
}

/// Everything that is signed, in words, before it is: whoever touches a security key sees nothing
/// else.
fn you_sign(asked: &Asked, name: &IdentityName, body: &Approval, lasts: &Duration) -> String {
    let verb = match body.outcome {
        ApprovalOutcome::Granted => "approve",
        ApprovalOutcome::Rejected => "reject",
        ApprovalOutcome::Withdrawn => "withdraw",
    };
    let Asked { index, environment, called, policy, .. } = asked;
    let title = |called: &Called| match called.title() {
        title if title.is_empty() => ends(&called.digest),
        title => format!("{title} ({})", ends(&called.digest)),
    };
    let titles = called.iter().map(title).collect::<Vec<_>>().join(" and ");
    let sentence = format!(
        "I {verb} the {} of {titles} to {environment}, as asked in P-{index}.",
        body.meaning
    );
    let evidence = body.seen.size.saturating_sub(1);
    let expires = format!("in {lasts}, {} UTC", minute(body.expires_at));
    let mut lines = wrap(&format!("You sign: {sentence}"), WIDTH);
    for (label, text) in [
        ("name", format!("{name}, by {}", body.signing_mode.name())),
        ("role", body.role.clone()),
        ("meaning", body.meaning.clone()),
        ("reason", body.reason.clone()),
        ("policy", format!("{}, evidence as of entry {evidence}", policy.revision)),
        ("expires", expires),
    ] {
        lines.push(labelled(2, label, 8, &text).trim_end().to_owned());
    }
    // Whole, and on a line of its own: behind a label it is wider than 80 columns.
    lines.extend(called.iter().map(|it| format!("  {}", it.digest)));
    lines.join("\n")
}

fn answer(
    service: &Service,
    asked: &Asked,
    outcome: ApprovalOutcome,
    index: EntryIndex,
    statement: Hash,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let word = match outcome {
        ApprovalOutcome::Granted => "approval",
        ApprovalOutcome::Rejected => "rejection",
        ApprovalOutcome::Withdrawn => "withdrawal",
    };
    let evaluated = service.evaluate_open(Which::Request(asked.index))?.into_iter().next();
    let state = match &evaluated {
        Some(it) => append::state_of(it),
        None => "is not open any more".to_owned(),
    };
    let mut text = format!("{word} logged as entry {index} · P-{} {state}\n", asked.index);
    for gate in evaluated.iter().flat_map(|it| it.evaluation.open_gates()) {
        text.push_str(&labelled(2, &gate.id, 14, &gate.reason));
    }
    let decided = evaluated.as_ref().and_then(|it| it.evaluation.outcome());
    let json = json!({
        "index": index, "statement": statement, "request": format!("P-{}", asked.index),
        "artifact": asked.called[0].to_json(), "artifacts": names::to_json(&asked.called),
        "environment": asked.environment, "outcome": decided,
        "decision": evaluated.as_ref().and_then(|it| it.decision),
        "gates": evaluated.as_ref().map(|it| &it.evaluation.gates),
    });
    io.answer(&text, &json)?;
    let denied = decided == Some(Outcome::Denied) && outcome == ApprovalOutcome::Granted;
    Ok(if denied { Exit::No } else { Exit::Done })
}
