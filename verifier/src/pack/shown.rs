//! The entries of a pack: each proven to be in the log, each re-derived from its envelope.

use std::collections::BTreeMap;

use rayon::prelude::*;
use schemas::id::{Digest, EntryIndex, Hash, IdentityName, KeyId};
use schemas::report::{Code, Finding};
use schemas::thread::ThreadId;

use super::bag::Files;
use crate::checkpoint::VerifiedCheckpoint;
use crate::entry::{Entry, Link};
use crate::event::Event;
use crate::log::check_envelope;
use crate::merkle;
use crate::merkle::proof::verify_inclusion;
use crate::receipt::parse_receipt;

/// An entry of a pack.
#[derive(Debug, Clone)]
pub struct ShownEntry {
    pub entry: Entry,
    pub leaf: Hash,
    /// None where the envelope is not in the pack.
    pub event: Option<Event>,
    /// The known keys that signed, and the identities that the fold found behind them.
    pub keys: Vec<KeyId>,
    pub signers: Vec<IdentityName>,
}

/// All entries of a pack, by index.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub entries: BTreeMap<EntryIndex, ShownEntry>,
}

pub fn entry_path(index: EntryIndex) -> String {
    format!("data/entries/{index:012}.txt")
}

pub fn proof_path(index: EntryIndex) -> String {
    format!("data/proofs/{index:012}.tlog-proof")
}

pub fn envelope_path(digest: &Hash) -> String {
    format!("data/envelopes/{digest}.json")
}

pub fn attachment_path(digest: &Digest) -> String {
    format!("data/attachments/{}", digest.hex())
}

/// Reads and proves every entry, over all cores.
pub fn read(files: &Files, checkpoint: &VerifiedCheckpoint, note: &str) -> (Shown, Vec<Finding>) {
    let paths: Vec<&String> =
        files.keys().filter(|path| path.starts_with("data/entries/")).collect();
    let results: Vec<Result<ShownEntry, Finding>> =
        paths.into_par_iter().map(|path| read_one(path, files, checkpoint, note)).collect();
    let mut shown = Shown::default();
    let mut findings = Vec::new();
    for result in results {
        match result {
            Ok(it) => {
                shown.entries.insert(it.entry.index, it);
            }
            Err(finding) => findings.push(finding),
        }
    }
    (shown, findings)
}

fn read_one(
    path: &str,
    files: &Files,
    checkpoint: &VerifiedCheckpoint,
    note: &str,
) -> Result<ShownEntry, Finding> {
    let bytes = &files[path];
    let entry = Entry::parse(bytes)
        .map_err(|cause| Finding::new(Code::EntryMalformed, None, format!("{path}: {cause}")))?;
    let index = entry.index;
    let broken = |code, detail: String| Finding::new(code, Some(index), detail);
    if entry_path(index) != path {
        return Err(broken(Code::IndexMismatch, format!("{path} says index {index}")));
    }
    let leaf = merkle::leaf_hash(bytes);
    prove(index, &leaf, files, checkpoint, note)?;
    let event = match files.get(&envelope_path(&entry.envelope)) {
        None => None,
        Some(bytes) => {
            let event = Event::read(bytes)
                .map_err(|cause| broken(Code::EnvelopeMalformed, cause.to_string()))?;
            check_envelope(&entry, &event)?;
            Some(event)
        }
    };
    Ok(ShownEntry { entry, leaf, event, keys: Vec::new(), signers: Vec::new() })
}

fn prove(
    index: EntryIndex,
    leaf: &Hash,
    files: &Files,
    checkpoint: &VerifiedCheckpoint,
    note: &str,
) -> Result<(), Finding> {
    let broken = |code, detail: String| Finding::new(code, Some(index), detail);
    let Some(bytes) = files.get(&proof_path(index)) else {
        return Err(broken(
            Code::ProofMissing,
            format!("{} is not in the pack", proof_path(index)),
        ));
    };
    let receipt = parse_receipt(bytes)
        .map_err(|cause| broken(Code::ProofInvalid, format!("{}: {cause}", proof_path(index))))?;
    if receipt.checkpoint != note || receipt.index != index {
        let detail = format!("{} is for another checkpoint or index", proof_path(index));
        return Err(broken(Code::ProofInvalid, detail));
    }
    verify_inclusion(index, checkpoint.size(), leaf, &receipt.proof, checkpoint.root()).map_err(
        |cause| broken(Code::ProofInvalid, format!("leaf {leaf} is not at {index}: {cause}")),
    )
}

