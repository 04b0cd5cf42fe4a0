//! Words of the command line that mean the same everywhere: projects, environments, requests,
//! times and spans, and where the ledger is.

use std::path::PathBuf;

use clap::Args;
use schemas::id::{EntryIndex, Environment, Project, Time};

use crate::failure::Failure;
use crate::io::Io;

/// Where the ledger is.
#[derive(Debug, Clone, Default, Args)]
pub struct LedgerArgs {
    /// The ledger's folder, or its server: https://… [env: ATTESTRY_LEDGER, else ./ledger]
    #[arg(long, value_name = "DIR", hide = cfg!(not(feature = "ledger")))]
    pub ledger: Option<PathBuf>,
}

impl LedgerArgs {
    /// The address of the server that keeps the ledger, where it is not a folder.
    pub fn server(&self, io: &Io) -> Option<String> {
        let shown = self.shown(io);
        let text = shown.to_str()?;
        let is_address = text.starts_with("https://") || text.starts_with("http://");
        is_address.then(|| text.to_owned())
    }

    pub fn dir(&self, io: &Io) -> PathBuf {
        io.path(self.shown(io))
    }

    /// The folder as the user would write it.
    pub fn shown(&self, io: &Io) -> PathBuf {
        let dir = self.ledger.clone().or_else(|| io.var("ATTESTRY_LEDGER").map(PathBuf::from));
        dir.unwrap_or_else(|| PathBuf::from("ledger"))
    }
}

/// Which ledger is appended to.
#[cfg(feature = "ledger")]
#[derive(Debug, Clone, Default, Args)]
pub struct AppendArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// This machine's clock is right, although over 31 days ahead of the newest entry
    #[arg(long)]
    pub accept_clock: bool,
}

/// Which project is meant.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectArgs {
    /// The project [env: ATTESTRY_PROJECT; the ledger's only one where there is one]
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
}

impl ProjectArgs {
    /// The project that was named by option or environment, if any.
    pub fn named(&self, io: &Io) -> Result<Option<Project>, Failure> {
        let text = self.project.as_deref().or_else(|| io.var("ATTESTRY_PROJECT"));
        text.map(parse_project).transpose()
    }
}

/// Which project is looked at.
#[derive(Debug, Clone, Default, Args)]
pub struct ScopeArgs {
    /// Only this project [env: ATTESTRY_PROJECT; else all]
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
}

impl ScopeArgs {
    pub fn named(&self, io: &Io) -> Result<Option<Project>, Failure> {
        ProjectArgs { project: self.project.clone() }.named(io)
    }
}

/// Who signs.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyArgs {
    /// The key that signs: a file, - for standard input, env:NAME, ssh:FILE or agent:SHA256:…
    /// [env: ATTESTRY_KEY]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// Reads a project's name, and says so where a variable was empty.
pub fn parse_project(text: &str) -> Result<Project, Failure> {
    if text.is_empty() {
        return Err(empty("--project"));
    }
    text.parse().map_err(|cause| Failure::usage(format!("--project: {cause}")))
}

/// An option that got an empty word.
pub fn empty(option: &str) -> Failure {
    Failure::usage(format!("{option} is empty")).hint("is your variable empty?")
}

/// Reads ENV: `project/name`, or `name` where the project is known otherwise.
pub fn parse_environment(text: &str, project: Option<&Project>) -> Result<Environment, Failure> {
    if text.is_empty() {
        return Err(empty("the environment"));
    }
    let wrong = |cause: &dyn std::fmt::Display| Failure::usage(format!("environment: {cause}"));
    match (text.contains('/'), project) {
        (true, _) => {
            let read: Environment = text.parse().map_err(|cause| wrong(&cause))?;
            match project.filter(|project| **project != read.project) {
                Some(project) => {
                    Err(wrong(&format!("{text} is no environment of project {project}")))
                }
                None => Ok(read),
            }
        }
        (false, Some(project)) => Ok(Environment {
            project: project.clone(),
            name: text.parse().map_err(|cause| wrong(&cause))?,
        }),
        (false, None) => Err(wrong(&format!("{text} of which project?"))
            .hint(format!("write it as project/{text}, or add --project"))),
    }
}

/// The project of ENV, where it is written with it.
pub fn project_of_environment(text: &str) -> Option<Project> {
    text.split_once('/')?.0.parse().ok()
}

/// Reads an entry's index, or a request's name, which is one.
pub fn parse_index(text: &str) -> Result<EntryIndex, Failure> {
    parse_request(text).map_err(|_| {
        Failure::usage(format!("{text:?} is no index of an entry; write it as 118 or P-118"))
            .hint("attestry log lists them")
    })
}

/// Reads a request's name: `P-118`, `p-118` or `118`.
pub fn parse_request(text: &str) -> Result<EntryIndex, Failure> {
    let digits = text.strip_prefix("P-").or_else(|| text.strip_prefix("p-")).unwrap_or(text);
    verifier::entry::integer(digits).ok_or_else(|| match text {
        "" => empty("the request"),
        _ => Failure::usage(format!("{text:?} is no request; write it as P-118")),
    })
}

/// Reads a time: RFC 3339, or a day, which begins at 00:00 UTC.
pub fn parse_time(text: &str) -> Result<Time, Failure> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Time::parse_rfc3339(&whole).ok_or_else(|| match text {
        "" => empty("a time"),
        _ => {
            Failure::usage(format!("{text:?} is no time; write 2026-07-01 or 2026-07-01T09:00:00Z"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_three_spellings() {
        for good in ["P-118", "p-118", "118"] {
            assert_eq!(parse_request(good).unwrap(), 118);
        }
        for bad in ["", "P118", "P-", "P-01", "-118", "P-1e3", "Q-118"] {
            assert!(parse_request(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn environments_know_their_project() {
        let payments: Project = "payments".parse().unwrap();
        let check = |text: &str, project: Option<&Project>, expected: &str| {
            let found = parse_environment(text, project)
                .map_or_else(|failure| failure.code.to_string(), |it| it.to_string());
            assert_eq!(found, expected, "{text}");
        };
        check("prod", Some(&payments), "payments/prod");
        check("payments/prod", None, "payments/prod");
        check("payments/prod", Some(&payments), "payments/prod");
        check("other/prod", Some(&payments), "usage");
        check("prod", None, "usage");
        check("", Some(&payments), "usage");
        check("Prod", Some(&payments), "usage");
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert_eq!(parse_time("2026-07-01").unwrap().to_string(), "2026-07-01T00:00:00.000Z");
        let offset = parse_time("2026-07-01T02:00:00+02:00").unwrap();
        assert_eq!(offset.to_string(), "2026-07-01T00:00:00.000Z");
        for bad in ["", "yesterday", "2026-7-1", "2026-07-01T09:00"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
