//! Entries that are like this or that: found by a number of looks that does not grow with the log.
//!
//! A thread that a filter names is walked along its links; what no thread narrows down is read in
//! ranges. Where the looks are spent the answer is short, and says where to go on.

use schemas::id::{EntryIndex, Time, TreeSize};
use schemas::kind::{EventKind, ExtraThread};
use schemas::thread::ThreadId;
use verifier::entry::Entry;
use verifier::line::Line;

use crate::documents::Documents;
use crate::error::{LedgerError, malformed};
use crate::store::{ALONE_MAX, Read};

/// What the looks of one search may cost: an entry in a range 1, a question to the store
/// [`QUESTION`] besides.
const COST_MAX: u64 = 4096;
const QUESTION: u64 = 3;

/// Threads of up to so many entries are walked from their end, wherever somebody wants to begin:
/// links lead back only.
const SHORT: u64 = 1000;
const _: () = assert!(SHORT * (QUESTION + 1) < COST_MAX);

/// Most entries of which the envelopes are looked at, where the entries alone do not tell enough.
const OPENED_MAX: usize = 256;

/// Most bytes of envelopes that one search reads, though one is always read.
const BYTES_MAX: u64 = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// What entries must be like.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// They are on all of these.
    pub threads: Vec<ThreadId>,
    pub kind: Option<EventKind>,
    /// Somebody of this name has signed.
    pub signer: Option<String>,
    /// Not before this index.
    pub from: EntryIndex,
    /// Before this index.
    pub to: EntryIndex,
    pub order: Order,
}

/// What was found, and the index at which to go on.
#[derive(Debug)]
pub struct Found {
    pub lines: Vec<Line>,
    pub next: Option<EntryIndex>,
}

impl Wanted {
    /// Kinds that change the rules for everybody are on one thread.
    fn threads(&self) -> Vec<ThreadId> {
        let control = self.kind.is_some_and(|kind| kind.line().thread == ExtraThread::Control);
        let control = control.then_some(ThreadId::Control);
        self.threads.iter().cloned().chain(control).collect()
    }

    /// As far as the entry alone tells: whether it fits.
    fn may_fit(&self, entry: &Entry) -> bool {
        let kind = EventKind::of_type(&entry.predicate_type);
        let told = !is_told_by_envelope(kind);
        self.threads.iter().all(|thread| entry.thread(thread).is_some())
            && self.kind.is_none_or(|wanted| wanted == kind || !told && is_told_by_envelope(wanted))
    }

    fn fits(&self, line: &Line) -> bool {
        let signed = |name: &String| line.signers.contains(name);
        self.kind.is_none_or(|kind| kind == line.kind()) && self.signer.as_ref().is_none_or(signed)
    }

    /// Whether envelopes decide what fits.
    fn opens(&self) -> bool {
        self.signer.is_some() || self.kind.is_some_and(is_told_by_envelope)
    }
}

/// Kinds that share predicate types with others.
fn is_told_by_envelope(kind: EventKind) -> bool {
    matches!(kind, EventKind::Decision | EventKind::Other | EventKind::Sbom)
}

/// Searches on from an index, else from where the order begins.
pub async fn search<R: Read>(
    read: &mut R,
    documents: &Documents,
    wanted: &Wanted,
    start: Option<EntryIndex>,
    most: usize,
) -> Result<Found, LedgerError> {
    let most_opened = if wanted.opens() { OPENED_MAX.max(most) } else { most };
    let mut looks =
        Looks { read: &mut *read, wanted, most: most_opened, cost: 0, found: Vec::new() };
    let next = match wanted.order {
        Order::NewestFirst => looks.newest_first(start).await?,
        Order::OldestFirst => looks.oldest_first(start).await?,
    };
    let found = looks.found;
    open(read, documents, wanted, found, next, most).await
}

