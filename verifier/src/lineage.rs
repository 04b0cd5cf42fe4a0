//! From source to production, as a tree: an artifact's build and sources, its evidence, what was
//! asked, answered, decided and deployed, and the notes about all that.

mod compromised;
mod evidence;
pub mod notes;
mod steps;

use schemas::id::{Digest, EntryIndex, Project};
use schemas::predicate::review::ReviewOutcome;

use self::compromised::Compromises;
use crate::line::Line;
use crate::projection::Missing;
use crate::projection::slice::{ArtifactInProject, BuildFacts, Evidence, Signer};
use crate::view::View;

/// One line of the tree, perhaps with the entry that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub text: String,
    pub entry: Option<EntryIndex>,
    pub children: Vec<Node>,
}

impl Node {
    pub fn new(text: impl Into<String>, entry: Option<EntryIndex>) -> Node {
        Node { text: text.into(), entry, children: Vec::new() }
    }

    pub fn add(&mut self, child: Node) {
        self.children.push(child);
    }
}

/// The trees of an artifact, one for each project that says something of it, or for the one that is
/// named. `thread` are lines of its thread, oldest first; evidence among them is not looked at.
pub fn lineage(
    view: &View<'_>,
    digest: &Digest,
    only: Option<&Project>,
    thread: &[Line],
) -> Result<Vec<Node>, Missing> {
    let projects = view.artifact(digest)?.into_iter().flat_map(|slice| &slice.projects);
    let wanted = projects.filter(|(project, _)| only.is_none_or(|only| only == *project));
    wanted.map(|(project, known)| tree(view, digest, project, known, thread)).collect()
}

fn tree(
    view: &View<'_>,
    digest: &Digest,
    project: &Project,
    known: &ArtifactInProject,
    thread: &[Line],
) -> Result<Node, Missing> {
    let called = [known.name.as_deref(), known.version.as_deref()];
    let called: Vec<&str> = called.into_iter().flatten().collect();
    let title = format!("{} {digest}", called.join(" "));
    let mut root = Node::new(title.trim(), None);
    if let Some(it) = &known.build {
        root.add(build(view, project, it)?);
    }
    root.children.extend(evidence::evidence(known, Compromises::of(view)));
    root.children.extend(steps::environments(view, project, thread)?);
    notes::attach(&mut root, project, thread, Compromises::of(view));
    Ok(root)
}

fn names(signers: &[Signer]) -> String {
    let names: Vec<&str> = signers.iter().map(|signer| signer.identity.as_str()).collect();
    names.join(", ")
}

/// The build, the commits that it came from, and who wrote and reviewed them.
fn build(
    view: &View<'_>,
    project: &Project,
    build: &Evidence<BuildFacts>,
) -> Result<Node, Missing> {
    let text = format!("build by {}, signed by {}", build.facts.builder, names(&build.signers));
    let compromises = Compromises::of(view);
    let mut node = Node::new(text, Some(build.entry));
    node.children.extend(compromises.of_evidence(build));
    for source in &build.facts.sources {
        let uri = source.uri.rsplit_once('@').map_or(source.uri.as_str(), |(uri, _)| uri);
        let mut commit = Node::new(format!("source {uri}@{}", source.commit.short()), None);
        let known = view.artifact_in(&source.commit, project)?;
        commit.add(match known.and_then(|known| known.review.as_ref()) {
            Some(review) => {
                let facts = &review.facts;
                let outcome = match facts.outcome {
                    ReviewOutcome::Approved => "approved",
                    ReviewOutcome::ChangesRequested => "asked for changes",
                    ReviewOutcome::Commented => "commented",
                };
                let reviewers = match facts.reviewers.is_empty() {
                    true => "nobody".to_owned(),
                    false => facts.reviewers.join(", "),
                };
                let authors = facts.authors.join(", ");
                let text = format!("written by {authors}; {reviewers} {outcome}");
                let mut node = Node::new(text, Some(review.entry));
                node.children.extend(compromises.of_evidence(review));
                node
            }
            None => Node::new("no review is recorded", None),
        });
        node.add(commit);
    }
    Ok(node)
}

#[cfg(test)]
mod tests;
