//! `attestry identity card`: under which name and title somebody signs.
//!
//! Names stand in no entry: the trust document names the card by its digest, and the card is an
//! attachment that can be erased.

use clap::Args;
use schemas::id::{Digest, IdentityName};
use schemas::trust::TrustDocument;
use serde_json::json;
use verifier::card::{CARD_BYTES_MAX, Card, SALT_BYTES, format_card, parse_card};
use verifier::merkle::sha256;

use super::{RootArgs, apply, change};
use crate::argument::AppendArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::labelled;
use crate::service::Service;

/// Show under which name and title somebody signs; or set them
///
/// What is set is kept beside the log and can be erased. Approvals from then on name this card.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry identity card bob --print-name \"Bob Baker\" \\\n    --title \"Head of release\" --key attestry-root.pem"
)]
pub struct CardArgs {
    /// Whose
    pub name: String,
    /// The name, as it is to be printed
    #[arg(long, value_name = "NAME")]
    pub print_name: Option<String>,
    /// The title or position
    #[arg(long, value_name = "TITLE", requires = "print_name")]
    pub title: Option<String>,
    #[command(flatten)]
    pub roots: RootArgs,
    #[command(flatten)]
    pub ledger: AppendArgs,
}

pub fn run(args: &CardArgs, io: &mut Io) -> Result<Exit, Failure> {
    let name = change::parse_name(&args.name)?;
    let Some(printed) = &args.print_name else { return show(args, &name, io) };
    let card = Card::new(printed, args.title.as_deref())
        .map_err(|cause| Failure::usage(format!("--print-name, --title: {cause}")))?;
    let bytes = salted(&card)?;
    let digest = Digest::sha256(&sha256(&[&bytes]));
    let alter = |document: &mut TrustDocument| {
        let found = document.identities.iter_mut().find(|it| it.name == name);
        let identity = found.ok_or_else(|| unknown(&name))?;
        identity.card = Some(digest);
        Ok(format!("{name} signs as {}", card.printed()))
    };
    apply(&args.ledger, &args.roots, vec![bytes], alter, io)
}

fn show(args: &CardArgs, name: &IdentityName, io: &mut Io) -> Result<Exit, Failure> {
    let service = Service::open(&args.ledger.ledger, io)?;
    let (_, document) = service.trust()?;
    let found = document.identities.iter().find(|it| it.name == *name);
    let identity = found.ok_or_else(|| unknown(name))?;
    let Some(digest) = &identity.card else {
        return Err(Failure::not_found(format!("{name} has no person card"))
            .hint(format!("attestry identity card {name} --print-name NAME --title TITLE")));
    };
    let card = read(&service, digest)?
        .map_err(|why| Failure::not_found(format!("the person card of {name} {why}")))?;
    let mut text = format!("{name}\n");
    text.push_str(&labelled(2, "name", 5, card.name()));
    if let Some(title) = card.title() {
        text.push_str(&labelled(2, "title", 5, title));
    }
    text.push_str(&format!("  card  {digest}\n"));
    let json = json!({
        "identity": name, "name": card.name(), "title": card.title(), "card": digest,
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}

fn unknown(name: &IdentityName) -> Failure {
    Failure::not_found(format!("there is no identity {name}"))
        .hint("attestry identity list shows them")
}

/// Reads a card that the log names, or says why that cannot be done.
pub fn read(service: &Service, digest: &Digest) -> Result<Result<Card, String>, Failure> {
    let bytes = match service.attachment(digest) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Err("is not at hand: it was erased".to_owned())),
        // Whoever may approve need not be one who may read every attachment.
        Err(failure) if failure.exit == Exit::NotAllowed => {
            return Ok(Err("is not for this caller to read".to_owned()));
        }
        Err(failure) => return Err(failure),
    };
    Ok(parse_card(&bytes).map_err(|cause| format!("cannot be read: {cause}")))
}

/// Reads the file that somebody wrote: `name …`, and perhaps `title …`; and salts it.
pub fn from_file(file: &str, io: &mut Io) -> Result<Vec<u8>, Failure> {
    let bytes = io.read_file(file, CARD_BYTES_MAX as u64)?;
    let text = String::from_utf8_lossy(&bytes);
    let (mut name, mut title) = (None, None);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_once(' ') {
            Some(("name", rest)) if name.is_none() => name = Some(rest.trim()),
            Some(("title", rest)) if title.is_none() => title = Some(rest.trim()),
            _ => return Err(form(file)),
        }
    }
    let card = Card::new(name.ok_or_else(|| form(file))?, title)
        .map_err(|cause| Failure::usage(format!("{file}: {cause}")))?;
    salted(&card)
}

fn form(file: &str) -> Failure {
    Failure::usage(format!("{file} is no person card"))
        .hint("two lines: name Bob Baker, title Head of release; the title may be missing")
}

/// Without the salt the digest would let anybody test a guessed name.
fn salted(card: &Card) -> Result<Vec<u8>, Failure> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(Failure::unexpected)?;
    Ok(format_card(card, &salt))
}
