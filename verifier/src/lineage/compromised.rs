//! What was signed with a key that is compromised, as the trust document in force says.

use schemas::id::{EntryIndex, KeyId};
use schemas::trust::Compromise;

use super::Node;
use crate::line::Line;
use crate::projection::slice::Evidence;
use crate::view::View;

#[derive(Clone, Copy)]
pub struct Compromises<'a>(&'a [Compromise]);

impl<'a> Compromises<'a> {
    pub fn of(view: &View<'a>) -> Compromises<'a> {
        let trust = view.state.control().trust.as_ref();
        Compromises(trust.map_or(&[], |it| it.document.compromises.as_slice()))
    }

    /// The mark of evidence, where one of its signers needs it.
    pub fn of_evidence<T>(&self, evidence: &Evidence<T>) -> Option<Node> {
        let signers = evidence.signers.iter();
        signers.map(|it| (&it.key, it.signed_at(evidence.entry))).find_map(|it| self.mark(it))
    }

    pub fn of_line(&self, line: &Line) -> Option<Node> {
        line.keys.iter().find_map(|key| self.mark((key, line.entry.index)))
    }

    fn mark(&self, (key, at): (&KeyId, EntryIndex)) -> Option<Node> {
        let mut found = self.0.iter();
        let notice = found.find(|notice| notice.key == *key && notice.from <= at)?;
        let (key, from) = (key.short(), notice.from);
        Some(Node::new(format!("key {key} is compromised from entry {from} on"), None))
    }
}
