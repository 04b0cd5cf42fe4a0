//! Gathers a pack: heads first, then the threads that belong to it, with every proof.

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Environment, Hash, Time, TreeSize};
use schemas::predicate::export::{self, Export};
use schemas::predicate::heads::{self, Heads};
use schemas::statement::{Statement, Subject};
use schemas::thread::ThreadId;
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::entry::{Entry, genesis_prev};
use verifier::event::Event;
use verifier::merkle::proof::prove_inclusion;
use verifier::merkle::{self, MemoryTree};
use verifier::note::format_note;
use verifier::pack::bag::{Files, Scope, seal};
use verifier::pack::heads::{HeadProofs, LineProof, encode};
use verifier::pack::shown::{attachment_path, entry_path, envelope_path, proof_path};
use verifier::pack::{CHECKPOINT, EXTENSIONS, Extension, Extensions, HEADS, OPENING, PIN};
use verifier::pack::{derived, gather, report};
use verifier::pin::format_pin;
use verifier::projection::{HeadsRoot, heads_line};
use verifier::receipt::{Receipt, format_receipt};
use verifier::sign;

use crate::error::{LedgerError, malformed};
use crate::ledger::{Ledger, Logged, Stored, Submission};
use crate::reading::walk_thread;
use crate::store::{Read, Store};
use crate::tree::Tiles;

/// How many threads are read in one go.
const PAGE: u32 = 1024;

/// How far back an opening checkpoint is looked for.
const OPENING_REACH: TreeSize = 4096;

/// What a pack shall be about, and for whom.
#[derive(Debug, Clone)]
pub struct ExportAsk {
    pub environment: Environment,
    pub from: Time,
    pub to: Time,
    pub audience: String,
    pub reason: String,
    pub framework: Option<String>,
}

/// The files of a pack by their path below its folder.
#[derive(Debug)]
pub struct Exported {
    pub files: Files,
    pub id: Hash,
    pub size: TreeSize,
}

/// Every thread's line at the size of a heads event.
struct Lines {
    index: EntryIndex,
    lines: BTreeMap<ThreadId, (u64, String)>,
    leaves: Vec<Hash>,
}

impl<S: Store> Ledger<S> {
    /// Signs and logs heads, and gathers the files of a pack that closes right behind them.
    pub async fn export(&self, ask: &ExportAsk) -> Result<Exported, LedgerError> {
        let (lines, checkpoint) = self.log_heads().await?;
        let scope = Scope {
            origin: self.origin.clone(),
            project: ask.environment.project.clone(),
            environment: ask.environment.name.clone(),
            from: ask.from,
            to: ask.to,
            size: checkpoint.size(),
            framework: ask.framework.clone(),
        };
        let mut read = self.store.snapshot().await?;
        let (shown, threads) = gather_entries(&mut read, &scope, lines.index).await?;
        let mut tiles = Tiles::default();
        let mut files = Files::new();
        let note = format_note(checkpoint.note());
        files.insert(CHECKPOINT.to_owned(), note.clone().into_bytes());
        files.insert(PIN.to_owned(), format_pin(&self.pin).into_bytes());
        let mut seen = BTreeSet::new();
        let indexes: Vec<EntryIndex> = shown.keys().copied().collect();
        let proofs = tiles.inclusions(&mut read, &indexes, scope.size).await?;
        for (stored, proof) in shown.into_values().zip(proofs) {
            self.add_entry(&mut files, &mut seen, &stored)?;
            let checkpoint = note.clone();
            let receipt = Receipt { extra: None, index: stored.index, proof, checkpoint };
            files.insert(proof_path(stored.index), format_receipt(&receipt).into_bytes());
            files.insert(entry_path(stored.index), stored.entry);
        }
        if let Some(opening) = self.opening(&mut read, &scope).await? {
            seen.insert((opening.size(), *opening.root()));
            files.insert(OPENING.to_owned(), format_note(opening.note()).into_bytes());
        }
        let extensions = extensions(&mut read, &mut tiles, seen, scope.size).await?;
        files.insert(EXTENSIONS.to_owned(), to_json(&extensions)?);
        files.insert(HEADS.to_owned(), to_json(&lines.prove(&threads)?)?);
        self.complete(scope, files)
    }

    /// Adds what follows from the entries, and seals the bag.
    fn complete(&self, scope: Scope, mut files: Files) -> Result<Exported, LedgerError> {
        // The check below wants the pin to be in its place already.
        files.insert(PIN.to_owned(), format_pin(&self.pin).into_bytes());
        let (bare, _) = seal(&scope, String::new(), files.clone());
        let checked = verifier::pack::verify(bare, Some(&self.pin));
        let findings = derived::log_findings(&checked.findings);
        let material = derived::Material {
            scope: &scope,
            pin: &self.pin,
            shown: &checked.shown,
            state: &checked.state,
            rows: &checked.rows,
            findings: &findings,
        };
        files.extend(derived::files(&material));
        let readme = report::readme(&scope, &checked.shown);
        let (files, id) = seal(&scope, readme, files);
        Ok(Exported { files, id, size: scope.size })
    }

