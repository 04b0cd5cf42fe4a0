//! Is this the whole thread at size n? Checked by whoever is shown one, believing nobody.
//!
//! 1. Backwards: each entry is in the tree, and its line names the one before it, down to position 0.
//! 2. Forwards: a heads event says at which entry the thread ended when it was logged, if it ended
//!    before that.
//! 3. Every entry from there to the end of the tree is read: `prev` chains them, so that none of them
//!    can be left out, and none of them may be on the thread.

use std::collections::BTreeMap;

use schemas::id::{EntryIndex, Hash};
use schemas::report::{Code, Finding};
use schemas::thread::ThreadId;

use crate::checkpoint::VerifiedCheckpoint;
use crate::entry::{Entry, Link};
use crate::event::{Body, Event};
use crate::merkle;
use crate::merkle::proof::verify_inclusion;
use crate::pack::heads::{HeadProofs, ProvenHead, prove};
use crate::projection::{Head, HeadsRoot};
use crate::signed::{KeyRing, signed_by};
use crate::trust::Trust;

/// An entry with the proof that it is in the tree.
#[derive(Debug, Clone)]
pub struct ProvenEntry {
    pub entry: Vec<u8>,
    pub proof: Vec<Hash>,
}

/// A heads event, and lines of it.
#[derive(Debug, Clone)]
pub struct ShownHeads {
    pub at: ProvenEntry,
    pub envelope: Vec<u8>,
    pub proofs: HeadProofs,
}

/// What somebody is shown of a thread.
#[derive(Debug, Clone)]
pub struct ShownThread {
    /// Newest first.
    pub entries: Vec<ProvenEntry>,
    pub heads: Option<ShownHeads>,
    /// Every entry of the log from behind the start (see [`start_of_rest`]) to the end of the tree.
    pub rest: Vec<Vec<u8>>,
    /// That the last entry of the tree is in it.
    pub last: Vec<Hash>,
}

/// What was proven of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenThread {
    /// Its newest entry at the checkpoint's size.
    pub newest: Head,
    /// The position of the oldest entry that was shown; 0: all of them were.
    pub from: u64,
}

/// Proves what is shown of a thread to be its end at the size of a checkpoint.
///
/// `trust` is the document in force at the heads event: it says who may log heads.
pub fn verify_thread(
    thread: &ThreadId,
    shown: &ShownThread,
    trust: &Trust,
    checkpoint: &VerifiedCheckpoint,
) -> Result<ProvenThread, Finding> {
    let proven = verify_links(thread, &shown.entries, checkpoint)?;
    let mut start = (proven.newest.index, proven.newest.leaf);
    if let Some(heads) = &shown.heads {
        let (at, lines) = verify_heads(heads, trust, checkpoint)?;
        // What came behind the heads is not in them: then the newest entry is where to read from.
        if at.0 > start.0 {
            check_end(thread, &proven.newest, at.0, &lines)?;
            start = at;
        }
    }
    verify_rest(thread, start, &shown.rest, &shown.last, checkpoint)?;
    Ok(proven)
}

/// The entry behind which everything must be read, to see that none of it is on the thread.
pub fn start_of_rest(newest: EntryIndex, heads: Option<EntryIndex>) -> EntryIndex {
    newest.max(heads.unwrap_or(0))
}

/// Walks from the newest entry back along the links.
pub fn verify_links(
    thread: &ThreadId,
    newest_first: &[ProvenEntry],
    checkpoint: &VerifiedCheckpoint,
) -> Result<ProvenThread, Finding> {
    let mut newest = None;
    let mut expected: Option<(u64, Option<Link>)> = None;
    for it in newest_first {
        let (entry, leaf) = included(it, checkpoint)?;
        let on = |code, detail: String| Finding::new(code, Some(entry.index), detail);
        let line = entry.thread(thread);
        let line =
            line.ok_or_else(|| on(Code::ThreadBroken, format!("it is not on thread {thread}")))?;
        match expected {
            None => newest = Some(Head { position: line.position, index: entry.index, leaf }),
            Some((position, link)) => {
                if link != Some(Link { index: entry.index, leaf }) {
                    let detail = format!("the entry behind it on {thread} names another one");
                    return Err(on(Code::ThreadBroken, detail));
                }
                if line.position + 1 != position {
                    let detail = format!("position {} before {position}", line.position);
                    return Err(on(Code::ThreadGap, detail));
                }
            }
        }
        if line.before.is_none() != (line.position == 0) {
            let detail = format!("position {} of {thread}, and what it names", line.position);
            return Err(on(Code::ThreadBroken, detail));
        }
        expected = Some((line.position, line.before));
    }
    match (newest, expected) {
        (Some(newest), Some((from, _))) => Ok(ProvenThread { newest, from }),
        (None, _) | (_, None) => {
            Err(Finding::new(Code::ThreadGap, None, format!("nothing of {thread} is shown")))
        }
    }
}

