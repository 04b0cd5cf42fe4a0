//! `attestry policy diff`: what a new policy makes stricter and what looser.

use serde_json::{Value, json};

use super::{Refused, read};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{columns, labelled, paragraph};
use crate::policy_diff::{Change, compare};

pub fn run(old: &str, new: &str, io: &mut Io) -> Result<Exit, Failure> {
    let mut documents = Vec::new();
    for file in [old, new] {
        let sound = read(file, io).map_err(|refused: Refused| refused.tell(file, io))?;
        documents.push(sound.document);
    }
    let changes = compare(&documents[0], &documents[1]);
    let width = changes.iter().map(|it| it.place.chars().count()).max().unwrap_or(0);
    let line = |it: &Change| told(it, width);
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

/// Widest place beside which there is room for what changed.
const PLACE_MAX: usize = 40;

/// A line, or several; what changed stands below a place that is too long.
fn told(it: &Change, width: usize) -> String {
    let width = width.min(PLACE_MAX);
    let head = format!("{:<9} {}", it.effect.name(), it.place);
    match columns(&it.place) <= width {
        // One more column, so that there are two spaces before what changed.
        true => labelled(2, &head, 10 + width + 1, &it.what),
        false => format!("  {head}\n{}", paragraph(6, &it.what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::WIDTH;
    use crate::policy_diff::Effect;

    #[test]
    fn changes_fit_a_terminal() {
        let change = |place: &str, what: &str| Change {
            effect: Effect::Looser,
            place: place.to_owned(),
            what: what.to_owned(),
        };
        let check = |place: &str, width, what: &str, lines| {
            let text = told(&change(place, what), width);
            assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
            assert_eq!(text.lines().count(), lines, "{text}");
        };
        assert_eq!(told(&change("prod", "is no more"), 6), "  looser    prod    is no more\n");
        check("prod soak", 9, &"a change of many words ".repeat(6), 3);
        check(&"place ".repeat(10), 60, "is no more", 2);
    }
}
