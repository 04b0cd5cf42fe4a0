//! `attestry lineage`: from source to production, as a tree.

mod tree;

use clap::Args;
use schemas::id::{Digest, Project};
use schemas::thread::ThreadId;
use serde_json::json;

use self::tree::Node;
use crate::argument::ScopeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;

mod nodes;

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
    let Some(slice) = history.artifact(&digest)? else {
        return Err(Failure::new(
            Exit::NotFound,
            "subject-unknown",
            format!("the log knows nothing of {digest}"),
        )
        .hint("attestry log lists what it knows"));
    };
    let thread = history.thread(&ThreadId::Artifact(digest.clone()))?;
    let mut trees = Vec::new();
    for (project, known) in &slice.projects {
        if named.as_ref().is_none_or(|named| named == project) {
            trees.push(tree_of(&history, &digest, project, known, &thread)?);
        }
    }
    if trees.is_empty() {
        let named = named.map_or(String::new(), |named| format!(" in project {named}"));
        return Err(Failure::new(
            Exit::NotFound,
            "subject-unknown",
            format!("nothing about {digest}{named}"),
        ));
    }
    let text: Vec<String> = trees.iter().map(Node::render).collect();
    let items: Vec<_> = trees.iter().map(Node::to_json).collect();
    io.answer(&text.join("\n"), &json!({ "artifact": digest, "lineage": items }))?;
    Ok(history.exit(io))
}

fn tree_of(
    history: &History,
    digest: &Digest,
    project: &Project,
    known: &verifier::projection::slice::ArtifactInProject,
    thread: &[crate::history::Line],
) -> Result<Node, Failure> {
    let called = crate::output::names::Called::known(digest, Some(known));
    let title = format!("{} {digest}", called.title());
    let mut root = Node::new(title.trim(), None);
    if let Some(build) = &known.build {
        root.add(nodes::build(history, project, build)?);
    }
    if let Some(evidence) = nodes::evidence(known) {
        root.add(evidence);
    }
    for environment in nodes::environments(history, project, thread)? {
        root.add(environment);
    }
    Ok(root)
}
