//! `record deployment`: what was deployed where, and how it went.

use schemas::predicate::deployment::{self, Deployment, DeploymentResult};

use super::{Job, RecordArgs};
use crate::argument::{parse_environment, parse_request};
use crate::compose::{Draft, Frame};
use crate::failure::Failure;

/// Drafts the deployment event that the options describe.
pub fn draft(args: &RecordArgs, job: &Job, frame: Frame) -> Result<(String, Draft), Failure> {
    let options = &args.deployment;
    let missing = |option: &str| {
        Failure::usage(format!("{option} is missing"))
            .hint("attestry record deployment --subject S --to prod --result succeeded")
    };
    let to = options.to.as_deref().ok_or_else(|| missing("--to"))?;
    let environment = parse_environment(to, Some(&job.project))?;
    let word = options.result.as_deref().ok_or_else(|| missing("--result"))?;
    let result = parse_result(word)?;
    let promotion = options.promotion.as_deref().map(parse_request).transpose()?;
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

fn parse_result(word: &str) -> Result<DeploymentResult, Failure> {
    match word {
        "started" => Ok(DeploymentResult::Started),
        "succeeded" => Ok(DeploymentResult::Succeeded),
        "failed" => Ok(DeploymentResult::Failed),
        other => Err(Failure::usage(format!("--result {other:?}"))
            .hint("one of: started, succeeded, failed")),
    }
}
