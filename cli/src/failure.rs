//! Why a command did not do its work: for the reader with the problem, with the next action.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use crate::adapter::AdapterError;
use crate::exit::Exit;
use crate::output::{WIDTH, columns, fold, wrap};

/// What, where, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// Stable, for machines.
    pub code: Cow<'static, str>,
    pub message: String,
    /// Further lines, such as the two digests that differ.
    pub details: Vec<String>,
    pub hint: Option<String>,
    /// Why the server is away, in a few words: it did not answer, or something before it said that
    /// it is not there. What was to be recorded can wait.
    pub away: Option<Box<str>>,
}

impl Failure {
    pub fn new(
        exit: Exit,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Failure {
        let (code, message) = (code.into(), message.into());
        Failure { exit, code, message, details: Vec::new(), hint: None, away: None }
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, "usage", message)
    }

    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure::new(Exit::NotFound, "not-found", message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    pub fn detail(mut self, line: impl Into<String>) -> Failure {
        self.details.push(line.into());
        self
    }

    /// Says that the server is away, and why.
    pub fn away(mut self, why: impl Into<Box<str>>) -> Failure {
        self.away = Some(why.into());
        self
    }

    /// A file that could not be read or written.
    pub fn file(path: &Path, cause: &std::io::Error) -> Failure {
        let message = format!("{}: {}", path.display(), plain(cause));
        match cause.kind() {
            std::io::ErrorKind::NotFound => Failure::new(Exit::NotFound, "file-not-found", message),
            std::io::ErrorKind::PermissionDenied => {
                Failure::new(Exit::NotAllowed, "file-not-allowed", message)
            }
            _ => Failure::new(Exit::Unexpected, "file-failed", message),
        }
    }

    /// A report that no adapter accepts.
    pub fn report(file: &str, cause: &AdapterError) -> Failure {
        let message = format!("{file}: {cause}");
        Failure::new(Exit::Usage, cause.code(), message).hint(cause.hint())
    }

    /// Something that cannot happen unless we have a bug or a broken machine.
    pub fn unexpected(cause: impl fmt::Display) -> Failure {
        Failure::new(Exit::Unexpected, "unexpected", cause.to_string())
    }

    /// As people read it: `error: … [code]`, details, `hint:`.
    pub fn render(&self) -> String {
        let mut text = wrapped(&format!("error: {} [{}]", self.message, self.code));
        for line in &self.details {
            text.push_str("\n  ");
            text.push_str(&detailed(line));
        }
        if let Some(hint) = &self.hint {
            text.push('\n');
            text.push_str(&hinted(&format!("hint: {hint}")));
        }
        text
    }

    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": {
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "hint": self.hint,
            "exit": self.exit.code(),
        }})
    }
}

/// Breaks what is wider than a terminal, further lines indented.
fn wrapped(text: &str) -> String {
    match columns(text) > WIDTH && !text.contains('\n') {
        true => wrap(text, WIDTH - 2).join("\n  "),
        false => text.to_owned(),
    }
}

/// The same of a detail, which is indented whole and may hold digests of any length.
fn detailed(text: &str) -> String {
    match columns(text) > WIDTH - 2 && !text.contains('\n') {
        true => fold(text, WIDTH - 2).join("\n  "),
        false => text.to_owned(),
    }
}

/// The same, with a command at the end on lines of its own that can be copied together.
fn hinted(hint: &str) -> String {
    match hint.split_once(": attestry ").filter(|_| columns(hint) > WIDTH) {
        Some((prose, words)) => {
            let command = together(&format!("attestry {words}"));
            let command = wrap(&command, WIDTH - 6).join(" \\\n    ");
            format!("{}:\n  {}", wrapped(prose), command.replace(JOINT, " "))
        }
        None => wrapped(hint),
    }
}

/// Stands for a space at which no line may break.
const JOINT: char = '\u{1}';

/// Joins each option of a command line with its value.
fn together(command: &str) -> String {
    let mut out = String::new();
    let mut before = "";
    for word in command.split_whitespace() {
        if !out.is_empty() {
            let holds = before.starts_with("--") && !word.starts_with('-');
            out.push(if holds { JOINT } else { ' ' });
        }
        out.push_str(word);
        before = word;
    }
    out
}

/// An IO error without its number.
fn plain(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

impl From<std::io::Error> for Failure {
    fn from(cause: std::io::Error) -> Failure {
        Failure::new(Exit::Unexpected, "output-failed", plain(&cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_fit_a_terminal_and_leave_no_digit_out() {
        let half = "9f2c41d0".repeat(8);
        let failure = Failure::usage("no").detail(format!("sha512:{half}{half} in payments/prod"));
        let expected = format!("error: no [usage]\n  sha512:{half}\n  {half} in\n  payments/prod");
        assert_eq!(failure.render(), expected);
        let short = Failure::usage("no").detail("you recorded about  dist/app.zip");
        assert_eq!(short.render(), "error: no [usage]\n  you recorded about  dist/app.zip");
    }

    #[test]
    fn failures_fit_a_terminal_and_commands_can_be_copied() {
        let check = |hint: &str, expected: &str| {
            let text = Failure::usage("no").hint(hint).render();
            assert_eq!(text, format!("error: no [usage]\n{expected}"));
            assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        };
        check("attestry --help", "hint: attestry --help");
        check(
            "one of: build, test, scan, sbom, analysis, coverage, measurement, review, note, other",
            "hint: one of: build, test, scan, sbom, analysis, coverage, measurement,\n  \
             review, note, other",
        );
        check(
            "say whose it is: attestry identity add NAME --pub zoe.pem.pub --role qa --project p \
             --key ROOT.pem",
            "hint: say whose it is:\n  \
             attestry identity add NAME --pub zoe.pem.pub --role qa --project p \\\n    \
             --key ROOT.pem",
        );
        let digest = format!("sha256:{}", "ab".repeat(32));
        let detailed = Failure::usage("no").detail(format!("{digest} in search/prod")).render();
        assert_eq!(detailed, format!("error: no [usage]\n  {digest} in\n  search/prod"));
        let long = Failure::usage("a message of many words ".repeat(6)).render();
        assert!(long.lines().count() > 1 && long.ends_with("[usage]"), "{long}");
    }
}