    /// Logs the custody of a pack: who took it out is the service's word, for whom and why the
    /// caller's.
    pub async fn log_export(
        &self,
        ask: &ExportAsk,
        exported: &Exported,
    ) -> Result<Logged, LedgerError> {
        let body = Export {
            ledger: self.origin.clone(),
            project: ask.environment.project.clone(),
            nonce: self.nonce()?,
            environment: ask.environment.name.clone(),
            from: ask.from,
            to: ask.to,
            size: exported.size,
            audience: ask.audience.clone(),
            reason: ask.reason.clone(),
        };
        let subject = Subject::of(&Digest::sha256(&exported.id), Some("evidence pack"));
        let statement = Statement::new(vec![subject], export::TYPE, body);
        let envelope = sign::sign_statement(&statement, &[&self.service_key()?])
            .map_err(|cause| malformed("export", cause))?;
        let one = Submission { envelope, project: None, attachments: Vec::new() };
        self.submit(vec![one]).await?.remove(0)
    }

    /// Logs a heads event about the log just before it, and publishes.
    async fn log_heads(&self) -> Result<(Lines, VerifiedCheckpoint), LedgerError> {
        let (log, service) = (self.log_key()?, self.service_key()?);
        let mut working = self.begin().await?;
        let lines = Lines::read(&mut working.loader().read).await?;
        let root = lines.root();
        let body = Heads {
            ledger: self.origin.clone(),
            nonce: self.nonce()?,
            size: lines.index,
            threads: root.threads,
            root: root.root,
        };
        let ledger = Digest::sha256(&genesis_prev(&self.origin));
        let subject = Subject::of(&ledger, Some(self.origin.as_str()));
        let statement = Statement::new(vec![subject], heads::TYPE, body);
        let envelope = sign::sign_statement(&statement, &[&service])
            .map_err(|cause| malformed("heads", cause))?;
        Ledger::<S>::append_own(&mut working, envelope).await?;
        let checkpoint = self.commit(working, &log).await?.0.checkpoint;
        if checkpoint.size() == lines.index + 1 {
            return Ok((lines, checkpoint));
        }
        // Somebody else was faster and has published more: ours is among what they published.
        Err(malformed("heads", "the log grew meanwhile; try again"))
    }

    fn add_entry(
        &self,
        files: &mut Files,
        seen: &mut BTreeSet<(TreeSize, Hash)>,
        stored: &Stored,
    ) -> Result<(), LedgerError> {
        let Some(envelope) = &stored.envelope else {
            return Ok(());
        };
        let event = Event::read(envelope)
            .map_err(|cause| malformed(format!("envelope of entry {}", stored.index), cause))?;
        files.insert(envelope_path(&event.envelope), envelope.clone());
        seen.extend(gather::seen_by(&event).map(|seen| (seen.size, seen.root)));
        for digest in gather::attachments_of(&event) {
            if let Some(bytes) = self.attachment(&digest)? {
                files.insert(attachment_path(&digest), bytes);
            }
        }
        Ok(())
    }

    /// The newest checkpoint that was published before the period.
    async fn opening(
        &self,
        read: &mut S::Snapshot,
        scope: &Scope,
    ) -> Result<Option<VerifiedCheckpoint>, LedgerError> {
        let first = first_at_or_after(read, scope.from, scope.size).await?;
        for size in (first.saturating_sub(OPENING_REACH)..=first).rev().filter(|size| *size > 0) {
            if let Some(note) = read.checkpoint_at(size).await? {
                let verified =
                    verifier::checkpoint::verify_checkpoint(note.as_bytes(), self.pin.log());
                return verified.map(Some).map_err(|cause| LedgerError::Forked(cause.to_string()));
            }
        }
        Ok(None)
    }
}

impl Lines {
    async fn read<R: Read>(read: &mut R) -> Result<Lines, LedgerError> {
        let index = read.head().size;
        let mut lines = BTreeMap::new();
        let mut after: Option<ThreadId> = None;
        loop {
            let page = read.threads_page(None, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.thread.clone());
            for row in page {
                let slice = row.slice.as_deref().map(|bytes| merkle::sha256(&[bytes]));
                let line = heads_line(&row.thread, &row.head, slice);
                let line = String::from_utf8(line).map_err(|cause| malformed("heads", cause))?;
                lines.insert(row.thread, (0, line));
            }
        }
        let mut leaves = Vec::with_capacity(lines.len());
        for (number, line) in (0..).zip(lines.values_mut()) {
            line.0 = number;
            leaves.push(merkle::leaf_hash(line.1.as_bytes()));
        }
        Ok(Lines { index, lines, leaves })
    }

