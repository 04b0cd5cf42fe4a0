//! `attestry identity`: who may say what. Each change is a new trust document, signed by roots.

pub mod card;
mod change;
pub mod roots;
mod sigstore;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use ledger::Submission;
use schemas::id::{EntryIndex, IdentityName, KeyId};
use schemas::thread::ThreadId;
use schemas::trust::TrustDocument;
use serde_json::json;
use verifier::event::{Body, Event};

use super::record::append;
use crate::argument::{AppendArgs, LedgerArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key;
use crate::service::{Service, sign_trust};

const EXAMPLE: &str = "Example:\n  attestry identity add ci --pub ci.pem.pub --role emitter --kind test \\\n    \
                       --kind build --project payments --key attestry-root.pem";

/// Say who may sign what
#[derive(Debug, Args)]
#[command(before_help = EXAMPLE, disable_help_subcommand = true)]
pub struct IdentityCommand {
    #[command(subcommand)]
    pub action: IdentityAction,
}

#[derive(Debug, Subcommand)]
pub enum IdentityAction {
    Add(AddArgs),
    /// List identities with their keys, aliases and grants
    #[command(before_help = "Example:\n  attestry identity list")]
    List {
        #[command(flatten)]
        ledger: LedgerArgs,
    },
    Card(card::CardArgs),
    Revoke(RevokeArgs),
    Compromise(CompromiseArgs),
    SigstoreRoots(SigstoreRootsArgs),
}

/// Add an identity; or a key, a role or an alias to one that is there
#[derive(Debug, Args)]
#[command(before_help = EXAMPLE)]
pub struct AddArgs {
    /// Its name; a pseudonym if you like
    pub name: String,
    /// Its public key: PEM, as `attestry key generate` wrote it, or SSH's id_ed25519.pub; may be
    /// repeated
    #[arg(long = "pub", value_name = "F")]
    pub public: Vec<String>,
    /// Signatures of its P-256 keys are 64 bytes, r and s, instead of DER
    #[arg(long, requires = "public")]
    pub raw_signatures: bool,
    /// Who vouches for it in Sigstore bundles, such as `https://token.actions.githubusercontent.com`
    #[arg(long, value_name = "URL", requires = "sigstore_subject")]
    pub sigstore_issuer: Option<String>,
    /// Its workflow or e-mail address in Sigstore certificates, whole and exactly
    #[arg(long, value_name = "S", requires = "sigstore_issuer")]
    pub sigstore_subject: Option<String>,
    /// A role: emitter, release-manager, policy-admin, admin, auditor; any other word makes an approver
    #[arg(long, value_name = "R")]
    pub role: Option<String>,
    /// A kind that an emitter records, such as build, test or scan; may be repeated
    #[arg(long = "kind", value_name = "K")]
    pub kinds: Vec<String>,
    /// A project, or * for all; may be repeated
    #[arg(long = "project", value_name = "P")]
    pub projects: Vec<String>,
    /// Only in this environment; may be repeated
    #[arg(long = "environment", alias = "env", value_name = "ENV")]
    pub environments: Vec<String>,
    /// A forge login or commit e-mail of the same person; may be repeated
    #[arg(long = "alias", value_name = "A")]
    pub aliases: Vec<String>,
    /// A file with the person's name and title, kept apart so that it can be erased: `name Bob Baker`,
    /// `title Head of release`
    #[arg(long, value_name = "F")]
    pub card: Option<String>,
    #[command(flatten)]
    pub roots: RootArgs,
    #[command(flatten)]
    pub ledger: AppendArgs,
}

/// Take a role away, or everything
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry identity revoke ci --key attestry-root.pem")]
pub struct RevokeArgs {
    /// Whose
    pub name: String,
    /// Only this role [default: all of them, and the keys]
    #[arg(long, value_name = "R")]
    pub role: Option<String>,
    #[command(flatten)]
    pub roots: RootArgs,
    #[command(flatten)]
    pub ledger: AppendArgs,
}

/// Say that a key is not its owner's alone any more, from some entry on
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry identity compromise ci --from 1170 --key attestry-root.pem"
)]
pub struct CompromiseArgs {
    /// The key's id, or the identity's name for all of its keys
    #[arg(value_name = "KEYID|NAME")]
    pub whose: String,
    /// The first entry that does not count
    #[arg(long, value_name = "INDEX")]
    pub from: EntryIndex,
    #[command(flatten)]
    pub roots: RootArgs,
    #[command(flatten)]
    pub ledger: AppendArgs,
}

