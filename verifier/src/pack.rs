//! Verifies a pack: one file, no network, nothing believed that the pin does not give.
//!
//! A pack shows some threads whole and nothing else. Each entry is proven to be in the tree of the
//! closing checkpoint, each whole thread is proven to end where it ends by the last heads event,
//! and the fold over the shown entries must give the slices that this event commits to.

pub mod bag;
pub mod derived;
pub mod gather;
pub mod heads;
pub mod lapsed;
pub mod population;
pub mod replay;
pub mod report;
pub mod shown;

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{EntryIndex, Hash, Time, TreeSize};
use schemas::report::{Class, Code, Finding};
use schemas::thread::ThreadId;

use crate::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use crate::json;
use crate::merkle::proof::verify_consistency;
use crate::note::format_note;
use crate::pin::Pin;
use crate::projection::State;
use bag::{Bag, Files, Scope};
use heads::{HeadProofs, ProvenHead};
use population::Row;
use replay::Replay;
use serde::{Deserialize, Serialize};
use shown::{Shown, attachment_path};

pub const CHECKPOINT: &str = "data/checkpoint";
pub const OPENING: &str = "data/opening-checkpoint";
pub const PIN: &str = "data/pin.txt";
pub const HEADS: &str = "data/heads.json";
pub const EXTENSIONS: &str = "data/extensions.json";

/// `data/extensions.json`: for each checkpoint that somebody saw, a proof that the closing one
/// extends it. The opening checkpoint is one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extensions {
    pub seen: Vec<Extension>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    pub size: TreeSize,
    pub root: Hash,
    pub proof: Vec<String>,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackCounts {
    pub files: u64,
    pub entries: u64,
    pub signatures: u64,
    /// Decisions that were evaluated again and agree.
    pub decisions_replayed: u64,
    /// Decisions about other environments or artifacts, taken as the log has them.
    pub decisions_as_logged: u64,
    pub deployments: u64,
    /// Threads shown whole and proven to end.
    pub threads_proven: u64,
}

/// What verification of a pack found.
#[derive(Debug)]
pub struct PackReport {
    /// SHA-256 of `tagmanifest-sha256.txt`.
    pub id: Option<Hash>,
    pub scope: Option<Scope>,
    pub findings: Vec<Finding>,
    pub counts: PackCounts,
    pub shown: Shown,
    pub state: State,
    pub rows: Vec<Row>,
    /// The last heads event.
    pub heads_at: Option<EntryIndex>,
    /// The positions of the environment's thread in the period: first and last deployment's.
    pub positions: Option<(u64, u64)>,
    /// Closing tree size.
    pub size: TreeSize,
    /// The genesis that the pin names is entry 0 here.
    pub pinned: bool,
    /// First and last index shown, and their times.
    pub span: Option<((EntryIndex, Time), (EntryIndex, Time))>,
    /// By when the pin's witnesses had seen all of it.
    pub existed_by: Option<Time>,
}

/// Verifies the files of a pack against a pin; without one, the pack's own pin is believed and the
/// report says so.
pub fn verify(files: Files, pin: Option<&Pin>) -> PackReport {
    let mut report = PackReport::empty(files.len() as u64);
    let (bag, findings) = bag::open(files);
    report.findings = findings;
    let Some(bag) = bag else { return report };
    report.id = Some(bag.id);
    report.size = bag.scope.size;
    report.scope = Some(bag.scope.clone());
    if let Err(finding) = verify_bag(&bag, pin, &mut report) {
        report.findings.push(finding);
    }
    report.findings.sort_by_key(|finding| rank(finding.class));
    report
}

/// 7 before 3 before 8 before what is only worth knowing.
fn rank(class: Class) -> u8 {
    match class {
        Class::Integrity => 0,
        Class::Rule => 1,
        Class::Unknown => 2,
        Class::Note => 3,
    }
}

