//! `attestry show`: one entry, what was signed there, by whom, and where it stands.

use clap::Args;
use schemas::id::EntryIndex;
use serde_json::{Value, json};

use super::log::to_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs, Line};
use crate::io::Io;
use crate::output::labelled;

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
    let proof = match history.is_pack() {
        true => "in the pack, and checked by attestry verify".to_owned(),
        false => format!("attestry receipt {index} proves that it is in the log"),
    };
    io.answer(&render(&line, &entry, statement.as_ref(), history.size()?, &proof), &json)?;
    Ok(history.exit(io))
}

/// The signed statement as JSON; a copy for the eye, never what is hashed.
fn statement(line: &Line) -> Option<Value> {
    let event = line.event.as_ref()?;
    serde_json::from_slice(&event.signed.payload).ok()
}

fn render(
    line: &Line,
    entry: &[u8],
    statement: Option<&Value>,
    size: EntryIndex,
    proof: &str,
) -> String {
    let mut text = format!("{} · entry {} of {size}\n\n", line.kind().name(), line.entry.index);
    for row in String::from_utf8_lossy(entry).lines() {
        text.push_str(&format!("  {row}\n"));
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
    match statement {
        Some(statement) => {
            let pretty = serde_json::to_string_pretty(statement).unwrap_or_default();
            text.push_str(&format!("\n{pretty}\n"));
        }
        None if line.entry.part > 1 => {
            let first = line.entry.index + 1 - EntryIndex::from(line.entry.part);
            text.push_str(&format!("\nThe statement stands at its first part, entry {first}.\n"));
        }
        None => text.push_str("\nThe envelope was withheld from this pack.\n"),
    }
    text
}