/// Say which Sigstore instances are believed, in place of those before
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry identity sigstore-roots trusted_root.json --key attestry-root.pem"
)]
pub struct SigstoreRootsArgs {
    /// The trusted_root.json of each; none: no Sigstore bundle is believed
    #[arg(value_name = "F")]
    pub files: Vec<String>,
    #[command(flatten)]
    pub roots: RootArgs,
    #[command(flatten)]
    pub ledger: AppendArgs,
}

/// The root keys that sign.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// A root key: a file, - or env:NAME; repeat it for a threshold [env: ATTESTRY_KEY]
    #[arg(long = "key", value_name = "ROOT")]
    pub keys: Vec<String>,
}

pub fn run(command: &IdentityCommand, io: &mut Io) -> Result<Exit, Failure> {
    match &command.action {
        IdentityAction::Add(args) => {
            let card = args.card.as_deref().map(|file| card::from_file(file, io)).transpose()?;
            let keys = change::read_public(&args.public, args.raw_signatures, io)?;
            let attachments = card.iter().cloned().collect();
            let alter =
                |document: &mut TrustDocument| change::add(document, args, &keys, card.as_deref());
            apply(&args.ledger, &args.roots, attachments, alter, io)
        }
        IdentityAction::List { ledger } => list(ledger, io),
        IdentityAction::Card(args) => card::run(args, io),
        IdentityAction::Revoke(args) => {
            let alter = |document: &mut TrustDocument| change::revoke(document, args);
            apply(&args.ledger, &args.roots, Vec::new(), alter, io)
        }
        IdentityAction::SigstoreRoots(args) => {
            let roots = sigstore::read_roots(&args.files, io)?;
            let alter = |document: &mut TrustDocument| sigstore::set_roots(document, roots);
            apply(&args.ledger, &args.roots, Vec::new(), alter, io)
        }
        IdentityAction::Compromise(args) => {
            let alter = |document: &mut TrustDocument, service: &Service| {
                change::compromise(document, args, |name| former_keys(name, service))
            };
            apply_knowing(&args.ledger, &args.roots, Vec::new(), alter, io)
        }
    }
}

/// The keys that a name had in any trust document of the log: of one whose keys were taken away.
fn former_keys(name: &IdentityName, service: &Service) -> Result<BTreeSet<KeyId>, Failure> {
    let mut keys = BTreeSet::new();
    for stored in service.thread(&ThreadId::Control)? {
        let event = stored.envelope.as_deref().and_then(|bytes| Event::read(bytes).ok());
        if let Some(Body::Trust(body, ..)) = event.map(|event| event.body) {
            keys.extend(change::keys_of(&body.trust, name));
        }
    }
    Ok(keys)
}

fn list(ledger: &LedgerArgs, io: &mut Io) -> Result<Exit, Failure> {
    let (_, document) = Service::open(ledger, io)?.trust()?;
    let json = json!({ "identities": document.identities, "grants": document.grants });
    io.answer(&super::trust::identities(&document), &json)?;
    Ok(Exit::Done)
}

/// Alters the document in force, signs it, logs it, and looks at open requests again.
pub fn apply(
    ledger: &AppendArgs,
    roots: &RootArgs,
    attachments: Vec<Vec<u8>>,
    alter: impl FnOnce(&mut TrustDocument) -> Result<String, Failure>,
    io: &mut Io,
) -> Result<Exit, Failure> {
    apply_knowing(ledger, roots, attachments, |document, _| alter(document), io)
}

/// The same, where the change rests on what else the log says.
fn apply_knowing(
    ledger: &AppendArgs,
    roots: &RootArgs,
    attachments: Vec<Vec<u8>>,
    alter: impl FnOnce(&mut TrustDocument, &Service) -> Result<String, Failure>,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let mut specs = roots.keys.clone();
    specs.extend(io.var("ATTESTRY_KEY").filter(|_| roots.keys.is_empty()).map(str::to_owned));
    if specs.is_empty() {
        return Err(Failure::usage("no root key to sign with").hint(
            "--key attestry-root.pem: the file that `attestry init` made, back from its safe place",
        ));
    }
    let keys = specs.iter().map(|spec| key::read(spec, io)).collect::<Result<Vec<_>, _>>()?;
    let service = Service::open_to_append(ledger, io)?;
    let (in_force, mut document) = service.trust()?;
    let said = alter(&mut document, &service)?;
    let envelope = sign_trust(&document, in_force, &keys)?;
    let logged = service.submit_one(Submission { envelope, project: None, attachments })?;
    let decided = append::decisions(&service, None, io)?;
    let text = format!(
        "{said}\nlogged as entry {} of {} · signed by {} of {} root keys\n{}",
        logged.index,
        service.origin(),
        keys.len(),
        document.roots.keys.len(),
        append::text_of(&decided, &service)?,
    );
    let json = json!({
        "index": logged.index, "statement": logged.statement, "said": said,
        "decisions": append::json_of(&decided),
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}