    fn root(&self) -> HeadsRoot {
        HeadsRoot { threads: self.leaves.len() as u64, root: merkle::root_of(&self.leaves) }
    }

    /// The lines of these threads with their proofs; of an absent one, those of its neighbours.
    fn prove(&self, threads: &BTreeSet<ThreadId>) -> Result<HeadProofs, LedgerError> {
        let mut wanted: BTreeSet<&ThreadId> = BTreeSet::new();
        for thread in threads {
            if self.lines.contains_key(thread) {
                wanted.insert(thread);
            } else {
                wanted.extend(self.lines.range(..thread).next_back().map(|(thread, _)| thread));
                wanted.extend(self.lines.range(thread..).next().map(|(thread, _)| thread));
            }
        }
        let mut tree = MemoryTree::new(self.leaves.clone());
        let size = self.leaves.len() as TreeSize;
        let lines = wanted
            .into_iter()
            .map(|thread| {
                let (number, line) = &self.lines[thread];
                let proof = prove_inclusion(&mut tree, *number, size)
                    .map_err(|cause| malformed("heads", cause))?;
                Ok(LineProof { line: line.clone(), number: *number, proof: encode(&proof) })
            })
            .collect::<Result<_, LedgerError>>()?;
        Ok(HeadProofs { entry: self.index, lines })
    }
}

/// Walks the threads of the scope, and those that their events in the period bring with them.
async fn gather_entries<R: Read>(
    read: &mut R,
    scope: &Scope,
    tail: EntryIndex,
) -> Result<(BTreeMap<EntryIndex, Stored>, BTreeSet<ThreadId>), LedgerError> {
    let mut shown: BTreeMap<EntryIndex, Stored> = BTreeMap::new();
    let mut threads = gather::first_threads(scope);
    let here = ThreadId::Environment(scope.environment());
    let mut waiting: Vec<ThreadId> = threads.iter().cloned().collect();
    while let Some(thread) = waiting.pop() {
        for stored in walk_thread(read, &thread).await? {
            let entry = parse(&stored)?;
            let envelope =
                stored.envelope.as_deref().filter(|_| thread == here && scope.holds(entry.time));
            if let Some(bytes) = envelope {
                let event = Event::read(bytes).map_err(|cause| malformed("envelope", cause))?;
                for found in gather::threads_of(&event) {
                    if threads.insert(found.clone()) {
                        waiting.push(found);
                    }
                }
            }
            shown.insert(stored.index, stored);
        }
    }
    // All parts of a statement, everything behind the heads, and the entry before each decision,
    // whose time bounds the decision's.
    let mut more: BTreeSet<EntryIndex> = (tail..scope.size).collect();
    for stored in shown.values() {
        let entry = parse(stored)?;
        let parts = gather::all_parts(entry.index, entry.part, entry.parts);
        more.extend(parts.start.checked_sub(1).filter(|_| entry.thread(&here).is_some()));
        more.extend(parts);
    }
    let more: Vec<EntryIndex> =
        more.into_iter().filter(|index| !shown.contains_key(index)).collect();
    for chunk in more.chunks(512) {
        for stored in read.entries(chunk).await? {
            shown.insert(stored.index, stored);
        }
    }
    Ok((shown, threads))
}

fn parse(stored: &Stored) -> Result<Entry, LedgerError> {
    Entry::parse(&stored.entry).map_err(|cause| malformed(format!("entry {}", stored.index), cause))
}

async fn extensions<R: Read>(
    read: &mut R,
    tiles: &mut Tiles,
    seen: BTreeSet<(TreeSize, Hash)>,
    size: TreeSize,
) -> Result<Extensions, LedgerError> {
    let mut extensions = Extensions::default();
    for (seen_size, root) in seen {
        let proof = encode(&tiles.consistency(read, seen_size, size).await?);
        extensions.seen.push(Extension { size: seen_size, root, proof });
    }
    Ok(extensions)
}

/// The first entry whose time is not below the given one.
async fn first_at_or_after<R: Read>(
    read: &mut R,
    time: Time,
    size: TreeSize,
) -> Result<EntryIndex, LedgerError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let stored = read.entries(&[middle]).await?;
        let stored = stored.first().ok_or(LedgerError::NoEntry(middle))?;
        if parse(stored)?.time < time { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, LedgerError> {
    verifier::canonical::canonical_of(value).map_err(|cause| malformed("pack", cause))
}
