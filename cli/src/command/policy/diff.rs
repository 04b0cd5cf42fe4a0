//! `attestry policy diff`: what a new policy makes stricter and what looser.

use serde_json::{Value, json};

use super::{Refused, read};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::policy_diff::{Change, compare};

pub fn run(old: &str, new: &str, io: &mut Io) -> Result<Exit, Failure> {
    let mut documents = Vec::new();
    for file in [old, new] {
        let sound = read(file, io).map_err(|refused: Refused| refused.tell(file, io))?;
        documents.push(sound.document);
    }
    let changes = compare(&documents[0], &documents[1]);
    let width = changes.iter().map(|it| it.place.chars().count()).max().unwrap_or(0);
    let line =
        |it: &Change| format!("  {:<9} {:width$}  {}\n", it.effect.name(), it.place, it.what);
    let text = match changes.is_empty() {
        true => "both ask for the same\n".to_owned(),
        false => changes.iter().map(line).collect(),
    };
    let list: Vec<Value> = changes
        .iter()
        .map(|it| json!({ "effect": it.effect.name(), "place": it.place, "what": it.what }))
        .collect();
    io.answer(&text, &json!({ "changes": list }))?;
    Ok(Exit::Done)
}
