//! Texts that people read, kept in `tests/vectors/cli`: what differs from run to run is masked.
//!
//! `ATTESTRY_BLESS=1` writes them anew.

use std::path::PathBuf;

use crate::{Outcome, Place, repository};

/// The folder of the kept texts.
pub fn folder() -> PathBuf {
    repository().join("tests/vectors/cli")
}

/// Compares a text with the kept one, or keeps it where `ATTESTRY_BLESS` is set.
///
/// # Errors
/// The first line that differs.
pub fn check(name: &str, text: &str) -> Result<(), String> {
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("ATTESTRY_BLESS").is_some() {
        std::fs::create_dir_all(folder()).map_err(|cause| cause.to_string())?;
        std::fs::write(&path, text).map_err(|cause| cause.to_string())?;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == text {
        return Ok(());
    }
    let same = kept.lines().zip(text.lines()).take_while(|(a, b)| a == b);
    let line = same.count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    let (kept, found) = (at(&kept), at(text));
    Err(format!(
        "{name}.txt is stale (ATTESTRY_BLESS=1 keeps it anew), line {}:\n  kept  {kept}\n  found {found}",
        line + 1
    ))
}

/// Command lines with what they answer, as a terminal shows them.
pub struct Transcript<'a> {
    place: &'a Place,
    text: String,
}

impl<'a> Transcript<'a> {
    pub fn new(place: &'a Place) -> Transcript<'a> {
        let text = String::new();
        Transcript { place, text }
    }

    /// Runs a command line that must answer with this exit code, and writes down what it says:
    /// lines of standard error behind `! `.
    pub fn run(&mut self, line: &str, code: u8) -> Outcome {
        let outcome = self.place.expect(code, line);
        self.text.push_str(&format!("$ {line}\n"));
        for said in outcome.stderr.lines() {
            self.text.push_str(format!("! {said}").trim_end());
            self.text.push('\n');
        }
        self.text.push_str(&outcome.stdout);
        if !outcome.stdout.is_empty() && !outcome.stdout.ends_with('\n') {
            self.text.push_str("(no line end)\n");
        }
        if code != 0 {
            self.text.push_str(&format!("[exit {code}]\n"));
        }
        self.text.push('\n');
        outcome
    }

    /// The text so far, masked; digests that begin like one of `known` stay.
    pub fn take(&mut self, known: &[&str]) -> String {
        let text = mask(&std::mem::take(&mut self.text), known);
        format!("{}\n", text.trim_end())
    }
}

/// Masks hashes, keys, times and spans, each in its own width, so that columns stay.
pub fn mask(text: &str, known: &[&str]) -> String {
    let lines = text.split('\n').map(|line| {
        let hex = runs(line, &|c| c.is_ascii_alphanumeric(), &|run| {
            let is_hex = run.len() >= 7 && run.bytes().all(is_hex_digit);
            let stays = known.iter().any(|it| it.starts_with(run));
            (is_hex && !stays).then(|| "x".repeat(run.len()))
        });
        let keys = runs(&hex, &|c| !c.is_whitespace() && c != '"', &mask_base64);
        let times = runs(&keys, &|c| c.is_ascii_digit() || "-:.TZ".contains(c), &mask_time);
        mask_span(&mask_clock(&times))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_hex_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// Rewrites the maximal runs of some characters.
fn runs(
    line: &str,
    inside: &dyn Fn(char) -> bool,
    rewrite: &dyn Fn(&str) -> Option<String>,
) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(start) = rest.find(inside) {
        out.push_str(&rest[..start]);
        let run = &rest[start..];
        let end = run.find(|c| !inside(c)).unwrap_or(run.len());
        out.push_str(&rewrite(&run[..end]).unwrap_or_else(|| run[..end].to_owned()));
        rest = &run[end..];
    }
    out + rest
}

/// A verifier key keeps its name; any other long base64 goes whole.
fn mask_base64(run: &str) -> Option<String> {
    let base64 = |text: &str| {
        text.len() >= 40
            && text.bytes().any(|byte| byte.is_ascii_uppercase())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    let mut parts = run.splitn(3, '+');
    if let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next())
        && name.contains('.')
        && base64(key)
    {
        return Some(format!("{name}+{id}+{}", "B".repeat(key.len())));
    }
    base64(run).then(|| "B".repeat(run.len()))
}

/// `2026-11-20`, with or without `T17:00:00.000Z`.
fn mask_time(run: &str) -> Option<String> {
    let shape: String = run.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.starts_with("0000-00-00").then_some(shape)
}

/// `17:00` behind a day.
fn mask_clock(line: &str) -> String {
    let Some(at) = line.find("0000-00-00 ") else {
        return line.to_owned();
    };
    let (before, after) = line.split_at(at + "0000-00-00 ".len());
    let clock = after.get(..5).filter(|it| it.as_bytes()[2] == b':');
    match clock {
        Some(_) => format!("{before}00:00{}", mask_clock(&after[5..])),
        None => format!("{before}{}", mask_clock(after)),
    }
}

/// `3 s`, which depends on the machine.
fn mask_span(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for number in 1..words.len() {
        let digits = !words[number - 1].is_empty()
            && words[number - 1].bytes().all(|byte| byte.is_ascii_digit());
        if digits && words[number] == "s" {
            words[number - 1] = "0".to_owned();
        }
    }
    words.join(" ")
}