/// The entries of a thread before an index, newest first, and the index at which to go on; without
/// their envelopes.
pub async fn links<R: Read>(
    read: &mut R,
    thread: &ThreadId,
    from: EntryIndex,
    to: EntryIndex,
    start: Option<EntryIndex>,
    most: usize,
) -> Result<(Vec<Entry>, Option<EntryIndex>), LedgerError> {
    let threads = vec![thread.clone()];
    let order = Order::NewestFirst;
    let wanted = Wanted { threads, kind: None, signer: None, from, to, order };
    let mut looks = Looks { read, wanted: &wanted, most, cost: 0, found: Vec::new() };
    let next = looks.newest_first(start).await?;
    Ok((looks.found, next))
}

/// The first index whose entry is not before a time, in a log of this size: times never go back.
pub async fn first_at<R: Read>(
    read: &mut R,
    time: Time,
    size: TreeSize,
) -> Result<EntryIndex, LedgerError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let (_, bytes) = entry_alone(read, middle).await?;
        if parse(middle, &bytes)?.time < time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// How a thread is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// A question for each entry: what it costs is known before.
    Links,
    /// A range at a time where the thread is dense.
    Ranges,
}

/// One search's looks at entries without their envelopes.
struct Looks<'a, R> {
    read: &'a mut R,
    wanted: &'a Wanted,
    most: usize,
    cost: u64,
    found: Vec<Entry>,
}

impl<R: Read> Looks<'_, R> {
    /// The shortest of the threads: none where no filter names one, and an empty list where a
    /// thread is named that is not there.
    async fn thread(&mut self) -> Result<Option<Vec<crate::store::Thread>>, LedgerError> {
        let threads = self.wanted.threads();
        if threads.is_empty() {
            return Ok(None);
        }
        let rows = self.read.threads(&threads).await?;
        if threads.iter().any(|thread| rows.iter().all(|row| row.thread != *thread)) {
            return Ok(Some(Vec::new()));
        }
        Ok(Some(rows.into_iter().min_by_key(|row| row.head.position).into_iter().collect()))
    }

    async fn newest_first(
        &mut self,
        start: Option<EntryIndex>,
    ) -> Result<Option<EntryIndex>, LedgerError> {
        let Wanted { from, to, .. } = *self.wanted;
        let last = start.map_or_else(|| to.checked_sub(1), Some).filter(|last| *last >= from);
        match (self.thread().await?.map(|it| it.into_iter().next()), last) {
            (_, None) | (Some(None), _) => Ok(None),
            (None, Some(last)) => self.back(None, last, Pace::Ranges).await,
            (Some(Some(row)), Some(last)) => {
                let head = row.head;
                let walks = head.index <= last || start.is_none() && head.position < SHORT;
                let first = if walks { head.index } else { last };
                self.back(Some(&row.thread), first, Pace::Ranges).await
            }
        }
    }

    /// Looks back from an index. On a thread, links are followed as soon as they are found; where
    /// it is dense, a range holds many of its entries.
    async fn back(
        &mut self,
        thread: Option<&ThreadId>,
        first: EntryIndex,
        pace: Pace,
    ) -> Result<Option<EntryIndex>, LedgerError> {
        let Wanted { from, to, .. } = *self.wanted;
        let mut next = Some(first);
        let mut width = if thread.is_some() { 1 } else { ALONE_MAX as u64 };
        while let Some(at) = next.filter(|at| *at >= from) {
            if self.is_spent() {
                return Ok(Some(at));
            }
            let low = (at + 1).saturating_sub(width).max(from);
            let chunk = self.range(low, at + 1).await?;
            let mut on_thread = 0;
            for (index, bytes) in chunk.iter().rev() {
                if next != Some(*index) {
                    continue;
                }
                let entry = parse(*index, bytes)?;
                let line = thread.map(|thread| entry.thread(thread));
                next = match line {
                    Some(Some(line)) => {
                        on_thread += 1;
                        line.before.map(|link| link.index).filter(|before| before < index)
                    }
                    None | Some(None) => index.checked_sub(1),
                };
                if *index < to && line.is_none_or(|line| line.is_some()) {
                    self.take(entry);
                    if self.found.len() == self.most {
                        return Ok(next.filter(|next| *next >= from));
                    }
                }
            }
            let passed = next.map_or(at, |next| at - next);
            // Close together, or not found yet: a range at a time.
            let apart = on_thread > 0 && passed / on_thread > QUESTION + 1;
            width = if apart || pace == Pace::Links { 1 } else { ALONE_MAX as u64 };
        }
        Ok(None)
    }

    async fn oldest_first(
        &mut self,
        start: Option<EntryIndex>,
    ) -> Result<Option<EntryIndex>, LedgerError> {
        let Wanted { from, to, .. } = *self.wanted;
        let first = start.unwrap_or(from).max(from);
        match self.thread().await?.map(|it| it.into_iter().next()) {
            Some(None) => return Ok(None),
            Some(Some(row)) if row.head.position < SHORT => {
                let most = std::mem::replace(&mut self.most, usize::MAX);
                self.back(Some(&row.thread), row.head.index, Pace::Links).await?;
                self.found.retain(|entry| entry.index >= first);
                self.found.reverse();
                let next = self.found.get(most).map(|entry| entry.index);
                self.found.truncate(most);
                return Ok(next);
            }
            Some(Some(_)) | None => {}
        }
        let mut next = first;
        while next < to {
            if self.is_spent() {
                return Ok(Some(next));
            }
            for (index, bytes) in self.range(next, to.min(next + ALONE_MAX as u64)).await? {
                next = index + 1;
                self.take(parse(index, &bytes)?);
                if self.found.len() == self.most {
                    return Ok(Some(next).filter(|next| *next < to));
                }
            }
        }
        Ok(None)
    }

    fn take(&mut self, entry: Entry) {
        if self.wanted.may_fit(&entry) {
            self.found.push(entry);
        }
    }

    fn is_spent(&self) -> bool {
        self.cost >= COST_MAX
    }

    /// Entries in a range, the first of which must be there.
    async fn range(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<(EntryIndex, Vec<u8>)>, LedgerError> {
        let chunk = self.read.entries_alone(from, to).await?;
        self.cost += QUESTION + chunk.len() as u64;
        if chunk.len() as u64 != to - from {
            return Err(LedgerError::NoEntry(from + chunk.len() as u64));
        }
        Ok(chunk)
    }
}

