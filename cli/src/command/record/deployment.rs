//! `record deployment` and `record rollback`: what was deployed where, and how it went.

use schemas::id::{EntryIndex, Environment};
use schemas::predicate::deployment::{self, Deployment, DeploymentResult};
use schemas::predicate::rollback::{self, Rollback};

use super::{Job, RecordArgs};
use crate::argument::{parse_environment, parse_index, parse_request};
use crate::compose::{Draft, Frame};
use crate::failure::Failure;

/// Drafts the deployment event that the options describe.
pub fn draft(args: &RecordArgs, job: &Job, frame: Frame) -> Result<(String, Draft), Failure> {
    let options = &args.deployment;
    let missing = |option: &str| {
        Failure::usage(format!("{option} is missing"))
            .hint("attestry record deployment --subject S --to prod --result succeeded")
    };
    let environment = environment(args, job)?.ok_or_else(|| missing("--to"))?;
    let word = options.result.as_deref().ok_or_else(|| missing("--result"))?;
    let result = parse_result(word)?;
    let promotion = promotion(args)?;
    let body = Deployment {
        ledger: frame.origin.clone(),
        project: frame.project.clone(),
        nonce: frame.nonce,
        environment: environment.name.clone(),
        result,
        actor: None,
        promotion,
        target: options.target.clone(),
        finished_at: None,
    };
    let draft = Draft::of(frame.subject, deployment::TYPE, body)?;
    Ok((format!("{word} in {environment}"), draft))
}

/// Drafts the rollback event that the options describe; the subject is what is gone back to.
pub fn draft_rollback(
    args: &RecordArgs,
    job: &Job,
    frame: Frame,
) -> Result<(String, Draft), Failure> {
    let options = &args.deployment;
    let missing = |option: &str| {
        Failure::usage(format!("{option} is missing")).hint(
            "attestry record rollback --subject S --to prod --from sha256:… --result succeeded \
             --reason R",
        )
    };
    let environment = environment(args, job)?.ok_or_else(|| missing("--to"))?;
    let word = options.result.as_deref().ok_or_else(|| missing("--result"))?;
    let reason = options.reason.clone().ok_or_else(|| missing("--reason"))?;
    let from = job.from.clone().ok_or_else(|| missing("--from"))?;
    let (left, result) = (from.short(), parse_result(word)?);
    let body = Rollback {
        ledger: frame.origin.clone(),
        project: frame.project.clone(),
        nonce: frame.nonce,
        environment: environment.name.clone(),
        result,
        reason,
        from,
        actor: None,
        promotion: promotion(args)?,
        incident: options.incident.as_deref().map(parse_index).transpose()?,
        target: options.target.clone(),
        finished_at: None,
    };
    let draft = Draft::of(frame.subject, rollback::TYPE, body)?;
    Ok((format!("{word} in {environment}, back from {left}"), draft))
}

/// The environment that the options name, else that of what the event is about.
pub fn environment(args: &RecordArgs, job: &Job) -> Result<Option<Environment>, Failure> {
    match args.deployment.to.as_deref() {
        Some(to) => parse_environment(to, Some(&job.project)).map(Some),
        None => Ok(job.about.as_ref().and_then(|about| about.environment()).cloned()),
    }
}

/// The request that the options name.
pub fn promotion(args: &RecordArgs) -> Result<Option<EntryIndex>, Failure> {
    args.deployment.promotion.as_deref().map(parse_request).transpose()
}

fn parse_result(word: &str) -> Result<DeploymentResult, Failure> {
    match word {
        "started" => Ok(DeploymentResult::Started),
        "succeeded" => Ok(DeploymentResult::Succeeded),
        "failed" => Ok(DeploymentResult::Failed),
        other => Err(Failure::usage(format!("--result {other:?}"))
            .hint("one of: started, succeeded, failed")),
    }
}
