//! Why a command did not do its work: for the reader with the problem, with the next action.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use crate::adapter::AdapterError;
use crate::exit::Exit;

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
}

impl Failure {
    pub fn new(
        exit: Exit,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Failure {
        let (code, message) = (code.into(), message.into());
        Failure { exit, code, message, details: Vec::new(), hint: None }
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
        let mut text = format!("error: {} [{}]", self.message, self.code);
        for line in &self.details {
            text.push_str("\n  ");
            text.push_str(line);
        }
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
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