impl PackReport {
    fn empty(files: u64) -> PackReport {
        PackReport {
            id: None,
            scope: None,
            findings: Vec::new(),
            counts: PackCounts { files, ..PackCounts::default() },
            shown: Shown::default(),
            state: State::empty(),
            rows: Vec::new(),
            heads_at: None,
            positions: None,
            size: 0,
            pinned: false,
            span: None,
            existed_by: None,
        }
    }

    /// True where a finding says that bytes, hashes or proofs are broken.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| finding.class == Class::Integrity)
    }
}

/// Everything behind the manifests; an error is a finding past which nothing can be looked at.
fn verify_bag(bag: &Bag, pin: Option<&Pin>, report: &mut PackReport) -> Result<(), Finding> {
    let own = read_pin(bag)?;
    let given = pin;
    let pin = given.unwrap_or(&own);
    let checkpoint = closing_checkpoint(bag, pin)?;
    report.findings.extend(quorum_finding(pin, &checkpoint));
    report.existed_by = pin.existed_by(&checkpoint);
    let note = format_note(checkpoint.note());
    let (shown, findings) = shown::read(&bag.payload, &checkpoint, &note);
    report.findings.extend(findings);
    report.counts.entries = shown.entries.len() as u64;
    report.span = span(&shown);
    check_genesis(&shown, given, report)?;
    let replay = replay::replay(&bag.scope, shown);
    let scope = gather::threads(&bag.scope, &replay.shown);
    let links = replay.shown.check_links(&|thread| scope.contains(thread));
    // A gap in a thread explains most of what else is found: it comes first.
    report.findings.splice(0..0, links);
    report.findings.extend(replay.findings.iter().cloned());
    report.counts.signatures = replay.signatures;
    report.counts.decisions_replayed = replay.replayed;
    report.counts.decisions_as_logged = replay.as_logged;
    check_heads(bag, &replay, &scope, report)?;
    check_extensions(bag, &replay, &checkpoint, pin, report)?;
    check_attachments(bag, &replay.shown, report);
    report.rows = population::rows(&bag.scope, &replay, &report.findings);
    report.counts.deployments = report.rows.len() as u64;
    // No deployment was wrong by it when it was made, so it is none of the rows' exceptions.
    report.findings.extend(lapsed::findings(&bag.scope, &replay.shown));
    report.positions = positions(&bag.scope, &replay.shown);
    let (shown, state) = (replay.shown, replay.state);
    derived::check(bag, &own, &shown, &state, report);
    if (own.log(), own.genesis()) != (pin.log(), pin.genesis().or(own.genesis())) {
        let detail = format!("{PIN} is another one than the pin that was given");
        report.findings.push(Finding::new(Code::LogKeyMismatch, None, detail));
    }
    report.shown = shown;
    report.state = state;
    Ok(())
}

/// Says where the witnesses that a pin asks for have not cosigned a checkpoint.
pub fn quorum_finding(pin: &Pin, checkpoint: &VerifiedCheckpoint) -> Option<Finding> {
    let witnessed = pin.quorum()?.evaluate(checkpoint.note());
    if witnessed.is_met && witnessed.refused.is_empty() {
        return None;
    }
    let names = |list: Vec<String>| {
        if list.is_empty() { "none".to_owned() } else { list.join(", ") }
    };
    let cosigned = names(witnessed.cosigned.iter().map(|(it, _)| it.name.to_string()).collect());
    let refused = names(witnessed.refused.iter().map(|(it, _)| it.name.to_string()).collect());
    let detail =
        format!("at size {}: cosigned by {cosigned}; invalid: {refused}", checkpoint.size());
    Some(Finding::new(Code::QuorumMissed, None, detail))
}

fn read_pin(bag: &Bag) -> Result<Pin, Finding> {
    let missing =
        || Finding::new(Code::PackMalformed, None, format!("{PIN} is missing or malformed"));
    let bytes = bag.payload.get(PIN).ok_or_else(missing)?;
    crate::pin::parse_pin(bytes).map_err(|_| missing())
}

