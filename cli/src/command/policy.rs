//! `attestry policy`: what an artifact needs before it may enter an environment.

#[cfg(not(feature = "ledger"))]
use std::ffi::OsString;

use clap::{Args, Subcommand};
use schemas::policy::PolicyDocument;
use serde_json::{Value, json};

#[cfg(feature = "ledger")]
use crate::argument::{AppendArgs, KeyArgs, ProjectArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::plural;
use crate::policy_text::{Problem, lint, parse_policy, render};

#[cfg(feature = "ledger")]
mod set;

/// Longest policy file that is read.
const POLICY_BYTES_MAX: u64 = 1 << 20;

/// Write, check and set a project's policy
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry policy check policy.yaml",
    disable_help_subcommand = true
)]
pub struct PolicyCommand {
    #[command(subcommand)]
    pub action: PolicyAction,
}

#[derive(Debug, Subcommand)]
pub enum PolicyAction {
    /// Print a commented policy to start from
    #[cfg(feature = "ledger")]
    #[command(before_help = "Example:\n  attestry policy new --project payments > policy.yaml")]
    New {
        #[command(flatten)]
        project: ProjectArgs,
    },
    /// Say what is wrong with a policy file, line by line
    #[command(before_help = "Example:\n  attestry policy check policy.yaml")]
    Check {
        /// The policy in YAML
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Sign and log a policy: it is in force from its entry on
    #[cfg(feature = "ledger")]
    #[command(before_help = "Example:\n  attestry policy set policy.yaml --key carol.pem")]
    Set {
        /// The policy in YAML
        #[arg(value_name = "FILE")]
        file: String,
        #[command(flatten)]
        ledger: AppendArgs,
        #[command(flatten)]
        key: KeyArgs,
    },
    #[cfg(not(feature = "ledger"))]
    #[command(external_subcommand)]
    Elsewhere(Vec<OsString>),
}

pub fn run(command: &PolicyCommand, io: &mut Io) -> Result<Exit, Failure> {
    match &command.action {
        #[cfg(feature = "ledger")]
        PolicyAction::New { project } => new(project, io),
        PolicyAction::Check { file } => check(file, io),
        #[cfg(feature = "ledger")]
        PolicyAction::Set { file, ledger, key } => set::run(file, ledger, key, io),
        #[cfg(not(feature = "ledger"))]
        PolicyAction::Elsewhere(words) => {
            let word = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
            match word.as_ref() {
                "new" | "set" => Err(super::other_build(&format!("`attestry policy {word}`"))),
                _ => Err(super::unrecognized(&word).hint("attestry policy --help")),
            }
        }
    }
}

#[cfg(feature = "ledger")]
fn new(project: &ProjectArgs, io: &mut Io) -> Result<Exit, Failure> {
    let named = project.named(io)?;
    let name = named.as_ref().map_or("my-project", |project| project.as_str());
    let text = crate::policy_text::TEMPLATE.replace("{{project}}", name);
    io.answer(&text, &json!({ "policy": text }))?;
    Ok(Exit::Done)
}

/// A policy file that holds.
struct Sound {
    document: PolicyDocument,
    /// The file, which is logged beside the document.
    #[cfg(feature = "ledger")]
    text: String,
    warnings: Vec<Problem>,
}

/// Reads a policy file, or lists everything that is wrong with it.
fn read(file: &str, io: &mut Io) -> Result<Sound, Refused> {
    let bytes = io.read_file(file, POLICY_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::new(Exit::No, "policy-refused", format!("{file} is not UTF-8 text"))
    })?;
    match parse_policy(&text) {
        Ok((document, _)) => {
            let warnings = lint(&text, &document);
            if !io.json && !warnings.is_empty() {
                io.note(render(&warnings, file, &text).trim_end());
            }
            Ok(Sound {
                document,
                #[cfg(feature = "ledger")]
                text,
                warnings,
            })
        }
        Err(problems) => Err(Refused::Problems(problems, text)),
    }
}

enum Refused {
    Failure(Failure),
    Problems(Vec<Problem>, String),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::Failure(failure)
    }
}

impl Refused {
    /// Shows the problems as a compiler would.
    fn tell(self, file: &str, io: &mut Io) -> Failure {
        let (problems, text) = match self {
            Refused::Failure(failure) => return failure,
            Refused::Problems(problems, text) => (problems, text),
        };
        if !io.json {
            io.note(render(&problems, file, &text).trim_end());
        }
        let found = plural(problems.len() as u64, "problem", "problems");
        let failure = Failure::new(Exit::No, "policy-refused", format!("{file}: {found}"));
        match io.json {
            false => failure,
            true => problems.iter().fold(failure, |failure, it| {
                failure.detail(format!("{}:{}: {}", it.line, it.column, it.message))
            }),
        }
    }
}

/// Reads a policy file as `policy set` does.
#[cfg(feature = "ledger")]
pub fn read_document(file: &str, io: &mut Io) -> Result<PolicyDocument, Failure> {
    read(file, io).map(|sound| sound.document).map_err(|refused| refused.tell(file, io))
}

fn check(file: &str, io: &mut Io) -> Result<Exit, Failure> {
    let sound = read(file, io).map_err(|refused| refused.tell(file, io))?;
    let Sound { document, warnings, .. } = sound;
    let gates: usize = document.environments.iter().map(|rule| rule.gates.len()).sum();
    let environments = document.environments.len();
    let warned = match warnings.len() as u64 {
        0 => String::new(),
        some => format!("; {}", plural(some, "warning", "warnings")),
    };
    let text = format!(
        "{file} holds: project {}, {}, {}{warned}\n",
        document.project,
        plural(environments as u64, "environment", "environments"),
        plural(gates as u64, "gate", "gates"),
    );
    let warnings: Vec<Value> = warnings.iter().map(to_json).collect();
    let json = json!({
        "project": document.project, "environments": environments, "gates": gates,
        "warnings": warnings,
    });
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}

fn to_json(warning: &Problem) -> Value {
    json!({
        "line": warning.line, "column": warning.column, "path": warning.path,
        "message": warning.message,
    })
}
