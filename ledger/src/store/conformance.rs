//! What every store must do, whatever its database.
//!
//! `run` is called with a way to make fresh, empty stores. It covers what callers rely on and a
//! database could get wrong: order, visibility, the lock, and what is refused.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

use schemas::id::{Digest, EntryIndex, Hash, Project, Time};
use schemas::thread::ThreadId;

use super::{Append, Batch, Head, LogHead, Logged, Read, Store, StoreError, StoredEntry};
use super::{Thread, Tile};

/// Runs the whole suite, each part on a store of its own.
pub async fn run<S: Store>(make: impl AsyncFn() -> S) {
    empty_store(&make().await).await;
    ranges(&make().await).await;
    entries_by_index(&make().await).await;
    log_head(&make().await).await;
    threads(&make().await).await;
    pages_in_byte_order(&make().await).await;
    artifacts_by_prefix(&make().await).await;
    statements(&make().await).await;
    tiles(&make().await).await;
    many_keys_at_once(&make().await).await;
    nothing_before_commit_everything_after(&make().await).await;
    rollback_on_drop(&make().await).await;
    second_writer_waits(&make().await).await;
    refused_batches(&make().await).await;
    several_writes_in_one_append(&make().await).await;
    checkpoints(&make().await).await;
    checkpoint_race(&make().await).await;
    erasure(&make().await).await;
}

fn hash(seed: u64) -> Hash {
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[24..].copy_from_slice(&seed.to_be_bytes());
    Hash(bytes)
}

fn entry(index: EntryIndex) -> StoredEntry {
    StoredEntry {
        index,
        entry: format!("entry {index:04}").into_bytes(),
        envelope: (index % 3 != 2).then(|| format!("envelope {index:04}").into_bytes()),
    }
}

fn head_at(size: u64) -> LogHead {
    LogHead {
        size,
        leaf: hash(size),
        time: (size > 0).then_some(Time(1000 * size as i64)),
        peaks: (0..u64::from(size.count_ones())).map(hash).collect(),
    }
}

/// A batch of plain entries `from..to`.
fn batch(from: u64, to: u64) -> Batch {
    Batch {
        entries: (from..to).map(entry).collect(),
        head: head_at(to),
        ..Batch::default()
    }
}

async fn append<S: Store>(store: &S, batch: &Batch) {
    let mut append = store.lock().await.unwrap();
    append.write(batch).await.unwrap();
    append.commit().await.unwrap();
}

fn thread(kind: &str, id: &str, index: u64) -> Thread {
    Thread {
        thread: ThreadId::parse(kind, id).unwrap(),
        head: Head {
            position: index / 2,
            index,
            leaf: hash(index),
        },
        slice: (kind != "project").then(|| format!("{{\"id\":\"{id}\"}}").into_bytes()),
    }
}

fn artifact(hex: &str) -> Thread {
    thread("artifact", &format!("sha256:{hex:0<64}"), 0)
}

fn project(name: &str) -> Option<Project> {
    Some(name.parse().unwrap())
}

/// Polls a future once, and expects that it has to wait.
async fn assert_waits<F: Future>(future: &mut Pin<&mut F>) {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending => Poll::Ready(()),
        Poll::Ready(_) => panic!("did not wait"),
    })
    .await;
}

async fn empty_store<S: Store>(store: &S) {
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.head(), &LogHead::default());
    assert_eq!(view.read_range(0, u64::MAX, u64::MAX).await.unwrap(), []);
    assert_eq!(view.entries(&[]).await.unwrap(), []);
    assert_eq!(view.entries(&[0, u64::MAX]).await.unwrap(), []);
    assert_eq!(view.threads(&[]).await.unwrap(), []);
    assert_eq!(view.threads(&[ThreadId::Control]).await.unwrap(), []);
    assert_eq!(view.threads_page(None, None, 10).await.unwrap(), []);
    assert_eq!(view.find_artifacts("00000000", 10).await.unwrap(), []);
    assert_eq!(view.statements(&[(hash(1), None)]).await.unwrap(), []);
    assert_eq!(view.tiles(&[(0, 0)]).await.unwrap(), []);
    assert_eq!(view.checkpoint().await.unwrap(), None);
    assert_eq!(view.checkpoint_at(0).await.unwrap(), None);
    drop(view);
    assert_eq!(store.lock().await.unwrap().head(), &LogHead::default());
    assert_eq!(store.erase_envelopes(&[0]).await.unwrap(), 0);
}

