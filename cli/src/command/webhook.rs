//! `attestry webhook`: who is told of what happens, and what they were told.

use clap::{Args, Subcommand};
use ledger::store::outbox::{Delivery, Endpoint};
use ledger::webhook::KINDS;
use schemas::id::Project;
use schemas::kind::EventKind;
use serde_json::{Value, json};

use crate::argument::{LedgerArgs, parse_project};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{labelled, minute, table};
use crate::service::Service;

const EXAMPLE: &str =
    "Example:\n  attestry webhook add https://hooks.acme.example/attestry --kind decision";

/// Tell other systems what happens, signed, over webhooks
///
/// `attestry serve` sends them, by the Standard Webhooks specification. Receivers check the
/// signature with the key that `attestry webhook key` prints.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLE, disable_help_subcommand = true)]
pub struct WebhookCommand {
    #[command(subcommand)]
    pub action: WebhookAction,
}

#[derive(Debug, Subcommand)]
pub enum WebhookAction {
    Add(AddArgs),
    /// List the endpoints
    #[command(before_help = "Example:\n  attestry webhook list")]
    List {
        #[command(flatten)]
        ledger: LedgerArgs,
    },
    /// Take an endpoint away, with what was not delivered there yet
    #[command(before_help = "Example:\n  attestry webhook remove 1")]
    Remove {
        /// The endpoint's number
        #[arg(value_name = "ENDPOINT")]
        endpoint: u64,
        #[command(flatten)]
        ledger: LedgerArgs,
    },
    /// List deliveries, newest first
    #[command(before_help = "Example:\n  attestry webhook deliveries --failed")]
    Deliveries {
        /// Only those that were given up
        #[arg(long)]
        failed: bool,
        /// Only the newest so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        ledger: LedgerArgs,
    },
    /// Send a delivery again, under the same id
    #[command(before_help = "Example:\n  attestry webhook replay 12")]
    Replay {
        /// The delivery's number
        #[arg(value_name = "DELIVERY")]
        delivery: u64,
        #[command(flatten)]
        ledger: LedgerArgs,
    },
    /// Print the public key that receivers check signatures with
    #[command(before_help = "Example:\n  attestry webhook key")]
    Key {
        #[command(flatten)]
        ledger: LedgerArgs,
    },
}

