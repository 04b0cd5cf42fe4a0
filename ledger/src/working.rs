//! The working set of one append: everything that happens under the write lock.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use schemas::id::{EntryIndex, Hash, KeyId, Origin, Project, Time, TreeSize};
use schemas::report::{Code, Finding};
use schemas::thread::ThreadId;
use verifier::admission::{Accepted, Refusal};
use verifier::chain::Chain;
use verifier::entry::genesis_prev;
use verifier::event::Event;
use verifier::merkle::Frontier;
use verifier::pack::gather;
use verifier::projection::State;
use verifier::sequence::End;
use verifier::signed::{KeyRing, signed_by};

use crate::clock::{AHEAD_MS_MAX, BEHIND_MS_MAX};
use crate::error::{LedgerError, malformed};
use crate::loader::{Loader, Warm};
use crate::publish::Appending;
use crate::store::{Append, Batch, LogHead, Logged, StatementKey, StoredEntry, Thread};
use crate::tree::Tiles;

/// An event that was read, with the keys that signed it.
pub struct Incoming {
    pub event: Event,
    pub keys: Vec<KeyId>,
    /// The trust document by whose keys the signatures were checked.
    pub ring: Option<Hash>,
    pub filed: Option<Project>,
    pub envelope: Vec<u8>,
}

impl Incoming {
    fn key(&self, ledger: &Hash) -> StatementKey {
        StatementKey::of(&self.event, self.filed.as_ref(), ledger)
    }
}

/// Where an event got its place.
#[derive(Debug, Clone)]
pub struct Place {
    pub first: EntryIndex,
    pub parts: u16,
    pub repeated: bool,
    pub notices: Vec<Finding>,
}

impl Place {
    /// The entry at which the event is folded.
    pub fn last(&self) -> EntryIndex {
        self.first + u64::from(self.parts) - 1
    }
}

pub struct Working<A> {
    loader: Loader<A>,
    /// Those at the right edge, where they are at hand.
    tiles: Tiles,
    /// `prev` of entry 0.
    ledger: Hash,
    chain: Chain,
    ring: KeyRing,
    time: Time,
    size_before: TreeSize,
    entries: Vec<StoredEntry>,
    leaves: Vec<Hash>,
    statements: Vec<Logged>,
    touched: BTreeSet<ThreadId>,
    /// Where the state is left for the next append.
    kept: Arc<Mutex<Option<Warm>>>,
    appending: Appending,
}

impl<A: Append> Working<A> {
    /// Begins at the head of the log, at this time of day.
    pub async fn begin(
        append: A,
        origin: &Origin,
        now: Time,
        accept_clock: bool,
        kept: &Arc<Mutex<Option<Warm>>>,
        appending: Appending,
    ) -> Result<Working<A>, LedgerError> {
        let head = append.head().clone();
        let time = settle_time(now, head.time, accept_clock)?;
        let warm = kept.lock().ok().and_then(|mut kept| kept.take());
        let (loader, tiles) = Loader::warm(append, warm).await?;
        let ring = KeyRing::of(&loader.state);
        Ok(Working {
            chain: chain_at(origin, &head)?,
            loader,
            tiles,
            ledger: genesis_prev(origin),
            ring,
            time,
            size_before: head.size,
            entries: Vec::new(),
            leaves: Vec::new(),
            statements: Vec::new(),
            touched: BTreeSet::new(),
            kept: Arc::clone(kept),
            appending,
        })
    }

    pub fn state(&self) -> &State {
        &self.loader.state
    }

    /// The keys in force at the end of this append.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The time that every entry of this append gets.
    pub fn time(&self) -> Time {
        self.time
    }

    pub fn loader(&mut self) -> &mut Loader<A> {
        &mut self.loader
    }

    /// Loads the threads of several events in one look.
    pub async fn prepare(&mut self, events: &[&Incoming]) -> Result<(), LedgerError> {
        let threads: Vec<ThreadId> = events
            .iter()
            .flat_map(|it| {
                verifier::thread::derive_threads(&it.event, it.filed.as_ref(), &self.ledger)
            })
            .flatten()
            .collect();
        self.loader.know(&threads).await?;
        let keys: Vec<StatementKey> = events.iter().map(|it| it.key(&self.ledger)).collect();
        let rows = self.loader.read.statements(&keys).await?;
        for key in keys {
            let row = rows.iter().find(|row| row.key == key);
            let signers = row.map(|row| row.signers.as_slice());
            self.loader.state.know_statement(key.statement, key.project, signers);
        }
        Ok(())
    }

    /// Judges an event at the end of the log and gives it its place there.
    pub async fn append(
        &mut self,
        mut it: Incoming,
    ) -> Result<Result<Place, Finding>, LedgerError> {
        if it.ring.is_none() || it.ring != self.ring.version() {
            it.keys = signed_by(&it.event, &self.ring);
        }
        if let Some(finding) = self.check_seen(&it.event).await? {
            return Ok(Err(finding));
        }
        loop {
            // The verifier's own way to append: its rules, its order.
            let (state, chain) = (&mut self.loader.state, &mut self.chain);
            let end = End { state, chain, ledger: &self.ledger };
            match end.append(&it.event, &it.keys, it.filed.as_ref(), self.time) {
                Ok((placed, accepted)) => return Ok(Ok(self.keep(it, placed, accepted))),
                Err(Refusal::Missing(missing)) => self.loader.supply(missing).await?,
                Err(Refusal::Rule(finding)) if finding.code == Code::StatementRepeated => {
                    return self.earlier(&it).await;
                }
                Err(Refusal::Rule(finding)) => return Ok(Err(finding)),
            }
        }
    }

