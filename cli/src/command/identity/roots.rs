//! `attestry trust roots`: who may change trust, changed by those who may and those who shall.

use clap::Args;
use schemas::trust::TrustDocument;
use verifier::trust::decode_key;

use super::{RootArgs, apply, change};
use crate::argument::AppendArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Put other root keys in place of those in force
///
/// Signed by a threshold of the old roots and of the new ones, in one go: repeat --key. From its
/// entry on only the new ones change trust.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry trust roots --add new.pem.pub --remove 04be51 --key old.pem \\\n    \
                   --key new.pem"
)]
pub struct RootsArgs {
    /// The public half of a new root key: a .pub file; may be repeated
    #[arg(long, value_name = "F")]
    pub add: Vec<String>,
    /// The id of a root key that goes, or its beginning; may be repeated
    #[arg(long, value_name = "KEYID")]
    pub remove: Vec<String>,
    /// How many of them must sign from then on [default: as many as before]
    #[arg(long, value_name = "N")]
    pub threshold: Option<u32>,
    #[command(flatten)]
    pub roots: RootArgs,
    #[command(flatten)]
    pub ledger: AppendArgs,
}

pub fn run(args: &RootsArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.add.is_empty() && args.remove.is_empty() && args.threshold.is_none() {
        return Err(Failure::usage("nothing to change")
            .hint("--add NEW.pem.pub, --remove KEYID, --threshold N"));
    }
    let added = change::read_public(&args.add, false, io)?;
    let alter = |document: &mut TrustDocument| {
        for key in added {
            if document.roots.keys.contains(&key) {
                return Err(Failure::usage("a key that --add names is a root already"));
            }
            document.roots.keys.push(key);
        }
        for id in &args.remove {
            remove(document, id)?;
        }
        if let Some(threshold) = args.threshold {
            document.roots.threshold = threshold;
        }
        let (threshold, count) = (document.roots.threshold, document.roots.keys.len());
        Ok(format!("{threshold} of {count} root keys sign trust documents from now on"))
    };
    apply(&args.ledger, &args.roots, Vec::new(), alter, io)
}

/// Takes the one root key away whose id begins so.
fn remove(document: &mut TrustDocument, id: &str) -> Result<(), Failure> {
    let is_meant = |text: &schemas::trust::KeyText| {
        decode_key(text).is_ok_and(|key| key.key_id().to_string().starts_with(id))
    };
    let keys = &mut document.roots.keys;
    let meant: Vec<usize> = (0..keys.len()).filter(|nth| is_meant(&keys[*nth])).collect();
    match (meant.as_slice(), id.len() >= 6) {
        ([nth], true) => {
            keys.remove(*nth);
            Ok(())
        }
        ([], _) => {
            Err(Failure::not_found(format!("no root key has an id that begins with {id:?}"))
                .hint("attestry trust show"))
        }
        (_, false) => Err(Failure::usage(format!("--remove {id:?}: 6 digits at least"))),
        (_, true) => Err(Failure::usage(format!("several root keys begin with {id:?}"))),
    }
}
