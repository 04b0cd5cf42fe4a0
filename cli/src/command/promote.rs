//! `attestry promote`: asks whether an artifact may enter an environment.

pub mod plans;
pub mod together;
pub mod way;

use clap::Args;
use ledger::{Evaluated, Which};
use schemas::id::{Digest, Environment};
use schemas::predicate::decision::Outcome;
use schemas::predicate::promotion_request::{self, PromotionRequest};
use serde_json::json;
use verifier::status;

use self::plans::PlanArgs;
use self::together::WithArgs;
use self::way::WayArgs;
use super::record::append;
use crate::argument::{
    AppendArgs, KeyArgs, ProjectArgs, parse_environment, parse_project, project_of_environment,
};
use crate::compose::Draft;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::names::{self, Called};
use crate::output::{day, gates, reviews};
use crate::service::Service;
use crate::subject::{self, Written};

/// Ask for an artifact to enter an environment
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry promote sha256:9f2c41d0 --to prod --reason \"1.4.2, fixes INC-42\"",
    after_help = "Exit codes: 0 granted, or waiting: it says for what, 3 denied, 4 not allowed."
)]
pub struct PromoteArgs {
    /// The artifact: a file, or a digest such as sha256:9f2c41d0
    pub subject: String,
    #[command(flatten)]
    pub with: WithArgs,
    /// The environment
    #[arg(long, value_name = "ENV")]
    pub to: String,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: String,
    /// The change ticket
    #[arg(long, value_name = "T")]
    pub ticket: Option<String>,
    #[command(flatten)]
    pub way: WayArgs,
    /// The entry of the incident that this answers
    #[arg(long, value_name = "INDEX")]
    pub incident: Option<String>,
    #[command(flatten)]
    pub plans: PlanArgs,
    #[command(flatten)]
    pub ledger: AppendArgs,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

pub fn run(args: &PromoteArgs, io: &mut Io) -> Result<Exit, Failure> {
    if args.reason.is_empty() {
        return Err(crate::argument::empty("--reason"));
    }
    let written = subject::read(&args.subject, io)?;
    let others = args.with.read(io)?;
    let read = plans::read(&args.plans, io)?;
    let key = crate::key::load(&args.key, io)?;
    let service = Service::open_to_append(&args.ledger, io)?;
    let environment = environment(&args.to, &args.project, &service, io)?;
    way::check(&service, &environment, args.way.way())?;
    let artifact = artifact(&args.subject, written, &service)?;
    let artifacts = args.with.all(artifact, others, &service)?;
    let called = together::called(&artifacts, &environment.project, &service)?;
    let body = PromotionRequest {
        ledger: service.origin().clone(),
        project: environment.project.clone(),
        nonce: service.nonce()?,
        to: environment.name.clone(),
        reason: args.reason.clone(),
        path: args.way.way(),
        withdraws: None,
        incident: way::incident(args.incident.as_deref(), &service)?,
        ticket: args.ticket.clone(),
        plans: read.plans,
        seen: service.seen()?,
    };
    let mut draft = Draft::about(together::subjects(&called), promotion_request::TYPE, &body)?;
    draft.attachments.extend(read.files);
    let logged = service.submit_one(append::sign(draft, &key, None)?)?;
    answer(&service, logged.index, &called, &body, io)
}

fn answer(
    service: &Service,
    request: u64,
    called: &[Called],
    body: &PromotionRequest,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let environment = &Environment { project: body.project.clone(), name: body.to.clone() };
    let mut followed = service.evaluate_open(Which::Request(request))?.into_iter();
    let evaluated = followed.next();
    let evaluated = evaluated.ok_or_else(|| Failure::unexpected("the request is not open"))?;
    let followed: Vec<Evaluated> = followed.collect();
    let outcome = evaluated.evaluation.outcome();
    let slice = service.environment(environment)?;
    let state = append::state_of(&evaluated);
    let mut text = format!("P-{request} requested: {} -> {environment}\n", names::head(called));
    text.push_str(&names::below(called));
    text.push_str(&way::lines(body));
    text.push_str(&plans::lines(body.plans.as_ref()));
    if outcome == Some(Outcome::Granted) {
        text.push_str(&format!("P-{request} {state}\n"));
    } else {
        text.push_str(&format!(
            "\n{}\nP-{request} {state}",
            gates::render(&evaluated.evaluation.gates)
        ));
        let open = slice.as_ref().and_then(|slice| slice.requests.get(&request));
        if let Some(open) = open.filter(|_| outcome.is_none()) {
            text.push_str(&format!(" · expires {}", day(open.ends_at())));
        }
        text.push('\n');
    }
    text.push_str(&append::text_of(&followed, service)?);
    let due = slice.map_or(Vec::new(), |slice| status::reviews(&slice, service.now()));
    text.push_str(&reviews::below(&environment.name, &due));
    let json = json!({
        "request": format!("P-{request}"), "index": request, "artifact": called[0].to_json(),
        "artifacts": names::to_json(called),
        "environment": environment, "path": body.path, "incident": body.incident,
        "plans": body.plans, "outcome": outcome, "decision": evaluated.decision,
        "gates": gates::to_json(&evaluated.evaluation.gates), "reviews": reviews::to_json(&due),
        "decisions": append::json_of(&followed),
    });
    io.answer(&text, &json)?;
    Ok(if outcome == Some(Outcome::Denied) { Exit::No } else { Exit::Done })
}

/// The environment that is meant, of a project that exists.
pub fn environment(
    text: &str,
    project: &ProjectArgs,
    service: &Service,
    io: &Io,
) -> Result<Environment, Failure> {
    if let Some(option) = project.project.as_deref() {
        // Named twice, it must be the same one.
        parse_environment(text, Some(&parse_project(option)?))?;
    }
    let named = project_of_environment(text);
    let named = match named {
        Some(named) => Some(named),
        None => project.named(io)?,
    };
    let project = append::project(named, service)?;
    let environment = parse_environment(text, Some(&project))?;
    let control = service.control()?;
    let Some(policy) = control.policies.get(&project) else {
        return Err(Failure::new(
            Exit::No,
            "unknown-environment",
            format!("{project} has no policy"),
        )
        .hint("log one: attestry policy new > policy.yaml, then attestry policy set policy.yaml"));
    };
    if policy.document.environment(&environment.name).is_none() {
        let names: Vec<&str> =
            policy.document.environments.iter().map(|rule| rule.name.as_str()).collect();
        let message = format!("the policy of {project} has no environment {}", environment.name);
        return Err(Failure::new(Exit::No, "unknown-environment", message)
            .hint(format!("it has: {}", names.join(", "))));
    }
    Ok(environment)
}

/// The artifact's digest.
pub fn artifact(text: &str, written: Written, service: &Service) -> Result<Digest, Failure> {
    match written {
        Written::File(_, digest) | Written::Digest(digest) => Ok(digest),
        Written::Prefix(algorithm, hex) => {
            let mut found = service.find(&hex)?;
            found.retain(|digest| digest.algorithm() == algorithm);
            subject::only(text, found)
        }
    }
}