    /// Whatever a signer says to have seen must be a prefix of this log: the verifier would call
    /// anything else a broken log, so it must not get in.
    async fn check_seen(&mut self, event: &Event) -> Result<Option<Finding>, LedgerError> {
        let Some(seen) = gather::seen_by(event) else {
            return Ok(None);
        };
        let size = self.size_before;
        let detail = match seen.size {
            seen_size if seen_size > size => format!("saw {seen_size} entries, there are {size}"),
            seen_size => {
                let root = Tiles::default().root(&mut self.loader.read, seen_size).await?;
                if root == seen.root {
                    return Ok(None);
                }
                format!("saw root {} at size {seen_size}, it is {root}", seen.root)
            }
        };
        Ok(Some(Finding::new(Code::NotExtending, None, detail)))
    }

    fn keep(
        &mut self,
        it: Incoming,
        placed: Vec<verifier::sequence::Placed>,
        accepted: Accepted,
    ) -> Place {
        let first = placed[0].entry.index;
        let parts = placed.len() as u16;
        let key = it.key(&self.ledger);
        let mut envelope = Some(it.envelope);
        for part in placed {
            self.touched.extend(part.entry.threads.iter().map(|line| line.thread.clone()));
            self.leaves.push(part.leaf);
            let index = part.entry.index;
            self.entries.push(StoredEntry { index, entry: part.bytes, envelope: envelope.take() });
        }
        let signers = self.loader.state.signers_of(&key.statement, key.project.as_ref());
        let signers = signers.ok().flatten().unwrap_or_default().to_vec();
        self.statements.push(Logged { key, index: first, parts, signers });
        if it.event.kind == schemas::kind::EventKind::Trust {
            self.ring = KeyRing::of(&self.loader.state);
        }
        Place { first, parts, repeated: accepted.repeated, notices: accepted.notices }
    }

    /// The place that a repeated statement has already.
    async fn earlier(&mut self, it: &Incoming) -> Result<Result<Place, Finding>, LedgerError> {
        let key = it.key(&self.ledger);
        let here = self.statements.iter().find(|row| row.key == key);
        let row = match here {
            Some(row) => Some(row.clone()),
            None => self.loader.read.statements(&[key]).await?.into_iter().next(),
        };
        match row {
            Some(Logged { index, parts, .. }) => {
                Ok(Ok(Place { first: index, parts, repeated: true, notices: Vec::new() }))
            }
            None => Err(malformed("statement", "logged, and not to be found")),
        }
    }

    /// Writes everything and commits; answers the leaves that were added and the frontier.
    pub async fn commit(mut self) -> Result<Committed, LedgerError> {
        let (from, frontier) = (self.size_before, self.chain.frontier().clone());
        let appending = self.appending;
        let mut tiles = self.tiles;
        if self.entries.is_empty() {
            let Loader { read, state } = self.loader;
            keep(&self.kept, read.head().clone(), state, tiles.edge(from));
            // What others have committed is answered and signed, too: it has to be as durable.
            read.commit().await?;
            return Ok(Committed { from, leaves: Vec::new(), frontier, tiles, appending });
        }
        let changed = tiles.append(&mut self.loader.read, self.size_before, &self.leaves).await?;
        let state = &mut self.loader.state;
        self.touched.extend(state.take_changed());
        let mut threads = Vec::with_capacity(self.touched.len());
        for thread in self.touched {
            if let Ok(Some(head)) = state.head(&thread) {
                let slice = state.slice_json(&thread);
                threads.push(Thread { head: *head, slice, thread });
            }
        }
        let head = LogHead {
            size: self.chain.size(),
            leaf: self.chain.prev(),
            time: self.chain.time(),
            peaks: frontier.peaks().to_vec(),
        };
        let (entries, statements) = (self.entries, self.statements);
        let checkpoints = Vec::new();
        let batch = Batch { entries, threads, statements, tiles: changed, checkpoints, head };
        let Loader { read: mut append, state } = self.loader;
        append.write(&batch).await?;
        // Before the commit, since whoever has waited for the lock goes on at once behind it.
        let edge = tiles.edge(batch.head.size);
        keep(&self.kept, batch.head, state, edge);
        append.commit().await?;
        Ok(Committed { from, leaves: self.leaves, frontier, tiles, appending })
    }
}

fn keep(kept: &Mutex<Option<Warm>>, head: LogHead, state: State, tiles: Tiles) {
    if let Ok(mut kept) = kept.lock() {
        *kept = Warm::keep(head, state, tiles);
    }
}

/// What an append added to the tree.
pub struct Committed {
    pub from: TreeSize,
    pub leaves: Vec<Hash>,
    pub frontier: Frontier,
    /// The tiles at the right edge.
    pub tiles: Tiles,
    #[expect(dead_code, reason = "counts whoever appends until it is published, too")]
    pub appending: Appending,
}

fn chain_at(origin: &Origin, head: &LogHead) -> Result<Chain, LedgerError> {
    match head.time {
        None => Ok(Chain::genesis(origin)),
        Some(time) => {
            let frontier = Frontier::from_parts(head.size, head.peaks.clone())
                .ok_or_else(|| malformed("head", "its peaks are not those of its size"))?;
            Ok(Chain::after(head.leaf, time, frontier))
        }
    }
}

/// The time of the next entries: the clock's, never below the newest entry's.
fn settle_time(now: Time, last: Option<Time>, accept_clock: bool) -> Result<Time, LedgerError> {
    let Some(last) = last else { return Ok(now) };
    let ahead = now.since(last) > AHEAD_MS_MAX && !accept_clock;
    if ahead || last.since(now) > BEHIND_MS_MAX {
        return Err(LedgerError::Clock { now, last });
    }
    Ok(now.max(last))
}
