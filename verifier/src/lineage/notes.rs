//! Notes, each beneath what it is about.
//!
//! A note joins no environment's thread, for it may be erased: it is looked for on its artifact's.

use schemas::id::{EntryIndex, Project};
use schemas::predicate::note::Note;

use super::Node;
use super::compromised::Compromises;
use crate::event::Body;
use crate::line::Line;

/// Most characters of a note's text on a line.
const SHOWN_MAX: usize = 160;

/// So deep notes hang beneath each other: a note may be about a note, and whoever writes a thousand of
/// them must not decide how deep the tree is. Further ones hang under the root.
const DEPTH_MAX: usize = 32;

/// A project's notes about an entry among the lines of a thread; where the entry is a request, also
/// those about a deployment that carries it out.
pub fn about<'a>(
    project: &Project,
    entry: EntryIndex,
    thread: &'a [Line],
) -> Vec<(&'a Line, &'a Note)> {
    let carries_out = |line: &&Line| match line.event.as_ref().map(|event| &event.body) {
        Some(Body::Deployment(body)) => body.promotion == Some(entry),
        Some(Body::Rollback(body)) => body.promotion == Some(entry),
        _ => false,
    };
    let mut entries: Vec<EntryIndex> =
        thread.iter().filter(carries_out).map(|line| line.entry.index).collect();
    entries.push(entry);
    let is_about = |note: &Note| {
        note.project == *project && note.about.is_some_and(|it| entries.contains(&it))
    };
    let notes = thread.iter().filter_map(|line| Some((line, note(line)?)));
    notes.filter(|(_, note)| is_about(note)).collect()
}

/// The beginning of a note's text, on one line.
pub fn beginning(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let shown: String = first.chars().take(SHOWN_MAX).collect();
    let whole = shown.len() == first.len() && lines.next().is_none();
    if whole { shown } else { format!("{}…", shown.trim_end()) }
}

/// Adds the notes of a project to a tree: to the line that they are about, else to its root.
pub(super) fn attach(
    root: &mut Node,
    project: &Project,
    thread: &[Line],
    compromises: Compromises<'_>,
) {
    for line in thread {
        let Some(note) = note(line).filter(|note| note.project == *project) else { continue };
        let said = format!("by {}: {}", line.signers.join(", "), beginning(&note.text));
        let add = |to: &mut Node, text: String| {
            let mut node = Node::new(text, Some(line.entry.index));
            node.children.extend(compromises.of_line(line));
            to.add(node);
        };
        match note.about {
            None => add(root, format!("note {said}")),
            Some(entry) => match find(root, entry, DEPTH_MAX) {
                Some(node) => add(node, format!("note {said}")),
                None => add(root, format!("note of entry {entry} {said}")),
            },
        }
    }
}

fn note(line: &Line) -> Option<&Note> {
    match &line.event.as_ref()?.body {
        Body::Note(body) => Some(body),
        _ => None,
    }
}

fn find(node: &mut Node, entry: EntryIndex, depth: usize) -> Option<&mut Node> {
    if depth == 0 {
        return None;
    }
    if node.entry == Some(entry) {
        return Some(node);
    }
    node.children.iter_mut().find_map(|child| find(child, entry, depth - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_by_its_first_line() {
        let long = "x".repeat(SHOWN_MAX);
        for (text, expected) in [
            ("the cache was cold", "the cache was cold"),
            ("\n  the cache was cold \n\n", "the cache was cold"),
            ("INC-77\n\nThe cache was cold.", "INC-77…"),
            (&long, &long),
            (&format!("{long}x"), &format!("{long}…")),
            (&"ä".repeat(SHOWN_MAX + 1), &format!("{}…", "ä".repeat(SHOWN_MAX))),
        ] {
            assert_eq!(beginning(text), expected);
        }
    }
}
