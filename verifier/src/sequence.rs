//! The order of things: judges an event at the end of a log, lays out its entries, folds it.
//!
//! The ledger's append is this and a database; whoever replays a log does the same in reverse.

use schemas::id::{Hash, KeyId, Origin, Project, Time};
use schemas::thread::ThreadId;

use crate::admission::{Accepted, Moment, Refusal, check_genesis, judge};
use crate::chain::Chain;
use crate::entry::{Entry, Link, ThreadLine, genesis_prev};
use crate::event::Event;
use crate::merkle;
use crate::projection::{Head, Missing, State};
use crate::thread::derive_threads;

/// The end of a log with the state there.
#[derive(Debug, Clone)]
pub struct Sequence {
    pub state: State,
    pub chain: Chain,
    ledger: Hash,
}

/// An entry that got its place.
#[derive(Debug, Clone)]
pub struct Placed {
    pub entry: Entry,
    pub bytes: Vec<u8>,
    pub leaf: Hash,
}

impl Sequence {
    pub fn new(origin: &Origin, state: State, chain: Chain) -> Sequence {
        Sequence { state, chain, ledger: genesis_prev(origin) }
    }

    /// An empty log of this name.
    pub fn genesis(origin: &Origin) -> Sequence {
        Sequence::new(origin, State::empty(), Chain::genesis(origin))
    }

    /// Appends an event, or says why it may not be. Nothing has moved where it says so.
    pub fn append(
        &mut self,
        event: &Event,
        signed_by: &[KeyId],
        filed: Option<&Project>,
        time: Time,
    ) -> Result<(Vec<Placed>, Accepted), Refusal> {
        let end = End { state: &mut self.state, chain: &mut self.chain, ledger: &self.ledger };
        end.append(event, signed_by, filed, time)
    }
}

/// The end of somebody's log, borrowed to append one event.
pub struct End<'a> {
    pub state: &'a mut State,
    pub chain: &'a mut Chain,
    /// `prev` of entry 0.
    pub ledger: &'a Hash,
}

impl End<'_> {
    /// Appends an event, or says why it may not be. Nothing has moved where it says so.
    pub fn append(
        self,
        event: &Event,
        signed_by: &[KeyId],
        filed: Option<&Project>,
        time: Time,
    ) -> Result<(Vec<Placed>, Accepted), Refusal> {
        let End { state, chain, ledger } = self;
        let parts = derive_threads(event, filed, ledger);
        let index = chain.next() + parts.len() as u64 - 1;
        let at = Moment { index, time, time_before: chain.time().unwrap_or(time) };
        check_genesis(event, ledger, index).map_err(Refusal::Rule)?;
        let accepted = judge(state, event, signed_by, filed, &at)?;
        let lines = parts
            .iter()
            .map(|threads| thread_lines(state, threads))
            .collect::<Result<Vec<_>, _>>()?;
        let mut placed = Vec::with_capacity(lines.len());
        let count = lines.len() as u16;
        for (number, threads) in lines.into_iter().enumerate() {
            let entry = Entry {
                index: chain.next(),
                time,
                prev: chain.prev(),
                predicate_type: event.predicate_type.clone(),
                statement: event.statement,
                envelope: event.envelope,
                envelope_bytes: event.envelope_bytes,
                part: number as u16 + 1,
                parts: count,
                threads,
            };
            let bytes = entry.format();
            let leaf = merkle::leaf_hash(&bytes);
            state.advance(&entry, leaf);
            chain.push(&entry, leaf);
            placed.push(Placed { entry, bytes, leaf });
        }
        state.apply(event, &accepted, &at);
        Ok((placed, accepted))
    }
}

/// The lines by which the next entry joins these threads.
pub fn thread_lines(state: &State, threads: &[ThreadId]) -> Result<Vec<ThreadLine>, Missing> {
    threads.iter().map(|thread| thread_line(state, thread)).collect()
}

fn thread_line(state: &State, thread: &ThreadId) -> Result<ThreadLine, Missing> {
    let (position, before) = behind(state.head(thread)?);
    Ok(ThreadLine { thread: thread.clone(), position, before })
}

/// Whether an entry joins just these threads at their heads, as [`thread_lines`] would say it.
pub fn joins(entry: &Entry, state: &State, threads: &[ThreadId]) -> bool {
    let at_head = |(line, thread): (&ThreadLine, &ThreadId)| {
        let head = state.head(thread).map(behind);
        line.thread == *thread && head == Ok((line.position, line.before))
    };
    entry.threads.len() == threads.len() && entry.threads.iter().zip(threads).all(at_head)
}

/// The place behind a head: of a thread without one, the first.
fn behind(head: Option<&Head>) -> (u64, Option<Link>) {
    let link = |head: &Head| Link { index: head.index, leaf: head.leaf };
    (head.map_or(0, |head| head.position + 1), head.map(link))
}
