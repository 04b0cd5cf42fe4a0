//! `attestry show`: one entry, what was signed there, by whom, and where it stands.

mod notes;
mod request;

use clap::Args;
use schemas::id::EntryIndex;
use serde_json::{Value, json};

use super::log::to_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs, Line};
use crate::io::Io;
use crate::output::{WIDTH, columns, fold, labelled};

/// Show one entry: its text, the signed statement, the signers
#[derive(Debug, Args)]
#[command(before_help = example!("attestry show 1174"))]
pub struct ShowArgs {
    /// The entry's index; P-118 is the same as 118
    #[arg(value_name = "INDEX")]
    pub index: String,
    /// Print the entry's bytes and nothing else: what the leaf hash is over
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub history: HistoryArgs,
}

pub fn run(args: &ShowArgs, io: &mut Io) -> Result<Exit, Failure> {
    let index = crate::argument::parse_index(&args.index)?;
    let history = History::open(&args.history, io)?;
    let line = history.line(index)?;
    let entry = line.entry.format();
    if args.raw && !io.json {
        io.raw(&entry)?;
        return Ok(history.exit(io));
    }
    let statement = statement(&line);
    let mut json = to_json(&line);
    if let Value::Object(members) = &mut json {
        members.insert("entry".to_owned(), json!(String::from_utf8_lossy(&entry)));
        members.insert("payload".to_owned(), statement.clone().unwrap_or(Value::Null));
    }
    let about = request::about(&history, &line)?;
    if let (Value::Object(members), Some((_, about))) = (&mut json, &about) {
        members.insert("promotion".to_owned(), about.clone());
    }
    let mut about = about.map_or(String::new(), |(text, _)| text);
    if let (Value::Object(members), Some((text, notes))) =
        (&mut json, notes::about(&history, &line)?)
    {
        members.insert("notes".to_owned(), notes);
        about.push_str(&text);
    }
    let proof = match history.is_pack() {
        true => "in the pack, and checked by attestry verify".to_owned(),
        false => format!("attestry receipt {index} proves that it is in the log"),
    };
    let head = head(&line, &entry, history.size()?, &proof);
    let text = format!("{head}{about}{}", signed(&line, statement.as_ref()));
    io.answer(&text, &json)?;
    Ok(history.exit(io))
}

/// The signed statement as JSON; a copy for the eye, never what is hashed.
fn statement(line: &Line) -> Option<Value> {
    let event = line.event.as_ref()?;
    serde_json::from_slice(&event.signed.payload).ok()
}

fn head(line: &Line, entry: &[u8], size: EntryIndex, proof: &str) -> String {
    let mut text = format!("{} · entry {} of {size}\n\n", line.kind().name(), line.entry.index);
    // Folded for the eye only: its bytes are those of --raw.
    for row in String::from_utf8_lossy(entry).lines() {
        let lines = if columns(row) + 2 > WIDTH { fold(row, WIDTH - 4) } else { vec![row.into()] };
        text.push_str(&format!("  {}\n", lines.join("\n    ")));
    }
    text.push('\n');
    text.push_str(&labelled(0, "leaf", 9, &line.leaf.to_string()));
    let signers = match (line.signers.is_empty(), &line.event) {
        (false, _) => line.signers.join(", "),
        (true, Some(_)) => "nobody that the ledger knows".to_owned(),
        (true, None) => "not shown here".to_owned(),
    };
    text.push_str(&labelled(0, "signed by", 9, &signers));
    text.push_str(&labelled(0, "proof", 9, proof));
    text
}

/// The statement, or where it is.
fn signed(line: &Line, statement: Option<&Value>) -> String {
    match statement {
        Some(statement) => {
            let pretty = serde_json::to_string_pretty(statement).unwrap_or_default();
            format!("\n{pretty}\n")
        }
        None if line.entry.part > 1 => {
            let first = line.entry.index + 1 - EntryIndex::from(line.entry.part);
            format!("\nThe statement stands at its first part, entry {first}.\n")
        }
        None => "\nThe envelope was withheld from this pack.\n".to_owned(),
    }
}
