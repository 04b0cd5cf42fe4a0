//! Gathers a pack: heads first, then the threads that belong to it, with every proof.

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Environment, Hash, Time, TreeSize};
use schemas::predicate::export::{self, Export};
use schemas::statement::{Statement, Subject};
use schemas::thread::ThreadId;
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::entry::Entry;
use verifier::event::Event;
use verifier::note::format_note;
use verifier::pack::bag::{Files, Scope, seal};
use verifier::pack::heads::encode;
use verifier::pack::shown::{attachment_path, entry_path, envelope_path, proof_path};
use verifier::pack::{CHECKPOINT, EXTENSIONS, Extension, Extensions, HEADS, OPENING, PIN};
use verifier::pack::{derived, gather, report};
use verifier::pin::format_pin;
use verifier::receipt::{Receipt, format_receipt};
use verifier::sign;

use crate::error::{LedgerError, malformed};
use crate::ledger::{Ledger, Logged, Stored, Submission};
use crate::reading::walk_thread;
use crate::store::{Read, Store};
use crate::tree::Tiles;

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
            self.add_entry(&mut files, &mut seen, &stored).await?;
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
        let readme =
            report::readme(&scope, &checked.shown, checked.state.trust().map(|trust| &**trust));
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

    async fn add_entry(
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
            if let Some(bytes) = self.attachment(&digest).await? {
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
