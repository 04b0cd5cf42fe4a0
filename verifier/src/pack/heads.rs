//! Where threads end: lines of the last heads event, each with a proof that it is one of them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::id::{EntryIndex, Hash};
use schemas::report::{Code, Finding};
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};

use crate::merkle::proof::verify_inclusion;
use crate::merkle::{self};
use crate::projection::{Head, HeadsRoot, heads_line};

/// `data/heads.json`: the heads event, and the lines of the threads that the pack is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadProofs {
    /// The index of the heads event, which is also the size that it speaks of.
    pub entry: EntryIndex,
    pub lines: Vec<LineProof>,
}

/// One line, its number among the sorted lines, and its inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineProof {
    pub line: String,
    pub number: u64,
    /// Base64, as in C2SP proofs.
    pub proof: Vec<String>,
}

/// What a proven line says of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenHead {
    pub number: u64,
    pub head: Head,
    pub slice: Option<Hash>,
}

/// Proves each line against the root of the heads event.
pub fn prove(
    proofs: &HeadProofs,
    heads: &HeadsRoot,
) -> Result<BTreeMap<ThreadId, ProvenHead>, Finding> {
    let mut proven = BTreeMap::new();
    for it in &proofs.lines {
        let broken = |what: &str| {
            Finding::new(
                Code::ProofInvalid,
                Some(proofs.entry),
                format!("heads line {:?} {what}", it.line),
            )
        };
        let (thread, head) = parse_line(&it.line).ok_or_else(|| broken("is malformed"))?;
        let path = decode(&it.proof).ok_or_else(|| broken("has a malformed proof"))?;
        let leaf = merkle::leaf_hash(it.line.as_bytes());
        verify_inclusion(it.number, heads.threads, &leaf, &path, &heads.root)
            .map_err(|_| broken("is none of those that the heads event commits to"))?;
        proven.insert(thread, ProvenHead { number: it.number, ..head });
    }
    Ok(proven)
}

/// True where the proven lines show that a thread has no entry: its neighbours stand side by side.
pub fn is_absent(
    thread: &ThreadId,
    proven: &BTreeMap<ThreadId, ProvenHead>,
    heads: &HeadsRoot,
) -> bool {
    if proven.contains_key(thread) {
        return false;
    }
    let before = proven.range(..thread).next_back().map(|(_, head)| head.number);
    let after = proven.range(thread..).next().map(|(_, head)| head.number);
    match (before, after) {
        (Some(before), Some(after)) => before + 1 == after,
        (None, Some(after)) => after == 0,
        (Some(before), None) => before + 1 == heads.threads,
        (None, None) => heads.threads == 0,
    }
}

/// Reads the one spelling of a line.
fn parse_line(line: &str) -> Option<(ThreadId, ProvenHead)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [kind, id, position, index, leaf, slice] = words.as_slice() else {
        return None;
    };
    let thread = ThreadId::parse(kind, id)?;
    let head = Head {
        position: crate::entry::integer(position)?,
        index: crate::entry::integer(index)?,
        leaf: leaf.parse().ok()?,
    };
    let slice = match *slice {
        "-" => None,
        text => Some(text.parse().ok()?),
    };
    let same = heads_line(&thread, &head, slice) == line.as_bytes();
    same.then_some((thread, ProvenHead { number: 0, head, slice }))
}

pub fn encode(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(|hash| STANDARD.encode(hash.0)).collect()
}

pub fn decode(proof: &[String]) -> Option<Vec<Hash>> {
    proof.iter().map(|text| Some(Hash(STANDARD.decode(text).ok()?.try_into().ok()?))).collect()
}