fn closing_checkpoint(bag: &Bag, pin: &Pin) -> Result<VerifiedCheckpoint, Finding> {
    let bytes = bag.payload.get(CHECKPOINT).ok_or_else(|| {
        Finding::new(Code::CheckpointMissing, None, format!("{CHECKPOINT} is not in the pack"))
    })?;
    let checkpoint = verify_checkpoint(bytes, pin.log())
        .map_err(|cause| Finding::new(Code::CheckpointInvalid, None, cause.to_string()))?;
    let said = (&bag.scope.origin, bag.scope.size);
    if said == (checkpoint.origin(), checkpoint.size()) {
        return Ok(checkpoint);
    }
    let (origin, size) = (checkpoint.origin(), checkpoint.size());
    let detail =
        format!("the pack says {} at {}, the checkpoint {origin} at {size}", said.0, said.1);
    Err(Finding::new(Code::CheckpointInvalid, None, detail))
}

fn span(shown: &Shown) -> Option<((EntryIndex, Time), (EntryIndex, Time))> {
    let (first, last) = (shown.entries.first_key_value()?, shown.entries.last_key_value()?);
    Some(((*first.0, first.1.entry.time), (*last.0, last.1.entry.time)))
}

/// Entry 0 must be there, and be the one that was pinned.
fn check_genesis(shown: &Shown, pin: Option<&Pin>, report: &mut PackReport) -> Result<(), Finding> {
    let Some(genesis) = shown.entries.get(&0) else {
        return Err(Finding::new(Code::EntryMissing, Some(0), "entry 0 is not in the pack"));
    };
    match pin.and_then(Pin::genesis) {
        None => {
            let detail = "no pin from outside the pack names entry 0";
            report.findings.push(Finding::new(Code::RootsNotPinned, None, detail));
        }
        Some(pinned) if *pinned == genesis.leaf => report.pinned = true,
        Some(pinned) => {
            let detail = format!("entry 0 hashes to {}, pinned is {pinned}", genesis.leaf);
            return Err(Finding::new(Code::GenesisMismatch, Some(0), detail));
        }
    }
    Ok(())
}

/// Every whole thread must end where the last heads event says, in the state that it says, and
/// every entry behind that event must be shown.
fn check_heads(
    bag: &Bag,
    replay: &Replay,
    scope: &BTreeSet<ThreadId>,
    report: &mut PackReport,
) -> Result<(), Finding> {
    let proofs: HeadProofs = read_json(bag, HEADS)?;
    let missing = |detail: String| Finding::new(Code::HeadUnproven, Some(proofs.entry), detail);
    let Some(snapshot) = replay.at_heads.as_ref().filter(|it| it.index == proofs.entry) else {
        return Err(missing("it is not the last heads event that the pack shows".to_owned()));
    };
    report.heads_at = Some(proofs.entry);
    let proven = heads::prove(&proofs, &snapshot.root)?;
    if let Some((index, count)) = replay.shown.missing(proofs.entry, bag.scope.size) {
        let detail = format!("{count} entries behind the last heads are not shown, this one first");
        report.findings.push(Finding::new(Code::EntryMissing, Some(index), detail));
    }
    for thread in scope {
        match check_head(thread, &proven, snapshot) {
            Ok(()) => report.counts.threads_proven += 1,
            Err(detail) => report.findings.push(missing(detail)),
        }
    }
    Ok(())
}