/// Reads the envelopes of what may fit, and keeps what does.
async fn open<R: Read>(
    read: &mut R,
    documents: &Documents,
    wanted: &Wanted,
    found: Vec<Entry>,
    next: Option<EntryIndex>,
    most: usize,
) -> Result<Found, LedgerError> {
    const GROUP: usize = 64;
    let (mut lines, mut bytes, mut rest) = (Vec::new(), 0, found.as_slice());
    while let Some(first) = rest.first() {
        let room = |entry: &&Entry| {
            let is_first = bytes == 0;
            bytes += entry.envelope_bytes;
            bytes <= BYTES_MAX || is_first
        };
        let some: Vec<EntryIndex> =
            rest.iter().take(GROUP).take_while(room).map(|entry| entry.index).collect();
        if some.is_empty() {
            return Ok(Found { lines, next: Some(first.index) });
        }
        let mut stored = read.entries(&some).await?;
        stored.sort_by_key(|one| some.iter().position(|index| *index == one.index));
        if stored.len() != some.len() {
            return Err(LedgerError::NoEntry(first.index));
        }
        rest = &rest[some.len()..];
        for line in documents.lines(read, stored).await? {
            let index = line.entry.index;
            if wanted.fits(&line) {
                if lines.len() == most {
                    return Ok(Found { lines, next: Some(index) });
                }
                lines.push(line);
            }
        }
    }
    Ok(Found { lines, next })
}

async fn entry_alone<R: Read>(
    read: &mut R,
    index: EntryIndex,
) -> Result<(EntryIndex, Vec<u8>), LedgerError> {
    let found = read.entries_alone(index, index + 1).await?.into_iter().next();
    found.ok_or(LedgerError::NoEntry(index))
}

fn parse(index: EntryIndex, bytes: &[u8]) -> Result<Entry, LedgerError> {
    Entry::parse(bytes).map_err(|cause| malformed(format!("entry {index}"), cause))
}

#[cfg(test)]
mod tests;
