//! The terminal sessions of README.md and `docs/`: they do what they show.
//!
//! A document's `console` blocks are one session in one folder. `$ attestry …` runs here, anything
//! else in bash; a command answers 0 unless `$ echo $?` behind it says otherwise; every line shown
//! stands in what the command said, which may have said more. `ATTESTRY_STATE=DIR` before a command
//! holds for that one.

use std::path::Path;
use std::process::Command;

use harness::{Outcome, Place, repository};

/// A command of a session with what is shown below it.
struct Step {
    command: String,
    shown: Vec<String>,
    code: u8,
}

/// The steps of a document, over all of its blocks.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    let mut asked = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
            asked = false;
        } else if !inside {
        } else if line == "$ echo $?" {
            asked = true;
        } else if let Some(command) = line.strip_prefix("$ ") {
            asked = false;
            let (command, shown, code) = (command.to_owned(), Vec::new(), 0);
            steps.push(Step { command, shown, code });
        } else if asked {
            steps.last_mut().unwrap().code = line.parse().expect("an exit code");
            asked = false;
        } else if let Some(more) = line.strip_prefix("> ") {
            let command = &mut steps.last_mut().unwrap().command;
            command.push('\n');
            command.push_str(more);
        } else {
            steps.last_mut().unwrap().shown.push(line.to_owned());
        }
    }
    steps
}

fn run(place: &mut Place, command: &str) -> Outcome {
    // Another memory for one command.
    if let Some((state, rest)) =
        command.strip_prefix("ATTESTRY_STATE=").and_then(|it| it.split_once(' '))
    {
        place.set("ATTESTRY_STATE", state);
        let outcome = run(place, rest);
        let own = place.file("state").display().to_string();
        place.set("ATTESTRY_STATE", &own);
        return outcome;
    }
    let Some(rest) = command.strip_prefix("attestry ") else {
        let output =
            Command::new("bash").current_dir(place.path()).args(["-c", command]).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        return Outcome {
            code: u8::try_from(output.status.code().unwrap()).unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
    };
    let rest = rest.replace("\\\n", " ");
    let (line, file) = match rest.split_once(" > ") {
        Some((line, file)) => (line, Some(file.trim())),
        None => (rest.as_str(), None),
    };
    let mut outcome = place.run(&format!("attestry {line}"));
    if let Some(file) = file {
        place.write(file, std::mem::take(&mut outcome.stdout));
    }
    outcome
}

/// Plays a document, and returns how many commands it had.
fn play(document: &Path) -> usize {
    let text = std::fs::read_to_string(document).unwrap();
    let mut place = Place::new();
    let name = document.file_name().unwrap().display();
    let steps = steps(&text);
    for step in &steps {
        let outcome = run(&mut place, &step.command);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        let command = &step.command;
        assert_eq!(outcome.code, step.code, "{name}: $ {command}\n{said}");
        for line in step.shown.iter().map(|line| line.trim()) {
            let there = line.is_empty() || line == "…" || said.contains(line);
            assert!(there, "{name}: $ {command}\nshows {line:?}, says\n{said}");
        }
    }
    steps.len()
}

#[test]
fn the_sessions_of_the_readme_are_true() {
    let played = play(&repository().join("README.md"));
    assert!(played >= 10, "{played} commands");
}

#[test]
fn the_sessions_of_the_documents_are_true() {
    for folder in ["docs", "docs/decisions", "docs/guides", "cli/demo"] {
        let folder = repository().join(folder);
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|it| it == "md") {
                play(&entry.path());
            }
        }
    }
}
