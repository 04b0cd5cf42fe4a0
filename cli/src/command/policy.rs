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
#[cfg(feature = "ledger")]
use crate::policy_text::template;
use crate::policy_text::{Problem, lint, parse_policy_in, render};

mod diff;
#[cfg(feature = "ledger")]
mod set;
mod test;

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
    #[command(
        before_help = "Example:\n  attestry policy new --template regulated --project payments > policy.yaml"
    )]
    New {
        /// What to start from: plain, regulated, web-service, library, database, ml-model,
        /// edge-config or serverless
        #[arg(long, value_name = "NAME", default_value = "plain")]
        template: String,
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
    /// Say what a new policy makes stricter and what looser, gate by gate
    #[command(before_help = "Example:\n  attestry policy diff policy.yaml new.yaml")]
    Diff {
        /// The policy as it is
        #[arg(value_name = "OLD")]
        old: String,
        /// The policy as it shall be
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Play the cases of a fixture: given these events, the policy says this
    #[command(
        before_help = "Example:\n  attestry policy test policy.test.yaml\n  attestry policy test policy.test.yaml --simulate all --seed 7",
        after_help = "Exit codes: 0 as expected, 3 not as expected, or a verdict depends on the order."
    )]
    Test(test::TestArgs),
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
        PolicyAction::New { template, project } => new(template, project, io),
        PolicyAction::Check { file } => check(file, io),
        PolicyAction::Diff { old, new } => diff::run(old, new, io),
        PolicyAction::Test(args) => test::run(args, io),
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
fn new(name: &str, project: &ProjectArgs, io: &mut Io) -> Result<Exit, Failure> {
    let Some(found) = template::named(name) else {
        let names: Vec<&str> = template::TEMPLATES.iter().map(|it| it.name).collect();
        return Err(Failure::usage(format!("there is no template {name}"))
            .hint(format!("one of {}", names.join(", "))));
    };
    let project = project.named(io)?;
    let project = project.as_ref().map_or("my-project", |project| project.as_str());
    let parameters = [("project".to_owned(), project.to_owned())].into();
    let text = template::fill(found.text, &parameters).map_err(Failure::unexpected)?;
    let digest = template::digest(found.text);
    io.answer(&text, &json!({ "policy": text, "template": name, "digest": digest }))?;
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
    let reader = std::cell::RefCell::new(&mut *io);
    let parsed = parse_policy_in(&text, &|name| beside(file, name, &mut reader.borrow_mut()));
    match parsed {
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

/// Reads a file that a policy names, from the policy's folder.
fn beside(file: &str, name: &str, io: &mut Io) -> Result<String, String> {
    // A policy speaks for its own folder: what it names is what somebody reviewed beside it.
    let plain = |part: std::path::Component| matches!(part, std::path::Component::Normal(_));
    if !std::path::Path::new(name).components().all(plain) {
        return Err(format!("`{name}` is no file of the policy's folder; put it there"));
    }
    let path = std::path::Path::new(file).with_file_name("").join(name);
    let bytes = io
        .read_file(&path.to_string_lossy(), POLICY_BYTES_MAX)
        .map_err(|_| format!("`{name}` cannot be read; put it beside the policy"))?;
    String::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8 text"))
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
    let lists = document.environments.iter().flat_map(|rule| rule.gate_lists());
    let gates: usize = lists.map(|(_, gates)| gates.len()).sum();
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
