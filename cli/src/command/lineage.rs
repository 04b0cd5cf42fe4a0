//! `attestry lineage`: from source to production, as a tree.

mod tree;

use clap::Args;
use schemas::thread::ThreadId;
use serde_json::json;
use verifier::lineage::lineage;

use crate::argument::ScopeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;

/// Show an artifact's way from source to production
#[derive(Debug, Args)]
#[command(before_help = example!("attestry lineage sha256:9f2c41d0"))]
pub struct LineageArgs {
    /// The artifact: a file, or a digest such as sha256:9f2c41d0
    pub subject: String,
    #[command(flatten)]
    pub project: ScopeArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
}

pub fn run(args: &LineageArgs, io: &mut Io) -> Result<Exit, Failure> {
    let named = args.project.named(io)?;
    let history = History::open(&args.history, io)?;
    let digest = history.subject(&args.subject, io)?;
    if history.artifact(&digest)?.is_none() {
        return Err(Failure::new(
            Exit::NotFound,
            "subject-unknown",
            format!("the log knows nothing of {digest}"),
        )
        .hint("attestry log lists what it knows"));
    }
    let thread = history.thread(&ThreadId::Artifact(digest.clone()))?;
    let trees = history.ask(|view| lineage(&view, &digest, named.as_ref(), &thread))?;
    if trees.is_empty() {
        let named = named.map_or(String::new(), |named| format!(" in project {named}"));
        return Err(Failure::new(
            Exit::NotFound,
            "subject-unknown",
            format!("nothing about {digest}{named}"),
        ));
    }
    let text: Vec<String> = trees.iter().map(tree::render).collect();
    let items: Vec<_> = trees.iter().map(tree::to_json).collect();
    io.answer(&text.join("\n"), &json!({ "artifact": digest, "lineage": items }))?;
    Ok(history.exit(io))
}
