//! What operators copy from the documents is what the program takes. (The sessions of
//! docs/operating.md run with those of the other documents.)

use clap::Parser as _;
use harness::{repository, words};

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// Asks the command line's own grammar.
fn check(line: &str) {
    let read = ::cli::command::Cli::try_parse_from(words(line));
    assert!(read.is_ok(), "$ {line}\n{}", read.unwrap_err());
}

#[test]
fn commands_that_no_session_runs_are_commands() {
    let mut checked = 0;
    let mut inside = false;
    for line in read("docs/operating.md").lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && line.starts_with("attestry ") {
            check(line);
            checked += 1;
        }
    }
    assert!(checked >= 3, "{checked}");
}

#[test]
fn the_systemd_unit_starts_what_there_is() {
    let unit = read("docs/operating/attestry.service");
    let starts: Vec<&str> = unit
        .lines()
        .filter(|line| line.starts_with("ExecStart"))
        .filter_map(|line| line.split_once("=/usr/local/bin/").map(|(_, line)| line))
        .collect();
    assert_eq!(starts.len(), 2, "{starts:?}");
    starts.into_iter().for_each(check);
    // Every other line is a section, a comment or a setting.
    for line in unit.lines().filter(|line| !line.is_empty()) {
        let known = line.starts_with(['#', '[']) || line.contains('=');
        assert!(known, "{line}");
    }
}

#[test]
fn the_container_starts_what_there_is() {
    let text = read("docs/operating/Containerfile");
    let list = text.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let mut words: Vec<String> = serde_json::from_str(list).unwrap();
    words.insert(0, "attestry".to_owned());
    check(&words.join(" "));
    let rust = text.lines().find_map(|line| line.strip_prefix("FROM docker.io/library/rust:"));
    let oldest = read("Cargo.toml");
    let oldest = oldest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    assert!(rust.unwrap().starts_with(oldest.trim_end_matches('"')), "{rust:?}");
}