async fn ranges<S: Store>(store: &S) {
    append(store, &batch(0, 10)).await;
    let mut view = store.snapshot().await.unwrap();
    // Each entry has 10 bytes, and 13 more of envelope but for every third.
    let cases = [
        (0, 10, u64::MAX, 0..10),
        (0, u64::MAX, u64::MAX, 0..10),
        (3, 5, u64::MAX, 3..5),
        (9, 100, u64::MAX, 9..10),
        (10, 11, u64::MAX, 0..0),
        (5, 5, u64::MAX, 0..0),
        (5, 4, u64::MAX, 0..0),
        (u64::MAX, u64::MAX, u64::MAX, 0..0),
        (0, 10, 0, 0..1),
        (0, 10, 45, 0..1),
        (0, 10, 46, 0..2),
        (0, 10, 56, 0..3),
        (2, 10, 32, 2..3),
        (2, 10, 33, 2..4),
    ];
    for (from, to, bytes_max, expected) in cases {
        let found = view.read_range(from, to, bytes_max).await.unwrap();
        let expected: Vec<StoredEntry> = expected.map(entry).collect();
        assert_eq!(found, expected, "{from}..{to} in {bytes_max} bytes");
    }
}

async fn entries_by_index<S: Store>(store: &S) {
    append(store, &batch(0, 5)).await;
    let mut found = store
        .snapshot()
        .await
        .unwrap()
        .entries(&[4, 1, 7, 2])
        .await
        .unwrap();
    found.sort_by_key(|entry| entry.index);
    assert_eq!(found, [entry(1), entry(2), entry(4)]);
}

async fn log_head<S: Store>(store: &S) {
    for size in [1, 2, 7] {
        let from = store.snapshot().await.unwrap().head().size;
        append(store, &batch(from, size)).await;
        assert_eq!(store.snapshot().await.unwrap().head(), &head_at(size));
        assert_eq!(store.lock().await.unwrap().head(), &head_at(size));
    }
}

async fn threads<S: Store>(store: &S) {
    let (first, control) = (artifact("ab"), thread("control", "ledger", 1));
    let payments = thread("project", "payments", 1);
    let threads = vec![first.clone(), control.clone(), payments.clone()];
    append(
        store,
        &Batch {
            threads,
            ..batch(0, 2)
        },
    )
    .await;

    // Replaced, twice in one batch: the last one counts.
    let later = |index, slice: &[u8]| Thread {
        head: Head {
            position: 1,
            index,
            leaf: hash(index),
        },
        slice: Some(slice.to_vec()),
        ..first.clone()
    };
    let threads = vec![later(2, b"{}"), payments.clone(), later(3, b"[]")];
    append(
        store,
        &Batch {
            threads,
            ..batch(2, 4)
        },
    )
    .await;

    let asked = [&first, &control, &payments, &artifact("cd")].map(|it| it.thread.clone());
    let mut found = store
        .snapshot()
        .await
        .unwrap()
        .threads(&asked)
        .await
        .unwrap();
    found.sort_by(|a, b| a.thread.cmp(&b.thread));
    assert_eq!(found, [later(3, b"[]"), control, payments]);
}