/// Compares a thread's end and slice with what the heads event commits to.
fn check_head(
    thread: &ThreadId,
    proven: &BTreeMap<ThreadId, ProvenHead>,
    snapshot: &replay::Snapshot,
) -> Result<(), String> {
    let found = snapshot.heads.get(thread);
    let Some(said) = proven.get(thread) else {
        return match found {
            None if heads::is_absent(thread, proven, &snapshot.root) => Ok(()),
            None => Err(format!("{thread}: nothing proves that it has no entry")),
            Some(_) => Err(format!("{thread}: nothing proves where it ends")),
        };
    };
    let Some((head, slice)) = found else {
        return Err(format!("{thread}: it has {} entries, none is shown", said.head.position + 1));
    };
    if *head != said.head {
        return Err(format!(
            "{thread}: it ends at position {} (entry {}), shown up to position {} (entry {})",
            said.head.position, said.head.index, head.position, head.index
        ));
    }
    match (slice, said.slice) {
        (Some(found), Some(said)) if *found != said => {
            Err(format!("{thread}: the shown entries give another state than the log had"))
        }
        _ => Ok(()),
    }
}

/// Whatever a signer saw, and the opening checkpoint, must be a prefix of this log.
fn check_extensions(
    bag: &Bag,
    replay: &Replay,
    checkpoint: &VerifiedCheckpoint,
    pin: &Pin,
    report: &mut PackReport,
) -> Result<(), Finding> {
    let extensions: Extensions = read_json(bag, EXTENSIONS)?;
    let mut proven = BTreeSet::new();
    for it in &extensions.seen {
        let holds = heads::decode(&it.proof).is_some_and(|proof| {
            verify_consistency(it.size, &it.root, checkpoint.size(), checkpoint.root(), &proof)
                .is_ok()
        });
        if holds {
            proven.insert((it.size, it.root));
        }
    }
    let claims = replay.seen.iter().map(|(claim, index)| (*claim, Some(*index)));
    let opening = match bag.payload.get(OPENING) {
        None => None,
        Some(bytes) => {
            let signed = verify_checkpoint(bytes, pin.log()).map_err(|cause| {
                Finding::new(Code::CheckpointInvalid, None, format!("{OPENING}: {cause}"))
            })?;
            Some(((signed.size(), *signed.root()), None))
        }
    };
    for ((size, root), index) in claims.chain(opening) {
        if !proven.contains(&(size, root)) {
            let detail = format!("nothing proves that this log extends root {root} at size {size}");
            report.findings.push(Finding::new(Code::NotExtending, index, detail));
        }
    }
    Ok(())
}

/// Attachments stand under their digest; those that are not here are named, each once.
fn check_attachments(bag: &Bag, shown: &Shown, report: &mut PackReport) {
    let mut named = BTreeSet::new();
    for (index, it) in &shown.entries {
        for digest in it.event.iter().flat_map(gather::attachments_of) {
            if !bag.payload.contains_key(&attachment_path(&digest)) && named.insert(digest.clone())
            {
                let (code, detail) = (Code::AttachmentAbsent, digest.to_string());
                report.findings.push(Finding::new(code, Some(*index), detail));
            }
        }
    }
    for (path, bytes) in &bag.payload {
        if let Some(name) = path.strip_prefix("data/attachments/") {
            let found = crate::merkle::sha256(&[bytes]).to_string();
            if found != name {
                let detail = format!("{path} hashes to {found}");
                report.findings.push(Finding::new(Code::AttachmentMismatch, None, detail));
            }
        }
    }
}

fn positions(scope: &Scope, shown: &Shown) -> Option<(u64, u64)> {
    let thread = ThreadId::Environment(scope.environment());
    let mut inside = shown
        .entries
        .values()
        .filter(|it| scope.holds(it.entry.time))
        .filter_map(|it| it.entry.thread(&thread).map(|line| line.position));
    let first = inside.next()?;
    Some((first, inside.next_back().unwrap_or(first)))
}

fn read_json<T: for<'de> Deserialize<'de>>(bag: &Bag, path: &str) -> Result<T, Finding> {
    let malformed =
        |what: String| Finding::new(Code::PackMalformed, None, format!("{path} {what}"));
    let bytes = bag.payload.get(path).ok_or_else(|| malformed("is not in the pack".to_owned()))?;
    let value = json::parse(bytes).map_err(|cause| malformed(cause.to_string()))?;
    json::read(&value).map_err(|cause| malformed(cause.to_string()))
}
