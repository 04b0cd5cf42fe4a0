//! `attestry evaluate`: looks at open requests again, and logs the decisions that fall.

use clap::Args;
use ledger::{Evaluated, Which};
use schemas::id::EntryIndex;
use schemas::predicate::decision::Outcome;
use serde_json::json;

use super::record::append;
use crate::argument::{AppendArgs, parse_request};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::gates;
use crate::service::Service;

/// Evaluate open requests again, and log the decisions that fall
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry evaluate P-118",
    after_help = "Exit codes: 0 looked at, 3 the request was denied, 5 it is neither open\n                  nor decided."
)]
pub struct EvaluateArgs {
    /// One request [default: all that are open]
    #[arg(value_name = "P-118")]
    pub request: Option<String>,
    #[command(flatten)]
    pub ledger: AppendArgs,
}

pub fn run(args: &EvaluateArgs, io: &mut Io) -> Result<Exit, Failure> {
    let request = args.request.as_deref().map(parse_request).transpose()?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let evaluated = service.evaluate_open(request.map_or(Which::All, Which::Request))?;
    if let Some(request) = request
        && evaluated.is_empty()
    {
        let message = format!("P-{request} is neither open nor decided");
        return Err(Failure::new(Exit::NotFound, "request-unknown", message)
            .hint(format!("attestry show {request}, or attestry status")));
    }
    let mut text = append::text_of(&evaluated, &service)?;
    if evaluated.is_empty() {
        text.push_str("no request is open\n");
    } else if let Some(one) = only(&evaluated, request) {
        text = format!("{}\n{text}", gates::render(&one.evaluation.gates));
    }
    io.answer(&text, &json!({ "requests": append::json_of(&evaluated) }))?;
    let named = evaluated.first().filter(|_| request.is_some());
    let denied = named.is_some_and(|it| it.evaluation.outcome() == Some(Outcome::Denied));
    Ok(if denied { Exit::No } else { Exit::Done })
}

/// The request whose gates are shown: the one that was named, before what was decided on its account,
/// or the only one that is open.
fn only(evaluated: &[Evaluated], named: Option<EntryIndex>) -> Option<&Evaluated> {
    match evaluated {
        [one] => Some(one),
        several => several.first().filter(|_| named.is_some()),
    }
}