async fn pages_in_byte_order<S: Store>(store: &S) {
    let commit = "1".repeat(40);
    let sorted = [
        thread("artifact", &format!("gitCommit:{commit}"), 0),
        artifact("00"),
        artifact("ff"),
        thread("control", "ledger", 0),
        thread("environment", "a-b/c", 0),
        thread("environment", "a.b/c", 0),
        thread("environment", "a/b", 0),
        thread("environment", "a_b/c", 0),
        thread("environment", "aa/b", 0),
        thread("project", "a", 0),
        thread("project", "a-b", 0),
        thread("project", "a_b", 0),
        thread("project", "b", 0),
    ];
    let mut threads = sorted.to_vec();
    threads.reverse();
    append(
        store,
        &Batch {
            threads,
            ..batch(0, 1)
        },
    )
    .await;

    let mut view = store.snapshot().await.unwrap();
    for limit in [1, 2, 5, 13, 100] {
        let mut all: Vec<Thread> = Vec::new();
        loop {
            let after = all.last().map(|last| last.thread.clone());
            let page = view
                .threads_page(None, after.as_ref(), limit)
                .await
                .unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        assert_eq!(all, sorted, "in pages of {limit}");
    }
    let cases = [
        (Some("environment"), None, 4..9),
        (Some("environment"), Some(&sorted[5]), 6..9),
        (Some("environment"), Some(&sorted[8]), 0..0),
        (Some("environment"), Some(&sorted[0]), 4..9),
        (Some("artifact"), Some(&sorted[9]), 0..0),
        (Some("control"), None, 3..4),
        (Some("nothing"), None, 0..0),
        (None, Some(&sorted[12]), 0..0),
        (None, Some(&thread("environment", "a/a", 0)), 6..13),
    ];
    for (kind, after, expected) in cases {
        let page = view
            .threads_page(kind, after.map(|it| &it.thread), 100)
            .await
            .unwrap();
        assert_eq!(page, sorted[expected], "{kind:?} after {after:?}");
    }
    assert_eq!(view.threads_page(None, None, 0).await.unwrap(), []);
}

async fn artifacts_by_prefix<S: Store>(store: &S) {
    let digest = |name: &str, head: &str, digits: usize| {
        format!("{name}:{head:f<digits$}")
            .parse::<Digest>()
            .unwrap()
    };
    let sorted = [
        digest("gitCommit", "0123456789", 40),
        digest("sha256", "0123456700", 64),
        digest("sha256", "0123456789", 64),
        digest("sha384", "0123456789", 96),
        digest("sha512", "0123456789", 128),
        digest("sha512", "0123456800", 128),
    ];
    let of = |digest: &Digest| thread("artifact", digest.as_str(), 0);
    let threads = sorted.iter().rev().map(of).collect();
    append(
        store,
        &Batch {
            threads,
            ..batch(0, 1)
        },
    )
    .await;

    let mut view = store.snapshot().await.unwrap();
    let whole = sorted[2].hex().to_owned();
    let cases: [(&str, u32, &[Digest]); 9] = [
        ("01234567", 10, &sorted[..5]),
        ("01234567", 2, &sorted[..2]),
        ("012345678", 10, &[&sorted[..1], &sorted[2..5]].concat()),
        ("01234568", 10, &sorted[5..]),
        ("0123456", 10, &[]),
        ("89012345", 10, &[]),
        ("0123456%", 10, &[]),
        ("0123456_", 10, &[]),
        (&whole, 10, &[]),
    ];
    for (prefix, limit, expected) in cases {
        let found = view.find_artifacts(prefix, limit).await;
        match (found, prefix.len()) {
            (Err(StoreError::ShortPrefix { digits: 7 }), 7) => {}
            // A whole digest is a prefix of the longer ones that begin with it.
            (Ok(found), 64) => assert_eq!(found, sorted[2..5], "{prefix}"),
            (found, _) => assert_eq!(found.unwrap(), expected, "{prefix}"),
        }
    }
}

async fn statements<S: Store>(store: &S) {
    let logged = |seed, project, index, signers: &[u64]| Logged {
        statement: hash(seed),
        project,
        index,
        parts: 1 + seed as u16,
        signers: signers.iter().copied().map(hash).collect(),
    };
    let first = [
        logged(1, None, 0, &[10]),
        logged(1, project("payments"), 1, &[10, 11]),
        logged(2, project("payments"), 2, &[]),
    ];
    append(
        store,
        &Batch {
            statements: first.to_vec(),
            ..batch(0, 3)
        },
    )
    .await;
    // A repeat brings a signer; where the statement is first logged stays.
    let repeat = Logged {
        parts: 9,
        ..logged(1, project("payments"), 3, &[10, 11, 12])
    };
    append(
        store,
        &Batch {
            statements: vec![repeat],
            ..batch(3, 4)
        },
    )
    .await;

    let asked = [
        (hash(1), None),
        (hash(1), project("payments")),
        (hash(2), project("payments")),
        (hash(2), None),
        (hash(3), project("payments")),
    ];
    let mut found = store
        .snapshot()
        .await
        .unwrap()
        .statements(&asked)
        .await
        .unwrap();
    found.sort_by_key(|it| it.index);
    let [one, _, three] = first;
    assert_eq!(
        found,
        [one, logged(1, project("payments"), 1, &[10, 11, 12]), three]
    );
}

async fn tiles<S: Store>(store: &S) {
    let tile = |level, number, count: usize| Tile {
        level,
        number,
        hashes: [level, number as u8].repeat(16 * count),
    };
    let first = vec![tile(0, 0, 256), tile(0, 1, 1), tile(1, 0, 1)];
    append(
        store,
        &Batch {
            tiles: first,
            ..batch(0, 257)
        },
    )
    .await;
    append(
        store,
        &Batch {
            tiles: vec![tile(0, 1, 3)],
            ..batch(257, 259)
        },
    )
    .await;
    let mut view = store.snapshot().await.unwrap();
    let mut found = view
        .tiles(&[(1, 0), (0, 1), (0, 0), (1, 1), (63, 0)])
        .await
        .unwrap();
    found.sort_by_key(|tile| (tile.level, tile.number));
    assert_eq!(found, [tile(0, 0, 256), tile(0, 1, 3), tile(1, 0, 1)]);
}

/// More keys than any one statement takes.
async fn many_keys_at_once<S: Store>(store: &S) {
    let count = 5003;
    let threads: Vec<Thread> = (0..count)
        .map(|seed| artifact(&hash(seed).to_string()))
        .collect();
    let asked: Vec<ThreadId> = threads.iter().map(|it| it.thread.clone()).collect();
    append(
        store,
        &Batch {
            threads,
            ..batch(0, count)
        },
    )
    .await;
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.threads(&asked).await.unwrap().len(), asked.len());
    let indexes: Vec<EntryIndex> = (0..count).rev().collect();
    assert_eq!(view.entries(&indexes).await.unwrap().len(), indexes.len());
    let range = view.read_range(0, count, u64::MAX).await.unwrap();
    assert_eq!(range.len(), super::RANGE_ENTRIES_MAX);
}

