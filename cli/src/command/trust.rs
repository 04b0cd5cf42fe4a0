//! `attestry trust`: who may say what.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use schemas::trust::{ALL_PROJECTS, Grant, TrustDocument};
use serde_json::json;
use verifier::projection::slice::TrustInForce;
use verifier::trust::decode_key;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;
use crate::output::labelled;

/// Show who may say what
#[derive(Debug, Args)]
#[command(before_help = example!("attestry trust show"), disable_help_subcommand = true)]
pub struct TrustCommand {
    #[command(subcommand)]
    pub action: TrustAction,
}

#[derive(Debug, Subcommand)]
pub enum TrustAction {
    /// Show the trust document in force: roots, identities, keys, grants
    #[command(before_help = example!("attestry trust show"))]
    Show {
        #[command(flatten)]
        history: HistoryArgs,
    },
    #[cfg(feature = "ledger")]
    Roots(super::identity::roots::RootsArgs),
}

pub fn run(command: &TrustCommand, io: &mut Io) -> Result<Exit, Failure> {
    match &command.action {
        TrustAction::Show { history } => show(history, io),
        #[cfg(feature = "ledger")]
        TrustAction::Roots(args) => super::identity::roots::run(args, io),
    }
}

fn show(history: &HistoryArgs, io: &mut Io) -> Result<Exit, Failure> {
    let history = History::open(history, io)?;
    let trust = history.control()?.trust;
    let trust = trust.ok_or_else(|| Failure::not_found("there is no trust document"))?;
    let json = json!({
        "entry": trust.entry, "statement": trust.statement, "trust": trust.document,
    });
    io.answer(&render(&trust), &json)?;
    Ok(history.exit(io))
}

fn render(trust: &TrustInForce) -> String {
    let document = &trust.document;
    let mut text =
        format!("trust of {}, in force since entry {}\n\n", document.origin, trust.entry);
    text.push_str(&labelled(2, "log key", 9, &document.log_key));
    let roots = format!(
        "{} of {} keys sign trust documents",
        document.roots.threshold,
        document.roots.keys.len()
    );
    text.push_str(&labelled(2, "roots", 9, &roots));
    for key in document.roots.keys.iter().filter_map(|key| decode_key(key).ok()) {
        text.push_str(&labelled(2, "", 9, &format!("key {}", key.key_id())));
    }
    for text_of_root in &document.sigstore_roots {
        let digest = verifier::merkle::sha256(&[text_of_root.as_bytes()]);
        text.push_str(&labelled(2, "sigstore", 9, &format!("trusted root {digest}")));
    }
    text.push('\n');
    text.push_str(&identities(document));
    for notice in &document.compromises {
        let _ = writeln!(text, "  compromised  key {} from entry {} on", notice.key, notice.from);
    }
    text
}

/// Every identity with its grants, keys and aliases.
pub fn identities(document: &TrustDocument) -> String {
    let mut text = String::new();
    for identity in &document.identities {
        let _ = writeln!(text, "  {}", identity.name);
        for grant in document.grants.iter().filter(|grant| grant.identity == identity.name) {
            text.push_str(&labelled(4, "may", 7, &grant_text(grant)));
        }
        for key in identity.keys.iter().filter_map(|key| decode_key(key).ok()) {
            text.push_str(&labelled(4, "key", 7, &key.key_id().to_string()));
        }
        for name in &identity.sigstore {
            let certified = format!("{} by {}", name.subject, name.issuer);
            text.push_str(&labelled(4, "cert", 7, &certified));
        }
        if !identity.aliases.is_empty() {
            text.push_str(&labelled(4, "alias", 7, &identity.aliases.join(", ")));
        }
        if let Some(card) = &identity.card {
            text.push_str(&labelled(4, "card", 7, card.as_str()));
        }
    }
    text
}

/// `emitter of test, build for payments (prod)`.
fn grant_text(grant: &Grant) -> String {
    let mut text = grant.role.clone();
    if !grant.kinds.is_empty() {
        let _ = write!(text, " of {}", grant.kinds.join(", "));
    }
    let all = grant.projects.iter().any(|name| name == ALL_PROJECTS);
    match all {
        true => text.push_str(" for every project"),
        false => _ = write!(text, " for {}", grant.projects.join(", ")),
    }
    if !grant.environments.is_empty() {
        let names: Vec<&str> = grant.environments.iter().map(|name| name.as_str()).collect();
        let _ = write!(text, " in {}", names.join(", "));
    }
    text
}
