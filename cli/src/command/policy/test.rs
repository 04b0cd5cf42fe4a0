//! `attestry policy test`: plays the cases of a fixture against its policy.

use serde_json::{Value, json};

use super::{POLICY_BYTES_MAX, Refused, read};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::plural;
use crate::policy_test::{self, Told};

pub fn run(file: &str, io: &mut Io) -> Result<Exit, Failure> {
    let bytes = io.read_file(file, POLICY_BYTES_MAX)?;
    let refused =
        |cause: String| Failure::new(Exit::No, "fixture-refused", format!("{file}: {cause}"));
    let text = String::from_utf8(bytes).map_err(|_| refused("not UTF-8 text".to_owned()))?;
    let fixture = policy_test::read(&text).map_err(refused)?;
    let policy = std::path::Path::new(file).with_file_name(&fixture.policy);
    let policy = policy.to_string_lossy();
    let sound = read(&policy, io).map_err(|refused: Refused| refused.tell(&policy, io))?;
    let told = policy_test::play(&fixture, &sound.document);
    let wrong = told.iter().filter(|it| !it.wrong.is_empty()).count() as u64;
    let mut text: String = told.iter().map(line).collect();
    let cases = plural(told.len() as u64, "case", "cases");
    text.push_str(&match wrong {
        0 => format!("{cases}, as expected\n"),
        some => format!("{cases}, {some} not as expected\n"),
    });
    let list: Vec<Value> = told
        .iter()
        .map(|it| json!({ "name": it.name, "wrong": it.wrong, "gates": it.gates }))
        .collect();
    io.answer(&text, &json!({ "cases": list, "wrong": wrong }))?;
    Ok(if wrong == 0 { Exit::Done } else { Exit::No })
}

fn line(told: &Told) -> String {
    let word = if told.wrong.is_empty() { "ok  " } else { "not " };
    let wrong: String = told.wrong.iter().map(|it| format!("       {it}\n")).collect();
    format!("  {word} {}\n{wrong}", told.name)
}
