//! `attestry withdraw`: takes a promotion request back.

use clap::Args;
use schemas::predicate::EntryRef;
use schemas::predicate::promotion_request::{self, PromotionRequest, RequestPath};
use serde_json::json;

use super::approve::asked;
use super::promote::together;
use super::record::append;
use crate::argument::{AppendArgs, KeyArgs, parse_request};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names;
use crate::service::Service;

/// Take an open promotion request back
///
/// By whoever asked, or another release manager. Nothing can be approved or granted by it any more.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry withdraw P-1193 --reason \"1.4.3 goes instead\" --key mia.pem",
    after_help = "Exit codes: 0 withdrawn, 3 not open any more, 4 not allowed."
)]
pub struct WithdrawArgs {
    /// The request
    #[arg(value_name = "P-118")]
    pub request: String,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: String,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

pub fn run(args: &WithdrawArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.reason.is_empty() {
        return Err(crate::argument::empty("--reason"));
    }
    let index = parse_request(&args.request)?;
    let key = crate::key::load(&args.key, io)?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let asked = asked::open(&service, index)?;
    let body = PromotionRequest {
        ledger: service.origin().clone(),
        project: asked.environment.project.clone(),
        nonce: service.nonce()?,
        to: asked.environment.name.clone(),
        reason: args.reason.clone(),
        // It asks for nothing itself.
        path: RequestPath::Normal,
        withdraws: Some(EntryRef { index, statement: asked.statement }),
        incident: None,
        ticket: None,
        plans: None,
        seen: service.seen()?,
    };
    let draft = Draft::about(together::subjects(&asked.called), promotion_request::TYPE, body)?;
    let logged = service.submit_one(append::sign(draft, &key, None)?)?;
    let signer = append::signer_name(&service, &key)?;
    let (head, environment) = (names::head(&asked.called), &asked.environment);
    let mut which = names::below(&asked.called).trim_end().to_owned();
    if !which.is_empty() {
        which.insert(0, '\n');
    }
    let text = format!(
        "P-{index} withdrawn: {head} -> {environment}{which}{}",
        append::logged_lines(&logged, service.origin(), &signer, None)
    );
    let json = json!({
        "index": logged.index, "statement": logged.statement, "withdraws": format!("P-{index}"),
        "artifact": asked.called[0].to_json(), "artifacts": names::to_json(&asked.called), "environment": environment, "reason": args.reason,
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}
