//! The newest heads event, and what it says of a thread, for as long as its lines are kept.

use std::sync::{Arc, Mutex};

use schemas::id::{EntryIndex, Hash};
use verifier::event::{Body, Event};
use verifier::merkle::proof::prove_inclusion;
use verifier::merkle::{self, MemoryTree};
use verifier::pack::heads::{HeadProofs, LineProof, encode};
use verifier::projection::heads_line;

use crate::error::{LedgerError, malformed};
use crate::objects::Objects;
use crate::store::{Read, Thread};

/// The tree over the lines of the heads event that was asked for last.
#[derive(Debug, Default)]
pub struct KeptHeads {
    newest: Mutex<Option<(EntryIndex, Arc<MemoryTree>)>>,
}

/// A heads event with the proof of one line.
#[derive(Debug)]
pub struct ProvenLine {
    pub entry: Vec<u8>,
    pub envelope: Vec<u8>,
    pub proofs: HeadProofs,
}

impl KeptHeads {
    /// What the heads event at this index says of a thread that has not gone on since.
    ///
    /// None where its lines are not kept, or the thread has gone on: then they say nothing that a
    /// reader needs.
    pub async fn prove<R: Read>(
        &self,
        read: &mut R,
        objects: &Objects,
        at: EntryIndex,
        row: &Thread,
    ) -> Result<Option<ProvenLine>, LedgerError> {
        if row.head.index >= at {
            return Ok(None);
        }
        let stored = read.entries(&[at]).await?.into_iter().next();
        let stored = stored.ok_or(LedgerError::NoEntry(at))?;
        let envelope = stored.envelope.ok_or(LedgerError::NoEntry(at))?;
        let Some(tree) = self.tree(objects, at, &envelope).await? else { return Ok(None) };
        // Nothing is logged about a thread without moving it: so this was its line then.
        let Some((line, number)) = number_of(&tree, row) else { return Ok(None) };
        let size = tree.leaves().len() as u64;
        let proof = prove_inclusion(&mut &*tree, number, size)
            .map_err(|cause| malformed("heads", cause))?;
        let line = LineProof { line, number, proof: encode(&proof) };
        let proofs = HeadProofs { entry: at, lines: vec![line] };
        Ok(Some(ProvenLine { entry: stored.entry, envelope, proofs }))
    }

    async fn tree(
        &self,
        objects: &Objects,
        at: EntryIndex,
        envelope: &[u8],
    ) -> Result<Option<Arc<MemoryTree>>, LedgerError> {
        let known = self.newest.lock().ok().and_then(|newest| newest.clone());
        if let Some((_, tree)) = known.filter(|(known, _)| *known == at) {
            return Ok(Some(tree));
        }
        let Some(bytes) = objects.heads(at).await? else { return Ok(None) };
        let Some(tree) = read_tree(at, &bytes, envelope)?.map(Arc::new) else { return Ok(None) };
        if let Ok(mut newest) = self.newest.lock() {
            *newest = Some((at, Arc::clone(&tree)));
        }
        Ok(Some(tree))
    }
}

/// Reads what was kept; none where it is not what the event commits to.
fn read_tree(
    at: EntryIndex,
    bytes: &[u8],
    envelope: &[u8],
) -> Result<Option<MemoryTree>, LedgerError> {
    let event = Event::read(envelope).map_err(|cause| malformed("heads", cause))?;
    let Body::Heads(body) = event.body else {
        return Err(malformed(format!("entry {at}"), "it is no heads event"));
    };
    let leaves: Vec<Hash> =
        bytes.chunks_exact(32).filter_map(|hash| Some(Hash(hash.try_into().ok()?))).collect();
    let whole = bytes.len().is_multiple_of(32) && leaves.len() as u64 == body.threads;
    if !whole || merkle::root_of(&leaves) != body.root {
        tracing::warn!(at, "the lines that are kept are not those of the heads event");
        return Ok(None);
    }
    Ok(Some(MemoryTree::new(leaves)))
}

fn number_of(tree: &MemoryTree, row: &Thread) -> Option<(String, u64)> {
    let slice = row.slice.as_deref().map(|bytes| merkle::sha256(&[bytes]));
    let line = heads_line(&row.thread, &row.head, slice);
    let leaf = merkle::leaf_hash(&line);
    let number = tree.leaves().iter().position(|it| *it == leaf)?;
    Some((String::from_utf8(line).ok()?, number as u64))
}
