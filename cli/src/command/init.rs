//! `attestry init`: a new ledger, and the root key outside of it.

use std::path::{Path, PathBuf};

use clap::Args;
use schemas::id::Origin;
use serde_json::json;
use verifier::pin::format_pin;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key;
use crate::service::{Service, parse_bucket, parse_database};

/// Make a new ledger in a folder
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry init --origin ledger.acme.example")]
pub struct InitArgs {
    /// The log's name for ever, such as ledger.acme.example
    #[arg(long, value_name = "NAME")]
    pub origin: String,
    /// The folder [env: ATTESTRY_LEDGER, else ./ledger]
    #[arg(long, value_name = "D")]
    pub dir: Option<PathBuf>,
    /// Keep the log in a PostgreSQL database instead, an empty one
    #[arg(long, value_name = "ADDRESS")]
    pub database: Option<String>,
    /// Keep attachments and published tiles in a bucket instead: s3://BUCKET/PREFIX; endpoint
    /// and credentials come from the standard variables AWS_…
    #[arg(long, value_name = "ADDRESS")]
    pub objects: Option<String>,
    /// Where the root key goes, outside of the ledger
    #[arg(long, value_name = "F", default_value = ROOT_OUT)]
    pub root_out: PathBuf,
}

/// Where a root key goes unless somebody says otherwise.
pub const ROOT_OUT: &str = "attestry-root.pem";

pub fn run(args: &InitArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.origin.is_empty() {
        return Err(crate::argument::empty("--origin"));
    }
    let origin: Origin =
        args.origin.parse().map_err(|cause| Failure::usage(format!("--origin: {cause}")))?;
    let shown = args.dir.clone().or_else(|| io.var("ATTESTRY_LEDGER").map(PathBuf::from));
    let shown = shown.unwrap_or_else(|| PathBuf::from("ledger"));
    let dir = io.path(&shown);
    check_empty(&shown, &dir)?;
    let root_out = io.path(&args.root_out);
    if root_out.starts_with(&dir) {
        return Err(Failure::usage("--root-out is inside the ledger's folder").hint(
            "whoever has the ledger's folder must not have the root key: name a place outside",
        ));
    }
    let database =
        args.database.as_deref().map(|it| parse_database("--database", it, io)).transpose()?;
    let bucket = args.objects.as_deref().map(parse_bucket).transpose()?;
    let root = key::generate()?;
    key::write_private(&args.root_out, &root, io)?;
    let roots = [root];
    let service = match Service::init(&dir, database.as_ref(), bucket.as_ref(), &origin, &roots, io)
    {
        Ok(service) => service,
        Err(failure) => {
            // It is the key of nothing, and would be in the way of the next attempt.
            let _ = std::fs::remove_file(&root_out);
            return Err(failure);
        }
    };
    answer(&shown, &args.root_out, &service, io)
}

fn check_empty(shown: &Path, dir: &Path) -> Result<(), Failure> {
    let used = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => false,
        Err(cause) => return Err(Failure::file(shown, &cause)),
    };
    if used {
        let message = format!("the folder {} is not empty", shown.display());
        return Err(Failure::new(Exit::Usage, "folder-not-empty", message)
            .hint("name a new folder: --dir D"));
    }
    Ok(())
}

fn answer(dir: &Path, root: &Path, service: &Service, io: &mut Io) -> Result<Exit, Failure> {
    let pin = format_pin(service.pin());
    let (dir, root) = (dir.display(), root.display());
    let text = format!(
        "made ledger {} in {dir}\n\n{pin}\nThis is the pin ({dir}/pin.txt). Give it to auditors by another road than\n\
         the evidence: who has it recognises this log and no other.\n\n\
         root key  {root}\n\
         Take it offline now: move it to a medium that you lock away, and delete it\n\
         here. It decides who may sign, and is needed only to change that.\n",
        service.origin(),
    );
    let json = json!({
        "origin": service.origin(),
        "ledger": dir.to_string(),
        "rootKey": root.to_string(),
        "pin": pin,
    });
    io.answer(&text, &json)?;
    if !io.json {
        io.note(&format!(
            "next: attestry key generate NAME.pem\nthen: attestry identity add NAME --pub NAME.pem.pub \
             --role ROLE \\\n        --project PROJECT --key {root}"
        ));
    }
    Ok(Exit::Done)
}
