//! The looks themselves, over a log that is only entries: what they find, and what they cost.

use std::collections::HashMap;

use schemas::id::{Digest, Hash};
use schemas::predicate::{build, policy, test};
use verifier::entry::{Link, ThreadLine};
use verifier::merkle::leaf_hash;
use verifier::projection::Head;

use super::*;
use crate::store::{LogHead, Published, StoreError, StoredEntry, Thread, Tile};

/// A log of entries without envelopes, which counts what it is asked.
struct Log {
    head: LogHead,
    entries: Vec<Vec<u8>>,
    heads: HashMap<ThreadId, Head>,
    asked: u64,
    read: u64,
}

fn threads(of: &[&str]) -> Vec<ThreadId> {
    of.iter()
        .map(|text| {
            let (kind, id) = text.split_once(' ').unwrap();
            ThreadId::parse(kind, id).unwrap()
        })
        .collect()
}

impl Log {
    /// Entries, of each of which it is told what type it has and on which threads it is.
    fn of(size: u64, what: impl Fn(u64) -> (&'static str, Vec<ThreadId>)) -> Log {
        let (mut entries, mut heads) = (Vec::new(), HashMap::<ThreadId, Head>::new());
        let mut prev = Hash([0; 32]);
        for index in 0..size {
            let (predicate_type, mut on) = what(index);
            on.sort();
            let line = |thread: &ThreadId| {
                let before = heads.get(thread);
                ThreadLine {
                    thread: thread.clone(),
                    position: before.map_or(0, |head| head.position + 1),
                    before: before.map(|head| Link { index: head.index, leaf: head.leaf }),
                }
            };
            let entry = Entry {
                index,
                time: Time(1_700_000_000_000 + index as i64 * 10),
                prev,
                predicate_type: predicate_type.to_owned(),
                statement: Hash([1; 32]),
                envelope: Hash([2; 32]),
                envelope_bytes: 1,
                part: 1,
                parts: 1,
                threads: on.iter().map(line).collect(),
            };
            let bytes = entry.format();
            prev = leaf_hash(&bytes);
            for line in entry.threads {
                let head = Head { position: line.position, index, leaf: prev };
                heads.insert(line.thread, head);
            }
            entries.push(bytes);
        }
        let head = LogHead { size, ..LogHead::default() };
        Log { head, entries, heads, asked: 0, read: 0 }
    }
}

impl Read for Log {
    fn head(&self) -> &LogHead {
        &self.head
    }

