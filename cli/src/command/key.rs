//! `attestry key`: makes keys.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::init::ROOT_OUT;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key;

/// Make a key to sign with
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry key generate ci.pem", disable_help_subcommand = true)]
pub struct KeyCommand {
    #[command(subcommand)]
    pub action: KeyAction,
}

#[derive(Debug, Subcommand)]
pub enum KeyAction {
    /// Write a new Ed25519 private key to FILE, and its public half to FILE.pub
    #[command(before_help = "Example:\n  attestry key generate ci.pem")]
    Generate {
        /// The file to write, such as ci.pem
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub fn run(command: &KeyCommand, io: &mut Io) -> Result<Exit, Failure> {
    let KeyAction::Generate { file } = &command.action;
    generate(file, io)
}

/// The command that makes a key somebody's, with what is known of it.
fn next(public: &str, io: &Io) -> String {
    let stem = public.strip_suffix(".pem.pub").or_else(|| public.strip_suffix(".pub"));
    let name = stem.and_then(|stem| Path::new(stem).file_name()?.to_str());
    let name = name.filter(|name| name.parse::<schemas::id::IdentityName>().is_ok());
    let project = io.var("ATTESTRY_PROJECT").unwrap_or("PROJECT");
    let root = Some(ROOT_OUT).filter(|root| io.path(root).exists()).unwrap_or("ROOT.pem");
    format!(
        "next: attestry identity add {} --pub {public} --role ROLE \\\n        \
         --project {project} --key {root}",
        name.unwrap_or("NAME")
    )
}

fn generate(file: &Path, io: &mut Io) -> Result<Exit, Failure> {
    if file.as_os_str().is_empty() {
        return Err(crate::argument::empty("FILE"));
    }
    let mut public = file.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    if io.path(&public).exists() {
        let message = format!("{} exists already", public.display());
        return Err(Failure::new(Exit::Usage, "file-exists", message)
            .hint("a key is never overwritten: choose another name"));
    }
    let key = key::generate()?;
    key::write_private(file, &key, io)?;
    io.write_file(&public, key.public().to_spki_pem().as_bytes())?;
    let id = key.public().key_id();
    let (file, public) = (file.display(), public.display());
    let text = format!(
        "private  {file}  (yours alone: it is your signature)\npublic   {public}\nkey id   {id}\n"
    );
    let json = json!({ "private": file.to_string(), "public": public.to_string(), "keyId": id });
    io.answer(&text, &json)?;
    if !io.json {
        io.note(&next(&public.to_string(), io));
    }
    Ok(Exit::Done)
}