fn full_batch() -> Batch {
    let signed = Logged {
        statement: hash(1),
        project: None,
        index: 0,
        parts: 1,
        signers: vec![hash(2)],
    };
    Batch {
        threads: vec![artifact("ab")],
        statements: vec![signed],
        tiles: vec![Tile {
            level: 0,
            number: 0,
            hashes: vec![1; 64],
        }],
        ..batch(0, 2)
    }
}

async fn assert_holds(view: &mut impl Read, batch: &Batch) {
    assert_eq!(view.head(), &batch.head);
    assert_eq!(
        view.read_range(0, 9, u64::MAX).await.unwrap(),
        batch.entries
    );
    assert_eq!(
        view.threads_page(None, None, 9).await.unwrap(),
        batch.threads
    );
    assert_eq!(
        view.threads(&[artifact("ab").thread]).await.unwrap(),
        batch.threads
    );
    assert_eq!(
        view.statements(&[(hash(1), None)]).await.unwrap(),
        batch.statements
    );
    assert_eq!(view.tiles(&[(0, 0)]).await.unwrap(), batch.tiles);
}

async fn nothing_before_commit_everything_after<S: Store>(store: &S) {
    let (nothing, everything) = (Batch::default(), full_batch());
    let mut before = store.snapshot().await.unwrap();
    let mut append = store.lock().await.unwrap();
    append.write(&everything).await.unwrap();
    assert_holds(&mut append, &everything).await;
    assert_holds(&mut before, &nothing).await;
    assert_holds(&mut store.snapshot().await.unwrap(), &nothing).await;
    append.commit().await.unwrap();
    // The old view is still the old view.
    assert_holds(&mut before, &nothing).await;
    assert_holds(&mut store.snapshot().await.unwrap(), &everything).await;
    assert_holds(&mut store.lock().await.unwrap(), &everything).await;
}

