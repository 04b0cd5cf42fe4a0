//! `attestry observe`: records what an environment is seen to run.

use clap::Args;
use schemas::id::Environment;
use schemas::predicate::observation::{self, Observation};
use schemas::predicate::report::{Binding, ReportNote};
use serde_json::json;
use verifier::compose::ledger_subject;
use verifier::drift::drift;
use verifier::merkle::sha256;

use super::record::append;
use crate::adapter::{REPORT_BYTES_MAX, snapshot};
use crate::argument::{
    AppendArgs, KeyArgs, ProjectArgs, parse_environment, parse_time, project_of_environment,
};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::plural;
use crate::service::Service;

/// Record what runs in an environment, as somebody has looked
///
/// The file is what `kubectl get pods -o json` or `docker ps --no-trunc --format json` prints, or
/// a snapshot: {"takenAt", "source", "artifacts": [{"digest", "name", "tag", "instances"}]}.
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry observe prod --file pods.json",
    after_help = "Exit codes: 0 logged, 2 a snapshot that cannot be read, 4 not allowed."
)]
pub struct ObserveArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// What was seen; - for standard input
    #[arg(long, value_name = "FILE")]
    pub file: String,
    /// When, where the file does not tell [default: now]
    #[arg(long, value_name = "TIME")]
    pub taken_at: Option<String>,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

pub fn run(args: &ObserveArgs, io: &mut Io) -> Result<Exit, Failure> {
    let taken_at = args.taken_at.as_deref().map(parse_time).transpose()?;
    let bytes = io.read_file(&args.file, REPORT_BYTES_MAX as u64)?;
    let seen = snapshot::read(&bytes).map_err(|cause| Failure::report(&args.file, &cause))?;
    let key = crate::key::load(&args.key, io)?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let named = project_of_environment(&args.environment).or(args.project.named(io)?);
    let project = append::project(named, &service)?;
    let environment = parse_environment(&args.environment, Some(&project))?;
    let count = seen.artifacts.len();
    let instances: u64 = seen.artifacts.iter().map(|it| it.instances).sum();
    let body = Observation {
        ledger: service.origin().clone(),
        project: environment.project.clone(),
        nonce: service.nonce()?,
        environment: environment.name.clone(),
        taken_at: seen.taken_at.or(taken_at).unwrap_or_else(|| service.now()),
        source: seen.source,
        artifacts: seen.artifacts,
        report: Some(ReportNote {
            format: seen.format.to_owned(),
            digest: schemas::id::Digest::sha256(&sha256(&[&bytes])),
            size_bytes: bytes.len() as u64,
            binding: Binding::Unbound,
            suite: None,
            tool: None,
            counts: [("artifacts".to_owned(), count as u64), ("instances".to_owned(), instances)]
                .into(),
            finished_at: None,
        }),
    };
    let taken_at = body.taken_at;
    let draft = Draft::of(ledger_subject(service.origin()), observation::TYPE, body)?.with(bytes);
    let logged = service.submit_one(append::sign(draft, &key, None)?)?;
    let signer = append::signer_name(&service, &key)?;
    let mut text = format!(
        "seen in {environment}: {}, {}   ({})",
        plural(count as u64, "artifact", "artifacts"),
        plural(instances, "instance", "instances"),
        seen.format_name
    );
    text.push_str(&append::logged_lines(&logged, service.origin(), &signer, None));
    let decisions = append::decisions(&service, Some(&project), io)?;
    text.push_str(&append::text_of(&decisions, &service)?);
    let mut json = json!({
        "environment": environment, "index": logged.index, "statement": logged.statement,
        "takenAt": taken_at, "artifacts": count, "instances": instances,
        "decisions": append::json_of(&decisions),
    });
    if let Some(differences) = differences(&service, &environment)? {
        text.push_str(&summary(&differences, &environment));
        json["differences"] = json!(differences);
    }
    io.answer(&text, &json)?;
    Ok(Exit::Done)
}

/// How what runs there differs now; whoever may only submit to a server is told nothing.
fn differences(
    service: &Service,
    environment: &Environment,
) -> Result<Option<Vec<&'static str>>, Failure> {
    match service.ask(|view| drift(&view, environment)) {
        Ok(found) => Ok(Some(found.differences.iter().map(|it| it.kind.name()).collect())),
        Err(failure) if failure.exit == Exit::NotAllowed => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn summary(differences: &[&str], environment: &Environment) -> String {
    match differences.len() {
        0 => "no difference from what was granted".to_owned(),
        1 => format!("1 difference from what was granted: attestry drift {environment}"),
        more => format!("{more} differences from what was granted: attestry drift {environment}"),
    }
}