impl Shown {
    /// The first entry in a stretch of the log that is not shown, and how many are not.
    ///
    /// Looks at what is shown only: the stretch is as long as a holder of the log key says.
    pub fn missing(&self, from: EntryIndex, to: EntryIndex) -> Option<(EntryIndex, u64)> {
        let shown = || self.entries.range(from..to.max(from)).map(|(index, _)| *index);
        let count = to.saturating_sub(from) - shown().count() as u64;
        let first = (from..).zip(shown()).find(|(expected, index)| expected != index);
        let after = || from + shown().count() as u64;
        (count > 0).then(|| (first.map_or_else(after, |(expected, _)| expected), count))
    }

    /// Checks the chain between neighbours, and every thread between the entries that are shown.
    ///
    /// `whole` are the threads of which every entry must be here.
    pub fn check_links(&self, whole: &dyn Fn(&ThreadId) -> bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut ends: BTreeMap<&ThreadId, (u64, Link)> = BTreeMap::new();
        let mut before: Option<&ShownEntry> = None;
        for (index, it) in &self.entries {
            if let Some(last) = before {
                check_neighbours(last, it, &mut findings);
            }
            for line in &it.entry.threads {
                let is_whole = whole(&line.thread);
                let last = ends.get(&line.thread);
                let expected = last.map(|(position, link)| (position + 1, Some(*link)));
                let expected = expected.or(is_whole.then_some((0, None)));
                // A thread of which only some entries are shown has gaps by nature.
                let expected = expected.filter(|(next, _)| is_whole || line.position <= *next);
                if let Some(finding) = check_line(*index, line, expected) {
                    findings.push(finding);
                }
                let link = Link { index: *index, leaf: it.leaf };
                ends.insert(&line.thread, (line.position, link));
            }
            before = Some(it);
        }
        findings
    }
}

fn check_neighbours(last: &ShownEntry, it: &ShownEntry, findings: &mut Vec<Finding>) {
    let index = Some(it.entry.index);
    if it.entry.time < last.entry.time {
        let detail = format!("{} after {}", it.entry.time, last.entry.time);
        findings.push(Finding::new(Code::TimeBackwards, index, detail));
    }
    if it.entry.index == last.entry.index + 1 && it.entry.prev != last.leaf {
        let detail = format!("names {} as the entry before, which is {}", it.entry.prev, last.leaf);
        findings.push(Finding::new(Code::ChainBroken, index, detail));
    }
}

/// Compares a thread line with the one before it that is shown.
fn check_line(
    index: EntryIndex,
    line: &crate::entry::ThreadLine,
    expected: Option<(u64, Option<Link>)>,
) -> Option<Finding> {
    let (position, link) = expected?;
    let thread = &line.thread;
    let broken = |code, detail: String| Some(Finding::new(code, Some(index), detail));
    if line.position > position {
        let named = line.before.map_or(0, |link| link.index);
        return broken(
            Code::ThreadGap,
            format!("{thread}: position {position} is missing; entry {named} was left out"),
        );
    }
    if line.position < position {
        return broken(Code::PositionTwice, format!("{thread}: position {} twice", line.position));
    }
    if line.before != link {
        return broken(
            Code::ThreadBroken,
            format!("{thread}: position {position} names another entry than the one before it"),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::World;

    #[test]
    fn a_gap_is_found_however_long_it_is() {
        let entry = Entry::parse(&World::new().records[0].entry).unwrap();
        let it = ShownEntry {
            entry,
            leaf: Hash::default(),
            event: None,
            keys: Vec::new(),
            signers: Vec::new(),
        };
        let end = 1 << 53;
        for (indexes, to, expected) in [
            (&[3, 4, 5][..], 6, None),
            (&[1, 3, 4, 5, 9], 6, None),
            (&[3, 4, 6], 7, Some((5, 1))),
            (&[3, 4], 7, Some((5, 2))),
            (&[4, 5, 6], 7, Some((3, 1))),
            (&[], 7, Some((3, 4))),
            (&[], 2, None),
            (&[3], end, Some((4, end - 4))),
        ] {
            let entries = indexes.iter().map(|index| (*index, it.clone())).collect();
            assert_eq!(Shown { entries }.missing(3, to), expected, "{indexes:?}");
        }
    }
}