async fn rollback_on_drop<S: Store>(store: &S) {
    let mut append = store.lock().await.unwrap();
    append.write(&full_batch()).await.unwrap();
    drop(append);
    assert_holds(&mut store.lock().await.unwrap(), &Batch::default()).await;
    assert_holds(&mut store.snapshot().await.unwrap(), &Batch::default()).await;
}

async fn second_writer_waits<S: Store>(store: &S) {
    let mut first = store.lock().await.unwrap();
    let mut second = pin!(store.lock());
    assert_waits(&mut second).await;
    first.write(&batch(0, 3)).await.unwrap();
    assert_waits(&mut second).await;
    first.commit().await.unwrap();
    let mut second = second.await.unwrap();
    assert_eq!(second.head(), &head_at(3));
    second.write(&batch(3, 4)).await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(store.snapshot().await.unwrap().head(), &head_at(4));
}

async fn refused_batches<S: Store>(store: &S) {
    append(store, &batch(0, 3)).await;
    let gap = Batch {
        entries: vec![entry(3), entry(5)],
        head: head_at(5),
        ..Batch::default()
    };
    let beyond = Batch {
        threads: vec![thread("project", "a", 4)],
        ..batch(3, 4)
    };
    let tile = Tile {
        level: 0,
        number: 4,
        hashes: vec![0; 32],
    };
    let cases: [(&str, Batch); 8] = [
        ("an index that is there", batch(2, 4)),
        ("from the beginning", batch(0, 1)),
        ("after a gap", batch(4, 5)),
        ("a gap inside", gap),
        (
            "a head ahead of its entries",
            Batch {
                head: head_at(5),
                ..batch(3, 4)
            },
        ),
        (
            "a head that goes back",
            Batch {
                head: head_at(2),
                ..Batch::default()
            },
        ),
        ("a thread ahead of the log", beyond),
        (
            "a tile ahead of the log",
            Batch {
                tiles: vec![tile],
                ..batch(3, 4)
            },
        ),
    ];
    for (name, batch) in &cases {
        let mut append = store.lock().await.unwrap();
        let error = append.write(batch).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Gap { .. } | StoreError::WrongSize { .. } | StoreError::Beyond { .. }
            ),
            "{name}: {error}"
        );
        // Nothing that was written before it in the same append can be committed either.
        assert!(
            matches!(append.entries(&[0]).await, Err(StoreError::Broken)),
            "{name}"
        );
        assert!(
            matches!(append.commit().await, Err(StoreError::Broken)),
            "{name}"
        );
    }
    assert_eq!(store.lock().await.unwrap().head(), &head_at(3));
    assert_eq!(
        store
            .snapshot()
            .await
            .unwrap()
            .entries(&[2, 3, 4, 5])
            .await
            .unwrap(),
        [entry(2)]
    );
}