/// Tell an address of what is logged from now on
#[derive(Debug, Args)]
#[command(before_help = EXAMPLE)]
pub struct AddArgs {
    /// Where to send: https, without a password
    #[arg(value_name = "URL")]
    pub url: String,
    /// Only of this project; may be repeated
    #[arg(long, value_name = "P")]
    pub project: Vec<String>,
    /// Only of this kind: approval, decision, deployment, policy, promotion-request or trust; may
    /// be repeated
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

pub fn run(command: &WebhookCommand, io: &mut Io) -> Result<Exit, Failure> {
    match &command.action {
        WebhookAction::Add(args) => add(args, io),
        WebhookAction::List { ledger } => list(&Service::open(ledger, io)?, io),
        WebhookAction::Remove { endpoint, ledger } => {
            let removed = Service::open(ledger, io)?.remove_webhook(*endpoint)?;
            let json = json!({ "endpoint": endpoint });
            done(removed, &format!("endpoint {endpoint}"), "is told nothing more", &json, io)
        }
        WebhookAction::Deliveries { failed, limit, ledger } => {
            deliveries(&Service::open(ledger, io)?, *failed, *limit, io)
        }
        WebhookAction::Replay { delivery, ledger } => {
            let replayed = Service::open(ledger, io)?.replay_webhook(*delivery)?;
            let json = json!({ "delivery": delivery });
            done(replayed, &format!("delivery {delivery}"), "is sent again", &json, io)
        }
        WebhookAction::Key { ledger } => {
            let key = Service::open(ledger, io)?.webhook_key()?;
            io.answer(&key, &json!({ "key": key }))?;
            Ok(Exit::Done)
        }
    }
}

fn add(args: &AddArgs, io: &mut Io) -> Result<Exit, Failure> {
    let kinds: Vec<EventKind> =
        args.kind.iter().map(|word| parse_kind(word)).collect::<Result<_, _>>()?;
    let projects: Vec<Project> =
        args.project.iter().map(|name| parse_project(name)).collect::<Result<_, _>>()?;
    let service = Service::open(&args.ledger, io)?;
    let known = service.projects()?;
    if let Some(other) = projects.iter().find(|project| !known.contains(project)) {
        let message = format!("there is no project {other} in this ledger");
        return Err(crate::service::unknown_project(message, &known));
    }
    let endpoint = service.add_webhook(&args.url, &projects, &kinds)?;
    let key = service.webhook_key()?;
    let mut text = format!("endpoint {endpoint} is told of what is logged from now on\n\n");
    text.push_str(&labelled(2, "url", 5, &args.url));
    text.push_str(&labelled(2, "key", 5, &key));
    text.push_str("\nGive the receiver the key. `attestry serve` sends.\n");
    io.answer(&text, &json!({ "endpoint": endpoint, "url": args.url, "key": key }))?;
    Ok(Exit::Done)
}

fn parse_kind(word: &str) -> Result<EventKind, Failure> {
    EventKind::from_name(word).filter(|kind| KINDS.contains(kind)).ok_or_else(|| {
        let names = KINDS.map(EventKind::name).join(", ");
        Failure::usage(format!("--kind: nothing is told of {word:?}"))
            .hint(format!("one of: {names}"))
    })
}

fn list(service: &Service, io: &mut Io) -> Result<Exit, Failure> {
    let endpoints = service.webhooks()?;
    let mut rows = vec![["ID", "WAITING", "OF", "ABOUT", "URL"].map(str::to_owned).to_vec()];
    rows.extend(endpoints.iter().map(|it| {
        let all =
            |names: &[String]| if names.is_empty() { "all".to_owned() } else { names.join(",") };
        let waiting = it.disabled.clone().unwrap_or_else(|| it.waiting.to_string());
        let about = &it.subscription;
        vec![it.id.to_string(), waiting, all(&about.projects), all(&about.kinds), about.url.clone()]
    }));
    let text =
        if endpoints.is_empty() { "nobody is told of anything\n".into() } else { table(&rows) };
    let json: Vec<Value> = endpoints.iter().map(endpoint_json).collect();
    io.answer(&text, &json!({ "endpoints": json }))?;
    Ok(Exit::Done)
}

fn endpoint_json(it: &Endpoint) -> Value {
    let about = &it.subscription;
    json!({
        "id": it.id, "url": about.url, "projects": about.projects, "kinds": about.kinds,
        "keyId": about.key, "next": it.next, "waiting": it.waiting, "disabled": it.disabled,
    })
}

fn deliveries(service: &Service, failed: bool, limit: u32, io: &mut Io) -> Result<Exit, Failure> {
    let found = service.webhook_deliveries(failed, limit)?;
    let heads = ["ID", "TO", "TYPE", "ENTRY", "STATE", "TRIES", "LAST ANSWER"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|it| {
        let numbers = [it.id, it.endpoint, it.message.index, it.attempts].map(|n| n.to_string());
        let [id, endpoint, index, attempts] = numbers;
        let answer = it.answer.clone().unwrap_or_default();
        vec![id, endpoint, it.message.kind.clone(), index, state(it), attempts, answer]
    }));
    let text = if found.is_empty() { "nothing was sent\n".to_owned() } else { table(&rows) };
    let json: Vec<Value> = found.iter().map(delivery_json).collect();
    io.answer(&text, &json!({ "deliveries": json }))?;
    Ok(Exit::Done)
}

/// `delivered 2026-11-20 17:00`, `failed`, or when it is due.
fn state(it: &Delivery) -> String {
    match (it.delivered, it.due) {
        (Some(at), _) => format!("delivered {}", minute(at)),
        (None, Some(due)) => format!("due {}", minute(due)),
        (None, None) => "failed".to_owned(),
    }
}

fn delivery_json(it: &Delivery) -> Value {
    let message = &it.message;
    json!({
        "id": it.id, "endpoint": it.endpoint, "webhookId": message.webhook, "type": message.kind,
        "index": message.index, "attempts": it.attempts, "due": it.due, "delivered": it.delivered,
        "answer": it.answer,
    })
}

fn done(found: bool, what: &str, said: &str, json: &Value, io: &mut Io) -> Result<Exit, Failure> {
    if !found {
        return Err(Failure::new(Exit::NotFound, "no-webhook", format!("there is no {what}"))
            .hint("attestry webhook list, attestry webhook deliveries"));
    }
    io.answer(&format!("{what} {said}\n"), json)?;
    Ok(Exit::Done)
}