/// Reads and proves an entry.
fn included(it: &ProvenEntry, checkpoint: &VerifiedCheckpoint) -> Result<(Entry, Hash), Finding> {
    let entry = Entry::parse(&it.entry)
        .map_err(|cause| Finding::new(Code::EntryMalformed, None, cause.to_string()))?;
    let leaf = merkle::leaf_hash(&it.entry);
    check_inclusion(entry.index, &leaf, &it.proof, checkpoint)?;
    Ok((entry, leaf))
}

fn check_inclusion(
    index: EntryIndex,
    leaf: &Hash,
    proof: &[Hash],
    checkpoint: &VerifiedCheckpoint,
) -> Result<(), Finding> {
    verify_inclusion(index, checkpoint.size(), leaf, proof, checkpoint.root())
        .map_err(|cause| Finding::new(Code::ProofInvalid, Some(index), cause.to_string()))
}

/// Where a heads event stands, and the lines of it that were shown.
type HeadsSaid = ((EntryIndex, Hash), BTreeMap<ThreadId, ProvenHead>);

/// Checks a heads event and its lines: where it stands, and what it says of threads.
fn verify_heads(
    heads: &ShownHeads,
    trust: &Trust,
    checkpoint: &VerifiedCheckpoint,
) -> Result<HeadsSaid, Finding> {
    let (entry, leaf) = included(&heads.at, checkpoint)?;
    let refuse = |code, detail: &str| Finding::new(code, Some(entry.index), detail.to_owned());
    if merkle::sha256(&[&heads.envelope]) != entry.envelope {
        return Err(refuse(Code::EnvelopeMismatch, "the envelope is another one"));
    }
    let event = Event::read(&heads.envelope).map_err(|it| refuse(it.code, &it.detail))?;
    let Body::Heads(body) = &event.body else {
        return Err(refuse(Code::PredicateInvalid, "it is no heads event"));
    };
    if body.size != entry.index || heads.proofs.entry != entry.index {
        return Err(refuse(Code::HeadsStale, "the heads are of another size"));
    }
    let signers = signed_by(&event, &KeyRing::of_document(trust));
    let service = |key| trust.identity(key, entry.index).is_some_and(|it| trust.is_service(it));
    if !signers.iter().any(service) {
        return Err(refuse(Code::RoleMissing, "not signed by the ledger's service identity"));
    }
    let lines = prove(&heads.proofs, &HeadsRoot { threads: body.threads, root: body.root })?;
    Ok(((entry.index, leaf), lines))
}

fn check_end(
    thread: &ThreadId,
    newest: &Head,
    at: EntryIndex,
    lines: &BTreeMap<ThreadId, ProvenHead>,
) -> Result<(), Finding> {
    match lines.get(thread) {
        Some(line) if line.head == *newest => Ok(()),
        Some(line) => {
            let detail = format!("{thread} ended with entry {} then", line.head.index);
            Err(Finding::new(Code::HeadUnproven, Some(at), detail))
        }
        None => {
            let detail = format!("the heads shown say nothing of {thread}");
            Err(Finding::new(Code::HeadUnproven, Some(at), detail))
        }
    }
}

/// Reads every entry behind `start` to the end of the tree, and finds none on the thread.
fn verify_rest(
    thread: &ThreadId,
    start: (EntryIndex, Hash),
    rest: &[Vec<u8>],
    last: &[Hash],
    checkpoint: &VerifiedCheckpoint,
) -> Result<(), Finding> {
    let (mut index, mut leaf) = start;
    for bytes in rest {
        let entry = Entry::parse(bytes)
            .map_err(|cause| Finding::new(Code::EntryMalformed, None, cause.to_string()))?;
        if entry.index != index + 1 || entry.prev != leaf {
            let detail = format!("it does not follow entry {index}");
            return Err(Finding::new(Code::ChainBroken, Some(entry.index), detail));
        }
        if entry.thread(thread).is_some() {
            let detail = format!("it is on {thread}, and was left out of it");
            return Err(Finding::new(Code::ThreadGap, Some(entry.index), detail));
        }
        (index, leaf) = (entry.index, merkle::leaf_hash(bytes));
    }
    if index + 1 != checkpoint.size() {
        let detail = format!("entries {} to {} are not shown", index + 1, checkpoint.size() - 1);
        return Err(Finding::new(Code::ThreadGap, Some(index), detail));
    }
    check_inclusion(index, &leaf, last, checkpoint)
}

#[cfg(test)]
mod tests;