async fn several_writes_in_one_append<S: Store>(store: &S) {
    let mut append = store.lock().await.unwrap();
    append.write(&batch(0, 2)).await.unwrap();
    assert_eq!(append.head(), &head_at(2));
    append.write(&batch(2, 5)).await.unwrap();
    // Rows without entries: a projection that is folded again.
    let threads = vec![artifact("ab")];
    append
        .write(&Batch {
            threads,
            head: head_at(5),
            ..Batch::default()
        })
        .await
        .unwrap();
    append.commit().await.unwrap();
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.head(), &head_at(5));
    assert_eq!(
        view.read_range(0, 9, u64::MAX).await.unwrap(),
        batch(0, 5).entries
    );
    assert_eq!(
        view.threads_page(None, None, 9).await.unwrap(),
        [artifact("ab")]
    );
}

async fn checkpoints<S: Store>(store: &S) {
    append(store, &batch(0, 5)).await;
    // Expected size, new size, note, whether it is published.
    let cases = [
        (Some(0), 2, "nothing published yet", false),
        (None, 2, "two", true),
        (None, 3, "not the first", false),
        (Some(1), 3, "somebody was faster", false),
        (Some(2), 4, "four", true),
        (Some(2), 5, "from an old one", false),
        (Some(4), 4, "four, cosigned", true),
        (Some(4), 5, "five", true),
    ];
    let mut published = None;
    for (expected, size, note, swaps) in cases {
        assert_eq!(
            store.swap_checkpoint(expected, size, note).await.unwrap(),
            swaps,
            "{note}"
        );
        if swaps {
            published = Some((size, note.to_owned()));
        }
        let mut view = store.snapshot().await.unwrap();
        assert_eq!(view.checkpoint().await.unwrap(), published, "{note}");
    }
    let back = store.swap_checkpoint(Some(5), 4, "back").await;
    assert!(matches!(
        back,
        Err(StoreError::Backwards {
            published: 5,
            size: 4
        })
    ));
    let ahead = store.swap_checkpoint(Some(5), 6, "ahead").await;
    assert!(matches!(ahead, Err(StoreError::Ahead { size: 6, log: 5 })));

    let mut view = store.snapshot().await.unwrap();
    let kept = [
        (2, Some("two")),
        (3, None),
        (4, Some("four, cosigned")),
        (5, Some("five")),
    ];
    for (size, note) in kept {
        assert_eq!(view.checkpoint_at(size).await.unwrap().as_deref(), note);
    }
}

async fn checkpoint_race<S: Store>(store: &S) {
    append(store, &batch(0, 9)).await;
    assert!(store.swap_checkpoint(None, 1, "first").await.unwrap());
    let swap = |size, note| store.swap_checkpoint(Some(1), size, note);
    let (a, b, c) = tokio::join!(swap(7, "seven"), swap(8, "eight"), swap(9, "nine"));
    let won = [(7, a.unwrap()), (8, b.unwrap()), (9, c.unwrap())];
    let winners: Vec<u64> = won
        .iter()
        .filter(|(_, won)| *won)
        .map(|(size, _)| *size)
        .collect();
    assert_eq!(winners.len(), 1, "{won:?}");
    let published = store.snapshot().await.unwrap().checkpoint().await.unwrap();
    assert_eq!(published.map(|(size, _)| size), Some(winners[0]));
}

async fn erasure<S: Store>(store: &S) {
    append(store, &batch(0, 5)).await;
    // Entry 2 has no envelope, entry 7 is not there.
    assert_eq!(store.erase_envelopes(&[0, 2, 3, 7]).await.unwrap(), 2);
    assert_eq!(store.erase_envelopes(&[0, 2, 3, 7]).await.unwrap(), 0);
    let erased = |index| StoredEntry {
        envelope: None,
        ..entry(index)
    };
    let expected = [erased(0), entry(1), entry(2), erased(3), entry(4)];
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.read_range(0, 9, u64::MAX).await.unwrap(), expected);
}