    async fn entries_alone(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<(EntryIndex, Vec<u8>)>, StoreError> {
        let to = to.min(from + ALONE_MAX as u64).min(self.head.size);
        (self.asked, self.read) = (self.asked + 1, self.read + (to - from));
        Ok((from..to).map(|index| (index, self.entries[index as usize].clone())).collect())
    }

    async fn threads(&mut self, threads: &[ThreadId]) -> Result<Vec<Thread>, StoreError> {
        let row = |thread: &ThreadId| {
            let head = *self.heads.get(thread)?;
            Some(Thread { thread: thread.clone(), head, slice: None })
        };
        Ok(threads.iter().filter_map(row).collect())
    }

    async fn read_range(
        &mut self,
        _: EntryIndex,
        _: EntryIndex,
        _: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        unreachable!()
    }

    async fn entries(&mut self, _: &[EntryIndex]) -> Result<Vec<StoredEntry>, StoreError> {
        unreachable!()
    }

    async fn threads_page(
        &mut self,
        _: Option<&str>,
        _: Option<&ThreadId>,
        _: u32,
    ) -> Result<Vec<Thread>, StoreError> {
        unreachable!()
    }

    async fn find_artifacts(&mut self, _: &str, _: u32) -> Result<Vec<Digest>, StoreError> {
        unreachable!()
    }

    async fn tiles(&mut self, _: &[(u8, u64)]) -> Result<Vec<Tile>, StoreError> {
        unreachable!()
    }

    async fn checkpoint(&mut self) -> Result<Option<(TreeSize, String)>, StoreError> {
        unreachable!()
    }

    async fn checkpoint_at(&mut self, _: TreeSize) -> Result<Option<String>, StoreError> {
        unreachable!()
    }

    async fn checkpoints(&mut self, _: u64) -> Result<Vec<Published>, StoreError> {
        unreachable!()
    }
}

/// One page: the indexes that were found, and where to go on.
async fn page(
    log: &mut Log,
    wanted: &Wanted,
    start: Option<EntryIndex>,
    most: usize,
) -> (Vec<EntryIndex>, Option<EntryIndex>) {
    (log.asked, log.read) = (0, 0);
    let mut looks = Looks { read: &mut *log, wanted, most, cost: 0, found: Vec::new() };
    let next = match wanted.order {
        Order::NewestFirst => looks.newest_first(start).await.unwrap(),
        Order::OldestFirst => looks.oldest_first(start).await.unwrap(),
    };
    let found = looks.found.iter().map(|entry| entry.index).collect();
    // However large the log is.
    let cost = log.asked * QUESTION + log.read;
    assert!(cost < COST_MAX + 2 * ALONE_MAX as u64, "{wanted:?} {start:?}: {cost}");
    (found, next)
}

async fn all(log: &mut Log, wanted: &Wanted, most: usize) -> (Vec<EntryIndex>, usize) {
    let (mut found, mut start, mut pages) = (Vec::new(), None, 0);
    loop {
        let (some, next) = page(log, wanted, start, most).await;
        assert!(some.len() <= most);
        found.extend(some);
        pages += 1;
        match next {
            Some(_) if next == start => panic!("no progress at {next:?}"),
            Some(next) => start = Some(next),
            None => return (found, pages),
        }
    }
}

const SIZE: u64 = 30_000;
const RARE: &str =
    "artifact sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OLD: &str =
    "artifact sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// `payments` in nine of ten entries, `shop` in the others; an artifact every thousandth, another
/// one in the first hundred; a policy every 7,000.
fn log() -> Log {
    Log::of(SIZE, |index| {
        let mut on = vec![if index % 10 == 3 { "project shop" } else { "project payments" }];
        if index % 1000 == 500 {
            on.push(RARE);
        }
        if index < 100 {
            on.push(OLD);
        }
        if index % 400 == 7 {
            on.push("environment payments/prod");
        }
        let kind = match index {
            _ if index % 7000 == 0 => {
                on.push("control ledger");
                policy::TYPE
            }
            _ if index % 3 == 0 => build::TYPE,
            _ => test::TYPE,
        };
        (kind, threads(&on))
    })
}

#[tokio::test]
async fn every_page_together_is_what_a_naive_search_finds() {
    let mut log = log();
    let entries: Vec<Entry> = log.entries.iter().map(|it| Entry::parse(it).unwrap()).collect();
    let kinds = [None, Some(EventKind::Build), Some(EventKind::Policy), Some(EventKind::Export)];
    let some: [&[&str]; 7] = [
        &[],
        &["project payments"],
        &["project shop"],
        &[RARE],
        &[OLD],
        &["environment payments/prod", "project payments"],
        &["project payments", RARE],
    ];
    let mut compared = 0;
    for on in some {
        for kind in kinds {
            for (from, to) in [(0, SIZE), (50, 29_500), (12_345, 12_400), (700, 700), (0, 90)] {
                for order in [Order::NewestFirst, Order::OldestFirst] {
                    let threads = threads(on);
                    let wanted = Wanted { threads, kind, signer: None, from, to, order };
                    let fits =
                        |entry: &&Entry| (from..to).contains(&entry.index) && wanted.may_fit(entry);
                    let mut expected: Vec<EntryIndex> =
                        entries.iter().filter(fits).map(|entry| entry.index).collect();
                    if order == Order::NewestFirst {
                        expected.reverse();
                    }
                    let (found, _) = all(&mut log, &wanted, 700).await;
                    assert_eq!(found, expected, "{wanted:?}");
                    compared += found.len();
                }
            }
        }
    }
    assert!(compared > 100_000, "{compared}");
}

/// A thread that is named is found at once, wherever it is; what nothing narrows down takes pages.
#[tokio::test]
async fn a_named_thread_is_not_searched_for() {
    let mut log = log();
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut pages_of = async |on: &[&str], kind, to| {
            let threads = threads(on);
            let wanted = Wanted { threads, kind, signer: None, from: 0, to, order };
            all(&mut log, &wanted, 1000).await.1
        };
        assert_eq!(pages_of(&[RARE], None, SIZE).await, 1);
        assert_eq!(pages_of(&[OLD, "project payments"], None, SIZE).await, 1);
        assert_eq!(pages_of(&[RARE], None, 20_000).await, 1);
        assert_eq!(pages_of(&["environment payments/prod"], None, SIZE).await, 1);
        assert_eq!(pages_of(&[], Some(EventKind::Policy), SIZE).await, 1);
        assert_eq!(pages_of(&[RARE], Some(EventKind::Deployment), SIZE).await, 1);
        assert_eq!(pages_of(&["project nobody"], None, SIZE).await, 1);
        let pages = pages_of(&[], Some(EventKind::Deployment), SIZE).await;
        assert!((7..10).contains(&pages), "{pages}");
    }
}

#[tokio::test]
async fn times_are_found_by_halving() {
    let mut log = log();
    let time = |index: i64| Time(1_700_000_000_000 + index * 10);
    for (at, expected) in [
        (time(0), 0),
        (Time(0), 0),
        (time(1), 1),
        (Time(time(7).0 + 1), 8),
        (time(29_999), 29_999),
        (time(40_000), SIZE),
    ] {
        log.asked = 0;
        assert_eq!(first_at(&mut log, at, SIZE).await.unwrap(), expected);
        assert!(log.asked <= 16, "{}", log.asked);
    }
}
