//! `attestry token`: makes, lists and revokes what callers of the server show.

use clap::{Args, Subcommand};
use ledger::access::{TokenAsk, TokenId};
use ledger::store::{Purpose, Token};
use schemas::id::{IdentityName, Project};
use schemas::policy::Duration;
use serde_json::{Value, json};
use verifier::access::Scope;

use crate::argument::{LedgerArgs, parse_project};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{minute, table};
use crate::service::Service;

const EXAMPLE: &str =
    "Example:\n  attestry token create --identity ci --project payments --expires 90d";

/// Make, list and revoke tokens for callers of the server
///
/// A token stands for an identity of the ledger and can only narrow what that one may do. It is
/// written to the ledger's database, not to the log.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLE, disable_help_subcommand = true)]
pub struct TokenCommand {
    #[command(subcommand)]
    pub action: TokenAction,
}

#[derive(Debug, Subcommand)]
pub enum TokenAction {
    Create(CreateArgs),
    /// List the tokens; their secrets are kept nowhere
    #[command(before_help = "Example:\n  attestry token list")]
    List {
        #[command(flatten)]
        ledger: LedgerArgs,
    },
    /// Take a token's power away, from this moment on
    #[command(before_help = "Example:\n  attestry token revoke 5f0c81d2a94be637")]
    Revoke {
        /// Its id: the 16 digits behind attestry_
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        ledger: LedgerArgs,
    },
}

/// Make a token, and print it this once
#[derive(Debug, Args)]
#[command(before_help = EXAMPLE)]
pub struct CreateArgs {
    /// Whose it is: a name that `attestry identity list` shows
    #[arg(long, value_name = "NAME")]
    pub identity: String,
    /// Of the identity's roles only this; repeat it for more [default: all]
    #[arg(long = "role", value_name = "R")]
    pub roles: Vec<String>,
    /// Of the identity's projects only this; repeat it for more [default: all]
    #[arg(long = "project", value_name = "P")]
    pub projects: Vec<String>,
    /// How long it lasts: 12h, 90d; at most 366d
    #[arg(long, value_name = "SPAN")]
    pub expires: String,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

pub fn run(command: &TokenCommand, io: &mut Io) -> Result<Exit, Failure> {
    match &command.action {
        TokenAction::Create(args) => create(args, io),
        TokenAction::List { ledger } => list(ledger, io),
        TokenAction::Revoke { id, ledger } => revoke(id, ledger, io),
    }
}

fn create(args: &CreateArgs, io: &mut Io) -> Result<Exit, Failure> {
    let identity: IdentityName =
        args.identity.parse().map_err(|cause| Failure::usage(format!("--identity: {cause}")))?;
    let expires: Duration =
        args.expires.parse().map_err(|cause| Failure::usage(format!("--expires: {cause}")))?;
    let projects = args.projects.iter().map(|name| parse_project(name));
    let scope = Scope {
        roles: args.roles.iter().cloned().collect(),
        projects: projects.collect::<Result<std::collections::BTreeSet<Project>, _>>()?,
    };
    let lifetime_ms = expires.ms();
    let ask = TokenAsk { identity, scope, purpose: Purpose::Call, lifetime_ms };
    let (text, token) = Service::open(&args.ledger, io)?.create_token(&ask)?;
    let mut json = about(&token);
    json["token"] = json!(*text);
    io.answer(&text, &json)?;
    if !io.json {
        let until = minute(token.expires);
        io.note(&format!(
            "token {} of {} until {until} UTC: not shown again",
            token.id, ask.identity
        ));
    }
    Ok(Exit::Done)
}

fn list(ledger: &LedgerArgs, io: &mut Io) -> Result<Exit, Failure> {
    let service = Service::open(ledger, io)?;
    let (tokens, now) = (service.tokens()?, service.now());
    if tokens.is_empty() && !io.json {
        io.note("no token yet: attestry token create");
    }
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let ends = match token.revoked {
                Some(at) => format!("revoked {}", minute(at)),
                None if token.expires <= now => format!("expired {}", minute(token.expires)),
                None => format!("until {}", minute(token.expires)),
            };
            vec![token.id.to_string(), whose(token), ends, narrowed(token)]
        })
        .collect();
    let json: Vec<Value> = tokens.iter().map(about).collect();
    io.answer(&table(&rows), &json!({ "tokens": json }))?;
    Ok(Exit::Done)
}

fn whose(token: &Token) -> String {
    match &token.identity {
        Some(name) => name.to_string(),
        None => "(first token)".to_owned(),
    }
}

fn narrowed(token: &Token) -> String {
    let roles = token.scope.roles.iter().cloned();
    let projects = token.scope.projects.iter().map(ToString::to_string);
    match roles.chain(projects).collect::<Vec<_>>() {
        words if words.is_empty() => String::new(),
        words => format!("only {}", words.join(", ")),
    }
}

fn revoke(id: &str, ledger: &LedgerArgs, io: &mut Io) -> Result<Exit, Failure> {
    let id: TokenId = id.parse().map_err(|cause| {
        Failure::usage(format!("{id:?}: {cause}")).hint("attestry token list shows them")
    })?;
    Service::open(ledger, io)?.revoke_token(&id)?;
    io.answer(&format!("revoked {id}\n"), &json!({ "revoked": id.to_string() }))?;
    Ok(Exit::Done)
}

fn about(token: &Token) -> Value {
    json!({
        "id": token.id.to_string(),
        "purpose": token.purpose.name(),
        "identity": token.identity,
        "roles": token.scope.roles,
        "projects": token.scope.projects,
        "createdAt": token.created,
        "expiresAt": token.expires,
        "revokedAt": token.revoked,
        "usedOn": token.used_on(),
    })
}
